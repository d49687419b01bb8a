"""The rarer elementwise activations for the NumPy reference: pairs of f(x) and f'(x).

At a kink the derivative is the one that Keras takes on JAX.
"""

import numpy as np

from .activations import ELEMENTWISE, sigmoid, softplus


def celu(x, alpha):
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)


def d_celu(x, y, alpha):
    return np.where(x > 0, 1, np.exp(np.minimum(x, 0) / alpha))


def squareplus(x, b):
    root = np.sqrt(x * x + b)
    away = root + np.abs(x)  # of x < 0 nothing cancels this way
    return np.where(x >= 0, away / 2, b / np.where(x >= 0, 1, 2 * away))


def d_squareplus(x, y, b):
    return y / np.sqrt(x * x + b)


def soft_shrink(x, threshold):
    return np.where(x > threshold, x - threshold, np.where(x < -threshold, x + threshold, 0))


def d_soft_shrink(x, y, threshold):
    return ((x > threshold) | (x < -threshold)).astype(x.dtype)


def hard_shrink(x, threshold):
    return np.where(np.abs(x) > threshold, x, 0)


def d_hard_shrink(x, y, threshold):
    return (np.abs(x) > threshold).astype(x.dtype)


def sparse_plus(x):
    return np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x))


def d_sparse_plus(x, y):
    return np.clip((x + 1) / 2, 0, 1)


def hard_tanh(x):
    return np.clip(x, -1, 1)


def d_hard_tanh(x, y):
    return ((x >= -1) & (x <= 1)).astype(x.dtype)


def tanh_shrink(x):
    return x - np.tanh(x)


def d_tanh_shrink(x, y):
    return np.tanh(x) ** 2


def threshold(x, threshold, default_value):
    return np.where(x > threshold, x, x.dtype.type(default_value))


def d_threshold(x, y, threshold, default_value):
    return (x > threshold).astype(x.dtype)


def log_sigmoid(x):
    return -softplus(-x)


def d_log_sigmoid(x, y):
    return sigmoid(-x)


def sparse_sigmoid(x):
    return np.clip((x + 1) / 2, 0, 1)


def d_sparse_sigmoid(x, y):
    return ((x > -1) & (x < 1)).astype(x.dtype) / 2


def hard_silu(x):
    return x * np.clip(x / 6 + 0.5, 0, 1)


def d_hard_silu(x, y):
    inside = (x > -3) & (x < 3)
    return np.clip(x / 6 + 0.5, 0, 1) + np.where(inside, x / 6, 0)


RARE = {
    f.__name__: (f, df)
    for f, df in [
        (celu, d_celu),
        (squareplus, d_squareplus),
        (soft_shrink, d_soft_shrink),
        (hard_shrink, d_hard_shrink),
        (sparse_plus, d_sparse_plus),
        (hard_tanh, d_hard_tanh),
        (tanh_shrink, d_tanh_shrink),
        (threshold, d_threshold),
        (log_sigmoid, d_log_sigmoid),
        (sparse_sigmoid, d_sparse_sigmoid),
        (hard_silu, d_hard_silu),
    ]
}
FUNCTIONS = ELEMENTWISE | RARE
