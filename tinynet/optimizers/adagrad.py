"""Adagrad, and Adadelta, which forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Optimizer, register

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Array, ArrayLike, LearningRate


@register()
class Adagrad(Optimizer):
    """Steps divided by the size of all gradients so far (Duchi et al. 2011):

        a += g^2
        w -= lr g / sqrt(a + epsilon)

    Args:
        learning_rate: lr.
        initial_accumulator_value: a before the first step, >= 0.
        epsilon: keeps the root away from zero.
        **options: see Optimizer.
    """

    stored: tuple[Any, ...] = ((("a", "accumulator"),),)

    def __init__(self, learning_rate: LearningRate = 0.001, initial_accumulator_value: float = 0.1,
                 epsilon: float = 1e-7, **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, **options)
        self.set_checked(initial_accumulator_value=initial_accumulator_value, epsilon=epsilon)

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        a = zeros()
        a += self.initial_accumulator_value
        return {"a": a}

    def update(self, w: Array, g: Array, lr: float, a: ArrayLike) -> None:
        self.ops.adagrad(g, lr, self.epsilon, w=w, a=a)


@register()
class Adadelta(Optimizer):
    """Steps in the unit of the weights, from the size of the last steps (Zeiler 2012):

        a = rho a + (1 - rho) g^2
        d = sqrt(x + epsilon) / sqrt(a + epsilon) g
        x = rho x + (1 - rho) d^2
        w -= lr d

    Args:
        learning_rate: lr; 1.0 is the paper's.
        rho: decay of both averages, in [0, 1).
        epsilon: keeps the roots away from zero.
        **options: see Optimizer.
    """

    stored: tuple[Any, ...] = ((("a", "accumulated_grad"), ("x", "accumulated_delta_var")),)

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.95,
                 epsilon: float = 1e-7, **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, **options)
        self.set_checked(below=1, rho=rho)
        self.set_checked(epsilon=epsilon)

    def update(self, w: Array, g: Array, lr: float, a: ArrayLike, x: ArrayLike) -> None:
        self.ops.adadelta(g, lr, self.rho, self.epsilon, w=w, a=a, x=x)
