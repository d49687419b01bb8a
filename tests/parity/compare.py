"""What differs between the answers of the two libraries."""

import contextlib
import tempfile

import numpy as np

from . import build

TOLERANCE = {"float32": 2e-4, "float64": 1e-6}

AGREE = "agree, to 1e-6 in float64 and 2e-4 in float32"
THROUGHOUT = "agree to 2e-4, and to 1e-6 where Keras's means are float64, too"
ROUNDING = "agree to 1e-6 only where both are float64 throughout; else rounding decides"
REFUSED = "refused by both"
NAN = "agree until the loss is NaN in both"
DIFFER = "differ"


def tolerance(case):
    """How close the answers to a case must be, relative to the largest number of each."""
    return TOLERANCE[case["dtype"]]


def answers(lib, case) -> dict:
    """`build.run` in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return build.run(lib, case, folder)


def judge(keras, tinynet, case):
    """Carry the case out with both: a verdict (one of the above), and what differs.

    A model of float64 has some float32 in Keras on JAX (see `float64_throughout`), and a model of
    float32 has nothing else. Where that is all that keeps the answers apart, they agree as soon as
    both libraries compute the same case in float64 from end to end.
    """
    theirs, ours = answers(keras, case), answers(tinynet, case)
    found = differences(theirs, ours, tolerance(case))
    if not found:
        return (REFUSED if "error" in theirs else AGREE), []
    if all(comes_after_nan(line, theirs) for line in found):
        return NAN, found
    exact = {**case, "dtype": "float64"}
    with float64_throughout():
        theirs_exact = answers(keras, exact)
    ours_exact = ours if case["dtype"] == "float64" else answers(tinynet, exact)
    if "error" in theirs_exact or differences(theirs_exact, ours_exact, TOLERANCE["float64"]):
        return DIFFER, found
    close = not differences(theirs, ours, TOLERANCE["float32"])
    return (THROUGHOUT if close else ROUNDING), found


@contextlib.contextmanager
def float64_throughout():
    """Keras on JAX computes in float64 what it otherwise computes in float32.

    Its type promotion ends with a table that makes float64 into float32; means (and with them
    losses, root mean squares and normalizations), variances and learning rate schedules go through
    it, also in a model of float64.
    """
    from keras.src.backend.common import dtypes

    table = dtypes.BIT64_TO_BIT32_DTYPE
    before = table["float64"]
    table["float64"] = "float64"
    try:
        yield
    finally:
        table["float64"] = before


AFTER_NAN = ("weight", "saved weight", "learning rate", *build.ATTRIBUTES)


def comes_after_nan(line, theirs):
    """Whether a line is about the weights that a fit left in which the loss became NaN, or about
    what a callback took for the best of such values, and ReduceLROnPlateau for the rate (see
    purpose.py); the histories must agree."""
    label, _, answer = line.partition(": ")
    spoilt = [
        name.partition(" ")[0]
        for name, values in theirs.items()
        if "history" in name and not np.isfinite(values).all()
    ]
    if not spoilt or not answer.startswith(AFTER_NAN):
        return False
    return label == "end" or int(label.partition(" ")[0]) >= min(map(int, spoilt))


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
