"""Learning rates that change with the step: `schedule(step)` returns a float.

A step is one update of the weights, counted from 0. Names, defaults and arithmetic are Keras's,
computed in float64. In the equations η₀ is `initial_learning_rate`, t the step, T `decay_steps`.
"""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

from ..configs.checks import check_number
from ..configs.registry import Configurable, Registry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import ArrayLike

registry = Registry("learning rate schedule", "optimizers.schedules", "config_keys")


# The bounds of the schedules' numbers.
BOUNDS = {
    "initial_learning_rate": {}, "end_learning_rate": {}, "warmup_target": {}, "alpha": {},
    "decay_rate": {"low": 0}, "power": {"low": 0}, "m_mul": {"low": 0}, "t_mul": {"low": 1},
    "decay_steps": {"above": 0}, "first_decay_steps": {"above": 0}, "warmup_steps": {"low": 0},
}  # fmt: skip


class LearningRateSchedule(Configurable):
    """Base class: a subclass defines `__call__(step)`, which returns the learning rate."""

    def store(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments, `locals()`, that `config_keys` names, checked."""
        for key in self.config_keys:
            value = arguments[key]
            if key in BOUNDS and not (value is None and key == "warmup_target"):
                check = _check_steps if key.endswith("steps") else check_number
                value = check(key, value, **BOUNDS[key])
            setattr(self, key, value)

    def __call__(self, step: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step)")

    def _progress(self, step) -> float:
        """t/T, with `staircase` rounded down."""
        p = _check_step(step) / self.decay_steps
        return math.floor(p) if getattr(self, "staircase", False) else p


def _check_step(step) -> float:
    # An optimizer's counter may be a 0-d array.
    return check_number("step", step.item() if getattr(step, "shape", None) == () else step, low=0)


def _check_steps(name, value, **bound):
    # Whole numbers stay whole, so that configs show what was given.
    number = check_number(name, value, **bound)
    return int(number) if number.is_integer() and not isinstance(value, float) else number


@registry.register()
class ExponentialDecay(LearningRateSchedule):
    """Multiplied by decay_rate every decay_steps steps.

        η(t) = η₀ decay_rate^(t/T)

    Args:
        initial_learning_rate: η₀.
        decay_steps: T > 0.
        decay_rate: factor >= 0.
        staircase: True rounds t/T down, so that the rate drops at once and then stays.
        name: a label, kept in the config.

    Raises:
        ValueError: an argument outside these bounds, or a step below 0.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, decay_rate: float,
                 staircase: bool = False, name: str = "ExponentialDecay") -> None:  # fmt: skip
        self.store(locals())

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate * self.decay_rate ** self._progress(step)


@registry.register()
class InverseTimeDecay(LearningRateSchedule):
    """Divided by a number that grows evenly.

        η(t) = η₀ / (1 + decay_rate t/T)

    Args, errors: as for `ExponentialDecay`.

    Source: Robbins & Monro 1951, "A stochastic approximation method".
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, decay_rate: float,
                 staircase: bool = False, name: str = "InverseTimeDecay") -> None:  # fmt: skip
        self.store(locals())

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self._progress(step))


@registry.register()
class PiecewiseConstantDecay(LearningRateSchedule):
    """A constant on each interval; a boundary belongs to the interval on its left.

        η(t) = values[i]   for boundaries[i-1] < t <= boundaries[i]

    Args:
        boundaries: K increasing steps.
        values: K + 1 learning rates.
        name: see `ExponentialDecay`.

    Raises:
        ValueError: the lengths don't fit, boundaries don't increase, or a step is below 0.
    """

    name: str
    values: list[float]

    def __init__(self, boundaries: Sequence[float], values: ArrayLike,
                 name: str = "PiecewiseConstant") -> None:  # fmt: skip
        self.boundaries: list[float] = [
            _check_steps("boundaries", boundary) for boundary in boundaries
        ]
        self.values, self.name = [check_number("values", value) for value in values], name
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError("values must hold one number more than boundaries, received "
                             f"{len(self.values)} "
                             f"values and {len(self.boundaries)} boundaries")  # fmt: skip
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"boundaries must increase, received {self.boundaries}")

    def __call__(self, step: int) -> float:
        return self.values[bisect.bisect_left(self.boundaries, _check_step(step))]


@registry.register()
class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to the end rate along a polynomial, a straight line by default.

        η(t) = (η₀ - end) (1 - t/T)^power + end,   t = min(t, T)

    Args:
        initial_learning_rate: η₀.
        decay_steps: T > 0.
        end_learning_rate: the rate from step T on.
        power: exponent >= 0.
        cycle: True replaces T by the next multiple of T not below t: a saw whose teeth shrink.
        name, errors: see `ExponentialDecay`.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int,
                 end_learning_rate: float = 0.0001, power: float = 1.0, cycle: bool = False,
                 name: str = "PolynomialDecay") -> None:  # fmt: skip
        self.store(locals())

    def __call__(self, step: int) -> float:
        p = self._progress(step)
        if self.cycle:
            p /= max(1, math.ceil(p))
        end = self.end_learning_rate
        return (self.initial_learning_rate - end) * (1 - min(p, 1.0)) ** self.power + end


def _half_cosine(p) -> float:
    """From 1 at p = 0 to 0 at p = 1 along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * p))


@registry.register()
class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate down to alpha times it, after an optional warm-up.

        η(t) = η₀ ((1 - alpha) (1 + cos(π t/T))/2 + alpha),   t = min(t, T)

    With `warmup_target` the rate first rises in a straight line from η₀ to the target within
    `warmup_steps` steps and then decays from the target, T steps long.

    Args:
        initial_learning_rate: η₀.
        decay_steps: T > 0.
        alpha: the last rate as a share of the highest.
        warmup_target: the rate after the warm-up; None: no warm-up, whatever `warmup_steps` says.
        warmup_steps: its length >= 0.
        name, errors: see `ExponentialDecay`.

    Source: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts".
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, alpha: float = 0.0,
                 name: str = "CosineDecay", warmup_target: float | None = None,
                 warmup_steps: int = 0) -> None:  # fmt: skip
        self.store(locals())

    def __call__(self, step: int) -> float:
        step, top = _check_step(step), self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            step, top = step - self.warmup_steps, self.warmup_target
        p = min(step / self.decay_steps, 1.0)
        return top * ((1 - self.alpha) * _half_cosine(p) + self.alpha)


@registry.register()
class CosineDecayRestarts(LearningRateSchedule):
    """Half cosines one after another, each longer by t_mul and lower by m_mul than the last.

        η(t) = η₀ ((1 - alpha) m_mul^i (1 + cos(π p))/2 + alpha)

    in cycle i = 0, 1, ... of length t_mul^i first_decay_steps, of which the share p has passed.
    A cycle begins exactly on its first step; Keras in float32 can be one step late there.

    Args:
        initial_learning_rate: η₀.
        first_decay_steps: length of cycle 0, > 0.
        t_mul: ratio of lengths, >= 1.
        m_mul: ratio of heights, >= 0.
        alpha: the lowest rate as a share of η₀.
        name, errors: see `ExponentialDecay`.

    Source: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts".
    """

    def __init__(self, initial_learning_rate: float, first_decay_steps: int, t_mul: float = 2.0,
                 m_mul: float = 1.0, alpha: float = 0.0,
                 name: str = "SGDRDecay") -> None:  # fmt: skip
        self.store(locals())

    def _start(self, i) -> float:
        """Where cycle i begins: 1 + t_mul + ... + t_mul^(i-1) lengths of the first one."""
        return i if self.t_mul == 1 else (self.t_mul**i - 1) / (self.t_mul - 1)

    def __call__(self, step: int) -> float:
        p = _check_step(step) / self.first_decay_steps
        if self.t_mul == 1:
            i = math.floor(p)
        else:
            # The logarithm can end a hair below the integer it stands for: try the next cycle.
            i = math.floor(math.log1p(p * (self.t_mul - 1)) / math.log(self.t_mul))
            i += p >= self._start(i + 1) * (1 - 1e-12)
        p = max(0.0, (p - self._start(i)) / self.t_mul**i)
        height = self.m_mul**i * _half_cosine(p)
        return self.initial_learning_rate * ((1 - self.alpha) * height + self.alpha)


get, serialize, deserialize = registry.get, registry.serialize, registry.deserialize
