"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .adam import TwoMoments
from .base import register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array


@register()
class Adamax(TwoMoments):
    """Kingma and Ba 2015, section 7, for t = 1, 2, ...:

        m += (1 - beta_1) (g - m)
        u = max(beta_2 u, |g|)
        w -= lr / (1 - beta_1^t) m / (u + epsilon)

    Args: as for Adam, without amsgrad.
    """

    stored: tuple[Any, ...] = ((("m", "momentum"), ("u", "norm")),)

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        return {"alpha": lr / (1 - self.beta_1**t)}

    def update(self, w: Array, g: Array, alpha: float, m: Array, u: Array) -> None:
        self.ops.adamax(g, alpha, self.beta_1, self.beta_2, self.epsilon, w=w, m=m, u=u)
