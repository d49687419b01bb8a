"""The rarer elementwise activations for the CPU: the twins of `reference/activations_rare.py`.

They are an instruction of their own, so that the common ones compile in half the time.
"""

import math

from ..reference.activations_rare import RARE
from .elementwise import jit, sigmoid_of, softplus_of

KINDS = {name: number for number, name in enumerate(RARE)}
(CELU, SQUAREPLUS, SOFT_SHRINK, HARD_SHRINK, SPARSE_PLUS, HARD_TANH, TANH_SHRINK, THRESHOLD,
 LOG_SIGMOID, SPARSE_SIGMOID, HARD_SILU) = range(11)  # fmt: skip


@jit
def elementwise_rare(kind, x, p0, p1, y):
    """y = f(x) for vectors; `p0`, `p1` are the options of f in order."""
    T = x.dtype.type
    zero, one, two, half, six = T(0), T(1), T(2), T(0.5), T(6)
    a, b = T(p0), T(p1)
    n = x.size
    if kind == CELU:
        for i in range(n):
            y[i] = max(x[i], zero) + a * math.expm1(min(x[i], zero) / a)
    elif kind == SQUAREPLUS:
        for i in range(n):
            away = math.sqrt(x[i] * x[i] + a) + abs(x[i])
            y[i] = away * half if x[i] >= zero else a / (two * away)
    elif kind == SOFT_SHRINK:
        for i in range(n):
            y[i] = x[i] - a if x[i] > a else (x[i] + a if x[i] < -a else zero)
    elif kind == HARD_SHRINK:
        for i in range(n):
            y[i] = x[i] if abs(x[i]) > a else zero
    elif kind == SPARSE_PLUS:
        for i in range(n):
            s = (x[i] + one) * half
            y[i] = zero if x[i] <= -one else (s * s if x[i] < one else x[i])
    elif kind == HARD_TANH:
        for i in range(n):
            y[i] = min(max(x[i], -one), one)
    elif kind == TANH_SHRINK:
        for i in range(n):
            y[i] = x[i] - math.tanh(x[i])
    elif kind == THRESHOLD:
        for i in range(n):
            y[i] = x[i] if x[i] > a else b
    elif kind == LOG_SIGMOID:
        for i in range(n):
            y[i] = -softplus_of(-x[i], zero)
    elif kind == SPARSE_SIGMOID:
        for i in range(n):
            y[i] = min(max((x[i] + one) * half, zero), one)
    elif kind == HARD_SILU:
        for i in range(n):
            y[i] = x[i] * min(max(x[i] / six + half, zero), one)


@jit
def elementwise_rare_grad(kind, x, y, dy, p0, p1, dx):
    """dx = dy f'(x) for vectors."""
    T = x.dtype.type
    zero, one, half, three, six = T(0), T(1), T(0.5), T(3), T(6)
    a = T(p0)
    n = x.size
    if kind == CELU:
        for i in range(n):
            dx[i] = dy[i] * (one if x[i] > zero else math.exp(x[i] / a))
    elif kind == SQUAREPLUS:
        for i in range(n):
            dx[i] = dy[i] * (y[i] / math.sqrt(x[i] * x[i] + a))
    elif kind in (SOFT_SHRINK, HARD_SHRINK):
        for i in range(n):
            dx[i] = dy[i] if abs(x[i]) > a else zero
    elif kind == SPARSE_PLUS:
        for i in range(n):
            dx[i] = dy[i] * min(max((x[i] + one) * half, zero), one)
    elif kind == HARD_TANH:
        for i in range(n):
            dx[i] = dy[i] if abs(x[i]) <= one else zero
    elif kind == TANH_SHRINK:
        for i in range(n):
            t = math.tanh(x[i])
            dx[i] = dy[i] * (t * t)
    elif kind == THRESHOLD:
        for i in range(n):
            dx[i] = dy[i] if x[i] > a else zero
    elif kind == LOG_SIGMOID:
        for i in range(n):
            dx[i] = dy[i] * sigmoid_of(-x[i], one)
    elif kind == SPARSE_SIGMOID:
        for i in range(n):
            dx[i] = dy[i] * half if abs(x[i]) < one else zero
    elif kind == HARD_SILU:
        for i in range(n):
            inside = x[i] / six if abs(x[i]) < three else zero
            dx[i] = dy[i] * (min(max(x[i] / six + half, zero), one) + inside)
