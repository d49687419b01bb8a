"""The reference kernels of the rarer optimizers, and what comes before and after an update.

A part of `reference`, which hands them on.
"""

import numpy as np

__all__ = [
    "accumulate",
    "adadelta",
    "adafactor",
    "adagrad",
    "adamax",
    "ema",
    "ftrl",
    "lamb",
    "limit_norm",
    "lion",
    "nadam",
    "not_negative",
]


def nadam(g, m_rate, g_rate, beta_1, beta_2, v_root, epsilon, *, w, m, v):
    m += (g - m) * (1 - beta_1)
    v += (g * g - v) * (1 - beta_2)
    w -= (m_rate * m + g_rate * g) / (v_root * np.sqrt(v) + epsilon)


def adamax(g, alpha, beta_1, beta_2, epsilon, *, w, m, u):
    m += (g - m) * (1 - beta_1)
    np.maximum(beta_2 * u, np.abs(g), out=u)
    w -= alpha * m / (u + epsilon)


def adagrad(g, lr, epsilon, *, w, a):
    a += g * g
    w -= lr * g / np.sqrt(a + epsilon)  # epsilon stands inside the root


def adadelta(g, lr, rho, epsilon, *, w, a, x):
    a *= rho
    a += (1 - rho) * g * g
    d = np.sqrt(x + epsilon) / np.sqrt(a + epsilon) * g
    x *= rho
    x += (1 - rho) * d * d
    w -= lr * d


def lion(g, lr, beta_1, beta_2, *, w, m):
    w -= lr * np.sign(beta_1 * m + (1 - beta_1) * g)
    m *= beta_2
    m += (1 - beta_2) * g


def ftrl(g, lr, power, l1, l2, shrinkage, *, w, n, z):
    before = n**-power
    n += g * g
    after = n**-power
    z += g + 2 * shrinkage * w - (after - before) / lr * w
    w[...] = (np.clip(z, -l1, l1) - z) / (after / lr + l2)


def lamb(g, lr, beta_1, beta_2, m_scale, v_scale, epsilon, *, w, m, v):
    m += (g - m) * (1 - beta_1)
    v += (g * g - v) * (1 - beta_2)
    u = m_scale * m / (np.sqrt(v_scale * v) + epsilon)
    size, step = np.sqrt(np.dot(w, w)), np.sqrt(np.dot(u, u))
    w -= (lr * size / step if size > 0 and step > 0 else lr) * u


def adafactor(g, rate, beta_2, epsilon_1, epsilon_2, threshold, *, w, r, c, v):
    square = g * g + epsilon_1
    if r is None:
        v *= beta_2
        v += (1 - beta_2) * square
    else:  # v from the means of its rows r and of its columns c
        r *= beta_2
        r += (1 - beta_2) * square.mean(axis=-1)
        c *= beta_2
        c += (1 - beta_2) * square.mean(axis=-2)
        v[...] = (r / r.mean(axis=-1, keepdims=True))[..., None] * c[..., None, :]
    u = g / np.sqrt(v)
    size, step = np.sqrt((w * w).mean()), np.sqrt((u * u).mean())
    w -= rate * max(epsilon_2, size) / max(1.0, step / threshold) * u


# ---------------------------------------------------------------------- before and after an update


def accumulate(due, steps, *, g, total):
    total += g
    if due:  # the mean takes the gradient's place, and the sum starts again
        np.divide(total, steps, out=g)
        total[...] = 0


def ema(momentum, overwrite, *, w, average):
    average *= momentum
    average += (1 - momentum) * w
    if overwrite:
        w[...] = average


def not_negative(*, w):
    np.maximum(w, 0, out=w)


def limit_norm(low, high, rate, epsilon, axis, *, w):
    norm = np.sqrt((w * w).sum(axis=axis, keepdims=True))
    w *= (rate * np.clip(norm, low, high) + (1 - rate) * norm) / (epsilon + norm)
