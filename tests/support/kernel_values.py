"""Small arrays for the kernels, and the list of those that there are."""

import inspect
import math

import numpy as np

from tinynet.kernels import reference

N, D, H, C = 4, 3, 5, 3
random = np.random.Generator(np.random.PCG64(11))
X, W, B = random.normal(size=(N, D)), random.normal(size=(D, H)), random.normal(size=H)
DY = random.normal(size=(N, H))
Z, DZ = 2 * random.normal(size=(N, C)), random.normal(size=(N, C))
LABELS = np.array([0, 2, 2, 1])
ONE_HOT = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]], float)
TARGETS = np.array([[0.2, 0.5, 0.3], [1, 0, 1], [0, 0, 0], [0.1, 0.9, 0.4]])
SHARE = np.array([0.25, 0.5, 0.0, 1.25])  # w of a loss
EPSILON = 1e-7


def nan(*shape):
    """An output to fill: what is left untouched shows."""
    return np.full(shape, np.nan)


def same(actual, expected, rtol=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-14)


def public_functions():
    ours = "tinynet.kernels.reference"
    return {
        name: f
        for name, f in vars(reference).items()
        if inspect.isfunction(f) and f.__module__.startswith(ours) and name[0] != "_"
    }


def softmax_row(row):
    total = sum(math.exp(v) for v in row)
    return np.array([math.exp(v) / total for v in row])


def softmax_jacobian(p):
    return np.array([[p[i] * ((i == j) - p[j]) for j in range(len(p))] for i in range(len(p))])
