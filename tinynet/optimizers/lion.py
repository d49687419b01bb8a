"""Lion: the sign of a momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.checks import check_number
from .base import Optimizer, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, LearningRate


@register()
class Lion(Optimizer):
    """Every weight moves by the same lr (Chen et al. 2023):

        w -= lr sign(beta_1 m + (1 - beta_1) g)
        m = beta_2 m + (1 - beta_2) g

    Args:
        learning_rate: lr.
        beta_1: share of the momentum in the direction of a step, in (0, 1].
        beta_2: decay of the momentum, in [0, 1).
        **options: see Optimizer.
    """

    stored: tuple[Any, ...] = ((("m", "momentum"),),)

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9,
                 beta_2: float = 0.99, **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, **options)
        self.set_checked(below=1, beta_2=beta_2)
        # at 0 it would be the sign of the gradient alone
        self.beta_1: float = check_number("Lion: beta_1", beta_1, above=0, high=1)

    def update(self, w: Array, g: Array, lr: float, m: Array) -> None:
        self.ops.lion(g, lr, self.beta_1, self.beta_2, w=w, m=m)
