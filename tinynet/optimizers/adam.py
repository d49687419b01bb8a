"""Adam, and AdamW with decoupled weight decay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .base import Optimizer, register

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Array, LearningRate


class TwoMoments(Optimizer):
    """Base of the rules with decaying moments: beta_1 and beta_2 in [0, 1), epsilon >= 0."""

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-7, **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, **options)
        self.set_checked(below=1, beta_1=beta_1, beta_2=beta_2)
        self.set_checked(epsilon=epsilon)


@register()
class Adam(TwoMoments):
    """Kingma and Ba 2015, in the order of the paper's section 2:

        alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t),      t = 1, 2, ...
        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)
        w -= alpha m / (sqrt(v) + epsilon)

    Epsilon stands outside the root of the uncorrected v, as in Keras. With amsgrad (Reddi et al.
    2018) the largest v so far stands in its place.

    Args:
        learning_rate: lr.
        beta_1, beta_2: decay of the moments, in [0, 1).
        epsilon: keeps the divisor away from zero.
        amsgrad: see above.
        **options: see Optimizer.
    """

    stored: tuple[Any, ...] = ((("m", "momentum"), ("v", "velocity")), (("v_max", "velocity_hat"),))

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-7, amsgrad: bool = False,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.amsgrad: bool = bool(amsgrad)

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        return {"m": zeros(), "v": zeros(), "v_max": zeros() if self.amsgrad else None}

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        return {"alpha": lr * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)}

    def update(self, w: Array, g: Array, alpha: float, m: Array, v: Array, v_max: Array) -> None:
        self.ops.adam(g, alpha, self.beta_1, self.beta_2, self.epsilon, w=w, m=m, v=v, v_max=v_max)


@register()
class AdamW(Adam):
    """Adam after w -= weight_decay lr w (Loshchilov and Hutter 2019); for arguments see Adam."""

    rule_keys: tuple[str, ...] = Adam.rule_keys

    def __init__(self, learning_rate: LearningRate = 0.001, weight_decay: float = 0.004,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, weight_decay=weight_decay, **options)
