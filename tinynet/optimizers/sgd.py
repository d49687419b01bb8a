"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Optimizer, register

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Array, LearningRate


@register()
class SGD(Optimizer):
    """w -= lr g, or with momentum (Polyak 1964):

        m = momentum m - lr g
        w += m;             nesterov: w += momentum m - lr g     (Sutskever et al. 2013)

    Args:
        learning_rate: lr.
        momentum: in [0, 1).
        nesterov: look one step ahead.
        **options: see Optimizer.
    """

    stored: tuple[Any, ...] = ((("m", "momentum"),),)

    def __init__(self, learning_rate: LearningRate = 0.01, momentum: float = 0.0,
                 nesterov: bool = False, **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, **options)
        self.set_checked(below=1, momentum=momentum)
        self.nesterov: bool = bool(nesterov)

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        return {"m": zeros()} if self.momentum else {"m": None}

    def update(self, w: Array, g: Array, lr: float, m: Array) -> None:
        self.ops.sgd(g, lr, self.momentum, self.nesterov, w=w, m=m)
