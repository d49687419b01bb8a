"""exp and its like in float32 against SciPy's and NumPy's in float64."""

import math

import numpy as np
import pytest
import scipy.special
from numba import config, njit

from tinynet.kernels.cpu import elementary

pytestmark = pytest.mark.skipif(config.DISABLE_JIT, reason="uncompiled it is the C library's")

UNITS = {"exp": 1.1, "expm1": 1.6, "log": 1.1, "log1p": 1.7, "tanh": 1.6, "erf": 2.8, "erfc": 7}
TINY = np.finfo(np.float32).tiny
EVERY = 997  # so many float32 apart: 4.3 million of them, of all sizes


def applied(name, x):
    function = getattr(elementary, name)

    @njit(error_model="numpy")
    def run(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    y = np.empty_like(x)
    run(x, y)
    return y


def expected(name, x):
    function = getattr(np, name, None) or getattr(scipy.special, name)
    with np.errstate(all="ignore"):
        return function(x.astype(np.float64))


def without_denormals(x):
    return np.where(np.abs(x) < TINY, 0 * x, x)


@pytest.mark.parametrize("name", UNITS)
def test_numbers_of_all_sizes(name):
    with np.errstate(invalid="ignore", over="ignore"):
        x = np.arange(0, 1 << 32, EVERY, dtype=np.uint64).astype(np.uint32).view(np.float32)
        x = np.concatenate([x, np.linspace(-12, 12, 400_001, dtype=np.float32)])
        x = without_denormals(x)
        y, right = applied(name, x), expected(name, x)
        rounded = right.astype(np.float32)
    special = ~np.isfinite(rounded)
    np.testing.assert_array_equal(y[special], rounded[special])  # NaN, infinity, overflow
    small = np.abs(rounded) < TINY
    assert np.abs(y[small]).max(initial=0) <= TINY
    x, y, right = (part[~special & ~small] for part in (x, y, right))
    units = np.abs(y - right) / np.spacing(np.abs(right).astype(np.float32))
    assert units.max() < UNITS[name], x[units.argmax()]
    assert units.mean() < 0.4


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        (
            "exp",
            [0, -0.0, -np.inf, np.inf, 88.72283, 88.8, -104],
            [1, 1, 0, np.inf, None, np.inf, 0],
        ),
        ("expm1", [0, -np.inf, np.inf, 88.8, -30], [0, -1, np.inf, np.inf, -1]),
        ("log", [1, 0, -0.0, np.inf, -1, -np.inf], [0, -np.inf, -np.inf, np.inf, np.nan, np.nan]),
        ("log1p", [0, -1, np.inf, -2, 1e-30], [0, -np.inf, np.inf, np.nan, 1e-30]),
        ("tanh", [0, np.inf, -np.inf, 20, -20, 1e-30], [0, 1, -1, 1, -1, 1e-30]),
        ("erf", [0, np.inf, -np.inf, 5, -5], [0, 1, -1, 1, -1]),
        ("erfc", [0, np.inf, -np.inf, 12, -5], [1, 0, 2, 0, 2]),
    ],
)
def test_edges(name, x, y):
    found = applied(name, np.array([*x, np.nan], np.float32))
    for given, right, got in zip(x, y, found, strict=False):
        if right is None:  # the last that is finite
            assert got == pytest.approx(math.exp(np.float32(given)), rel=1e-6)
        else:
            np.testing.assert_array_equal(got, np.float32(right))
    assert np.isnan(found[-1])


@pytest.mark.parametrize("name", UNITS)
def test_float64_is_the_c_librarys(name):
    x = np.linspace(0.01, 5, 100)
    assert applied(name, x).tolist() == [getattr(math, name)(value) for value in x]
