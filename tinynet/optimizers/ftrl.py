"""FTRL-Proximal: follow the regularized leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.checks import check_number
from .base import Optimizer, register

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Array, LearningRate


@register()
class Ftrl(Optimizer):
    """McMahan et al. 2013, with p = -learning_rate_power and shrinkage s:

        n' = n + g^2
        z += g + 2 s w - (n'^p - n^p) / lr w
        w = (clip(z, -l1, l1) - z) / (n'^p / lr + 2 l2 + beta / lr);   n = n'

    Args:
        learning_rate: lr.
        learning_rate_power: <= 0.
        initial_accumulator_value: n before the first step, >= 0.
        l1_regularization_strength, l2_regularization_strength: l1 and l2, >= 0.
        l2_shrinkage_regularization_strength: s >= 0, a penalty on the size of w.
        beta: as in the paper.
        **options: see Optimizer.
    """

    divides_by_rate = True
    stored: tuple[Any, ...] = ((("n", "accumulator"), ("z", "linear")),)

    def __init__(self, learning_rate: LearningRate = 0.001, learning_rate_power: float = -0.5,
                 initial_accumulator_value: float = 0.1, l1_regularization_strength: float = 0.0,
                 l2_regularization_strength: float = 0.0,
                 l2_shrinkage_regularization_strength: float = 0.0, beta: float = 0.0,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, **options)
        power = check_number("Ftrl: learning_rate_power", learning_rate_power, high=0)
        self.learning_rate_power = power
        self.set_checked(
            beta=beta, initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
        )  # fmt: skip

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        n = zeros()
        n += self.initial_accumulator_value
        return {"n": n, "z": zeros()}

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        lr = lr or 1.0  # at rate 0 nothing moves
        return {"lr": lr, "l2": 2 * self.l2_regularization_strength + self.beta / lr}

    def update(self, w: Array, g: Array, lr: float, l2: float, n: int, z: Array) -> None:
        self.ops.ftrl(g, lr, self.learning_rate_power, self.l1_regularization_strength, l2,
                      self.l2_shrinkage_regularization_strength, w=w, n=n, z=z)  # fmt: skip
