"""Schedule-free Adam: an average of the steps takes the place of a falling learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_integer
from .adam import TwoMoments
from .base import register

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Array, LearningRate


@register()
class ScheduleFreeAdamW(TwoMoments):
    """Defazio et al. 2024, for t = 1, 2, ...; z begins as w:

        v += (1 - beta_2) (g^2 - v)
        z -= lr_t g / (sqrt(v / (1 - beta_2^t)) + epsilon),   lr_t = lr min(t / warmup_steps, 1)
        x += (z - x) / t                                      x = (w - (1 - beta_1) z) / beta_1
        w = (1 - beta_1) z + beta_1 x

    Args:
        learning_rate: lr.
        beta_1: in (0, 1): how near w is to the average x.
        beta_2: decay of v, in [0, 1).
        epsilon: keeps the divisor away from zero.
        warmup_steps: in so many steps the rate rises to lr.
        **options: see Optimizer.
    """

    stored: tuple[Any, ...] = ((("z", "momentum"), ("v", "velocity")),)

    def __init__(self, learning_rate: LearningRate = 0.0025, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-8, warmup_steps: int = 0,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        if beta_1 == 0:
            raise ValueError("ScheduleFreeAdamW: beta_1 must be in (0, 1), received 0")
        self.warmup_steps: int = check_integer("ScheduleFreeAdamW: warmup_steps", warmup_steps, 0)

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        z = zeros()
        if self.parameters:
            values = [np.asarray(p).ravel() for p in self.parameters]
            z[...] = self.ops.from_host(np.concatenate(values).astype(z.dtype))
        return {"z": z, "v": zeros()}

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        warm = min(t / self.warmup_steps, 1) if self.warmup_steps else 1
        return {"lr": lr * warm, "share": 1 / t, "v_root": 1 / math.sqrt(1 - self.beta_2**t)}

    def update(self, w: Array, g: Array, lr: float, share: float, v_root: Array, z: Array,
               v: Array) -> None:  # fmt: skip
        self.ops.schedule_free_adam(g, lr, share, self.beta_1, self.beta_2, v_root, self.epsilon,
                                    w=w, z=z, v=v)  # fmt: skip
