"""Layers without arithmetic: InputLayer and Flatten."""

import math

from ..graph import Node
from .base import Layer, register


@register("Input")
class InputLayer(Layer):
    """States the shape of one row of input, so that a model can be built before it sees data.

    Args:
        shape: shape of one row, e.g. (784,); `input_shape` is the older name.
        batch_size: accepted as in Keras; it binds nothing.
    """

    config_keys = ("shape", "batch_size")

    def __init__(self, shape=None, batch_size=None, input_shape=None, **options):
        shape = input_shape if shape is None else shape
        if shape is None:
            raise ValueError("Input needs a shape, e.g. Input((784,))")
        super().__init__(input_shape=shape, **options)
        self.shape, self.batch_size = self.declared_input_shape, batch_size
        self.build_once((None, *self.shape))
        Node(self, [], False, (None, *self.shape))

    def forward(self, x, training=False):
        return x

    def backward(self, dy):
        return dy


def Input(shape=None, batch_size=None, dtype=None, name=None):
    """Where a model begins: the symbolic output of a new InputLayer.

    `Sequential([Input((784,)), Dense(10)])`, or `x = Input((784,)); Model(x, Dense(10)(x))`.
    """
    return InputLayer(shape, batch_size, dtype=dtype, name=name).output


@register()
class Flatten(Layer):
    """(N, A, B, ...) -> (N, A B ...), row by row; (N,) -> (N, 1). It has no parameters."""

    def compute_output_shape(self, input_shape):
        if None in input_shape[1:]:
            return (input_shape[0], None)
        return (input_shape[0], math.prod(input_shape[1:]))

    def forward(self, x, training=False):
        self.saved = x.shape
        return x.reshape(len(x), math.prod(x.shape[1:]))  # (N, D)

    def backward(self, dy):
        return dy.reshape(self.recall())  # (N, A, B, ...)
