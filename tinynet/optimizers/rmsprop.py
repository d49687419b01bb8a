"""RMSprop: steps divided by the recent size of the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Optimizer, register

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Array, ArrayLike, LearningRate


@register()
class RMSprop(Optimizer):
    """Hinton 2012 (lecture 6e), centered as in Graves 2013:

        v = rho v + (1 - rho) g^2
        s = lr g / sqrt(v + epsilon);          centered: sqrt(v - a^2 + epsilon), a the mean of g
        w -= s;                                momentum: m = momentum m + s, w -= m

    Epsilon stands inside the root, as in Keras.

    Args:
        learning_rate: lr.
        rho: decay of the moving averages, in [0, 1).
        momentum: in [0, 1).
        epsilon: keeps the root away from zero.
        centered: use the variance.
        **options: see Optimizer.
    """

    stored: tuple[Any, ...] = (
        (("v", "velocity"),),
        (("m", "momentum"),),
        (("a", "average_gradient"),),
    )

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.9, momentum: float = 0.0,
                 epsilon: float = 1e-7, centered: bool = False,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, **options)
        self.set_checked(below=1, rho=rho, momentum=momentum)
        self.set_checked(epsilon=epsilon)
        self.centered: bool = bool(centered)

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        used = {"v": True, "a": self.centered, "m": self.momentum}
        return {name: zeros() if on else None for name, on in used.items()}

    def update(self, w: Array, g: Array, lr: float, v: Array, a: ArrayLike, m: Array) -> None:
        self.ops.rmsprop(g, lr, self.rho, self.momentum, self.epsilon, w=w, v=v, a=a, m=m)
