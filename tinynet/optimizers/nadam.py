"""Nadam: Adam with Nesterov's look ahead."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .adam import TwoMoments
from .base import register
from .variables import Part

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array


@register()
class Nadam(TwoMoments):
    """Dozat 2016, with its warming momentum mu, for t = 1, 2, ...:

        mu_t = beta_1 (1 - 0.96^t / 2),   U_t = mu_1 ... mu_t
        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)
        m_hat = mu_{t+1} m / (1 - U_{t+1}) + (1 - mu_t) g / (1 - U_t)
        w -= lr m_hat / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Args: as for Adam, without amsgrad.
    """

    stored: tuple[Any, ...] = ((("m", "momentum"), ("v", "velocity")),)
    unversioned: frozenset[str] = TwoMoments.unversioned | {"products"}
    products: Any = (None, [])  # beta_1, and U_0, U_1, ... for it

    def mu(self, t: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96**t)

    def product(self, t: int) -> float:
        """U_t."""
        if self.products[0] != self.beta_1:
            self.products = (self.beta_1, [1.0])
        known = self.products[1]
        while len(known) <= t and known[-1] > 0:  # 0.0 stays 0.0
            known.append(known[-1] * self.mu(len(known)))
        return known[min(t, len(known) - 1)]

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        now, after = self.product(t), self.product(t + 1)
        return {
            "m_rate": lr * self.mu(t + 1) / (1 - after),
            "g_rate": lr * (1 - self.mu(t)) / (1 - now),
            "v_root": 1 / math.sqrt(1 - self.beta_2**t),
        }

    def update(self, w: Array, g: Array, m_rate: float, g_rate: float, v_root: Array, m: Array,
               v: Array) -> None:  # fmt: skip
        self.ops.nadam(g, m_rate, g_rate, self.beta_1, self.beta_2, v_root, self.epsilon,
                       w=w, m=m, v=v)  # fmt: skip

    def moments(self) -> Any:
        """The moments, and U, which Keras stores too; it follows from the number of updates."""

        def read():
            return np.asarray(self.product(self.iterations))

        return [*super().moments(), Part(self, "variable", read, self._check_u)]

    def _check_u(self, value):
        expected = self.product(self.iterations)
        if not math.isclose(value.item(), expected, rel_tol=1e-3, abs_tol=1e-30):
            raise ValueError(f"{self.name}: u_product is {expected} after {self.iterations} "
                             "updates "
                             f"with beta_1={self.beta_1}, received {value.item()}")  # fmt: skip
