"""Losses that compare distributions, or a count with its rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import EPSILON, ElementwiseLoss, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array


@register("kl_divergence", "kld", "kullback_leibler_divergence")
class KLDivergence(ElementwiseLoss):
    """What is lost by taking p for y (Kullback and Leibler 1951), both clipped to [1e-7, 1].

    l_i = sum_c y log(y / p);      dp = -w y / p, 0 where p was clipped
    """

    options: dict[str, Any]

    kind: str

    kind, options = "kl_divergence", (EPSILON,)
    of_probabilities = True
    whole_rows = True
    for_class_ids = "utils.to_categorical"

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        total = self.context.empty(w.shape, w.dtype)  # (N,)
        self.context.ops.affine(w, p.shape[-1], 0.0, y=total)  # the kernel takes the mean over C
        return super().forward(y, p, total)


@register("poisson")
class Poisson(ElementwiseLoss):
    """Minus the log-likelihood of counts y under rates p > 0, without the terms that p is not in.

    l_i = mean_c p - y log(p + 1e-7);      dp = w/C (1 - y / (p + 1e-7))
    """

    options: dict[str, Any]

    kind: str

    kind, options = "poisson", (EPSILON,)
