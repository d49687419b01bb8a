"""Elementwise losses for the NumPy reference: pairs of f(y, t) and its derivative by y.

y is the prediction, t the target, one number each; the names after them are the kind's options.
"""

import numpy as np


def squared(y, t):
    return (y - t) ** 2


def d_squared(y, t):
    return 2 * (y - t)


def absolute(y, t):
    return np.abs(y - t)


def d_absolute(y, t):
    return np.sign(y - t)


def huber(y, t, delta):
    e = np.abs(y - t)
    return np.where(e <= delta, 0.5 * e * e, delta * e - 0.5 * delta * delta)


def d_huber(y, t, delta):
    return np.clip(y - t, -delta, delta)


def percentage(y, t, epsilon):
    return 100 * np.abs((y - t) / np.maximum(np.abs(t), epsilon))


def d_percentage(y, t, epsilon):
    return 100 * np.sign(y - t) / np.maximum(np.abs(t), epsilon)


def squared_log(y, t, epsilon):
    return (np.log1p(np.maximum(y, epsilon)) - np.log1p(np.maximum(t, epsilon))) ** 2


def d_squared_log(y, t, epsilon):
    raised = np.maximum(y, epsilon)
    difference = np.log1p(raised) - np.log1p(np.maximum(t, epsilon))
    return (y > epsilon) * 2 * difference / (1 + raised)


def log_cosh(y, t):
    e = np.abs(y - t)
    return e + np.log1p(np.expm1(-2 * e) / 2)  # e^e never appears


def d_log_cosh(y, t):
    return np.tanh(y - t)


def hinge(y, t):
    return np.maximum(1 - _sign(t) * y, 0)


def d_hinge(y, t):
    return np.where(_sign(t) * y < 1, -_sign(t), 0)


def squared_hinge(y, t):
    return np.maximum(1 - _sign(t) * y, 0) ** 2


def d_squared_hinge(y, t):
    return -2 * _sign(t) * np.maximum(1 - _sign(t) * y, 0)


def _sign(t):
    return t - (t == 0)  # of the labels 0 and 1, too


def poisson(y, t, epsilon):
    return y - t * np.log(y + epsilon)


def d_poisson(y, t, epsilon):
    return 1 - t / (y + epsilon)


def kl_divergence(y, t, epsilon):
    t = np.clip(t, epsilon, 1)
    return t * np.log(t / np.clip(y, epsilon, 1))


def d_kl_divergence(y, t, epsilon):
    clipped = np.clip(y, epsilon, 1)
    return np.where(y == clipped, -np.clip(t, epsilon, 1) / clipped, 0)


def binary_focal(y, t, gamma, positive, negative, epsilon):
    wrong, clipped = 1 - (t * y + (1 - t) * (1 - y)), np.clip(y, epsilon, 1 - epsilon)
    entropy = -t * np.log(clipped) - (1 - t) * np.log1p(-clipped)
    return (t * positive + (1 - t) * negative) * wrong**gamma * entropy


def d_binary_focal(y, t, gamma, positive, negative, epsilon):
    wrong, clipped = 1 - (t * y + (1 - t) * (1 - y)), np.clip(y, epsilon, 1 - epsilon)
    entropy = -t * np.log(clipped) - (1 - t) * np.log1p(-clipped)
    slope = np.where(y == clipped, (clipped - t) / (clipped * (1 - clipped)), 0)
    # wrong' = 1 - 2t
    by_factor = power_slope(wrong, gamma) * (1 - 2 * t) * entropy
    return (t * positive + (1 - t) * negative) * (by_factor + wrong**gamma * slope)


def power_slope(x, gamma):
    """The derivative of x^gamma; 0 at x = 0, where it may be infinite."""
    if gamma >= 1:
        return gamma * x ** (gamma - 1)
    return gamma * np.where(x == 0, 0, np.where(x == 0, 1, x) ** (gamma - 1))


ELEMENTWISE_LOSSES = {
    f.__name__: (f, df)
    for f, df in [
        (squared, d_squared),
        (absolute, d_absolute),
        (huber, d_huber),
        (percentage, d_percentage),
        (squared_log, d_squared_log),
        (log_cosh, d_log_cosh),
        (hinge, d_hinge),
        (squared_hinge, d_squared_hinge),
        (poisson, d_poisson),
        (kl_divergence, d_kl_divergence),
        (binary_focal, d_binary_focal),
    ]
}
