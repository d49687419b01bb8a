"""Layers without arithmetic: InputLayer, Flatten, Reshape, Permute, RepeatVector, Identity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_integer
from ..core.graph import Node
from .axes import transposed
from .base import Layer, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, Config, DType, Shape


@register("Input")
class InputLayer(Layer):
    """States the shape of one row of input, so that a model can be built before it sees data.

    Args:
        shape: shape of one row, e.g. (784,); `input_shape` is the older name.
        batch_size: shown in the shapes, as in Keras; batches may have any number of rows.
        batch_shape: batch size and shape in one.
        dtype: of the data; an integer type is remembered, the arithmetic is in floats.
        sparse: accepted as in Keras; any input may be given SciPy's sparse matrices.
        ragged, optional: False alone.
    """

    batch_size: int | None
    shape: Shape | None

    config_keys: tuple[str, ...] = ()

    def __init__(self, shape: Shape | None = None, batch_size: int | None = None,
                 dtype: DType | None = None, batch_shape: Shape | None = None,
                 input_shape: Shape | None = None, sparse: bool = False, ragged: bool = False,
                 optional: bool = False, **options: Any) -> None:  # fmt: skip
        if ragged or optional:
            raise ValueError("Input: expected rows of one length, and an array for every input: "
                             f"received ragged={ragged}, optional={optional}")  # fmt: skip
        shape = input_shape if shape is None else shape
        if batch_shape is not None:
            if shape is not None or batch_size is not None:
                raise ValueError("Input: give shape and batch_size, or batch_shape, not both")
            batch_size, *shape = batch_shape
        if shape is None:
            raise ValueError("Input needs a shape, e.g. Input((784,))")
        self.input_dtype: Any = None
        if dtype is not None and np.dtype(dtype).kind in "iub":
            self.input_dtype, dtype = np.dtype(dtype).name, None
        super().__init__(input_shape=shape, dtype=dtype, **options)
        self.shape, self.batch_size = self.declared_input_shape, batch_size
        self.build_once((None, *self.shape))
        if batch_size is not None:
            check_integer("Input: batch_size", batch_size)
        Node(self, [], False, (batch_size, *self.shape))

    def forward(self, x: Any, training: bool = False) -> Any:
        return x

    def backward(self, dy: Array) -> Any:
        return dy

    def get_config(self) -> Config:
        config = super().get_config()
        del config["trainable"]
        dtype = self.input_dtype or self.dtype
        return {**config, "batch_shape": (self.batch_size, *self.shape), "dtype": dtype}


def Input(shape: Shape | None = None, batch_size: int | None = None, dtype: DType | None = None,
          batch_shape: Shape | None = None, name: str | None = None,
          **options: Any) -> Any:  # fmt: skip
    """Where a model begins: the symbolic output of a new InputLayer, whose arguments it takes.

    `Sequential([Input((784,)), Dense(10)])`, or `x = Input((784,)); Model(x, Dense(10)(x))`.
    """
    return InputLayer(shape, batch_size, dtype, batch_shape, name=name, **options).output


@register()
class Flatten(Layer):
    """(N, A, B, ...) -> (N, A B ...), row by row; (N,) -> (N, 1). It has no parameters.

    Args:
        data_format: "channels_last" (also None), or "channels_first": inputs are (N, D, A, ...),
            and the output is what it would be for (N, A, ..., D).
    """

    saved: Any

    preserves_values = True

    def __init__(self, data_format: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.set_data_format(data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if None in input_shape[1:]:
            return (input_shape[0], None)
        return (input_shape[0], math.prod(input_shape[1:]))

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved = x.shape
        if self.features_first and x.ndim > 2:
            x = transposed(self, x, (0, *range(2, x.ndim), 1))
        return x.reshape(len(x), math.prod(x.shape[1:]))  # (N, D)

    def backward(self, dy: Array) -> Any:
        shape = self.recall()
        if self.features_first and len(shape) > 2:
            N, D, *rest = shape
            order = (0, len(shape) - 1, *range(1, len(shape) - 1))
            return transposed(self, dy.reshape(N, *rest, D), order)
        return dy.reshape(shape)  # (N, A, B, ...)


@register()
class Reshape(Layer):
    """(N, ...) -> (N, *target_shape), row by row. It has no parameters.

    Args:
        target_shape: shape of a row; one entry may be -1: what is left.
    """

    saved: Any

    preserves_values = True

    def __init__(self, target_shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        shape = tuple(target_shape)
        ok = all(isinstance(n, (int, np.integer)) and (n >= 1 or n == -1) for n in shape)
        if not ok or shape.count(-1) > 1:
            raise self.invalid(
                f"target_shape must hold ints >= 1 and at most one -1, received {target_shape!r}"
            )
        self.target_shape: tuple[int, ...] = tuple(int(n) for n in shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        N, *row = input_shape
        if None in row:
            return (N, *(None if n == -1 else n for n in self.target_shape))
        have, fixed = math.prod(row), math.prod(n for n in self.target_shape if n != -1)
        if (have % fixed if -1 in self.target_shape else have != fixed) != 0:
            raise self.invalid(
                f"rows of shape {tuple(row)} hold {have} numbers, which do "
                f"not fill target_shape={self.target_shape}"
            )
        return (N, *(have // fixed if n == -1 else n for n in self.target_shape))

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved = x.shape
        return x.reshape(self.compute_output_shape(x.shape))

    def backward(self, dy: Array) -> Any:
        return dy.reshape(self.recall())


@register()
class Permute(Layer):
    """The axes of a row in another order: Permute((2, 1)): (N, A, B) -> (N, B, A).

    Args:
        dims: the order, counted from 1.
    """

    preserves_values = True

    def __init__(self, dims: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.dims: Shape = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise self.invalid(
                f"dims must hold each of 1, ..., {len(self.dims)} once, received {dims!r}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != len(self.dims) + 1:
            raise self.invalid(
                f"dims={self.dims} needs input of {len(self.dims) + 1} axes, "
                f"received shape {tuple(input_shape)}"
            )
        return (input_shape[0], *(input_shape[d] for d in self.dims))

    def forward(self, x: Any, training: bool = False) -> Any:
        return transposed(self, x, (0, *self.dims))

    def backward(self, dy: Array) -> Any:
        if not self.needs_dx:
            return None
        order = (0, *(self.dims.index(d) + 1 for d in range(1, len(self.dims) + 1)))
        return transposed(self, dy, order)  # the inverse order


@register()
class RepeatVector(Layer):
    """Each row n times: (N, D) -> (N, n, D); dx is the sum over the copies.

    Args:
        n: how often.
    """

    preserves_values = True

    def __init__(self, n: int, **options: Any) -> None:
        super().__init__(**options)
        self.n: int = check_integer(f"layer {self.name!r}: n", n, kind="an int")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise self.invalid(f"expected input (N, D), received shape {tuple(input_shape)}")
        return (input_shape[0], self.n, input_shape[1])

    def forward(self, x: Any, training: bool = False) -> Any:
        return self.result_of(self.ops.repeat, x, shape=self.compute_output_shape(x.shape))

    def backward(self, dy: Array) -> Any:
        if not self.needs_dx:
            return None
        return self.result_of(self.ops.sum_steps, dy, shape=(len(dy), dy.shape[2]))


@register()
class Identity(Layer):
    """y = x."""

    preserves_values = True

    def forward(self, x: Any, training: bool = False) -> Any:
        return x

    def backward(self, dy: Array) -> Any:
        return dy
