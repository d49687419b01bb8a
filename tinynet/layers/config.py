"""Layers written as for Keras, with `call`: their arguments and their output shape."""

import functools
import inspect

import numpy as np

from ..core.held import held_layers


@functools.cache
def takes_training(function):
    """Whether a class's `call` or `forward` has an argument `training`."""
    parameters = inspect.signature(function).parameters
    return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def with_training(forward):
    """Return a class's `forward`, with an argument `training` where it has none."""
    if takes_training(forward):
        return forward

    @functools.wraps(forward)
    def with_argument(self, x, training=False):
        return forward(self, x)

    return with_argument


def own_shape(layer, input_shape):
    """Return the output shape of a layer that does not define `compute_output_shape`.

    A layer with `forward` keeps the shape, unless it holds layers. Others, once they are built, are
    called on two rows of zeros, since Keras, too, finds the shape so. Axes of any length are tried
    with two lengths: where the output differs it has any length, too.
    """
    if layer.graphs is not None:
        return layer.graphs[False].output_shape
    if not layer.built or not (hasattr(layer, "call") or held_layers(layer)):
        return tuple(input_shape)
    first, second = (_tried(layer, input_shape, length) for length in (2, 3))
    return (None, *(a if a == b else None for a, b in zip(first, second, strict=True)))


def _tried(layer, input_shape, length):
    """The shape of an output row, where `length` is put for axes of any length."""
    many = isinstance(input_shape, list)
    x = [np.zeros((2, *(length if size is None else size for size in shape[1:])), layer.dtype)
         for shape in (input_shape if many else [input_shape])]  # fmt: skip
    saved = layer.saved
    try:
        y = layer.forward_pass(x if many else x[0], training=False)
    finally:
        layer.saved = saved
    if np.ndim(y) == 0 or len(y) != 2:
        raise layer.invalid(
            f"expected one row of output for each of 2 rows, received shape {np.shape(y)}"
        )
    return np.shape(y)[1:]
