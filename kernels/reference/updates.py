"""The reference kernels on flat vectors: penalties, clipping, the optimizers' updates, constraints.

A rule changes the arrays behind the star in place. The compiled code of the other devices is made
from the text of `RULES`.
"""

import inspect

import numpy as np

# ----------------------------------------------------------------------------------------- updates


def sgd(g, lr, momentum, nesterov, *, w, m):
    if momentum == 0:
        w -= lr * g
        return
    m *= momentum
    m -= lr * g
    w += momentum * m - lr * g if nesterov else m


def rmsprop(g, lr, rho, momentum, epsilon, *, w, v, a, m):
    v *= rho
    v += (1 - rho) * g * g
    denominator = v + epsilon  # epsilon stands inside the root
    if a is not None:  # centered: the variance instead of the second moment
        a *= rho
        a += (1 - rho) * g
        denominator -= a * a
    step = lr * g / np.sqrt(denominator)
    if m is not None:
        m *= momentum
        m += step
        step = m
    w -= step


def adam(g, alpha, beta_1, beta_2, epsilon, *, w, m, v, v_max):
    m += (g - m) * (1 - beta_1)
    v += (g * g - v) * (1 - beta_2)
    if v_max is not None:  # amsgrad
        np.maximum(v_max, v, out=v_max)
        v = v_max
    w -= alpha * m / (np.sqrt(v) + epsilon)  # epsilon stands outside the root


def nadam(g, m_rate, g_rate, beta_1, beta_2, v_root, epsilon, *, w, m, v):
    m += (g - m) * (1 - beta_1)
    v += (g * g - v) * (1 - beta_2)
    w -= (m_rate * m + g_rate * g) / (v_root * np.sqrt(v) + epsilon)


def schedule_free_adam(g, lr, share, beta_1, beta_2, v_root, epsilon, *, w, z, v):
    v += (g * g - v) * (1 - beta_2)
    x = (w - (1 - beta_1) * z) / beta_1  # the average so far, of which w is made
    z -= lr * g / (v_root * np.sqrt(v) + epsilon)
    x = (1 - share) * x + share * z
    w += (1 - beta_1) * z + beta_1 * x - w


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


def penalty_grad(w, l1, l2, *, dw):
    if dw is not None:
        dw += l1 * np.sign(w) + 2 * l2 * w


def clip_by_value(c, *, g):
    np.clip(g, -c, c, out=g)


def clip_by_norm(c, *, g):
    norm = np.sqrt(np.dot(g, g))
    if norm > c:
        g *= c / norm


def scale_(factor, *, x):
    x *= factor


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


WITH_SUMS = ("clip_by_norm", "lamb", "adafactor", "limit_norm")  # these work on whole vectors
RULES = {
    name: f
    for name, f in list(globals().items())
    if inspect.isfunction(f) and name not in WITH_SUMS
}


def update(rule, g, options, *, w, moments):
    """Apply a user's rule(g, *options, *, w, moments...) to the flat vector of weights."""
    rule(g, *options, w=w, **moments)
