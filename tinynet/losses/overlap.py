"""How little two sets overlap, of which y and p say how far each entry belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_axes, check_number, is_integer
from .base import EPSILON, PlainLoss, register

if TYPE_CHECKING:
    from ..configs.types import Array, DType, Shape


class _Overlap(PlainLoss):
    """1 - a / b, a and b sums over `axis`; over all entries of the batch where that is None.

    dp = -(a' b - a b') / b^2
    """

    config_keys = ("name", "reduction", "axis")
    own_checks = frozenset()
    on_host = True

    def __init__(self, reduction: str = "sum_over_batch_size", name: str | None = None,
                 axis: int | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(reduction, name, dtype)
        self.axis = (axis,) if is_integer(axis) else None if axis is None else tuple(axis)

    def _parts(self, y, p):
        """Return a and b, and their derivatives by each entry of p."""
        raise NotImplementedError(f"{type(self).__name__} needs _parts(y, p), which returns a, b "
                                  "and their derivatives by p")  # fmt: skip

    def call(self, y: Array, p: Array) -> Array:
        a, b, _, _ = self._parts(y, p)
        return 1 - (a / b if self.axis is None else np.squeeze(a / b, self.axis))

    def derivative(self, y: Array, p: Array) -> Array:
        a, b, da, db = self._parts(y, p)
        return -(da * b - a * db) / b**2

    def _sum(self, x):
        if self.axis is not None:
            check_axes(self._label(), self.axis, x.shape)
        return x.sum(axis=self.axis, keepdims=self.axis is not None)

    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        if self.axis is not None and {a % len(output_shape) for a in self.axis} != {1}:
            raise ValueError(f"{self._label()}: a model is trained with axis=None (over the batch) "
                             f"or, for outputs (N, C), axis=-1; received axis={self.axis} for "
                             f"outputs of shape {output_shape}")  # fmt: skip
        return super().check_targets(y, output_shape, where)


@register("dice")
class Dice(_Overlap):
    """l = 1 - 2 sum y p / (sum y + sum p + 1e-7), one number for the batch (Dice 1945).

    Args:
        axis: what the sums go over; None: all entries; -1: each row of outputs (N, C) has its own.
    """

    def _parts(self, y, p):
        return 2 * self._sum(y * p), self._sum(y) + self._sum(p) + EPSILON, 2 * y, 1.0


@register("tversky")
class Tversky(_Overlap):
    """l = 1 - I / (I + alpha sum y (1 - p) + beta sum (1 - y) p + 1e-7),   I = sum y p.

    At alpha = beta = 1/2 this is Dice's (Salehi et al. 2017).

    Args:
        alpha: weight of what p misses.
        beta: weight of what p has too much.
        axis: see Dice.
    """

    config_keys: tuple[str, ...] = (*_Overlap.config_keys, "alpha", "beta")

    def __init__(self, alpha: float = 0.5, beta: float = 0.5,
                 reduction: str = "sum_over_batch_size", name: str | None = None,
                 axis: int | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(reduction, name, axis, dtype)
        self.alpha: float = check_number("alpha", alpha, 0, kind="")
        self.beta: float = check_number("beta", beta, 0, kind="")

    def _parts(self, y, p):
        both = self._sum(y * p)
        missed, extra = self._sum(y * (1 - p)), self._sum((1 - y) * p)
        b = both + self.alpha * missed + self.beta * extra + EPSILON
        return both, b, y, y - self.alpha * y + self.beta * (1 - y)
