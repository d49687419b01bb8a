"""Noise in training: GaussianNoise, GaussianDropout, AlphaDropout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .base import register
from .dropout import Masked, Noise

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Shape


class Noisy(Noise):
    """Base of layers that draw one normal number per entry."""

    def normal(self, mean: float, stddev: float, shape: Shape) -> Any:
        """Normal numbers of this step."""
        m = self.empty(shape)
        row = self.context.first_row
        self.ops.normal_mask(mean, stddev, self.key_now, self.context.step, row, mask=m)
        return m


@register()
class GaussianNoise(Noisy):
    """Adds normal noise in training.

        y = x + n,      n ~ N(0, stddev^2)      (N, D)

    Args:
        stddev: in [0, 1].
        seed: None draws one.
    """

    amount = "stddev"

    def __init__(self, stddev: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.store(locals())

    def perturbed(self, x: ArrayLike) -> tuple[Any, Any]:
        n = self.normal(0.0, self.stddev, x.shape)
        return self.result_of(self.ops.add, x, n), None


@register()
class GaussianDropout(Noisy):
    """Multiplies with normal noise in training (Srivastava et al. 2014).

        y = x m,      m ~ N(1, rate / (1 - rate))      (N, D)

    Args:
        rate: in [0, 1); its square root is the share that Dropout would drop, in effect.
        seed: None draws one.
    """

    below_1 = True

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.store(locals())

    def perturbed(self, x: ArrayLike) -> tuple[Any, Any]:
        m = self.normal(1.0, math.sqrt(self.rate / (1 - self.rate)), x.shape)
        return self.result_of(self.ops.multiply, x, m), m


ALPHA_P = -1.6732632423543772 * 1.0507009873554805  # where SELU saturates


@register()
class AlphaDropout(Masked):
    """Dropout that keeps mean and variance, for SELU (Klambauer et al. 2017).

        y = a (x if kept else alpha') + b,      alpha' = -1.7581 (where SELU saturates)
        a = ((1 - rate) (1 + rate alpha'^2))^(-1/2),      b = -a alpha' rate

    Args:
        rate: share of entries to drop, in [0, 1).
        noise_shape: as for Dropout.
        seed: None draws one.
    """

    below_1 = True

    def __init__(self, rate: float, noise_shape: Shape | None = None, seed: int | None = None,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        self.store(locals())

    def perturbed(self, x: ArrayLike) -> tuple[Any, Any]:
        a = ((1 - self.rate) * (1 + self.rate * ALPHA_P**2)) ** -0.5
        b = -a * ALPHA_P * self.rate
        mask = self.mask(x.shape)  # 1 / (1 - rate) where kept
        affine, multiply = self.ops.affine, self.ops.multiply
        m = self.result_of(affine, mask, a * (1 - self.rate), 0.0)  # a where kept, else 0
        # b where kept, else a alpha' + b
        shift = self.result_of(affine, m, -ALPHA_P, a * ALPHA_P + b)
        return self.result_of(self.ops.add, self.result_of(multiply, x, m), shift), m
