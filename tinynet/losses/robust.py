"""Generalized cross-entropy: between cross-entropy and absolute error, for labels with mistakes."""

import numpy as np

from ..configs.checks import check_number
from .base import EPSILON, PlainLoss, register
from .checks import check_class_ids


@register("categorical_generalized_cross_entropy")
class CategoricalGeneralizedCrossEntropy(PlainLoss):
    """l_i = (1 - p^q) / q, p the probability of class id y_i;   dp = -p^(q-1) at y_i, else 0.

    Near q = 0 it is cross-entropy, near 1 absolute error (Zhang and Sabuncu 2018). In dp, p is at
    least 1e-7.

    Args:
        q: in (0, 1).
    """

    config_keys = ("name", "reduction", "q")
    integer_targets = on_host = True

    def __init__(self, q=0.5, reduction="sum_over_batch_size", name=None, dtype=None):
        super().__init__(reduction, name, dtype)
        self.q = check_number("q", q, above=0, below=1, kind="")

    def forward(self, y, p, w, logits=False):
        ops = self.context.ops
        y, p, w = map(ops.to_host, (y, p, w))
        row, dp = np.arange(len(p)), np.zeros_like(p)  # (N, C)
        of_class = p[row, y]  # (N,)
        dp[row, y] = -w * np.maximum(of_class, EPSILON) ** (self.q - 1)
        self.dp = ops.from_host(dp)
        return ops.from_host((w * (1 - of_class**self.q) / self.q).astype(p.dtype))

    def check_targets(self, y, output_shape, where="y"):
        shape = tuple(output_shape[1:-1])
        if y.shape[1:] not in (shape, (*shape, 1)):
            raise ValueError(f"{where}: {self._label()} expects class ids of shape "
                             f"{('N', *shape)}, received {('N', *y.shape[1:])}")  # fmt: skip
        return check_class_ids(y.reshape(len(y), *shape), output_shape[-1], where)
