"""Layers that take several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate.

Each is called with a list, `Add()([a, b])`; `backward` returns a list, one gradient per input.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from ..configs.checks import is_integer
from .base import Layer, register

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike, Function, Shape


class Merge(Layer):
    """Base: a list of at least `least` inputs, all of one shape."""

    least: int
    most: Any

    least, most = 2, None

    def check_number_of_inputs(self, shape: Shape) -> None:
        count = len(shape) if isinstance(shape, list) else 1
        if not isinstance(shape, list) or count < self.least or count > (self.most or count):
            wanted = f"{self.least}" if self.most else f"{self.least} or more"
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}) takes a list of {wanted} inputs, "
                f"received {f'a list of {count}' if isinstance(shape, list) else 'one'}"
            )

    def as_input(self, x: ArrayLike) -> list[Any]:
        arrays = list(x) if isinstance(x, (list, tuple)) else None
        self.check_number_of_inputs(arrays)
        return [Layer.as_input(self, a) for a in arrays]

    def accepts(self, shape: Shape) -> bool:
        return len(shape) == len(self.input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_number_of_inputs(input_shape)
        if len(set(map(tuple, input_shape))) > 1:
            raise ValueError(f"layer {self.name!r} ({type(self).__name__}) takes inputs of one "
                             f"shape, received {', '.join(map(str, input_shape))}")  # fmt: skip
        return tuple(input_shape[0])

    def unmasked(self, x: ArrayLike) -> Any:
        """The inputs, none of which may hold padding."""
        if any(self.context.masks.of(a) is not None for a in x):
            raise NotImplementedError(f"layer {self.name!r} ({type(self).__name__}) can't merge "
                                      "inputs with padding "
                                      "(mask_zero); pool or flatten them first")  # fmt: skip
        return x

    def _folded(self, operation, arrays):
        """operation(operation(x0, x1), x2) ..., each into an array of its own."""
        return functools.reduce(functools.partial(self.result_of, operation), arrays)

    def _scaled(self, x, factor):
        return self.result_of(self.ops.affine, x, factor, 0.0)


@register("add")
class Add(Merge):
    """y = x_0 + x_1 + ...;      dx_i = dy."""

    saved: Any

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved = len(self.unmasked(x))
        return self._folded(self.ops.add, x)

    def backward(self, dy: Array) -> Any:
        return [dy] * self.recall()


@register("average")
class Average(Merge):
    """y = (x_0 + ... + x_k-1) / k;      dx_i = dy / k."""

    saved: Any

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved = len(self.unmasked(x))
        return self._scaled(self._folded(self.ops.add, x), 1 / len(x))

    def backward(self, dy: Array) -> Any:
        k = self.recall()
        return [self._scaled(dy, 1 / k)] * k


@register("subtract")
class Subtract(Merge):
    """y = x_0 - x_1;      dx_0 = dy,  dx_1 = -dy."""

    saved: Any

    least = most = 2

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved = self.unmasked(x) is x
        return self._folded(self.ops.add, [x[0], self._scaled(x[1], -1.0)])

    def backward(self, dy: Array) -> Any:
        self.recall()
        return [dy, self._scaled(dy, -1.0)]


@register("multiply")
class Multiply(Merge):
    """y = x_0 x_1 ...;      dx_i = dy times all others."""

    saved: Any

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved = self.unmasked(x)
        return self._folded(self.ops.multiply, x)

    def backward(self, dy: Array) -> Any:
        x = self.recall()
        return [self._folded(self.ops.multiply, [dy, *x[:i], *x[i + 1 :]]) for i in range(len(x))]


@register("maximum")
class Maximum(Merge):
    """y = max(x_0, x_1, ...), entry by entry; dy goes to the largest, half each to two equals."""

    saved: Any

    sign: float = 1.0

    def forward(self, x: Any, training: bool = False) -> Any:
        x = [self._scaled(a, -1.0) for a in self.unmasked(x)] if self.sign < 0 else self.unmasked(x)
        self.saved, y = [], x[0]
        for a in x[1:]:
            self.saved.append((y, a))
            y = self.result_of(self.ops.maximum, y, a)
        return self._scaled(y, -1.0) if self.sign < 0 else y

    def backward(self, dy: Array) -> Any:
        gradients = []
        for y, a in reversed(self.recall()):
            below, da = self.empty(dy.shape), self.empty(dy.shape)
            self.ops.maximum_grad(y, a, dy, dx=below, dz=da)  # reverses max(y, a)
            gradients.insert(0, da)
            dy = below
        return [dy, *gradients]


@register("minimum")
class Minimum(Maximum):
    """y = min(x_0, x_1, ...) = -max(-x_0, -x_1, ...); the signs cancel in the gradient."""

    sign: float = -1.0


@register("concatenate")
class Concatenate(Merge):
    """The inputs side by side along an axis; dx_i is dy's part.

    Args:
        axis: of the outputs, the last by default; not the axis of the rows.

    Raises:
        ValueError: the inputs differ elsewhere than on this axis.
    """

    saved: Any

    least = 1

    def __init__(self, axis: int | Sequence[int] = -1, **options: Any) -> None:
        super().__init__(**options)
        if not is_integer(axis) or axis == 0:
            raise self.invalid(f"axis must be an int other than 0, received {axis!r}")
        self.axis: int = int(axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_number_of_inputs(input_shape)
        first = tuple(input_shape[0])
        if not -len(first) < self.axis < len(first):
            raise self.invalid(f"there is no axis {self.axis} to join along in {first}")
        axis = self.axis % len(first)
        if len({(*s[:axis], *s[axis + 1 :]) for s in map(tuple, input_shape)}) > 1:
            raise self.invalid(
                f"inputs may differ on axis {axis} only, received "
                f"{', '.join(map(str, input_shape))}"
            )
        return (*first[:axis], sum(s[axis] for s in input_shape), *first[axis + 1 :])

    def forward(self, x: Any, training: bool = False) -> Any:
        axis = self.axis % self.unmasked(x)[0].ndim
        rows = math.prod(x[0].shape[:axis])
        shape = list(x[0].shape)
        shape[axis] = sum(a.shape[axis] for a in x)
        y, first = self.empty(tuple(shape)), 0
        for a in x:
            a = a.reshape(rows, -1)  # (R, D_i)
            self.ops.put_columns(a, first, y=y.reshape(rows, -1))  # (R, sum D_i)
            first += a.shape[1]
        self.saved = (rows, [a.shape for a in x])
        return y

    def backward(self, dy: Array) -> Any:
        rows, shapes = self.recall()
        dy, first, gradients = dy.reshape(rows, -1), 0, []
        for shape in shapes:
            dx = self.empty(shape)
            part = dx.reshape(rows, -1)
            self.ops.take_columns(dy, first, x=part)  # reverses y[:, first : ...] = x_i
            first += part.shape[1]
            gradients.append(dx)
        return gradients


def _merging(cls) -> Function:
    """Return the function of a list of inputs that applies a new layer of this class to them."""

    def merge(inputs, **options):
        return cls(**options)(inputs)

    merge.__name__ = merge.__qualname__ = cls.__name__.lower()
    merge.__doc__ = f"{cls.__name__}(**options)(inputs), for a list of inputs."
    return merge


add: Function = _merging(Add)
average: Function = _merging(Average)
subtract: Function = _merging(Subtract)
multiply: Function = _merging(Multiply)
maximum: Function = _merging(Maximum)
minimum: Function = _merging(Minimum)
concatenate: Function = _merging(Concatenate)
