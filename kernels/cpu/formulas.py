"""Formulas of the reference, and of users, as compiled code: made of their text when first used."""

import functools
import math

import numpy as np
from numba import config, njit

from .. import translate

fast = njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"}, forceinline=True)


@fast
def maximum(a, b):
    """NaN where one of them is, as NumPy's."""
    return a if a > b or a != a else b


@fast
def minimum(a, b):
    return a if a < b or a != a else b


@fast
def power(x, exponent):
    return x**exponent


def _functions():
    """What the text of a formula may call, by name. Uncompiled it is NumPy, which keeps the dtype
    and answers to any number."""
    if config.DISABLE_JIT:
        import scipy.special

        known = vars(np) | {"erf": scipy.special.erf, "erfc": scipy.special.erfc}
    else:
        other = {"absolute": abs, "floor": np.floor, "ceil": np.ceil, "arccos": math.acos,
                 "arcsin": math.asin, "arctan": math.atan, "arctan2": math.atan2,
                 "arccosh": math.acosh, "arcsinh": math.asinh, "arctanh": math.atanh}  # fmt: skip
        ours = {"maximum": maximum, "minimum": minimum, "power": power}
        known = vars(math) | other | ours
    return {name: known[name] for name in translate.FUNCTIONS} | {"inf": math.inf, "nan": math.nan}


@functools.cache
def scalar(formula):
    """The compiled function (T, entries..., options...) -> results for one entry."""
    names = _functions()
    exec(translate.numba(formula, "scalar"), names)  # text that `translate` has printed
    return fast(names["scalar"])
