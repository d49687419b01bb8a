"""The functions that formulas may call: NumPy's, SciPy's, Python's, under NumPy's names.

Some are made of others. Those are written here, in NumPy, and read like any other formula.
"""

import inspect
import math
import types

import numpy as np

from .form import FUNCTIONS


def _primitive(name):
    """A stand-in for a function of `FUNCTIONS` that NumPy does not have."""
    return types.SimpleNamespace(primitive=name)


_erfc = _primitive("erfc")
_SQRT_HALF, _LOG_2 = math.sqrt(0.5), math.log(2)


def _sign(x):
    return np.where(np.abs(x) > 0, np.copysign(1, x), x)  # of NaN it is NaN


def _clip(x, low, high):
    return np.minimum(np.maximum(x, low), high)


def _square(x):
    return x * x


def _reciprocal(x):
    return 1 / x


def _isnan(x):
    return x != x


def _isinf(x):
    return np.abs(x) == math.inf


def _isfinite(x):
    return np.abs(x) < math.inf


def _heaviside(x, middle):
    return np.where(x > 0, 1, np.where(x < 0, 0, np.where(x == 0, middle, x)))


def _logaddexp(a, b):
    return np.where(a == b, a + _LOG_2, np.maximum(a, b) + np.log1p(np.exp(-np.abs(a - b))))


def _expit(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def _ndtr(x):
    return 0.5 * _erfc(-_SQRT_HALF * x)


def _xlogy(x, y):
    return np.where((x == 0) & (y == y), 0, x * np.log(y))


DERIVED = {f.__name__[1:]: f for f in (_sign, _clip, _square, _reciprocal, _isnan, _isinf,
           _isfinite, _heaviside, _logaddexp, _expit, _ndtr, _xlogy)}  # fmt: skip

# NumPy's functions that are operators
OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "less": "<",
    "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "logical_and": "&",
    "logical_or": "|", "logical_xor": "^", "logical_not": "not",
}  # fmt: skip
# how many arguments a call must have: of what is not here no formula may make use
ARGUMENTS = dict.fromkeys((*FUNCTIONS, "negative", "positive"), 1)
ARGUMENTS |= dict.fromkeys((*OPERATORS, "arctan2", "copysign", "maximum", "minimum"), 2)
ARGUMENTS |= {name: len(inspect.signature(f).parameters) for name, f in DERIVED.items()}
ARGUMENTS |= {"where": 3, "logical_not": 1}
# other names of the same functions, Python's among them
RENAMED = {
    "abs": "absolute", "fabs": "absolute", "pow": "power", "max": "maximum", "min": "minimum",
    "invert": "logical_not", "true_divide": "divide", "atan": "arctan", "asin": "arcsin",
    "acos": "arccos",
}  # fmt: skip


def name_of(target):
    """(NumPy's name of a function, whether it takes arrays), or (None, False) of any other."""
    name, module = getattr(target, "__name__", None), getattr(target, "__module__", None) or ""
    if hasattr(target, "primitive"):
        return target.primitive, True
    of_arrays = isinstance(target, np.ufunc) or module.split(".")[0] == "numpy" or target is abs
    if of_arrays or module == "math" or target in (max, min, pow):
        return RENAMED.get(name, name), of_arrays
    return None, False
