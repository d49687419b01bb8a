"""What kind of wrong is an array? A sentence about how it differs from the right one."""

import numpy as np

TOLERANCE = 1e-6  # relative to the largest entry


def near(got, want):
    """Whether two arrays have one shape and the same entries, to rounding."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or not np.isfinite(got).all():
        return False
    return bool((np.abs(got - want) <= TOLERANCE * max(np.abs(want).max(initial=0), 1e-3)).all())


def fault(got, want, suspects, rows=None):
    """Return what is wrong with `got`, or None.

    Args:
        got: what the student's code returned.
        want: the right array.
        suspects: {sentence: the array that this mistake gives, or None}, asked first.
        rows: N, where 1/N belongs into the array.
    """
    if got is None or got is Ellipsis:
        return f"it is {got}; is it set, and returned?"
    try:
        got = np.asarray(got, float)
    except (TypeError, ValueError):
        return f"expected numbers, received {type(got).__name__}"
    if near(got, want):
        return None
    for sentence, value in suspects.items():
        if value is not None and near(got, value):
            return sentence
    if got.shape != want.shape:
        return _wrong_shape(got, want)
    if not np.isfinite(got).all():
        kind = "NaN" if np.isnan(got).any() else "infinity"
        return f"{kind} in {np.sum(~np.isfinite(got))} of {got.size} entries"
    return _factor(got, want, rows) or _order(got, want) or _parts(got, want)


def _wrong_shape(got, want):
    if got.ndim == 2 and near(got.T, want):
        return "it is transposed"
    shapes = f"shape {got.shape}, expected {want.shape}"
    if got.ndim == want.ndim + 1:
        if got.size == want.size and near(got.reshape(want.shape), want):
            return f"an axis of length 1 too many (keepdims?): {shapes}"
        for axis in range(got.ndim):
            if near(got.sum(axis), want):
                over = "the batch" if axis == 0 else f"axis {axis}"
                return f"it is not summed over {over}: {shapes}"
    if got.ndim == 0 and want.ndim:
        return f"it is one number, summed over too many axes: {shapes}"
    if got.ndim == want.ndim:
        return f"wrong axis, or a transpose: {shapes}"
    return f"wrong shape: {shapes}"


def _factor(got, want, rows):
    """About a common factor: a sign, 1/N, a 2."""
    if not got.any():
        return "it is 0 everywhere"
    largest = np.unravel_index(np.abs(want).argmax(), want.shape)
    ratio = got[largest] / want[largest] if want[largest] else 0
    if not ratio or not near(got, ratio * want):
        return None
    if np.isclose(ratio, -1):
        return "the sign is wrong: it is the right one times -1"
    sign = "the sign is wrong, and " if ratio < 0 else ""
    if rows and np.isclose(abs(ratio), rows):
        return f"{sign}1/N is missing: every entry is N = {rows} times the right one"
    if rows and np.isclose(abs(ratio), 1 / rows):
        return f"{sign}1/N enters twice: every entry is the right one divided by N = {rows}"
    if got.ndim == 0 and not np.isclose(max(abs(ratio), 1 / abs(ratio)) % 1, 0):
        return None  # any two numbers have a ratio
    return f"{sign}a factor is wrong: every entry is {abs(ratio):.4g} times the right one"


def _order(got, want):
    if got.ndim == 2 and got.shape[0] == got.shape[1] and near(got.T, want):
        return "it is transposed"
    if got.ndim == 0:
        return "it is another number"
    difference = got - want
    if near(difference, np.full_like(difference, difference.flat[0])):
        return f"every entry is off by the same {difference.flat[0]:.4g}"
    return None


def _parts(got, want):
    """About where the wrong entries are."""
    wrong = np.abs(got - want) > TOLERANCE * max(np.abs(want).max(initial=0), 1e-3)
    if wrong.all():
        return "no entry is right"
    if got.ndim == 2:
        for axis, kind in ((1, "rows"), (0, "columns")):
            lines = wrong.any(axis)
            if not lines.all():
                return f"wrong in {kind} {', '.join(map(str, np.flatnonzero(lines)))} only"
    return f"wrong in {wrong.sum()} of {wrong.size} entries"


def first_difference(name, got, want):
    """Return a line with the entry that is furthest off, or nothing where shapes differ."""
    try:
        got = np.asarray(got, float)
    except (TypeError, ValueError):
        return ""
    if got.shape != want.shape or not got.size:
        return ""
    off = np.where(np.isfinite(got), np.abs(got - want), np.inf)
    at = tuple(map(int, np.unravel_index(off.argmax(), want.shape)))
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return f"\n    {name}{index}: yours {got[at]:.6g}, right {want[at]:.6g}"
