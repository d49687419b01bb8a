"""The gpu's clipping, updates and constraints, each one launch or a few over flat vectors."""

import math

import numpy as np

from .. import reference
from ..recording import Unsupported
from .card import runtime
from .machine.call import CONTROL, Launch, kernel
from .machine.launches import bringing, number, on_entries, plain, there
from .sums import parts_of_a_sum

# ------------------------------------------------- clipping, updates, constraints


@kernel
def clip_by_value(c, *, g):
    yield on_entries("clip_by_value", (g,), (number(c), g.size, g))


@kernel
def clip_by_norm(c, *, g):
    parts = parts_of_a_sum(g, "SQUARES")
    yield parts
    (partial,) = parts.own
    one = on_entries("clip_to_norm", (g,), (number(c), partial, partial.size, g.size, g))
    one.own = (partial,)
    yield one


@kernel
def scale_(factor, *, x):
    yield on_entries("scale_", (x,), (CONTROL, number(factor), x.size, x))


@kernel
def sgd(g, lr, momentum, nesterov, *, w, m):
    m = m if momentum else None
    args = (CONTROL, g, number(lr), number(momentum), int(nesterov), w.size, w, m)
    yield on_entries("sgd", (g, w, m), args)


@kernel
def rmsprop(g, lr, rho, momentum, epsilon, *, w, v, a, m):
    args = (CONTROL, g, number(lr), number(rho), number(momentum), number(epsilon), w.size,
            w, v, a, m)  # fmt: skip
    yield on_entries("rmsprop", (g, w, v, a, m), args)


@kernel
def adam(g, alpha, beta_1, beta_2, epsilon, *, w, m, v, v_max):
    args = (CONTROL, g, number(alpha), number(beta_1), number(beta_2), number(epsilon), w.size,
            w, m, v, v_max)  # fmt: skip
    yield on_entries("adam", (g, w, m, v, v_max), args)


@kernel
def nadam(g, m_rate, g_rate, beta_1, beta_2, v_root, epsilon, *, w, m, v):
    numbers = (m_rate, g_rate, beta_1, beta_2, v_root, epsilon)
    yield _update("nadam", g, numbers, w, m, v)


def _update(name, g, numbers, *outputs):
    """One launch over the flat vector."""
    args = (CONTROL, g, *map(number, numbers), g.size, *outputs)
    return on_entries(name, (g, *outputs), args)


@kernel
def adamax(g, alpha, beta_1, beta_2, epsilon, *, w, m, u):
    yield _update("adamax", g, (alpha, beta_1, beta_2, epsilon), w, m, u)


@kernel
def adagrad(g, lr, epsilon, *, w, a):
    yield _update("adagrad", g, (lr, epsilon), w, a)


@kernel
def adadelta(g, lr, rho, epsilon, *, w, a, x):
    yield _update("adadelta", g, (lr, rho, epsilon), w, a, x)


@kernel
def lion(g, lr, beta_1, beta_2, *, w, m):
    yield _update("lion", g, (lr, beta_1, beta_2), w, m)


@kernel
def ftrl(g, lr, power, l1, l2, shrinkage, *, w, n, z):
    yield _update("ftrl", g, (lr, power, l1, l2, shrinkage), w, n, z)


@kernel
def lamb(g, lr, beta_1, beta_2, m_scale, v_scale, epsilon, *, w, m, v):
    u = runtime.empty(g.shape, plain(g, w, m, v))
    numbers = (beta_1, beta_2, m_scale, v_scale, epsilon)
    yield bringing(_update("lamb_step", g, numbers, m, v, u), u)
    lengths = [parts_of_a_sum(a, "SQUARES") for a in (w, u)]
    partials = [length.own[0] for length in lengths]
    for length in lengths:
        yield bringing(length, *partials, u)
    args = (CONTROL, u, number(lr), *partials, partials[0].size, w.size, w)
    yield bringing(on_entries("lamb_update", (w,), args), *partials, u)


@kernel
def adafactor(g, rate, beta_2, epsilon_1, epsilon_2, threshold, *, w, r, c, v):
    dtype, means, (R, C) = plain(g, w, r, c, v), None, (1, 1)
    u, numbers = runtime.empty(g.shape, dtype), (number(beta_2), number(epsilon_1))
    if r is not None:
        R, C = w.shape[-2:]
        means = runtime.empty((w.size // (R * C),), dtype)
        args = (CONTROL, g, *numbers, r.size, C, r)
        yield Launch("adafactor_rows", "rows", r.size, args, dtype)
        args = (CONTROL, g, *numbers, c.size, R, C, c)
        yield Launch("adafactor_columns", "entries", c.size, args, dtype)
        yield Launch("row_means", "rows", means.size, (r, means.size, R, means), dtype, (means,))
    args = (CONTROL, g, *numbers, r, c, means, g.size, R, C, v, u)
    yield bringing(on_entries("adafactor_step", (g, v, u), args), *there(means), u)
    lengths = [parts_of_a_sum(a, "SQUARES") for a in (w, u)]
    partials = [length.own[0] for length in lengths]
    for length in lengths:
        yield bringing(length, *partials, u)
    args = (CONTROL, u, number(rate), number(epsilon_2), number(threshold), *partials,
            partials[0].size, w.size, w)  # fmt: skip
    yield bringing(on_entries("adafactor_update", (w,), args), *partials, u)


@kernel
def accumulate(due, steps, *, g, total):
    args = (CONTROL, number(due), number(steps), g.size, g, total)
    yield on_entries("accumulate", (g, total), args)


@kernel
def ema(momentum, overwrite, *, w, average):
    args = (CONTROL, number(momentum), number(overwrite), w.size, w, average)
    yield on_entries("ema", (w, average), args)


@kernel
def not_negative(*, w):
    yield on_entries("not_negative", (w,), (w.size, w))


@kernel
def _limit_norm(low, high, rate, epsilon, axis, *, w):
    axes = sorted(a % w.ndim for a in np.atleast_1d(axis).tolist())
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        raise Unsupported(f"norms along axes that are not neighbours: {axis}")
    C, stride = math.prod(w.shape[axes[0] : axes[-1] + 1]), math.prod(w.shape[axes[-1] + 1 :])
    lines = w.size // max(C, 1)
    args = (number(low), number(high), number(rate), number(epsilon), lines, C, stride, w)
    yield Launch("limit_norm", "entries", lines, args, plain(w))


def limit_norm(low, high, rate, epsilon, axis, *, w):
    axes = sorted(a % w.ndim for a in np.atleast_1d(axis).tolist())
    if axes and axes == list(range(axes[0], axes[-1] + 1)):
        _limit_norm(low, high, rate, epsilon, axis, w=w)
    else:  # by CuPy's own operations
        reference.limit_norm(low, high, rate, epsilon, axis, w=w)


limit_norm.instructions = _limit_norm.instructions
