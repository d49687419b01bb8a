"""Circle loss: rows of one class near each other, those of others far (Sun et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_number
from ..data import check_finite
from .base import PlainLoss, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike, DType, Shape


@register("circle")
class Circle(PlainLoss):
    """For class ids y (N,) and outputs p (N, D), rows of length 1; d_ij = max(1 - p_i . p_j, 0).

        P_i = log sum over j of y_i's class, j != i, of exp(-gamma max(m + d, 0) (m - d))
        Q_i = log sum over all other j of exp(gamma max(1 + m - d, 0) (1 - m - d))
        l_i = log(1 + exp(P_i + Q_i))

        dp = -(G + G^T) p,   G_ij = w_i sigmoid(P_i + Q_i) (softmax_j 2 gamma d, j of the class;
                                                            -softmax_j 2 gamma (1 - d), j of others)

    The mean goes over the rows that have both kinds of partner in the batch.

    Args:
        gamma: how steep it is.
        margin: m.
        remove_diagonal: False: a row is a partner of itself.
    """

    dp: Any

    config_keys: tuple[str, ...] = ("name", "reduction", "gamma", "margin", "remove_diagonal")
    integer_targets = on_host = True

    def __init__(self, gamma: float = 80.0, margin: float = 0.4, remove_diagonal: bool = True,
                 reduction: str = "sum_over_batch_size", name: str | None = None,
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(reduction, name, dtype)
        self.gamma: float = check_number("gamma", gamma, above=0, kind="")
        self.margin: float = check_number("margin", margin, 0, 1, kind="")
        self.remove_diagonal: bool = bool(remove_diagonal)

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        ops = self.context.ops
        y, p, w = map(ops.to_host, (y, p, w))
        m, gamma = self.margin, self.gamma
        same, other = self._partners(y)
        near = 1 - p @ p.T > 0
        d = np.where(near, 1 - p @ p.T, np.zeros((), p.dtype))  # (N, N)
        a, b = np.maximum(m + d, 0), np.maximum(1 + m - d, 0)
        P, of_same = _log_sum_exp(-gamma * a * (m - d), same)
        Q, of_other = _log_sum_exp(gamma * b * (1 - m - d), other)
        total = P + Q
        values = np.logaddexp(0, total)
        slope = w / (1 + np.exp(-np.clip(total, -80, 80))) * np.isfinite(total)
        G = of_same * (2 * gamma * d) - of_other * np.where(b > 0, 2 * gamma * (1 - d), 0)
        G = slope[:, None] * G * near
        self.dp = ops.from_host((-(G + G.T) @ p).astype(p.dtype))  # (N, D)
        return ops.from_host((w * values).astype(p.dtype))

    def _partners(self, y):
        """Return which rows are of the same class (N, N), and which of another one."""
        same, diagonal = y[:, None] == y, np.eye(len(y), dtype=bool)
        return same & ~diagonal if self.remove_diagonal else same, ~same

    def as_rows(self, y: Array, shape: Shape, dtype: DType,
                sample_weight: ArrayLike) -> tuple[Any, Any]:  # fmt: skip
        y, w = super().as_rows(y, shape, dtype, sample_weight)
        counted = np.logical_and(*(kind.any(axis=1) for kind in self._partners(y)))
        total, w = w.sum(), w * counted
        if self.reduction in ("sum_over_batch_size", "mean"):
            w *= len(y) / max(np.count_nonzero(counted), 1)
        elif self.reduction == "mean_with_sample_weight":
            w *= total / (w.sum() or 1)
        return y, w.astype(dtype, copy=False)

    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        """Return class ids (N,): any numbers, equal for rows of one class."""
        if len(output_shape) != 2 or y.shape[1:] not in ((), (1,)):
            raise ValueError(f"{where}: Circle expects class ids ('N',) for outputs (N, D), "
                             f"received {('N', *y.shape[1:])} for {output_shape}")  # fmt: skip
        check_finite(y, where)
        return y.reshape(len(y))


def _log_sum_exp(x, among):
    """Return the logarithm of the sum of exp(x) over the entries `among` (N,), -inf for none; and
    each entry's share (N, N)."""
    x = np.where(among, x, -np.inf)
    top = np.max(x, axis=1, keepdims=True)
    e = np.exp(x - np.where(np.isfinite(top), top, 0))
    total = e.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        found = (np.log(total) + np.where(np.isfinite(top), top, 0))[:, 0]
    return found, e / np.maximum(total, np.finfo(x.dtype).tiny)
