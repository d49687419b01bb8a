"""What differs between the answers of the two libraries."""

import tempfile

import numpy as np

from . import build

TOLERANCE = {"float32": 2e-4, "float64": 1e-6}
# Close, but not always to 1e-6: Keras keeps learning rates in float32, and these two subtract
# numbers that are nearly equal.
LOOSE = ("ftrl", "adafactor")


def tolerance(case):
    """How close the answers to a case must be, relative to the largest number of each."""
    for call in case["calls"]:
        optimizer = call.get("optimizer", "")
        name = optimizer if isinstance(optimizer, str) else optimizer["new"]
        if name.lower().rpartition(".")[2] in LOOSE:
            return TOLERANCE["float32"]
    return TOLERANCE[case["dtype"]]


def answers(lib, case) -> dict:
    """`build.run` in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return build.run(lib, case, folder)


def differences(theirs, ours, tolerance) -> list:
    """One line per answer that differs; empty if the libraries agree.

    Args:
        theirs, ours: what `build.run` returned with Keras, with tinynet.
        tolerance: see `tolerance`.
    """
    found = []
    if "error" in theirs or "error" in ours:
        if "error" in theirs and "error" in ours:
            return found  # both refuse; the words are each library's own
        return [f"error: Keras {theirs.get('error')!r}, tinynet {ours.get('error')!r}"]
    for name in sorted(set(theirs) | set(ours)):
        if name not in theirs or name not in ours:
            found.append(f"{name}: only {'Keras' if name in theirs else 'tinynet'} has it")
            continue
        difference = differs(theirs[name], ours[name], tolerance)
        if difference:
            found.append(f"{name}: {difference}")
    return found


def differs(a, b, tolerance):
    """How a and b differ, or None. Numbers: relative to the largest entry of `a`."""
    try:
        x, y = np.asarray(a, float), np.asarray(b, float)
    except (ValueError, TypeError):  # texts, None
        return first_difference(a, b, tolerance)
    if x.shape != y.shape:
        return f"Keras {a}, tinynet {b}" if x.size < 20 else f"shapes {x.shape}, {y.shape}"
    if np.array_equal(x, y, equal_nan=True):
        return None
    if not np.array_equal(np.isfinite(x), np.isfinite(y)):
        return f"Keras {a}, tinynet {b}"
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    scale = max(np.abs(x).max(initial=0.0), 1e-3)
    error = np.abs(x - y).max(initial=0.0) / scale
    if error <= tolerance:
        return None
    return f"relative error {error:.2g}: Keras {short(a)}, tinynet {short(b)}"


def first_difference(a, b, tolerance):
    """Where two texts, or two lists with texts or None in them, part."""
    if not (isinstance(a, list) and isinstance(b, list)):
        return None if a == b else f"Keras {a!r}, tinynet {b!r}"
    for i, (p, q) in enumerate(zip(a, b, strict=False)):
        numbers = isinstance(p, float) and isinstance(q, float)
        if differs(p, q, tolerance) if numbers else p != q:
            return f"entry {i}: Keras {p!r}, tinynet {q!r}"
    if len(a) == len(b):
        return None
    rest = (a if len(a) > len(b) else b)[min(len(a), len(b)) :]
    return f"Keras has {len(a)} entries, tinynet {len(b)}; the next one is {rest[0]!r}"


def short(value):
    return np.array2string(np.asarray(value, float).ravel()[:4], precision=7)
