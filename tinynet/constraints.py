"""Constraints on weights, applied after every update: `constraint(w)` returns the permitted w.

Names, defaults and arithmetic are Keras's. Norms are taken along `axis`: with axis 0, those of the
columns of W (D, H), which are the weights that lead to one unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .configs.checks import check_axes, check_number, is_integer
from .configs.registry import Configurable, Registry
from .core.versions import Versioned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .configs.types import Array, ArrayLike, Named, Ops, Shape

registry = Registry("constraint", "constraints", "config_keys", takes_functions=True)

EPSILON = 1e-7  # added to a norm before dividing by it


class Constraint(Configurable, Versioned):
    """Base class: a subclass defines `__call__(w)`, which returns the permitted weight.

    A subclass of your own works on NumPy arrays; its steps are done one by one, not replayed.
    """

    def __call__(self, w: ArrayLike) -> Array:
        return w


class _NormConstraint(Constraint):
    """Weights scaled so that their norms move into [low, high].

    w *= (rate clip(|w|, low, high) + (1 - rate) |w|) / (1e-7 + |w|)
    """

    def limits(self) -> tuple[Any, Any, float]:
        """(low, high, rate): a subclass defines them."""
        raise NotImplementedError(f"{type(self).__name__} must define limits(), which returns "
                                  "(low, high, rate): norms move into [low, high] by a share "
                                  "`rate` of the way")  # fmt: skip

    @property
    def axes(self) -> tuple[int, ...]:
        """`axis` as a tuple."""
        return tuple(self.axis) if isinstance(self.axis, (list, tuple)) else (self.axis,)

    def __call__(self, w: ArrayLike) -> Array:
        w = np.asarray(w)
        self.check("w", w.shape)
        low, high, rate = self.limits()
        norm = np.sqrt(np.sum(np.square(w), axis=self.axes, keepdims=True))
        return w * ((rate * np.clip(norm, low, high) + (1 - rate) * norm) / (EPSILON + norm))

    def apply(self, ops: Ops, w: Array) -> None:
        """The same in place, on the device."""
        ops.limit_norm(*self.limits(), EPSILON, self.axes, w=w)

    def check(self, label: str, shape: Shape) -> None:
        """Raise unless weights of this shape have the axis."""
        check_axes(f"{label}: {self!r}", self.axes, shape)


@registry.register("max_norm")
class MaxNorm(_NormConstraint):
    """Norms of at most max_value. Source: Srivastava et al. 2014 (Dropout), section 5.1.

    Args:
        max_value: >= 0.
        axis: an axis or several.

    Raises:
        ValueError: an argument outside these bounds.
    """

    axis: Any
    max_value: float

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        check_number("max_value", max_value, low=0)
        self.max_value, self.axis = max_value, _check_axis(axis)

    def limits(self) -> tuple[Any, Any, float]:
        return 0.0, float(self.max_value), 1.0


@registry.register("unit_norm")
class UnitNorm(_NormConstraint):
    """Norms of 1; a zero stays zero. `axis`: an axis or several."""

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis: Any = _check_axis(axis)

    def limits(self) -> tuple[Any, Any, float]:
        return 1.0, 1.0, 1.0


@registry.register("min_max_norm")
class MinMaxNorm(_NormConstraint):
    """Norms between min_value and max_value; with rate < 1 they only move towards that.

    Args:
        min_value, max_value: 0 <= min_value <= max_value.
        rate: share of the way that each update goes.
        axis: an axis or several.

    Raises:
        ValueError: an argument outside these bounds.
    """

    max_value: float
    min_value: float
    rate: float

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0,
                 axis: int | Sequence[int] = 0) -> None:  # fmt: skip
        check_number("min_value", min_value, low=0)
        check_number("max_value", max_value, low=min_value)
        check_number("rate", rate, low=0)
        self.min_value, self.max_value, self.rate = min_value, max_value, rate
        self.axis: Any = _check_axis(axis)

    def limits(self) -> tuple[Any, Any, float]:
        return float(self.min_value), float(self.max_value), float(self.rate)


@registry.register("non_neg")
class NonNeg(Constraint):
    """max(w, 0)."""

    def __call__(self, w: ArrayLike) -> Array:
        return np.maximum(w, 0)

    def apply(self, ops: Ops, w: Array) -> None:
        """The same in place, on the device."""
        ops.not_negative(w=w)


# Keras's lower-case spellings of the classes.
max_norm, unit_norm, min_max_norm, non_neg = MaxNorm, UnitNorm, MinMaxNorm, NonNeg


def _check_axis(axis):
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    if not axes or not all(map(is_integer, axes)):
        raise ValueError(f"axis must be an int or a list of ints, received {axis!r}")
    return list(axis) if isinstance(axis, (list, tuple)) else int(axis)


def apply(constraint: Named, ops: Ops, w: Array) -> None:
    """Make w, a view of a device's array, satisfy the constraint."""
    if hasattr(constraint, "apply"):
        constraint.apply(ops, w)
    else:
        result = np.asarray(constraint(np.array(ops.to_host(w))))
        if result.shape != w.shape:
            raise ValueError(f"{constraint!r}: expected a weight of shape {w.shape}, received "
                             f"{result.shape}")  # fmt: skip
        w[...] = ops.from_host(result.astype(w.dtype))


def check(constraint: Named, label: str, shape: Shape) -> None:
    """Raise unless weights of this shape can satisfy the constraint."""
    if hasattr(constraint, "check"):
        constraint.check(label, shape)


def get(identifier: Named, custom_objects: dict[str, Any] | None = None) -> Any:
    """A constraint from a name, config dict, class, object or function; None stays None."""
    constraint = registry.get(identifier, custom_objects)
    if constraint is not None and not callable(constraint):
        raise ValueError("a constraint needs __call__(w) (subclass "
                         f"tinynet.constraints.Constraint), received {identifier!r}")  # fmt: skip
    return constraint


serialize, deserialize = registry.serialize, registry.deserialize
