"""Dot: the products of two inputs along an axis of each, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import is_integer
from .base import register
from .merge import Merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, Shape


@register("dot")
class Dot(Merge):
    """y[n, i, j] = sum over d of u[n, i, d] v[n, j, d], d on one axis of each input.

    Two inputs (N, D) give (N, 1).

        du = dy v,      dv = dy^T u

    With `normalize`, u = a / |a| along the axis: da = (du - (du . u) u) / |a|.

    Args:
        axes: the axis of both inputs, or a pair; not that of the rows.
        normalize: whether to divide by the lengths: y is then the cosine.
    """

    saved: Any

    least = most = 2
    on_host = True

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **options: Any) -> None:
        super().__init__(**options)
        pair = [axes, axes] if is_integer(axes) else axes
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2
                and all(is_integer(a) and a != 0 for a in pair)):  # fmt: skip
            raise self.invalid(f"axes must be an int other than 0, or two, received {axes!r}")
        self.axes: Any = axes if is_integer(axes) else list(axes)
        self.normalize: bool = bool(normalize)

    @property
    def pair(self) -> tuple[int, ...]:
        """The axis of each input."""
        axes = [self.axes] * 2 if is_integer(self.axes) else self.axes
        return tuple(int(a) for a in axes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_number_of_inputs(input_shape)
        kept, sizes = [], []
        for shape, axis in zip(map(tuple, input_shape), self.pair, strict=True):
            if not -len(shape) < axis < len(shape) or len(shape) not in (2, 3):
                raise self.invalid(f"expected inputs (N, D) or (N, T, D) with an axis {axis}, "
                                   f"received {shape}")  # fmt: skip
            axis %= len(shape)
            sizes.append(shape[axis])
            kept += [n for i, n in enumerate(shape) if i not in (0, axis)]
        if sizes[0] != sizes[1]:
            raise self.invalid(f"the axes {list(self.pair)} of {input_shape} have {sizes[0]} and "
                               f"{sizes[1]} entries")  # fmt: skip
        return (input_shape[0][0], *(kept or (1,)))

    def forward(self, x: Any, training: bool = False) -> Any:
        host = self.ops.to_host
        shapes = [a.shape for a in self.unmasked(x)]
        a, b = (_rows(host(part), axis) for part, axis in zip(x, self.pair, strict=True))
        lengths = [np.maximum(np.linalg.norm(m, axis=-1, keepdims=True), 1e-12) for m in (a, b)]
        if self.normalize:
            a, b = a / lengths[0], b / lengths[1]
        self.saved = (a, b, lengths, shapes)
        y = np.matmul(a, b.swapaxes(1, 2))  # (N, I, J)
        shape = self.compute_output_shape([(None, *s[1:]) for s in shapes])
        return self.ops.from_host(np.ascontiguousarray(y.reshape(len(y), *shape[1:])))

    def backward(self, dy: Array) -> Any:
        a, b, lengths, shapes = self.recall()
        dy = self.ops.to_host(dy).reshape(len(a), a.shape[1], b.shape[1])
        gradients = []
        for m, d, length, shape, axis in (
            (a, np.matmul(dy, b), lengths[0], shapes[0], self.pair[0]),
            (b, np.matmul(dy.swapaxes(1, 2), a), lengths[1], shapes[1], self.pair[1]),
        ):
            if self.normalize:
                d = (d - (d * m).sum(axis=-1, keepdims=True) * m) / length
            d = np.moveaxis(d, -1, axis) if len(shape) == 3 else d[:, 0]
            gradients.append(self.ops.from_host(np.ascontiguousarray(d, self.dtype)))
        return gradients


def _rows(x, axis):
    """x as (N, I, D), where D is its axis `axis`."""
    return np.moveaxis(x, axis, -1) if x.ndim == 3 else x[:, None]


def dot(inputs: Any, axes: int | Sequence[int] = -1, normalize: bool = False,
        **options: Any) -> Any:  # fmt: skip
    """Dot(axes, normalize)(inputs), for a list of two."""
    return Dot(axes=axes, normalize=normalize, **options)(inputs)
