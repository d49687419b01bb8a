"""Generalized cross-entropy: between cross-entropy and absolute error, for labels with mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_number
from .base import EPSILON, PlainLoss, register
from .checks import check_class_ids

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, DType, Shape


@register("categorical_generalized_cross_entropy")
class CategoricalGeneralizedCrossEntropy(PlainLoss):
    """l_i = (1 - p^q) / q, p the probability of class id y_i;   dp = -p^(q-1) at y_i, else 0.

    Near q = 0 it is cross-entropy, near 1 absolute error (Zhang and Sabuncu 2018). In dp, p is at
    least 1e-7.

    Args:
        q: in (0, 1).
    """

    dp: Any

    config_keys: tuple[str, ...] = ("name", "reduction", "q")
    integer_targets = on_host = True

    def __init__(self, q: float = 0.5, reduction: str = "sum_over_batch_size",
                 name: str | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(reduction, name, dtype)
        self.q: float = check_number("q", q, above=0, below=1, kind="")

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        ops = self.context.ops
        y, p, w = map(ops.to_host, (y, p, w))
        row, dp = np.arange(len(p)), np.zeros_like(p)  # (N, C)
        of_class = p[row, y]  # (N,)
        dp[row, y] = -w * np.maximum(of_class, EPSILON) ** (self.q - 1)
        self.dp = ops.from_host(dp)
        return ops.from_host((w * (1 - of_class**self.q) / self.q).astype(p.dtype))

    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        shape = tuple(output_shape[1:-1])
        if y.shape[1:] not in (shape, (*shape, 1)):
            raise ValueError(f"{where}: {self._label()} expects class ids of shape "
                             f"{('N', *shape)}, received {('N', *y.shape[1:])}")  # fmt: skip
        return check_class_ids(y.reshape(len(y), *shape), output_shape[-1], where)
