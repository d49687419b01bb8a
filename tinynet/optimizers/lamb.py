"""LAMB: Adam's direction, in steps as long as each parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .adam import TwoMoments
from .base import register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array


@register()
class Lamb(TwoMoments):
    """You et al. 2020, for t = 1, 2, ... and each parameter w by itself:

        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)
        u = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)
        w -= lr |w| / |u| u          (lr u, if one of the norms is 0)

    Args: as for Adam, without amsgrad.
    """

    stored: tuple[Any, ...] = ((("m", "momentum"), ("v", "velocity")),)

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        m_scale, v_scale = 1 / (1 - self.beta_1**t), 1 / (1 - self.beta_2**t)
        return {"lr": lr, "m_scale": m_scale, "v_scale": v_scale}

    def update(self, w: Array, g: Array, lr: float, m_scale: Array, v_scale: Array, m: Array,
               v: Array) -> None:  # fmt: skip
        for at in self.slices:
            self.ops.lamb(g[at], lr, self.beta_1, self.beta_2, m_scale, v_scale, self.epsilon,
                          w=w[at], m=m[at], v=v[at])  # fmt: skip
