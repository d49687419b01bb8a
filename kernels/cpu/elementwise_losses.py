"""Elementwise losses for the CPU: the twins of `reference/losses_elementwise.py`.

Each is written for one prediction y and target t, and returns value and slope; `over_rows` makes
the kernel of it. T is their type, a to d are the kind's options. Constants are cast to T: a Python
number would turn float32 arithmetic into float64.
"""

import math

from .ops import jit


def over_rows(f):
    """The loop around f: losses_i = w_i mean_c value, and dy, which has no columns if not wanted.

    Every f has a loop of its own, which LLVM turns into vector instructions.
    """
    f = jit(f)

    @jit
    def loop(y, targets, a, b, c, d, w, losses, dy):
        T = y.dtype.type
        p0, p1, p2, p3, C = T(a), T(b), T(c), T(d), T(y.shape[1])
        for i in range(y.shape[0]):
            total, share = T(0), w[i] / C
            if dy.shape[1]:
                for j in range(y.shape[1]):
                    value, slope = f(T, y[i, j], targets[i, j], p0, p1, p2, p3)
                    total += value
                    dy[i, j] = share * slope
            else:
                for j in range(y.shape[1]):
                    total += f(T, y[i, j], targets[i, j], p0, p1, p2, p3)[0]
            losses[i] = w[i] * (total / C)

    return loop


@over_rows
def squared(T, y, t, a, b, c, d):
    e = y - t
    return e * e, e + e


@over_rows
def absolute(T, y, t, a, b, c, d):
    e = y - t
    return abs(e), sign_of(T, e)


@over_rows
def huber(T, y, t, a, b, c, d):
    e, half = y - t, T(0.5)
    inside = abs(e) <= a
    value = half * e * e if inside else a * abs(e) - half * a * a
    return value, min(max(e, -a), a)


@over_rows
def percentage(T, y, t, a, b, c, d):
    e, scale = y - t, T(100) / max(abs(t), a)
    return scale * abs(e), scale * sign_of(T, e)


@over_rows
def squared_log(T, y, t, a, b, c, d):
    raised = max(y, a)
    difference = math.log1p(raised) - math.log1p(max(t, a))
    slope = T(2) * difference / (T(1) + raised)
    return difference * difference, slope if y > a else T(0)


@over_rows
def log_cosh(T, y, t, a, b, c, d):
    e = abs(y - t)
    return e + math.log1p(T(0.5) * math.expm1(T(-2) * e)), math.tanh(y - t)


@over_rows
def hinge(T, y, t, a, b, c, d):
    s = t if t != T(0) else T(-1)
    margin = T(1) - s * y
    return max(margin, T(0)), -s if margin > T(0) else T(0)


@over_rows
def squared_hinge(T, y, t, a, b, c, d):
    s = t if t != T(0) else T(-1)
    margin = max(T(1) - s * y, T(0))
    return margin * margin, T(-2) * s * margin


@over_rows
def poisson(T, y, t, a, b, c, d):
    raised = y + a
    return y - t * math.log(raised), T(1) - t / raised


@over_rows
def kl_divergence(T, y, t, a, b, c, d):
    one = T(1)
    s, clipped = min(max(t, a), one), min(max(y, a), one)
    return s * math.log(s / clipped), -s / clipped if y == clipped else T(0)


@over_rows
def binary_focal(T, y, t, a, b, c, d):
    zero, one = T(0), T(1)
    rest, clipped = one - t, min(max(y, d), one - d)
    wrong = one - (t * y + rest * (one - y))
    entropy = -t * math.log(clipped) - rest * math.log1p(-clipped)
    factor, weight = wrong**a, t * b + rest * c
    slope = (clipped - t) / (clipped * (one - clipped)) if y == clipped else zero
    steep = a * wrong ** (a - one) if a >= one or wrong != zero else zero
    by_factor = steep * (rest - t) * entropy
    return weight * factor * entropy, weight * (by_factor + factor * slope)


@jit
def sign_of(T, e):
    return (T(1) if e > T(0) else T(-1)) if e != T(0) else T(0)
