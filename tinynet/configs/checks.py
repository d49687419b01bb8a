"""Checks of arguments: each returns the value, or raises an error that names it and what came."""

from __future__ import annotations

import math
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any


def is_integer(value: Any, least: int | None = None) -> bool:
    """Return whether `value` is an integer (bool is none) and not below `least`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and (least is None or value >= least)


def check_integer(name, value, least=1, kind="an integer") -> int:
    """Return `value` as an int >= `least`, or raise a ValueError that calls it `kind`."""
    if not is_integer(value, least):
        raise ValueError(f"{name} must be {f'{kind} >= {least}'.strip()}, received {value!r}")
    return int(value)


def check_axes(name: str, axis: Any, shape: Any, several: bool = True) -> Any:
    """Return `axis`, or raise a ValueError: `shape` has no such axis.

    Args:
        name: of whose axis it is.
        axis: an integer, counted from the end where it is below 0; a list or tuple of them.
        shape: of an array.
        several: whether it may be a list or tuple.
    """
    rank = len(shape)
    for a in axis if several and isinstance(axis, (list, tuple)) else [axis]:
        if not (is_integer(a, -rank) and a < rank):
            expected = f"an integer from {-rank} to {rank - 1}" if rank else "an array with axes"
            raise ValueError(f"{name}: axis {a!r} does not exist in shape {tuple(shape)}; expected "
                             f"{expected}")  # fmt: skip
    return axis


def is_flag(value) -> bool:
    """Return whether `value` is True or False, or 1 or 0 in their place."""
    return isinstance(value, bool | np.bool_) or (is_integer(value) and value in (0, 1))


def check_flag(name, value) -> bool:
    """Return `value` as a bool, or raise: "False" is none."""
    if not is_flag(value):
        raise ValueError(f"{name} must be True or False, received {value!r}")
    return bool(value)


def is_number(value) -> bool:
    """Return whether `value` is a finite real number (bool is none)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond float's range
        return False


def check_number(name: str, value: Any, low: float | None = None, high: float | None = None, *,
                 above: float | None = None, below: float | None = None,
                 kind: str = "a finite number") -> float:  # fmt: skip
    """Return `value` as a float, if low <= value <= high and above < value < below; else raise.

    NaN, infinity, bools and what is no number are refused; `kind` is what the message calls it.
    """
    bounds = (low, high, above, below)
    if is_number(value) and all(
        bound is None or holds(value, bound)
        for bound, holds in zip(bounds, (ge, le, gt, lt), strict=True)
    ):
        return float(value)
    first, last = (low if above is None else above), (high if below is None else below)
    if first is None or last is None:
        signs = zip((">=", "<=", ">", "<"), bounds, strict=True)
        expected = " ".join([kind, *(f"{sign} {b:g}" for sign, b in signs if b is not None)])
    else:
        expected = f"in {'[' if above is None else '('}{first:g}, "
        expected += f"{last:g}{']' if below is None else ')'}"
    raise ValueError(f"{name} must be {expected.strip()}, received {value!r}")
