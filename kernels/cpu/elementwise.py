"""Elementwise activations for the CPU: the twins of `reference/activations.py`.

Every kind is a loop of its own, which LLVM turns into vector instructions. Constants are cast to
the array's dtype first: a Python number would turn float32 arithmetic into float64.
"""

import math

from numba import njit

from ..reference.activations import ELEMENTWISE, SELU_ALPHA, SELU_SCALE

KINDS = {name: number for number, name in enumerate(ELEMENTWISE)}
(LINEAR, RELU, CLIPPED_RELU, LEAKY_RELU, ELU, SELU, SIGMOID, TANH, SOFTPLUS, SOFTSIGN, SILU, GELU,
 GELU_TANH, EXPONENTIAL, HARD_SIGMOID, MISH) = range(16)  # fmt: skip

jit = njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})

SQRT_HALF, INV_SQRT_2PI = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)
SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


@jit
def sigmoid_of(x, one):
    e = math.exp(-abs(x))  # never overflows
    return (one if x >= 0 else e) / (one + e)


@jit
def softplus_of(x, zero):
    return max(x, zero) + math.log1p(math.exp(-abs(x)))


@jit
def elementwise(kind, x, p0, p1, p2, y):
    """y = f(x) for vectors; `p0`, `p1`, `p2` are the options of f in order."""
    T = x.dtype.type
    zero, one, half = T(0), T(1), T(0.5)
    a, b, c = T(p0), T(p1), T(p2)
    n = x.size
    if kind == RELU:
        for i in range(n):
            y[i] = max(x[i], zero)
    elif kind == LINEAR:
        for i in range(n):
            y[i] = x[i]
    elif kind == CLIPPED_RELU:
        for i in range(n):
            y[i] = min(x[i] if x[i] > c else a * (x[i] - c), b)
    elif kind == LEAKY_RELU:
        for i in range(n):
            y[i] = x[i] if x[i] > zero else a * x[i]
    elif kind == ELU:
        for i in range(n):
            y[i] = x[i] if x[i] > zero else a * math.expm1(x[i])
    elif kind == SELU:
        s, alpha = T(SELU_SCALE), T(SELU_ALPHA)
        for i in range(n):
            y[i] = s * (x[i] if x[i] > zero else alpha * math.expm1(x[i]))
    elif kind == SIGMOID:
        for i in range(n):
            y[i] = sigmoid_of(x[i], one)
    elif kind == TANH:
        for i in range(n):
            y[i] = math.tanh(x[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            y[i] = softplus_of(x[i], zero)
    elif kind == SOFTSIGN:
        for i in range(n):
            y[i] = x[i] / (one + abs(x[i]))
    elif kind == SILU:
        for i in range(n):
            y[i] = x[i] * sigmoid_of(x[i], one)
    elif kind == GELU:
        r = T(SQRT_HALF)
        for i in range(n):
            y[i] = x[i] * half * math.erfc(-r * x[i])
    elif kind == GELU_TANH:
        k, q = T(SQRT_2_OVER_PI), T(0.044715)
        for i in range(n):
            y[i] = half * x[i] * (one + math.tanh(k * (x[i] + q * x[i] * x[i] * x[i])))
    elif kind == EXPONENTIAL:
        for i in range(n):
            y[i] = math.exp(x[i])
    elif kind == HARD_SIGMOID:
        six = T(6)
        for i in range(n):
            y[i] = min(max(x[i] / six + half, zero), one)
    elif kind == MISH:
        for i in range(n):
            y[i] = x[i] * math.tanh(softplus_of(x[i], zero))


@jit
def elementwise_grad(kind, x, y, dy, p0, p1, p2, dx):
    """dx = dy f'(x) for vectors; uses x or y = f(x), whichever makes the shorter formula."""
    T = x.dtype.type
    zero, one, half = T(0), T(1), T(0.5)
    a, b, c = T(p0), T(p1), T(p2)
    n = x.size
    if kind == RELU:
        for i in range(n):
            dx[i] = dy[i] if x[i] > zero else zero
    elif kind == LINEAR:
        for i in range(n):
            dx[i] = dy[i]
    elif kind == CLIPPED_RELU:
        for i in range(n):
            dx[i] = dy[i] * ((one if x[i] < b else zero) if x[i] > c else a)
    elif kind == LEAKY_RELU:
        for i in range(n):
            dx[i] = dy[i] * (one if x[i] > zero else a)
    elif kind == ELU:
        for i in range(n):
            dx[i] = dy[i] * (one if x[i] > zero else a * math.exp(x[i]))
    elif kind == SELU:
        s, alpha = T(SELU_SCALE), T(SELU_ALPHA)
        for i in range(n):
            dx[i] = dy[i] * s * (one if x[i] > zero else alpha * math.exp(x[i]))
    elif kind == SIGMOID:
        for i in range(n):
            dx[i] = dy[i] * (y[i] * (one - y[i]))
    elif kind == TANH:
        for i in range(n):
            dx[i] = dy[i] * (one - y[i] * y[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            dx[i] = dy[i] * sigmoid_of(x[i], one)
    elif kind == SOFTSIGN:
        for i in range(n):
            d = one + abs(x[i])
            dx[i] = dy[i] / (d * d)
    elif kind == SILU:
        for i in range(n):
            s = sigmoid_of(x[i], one)
            dx[i] = dy[i] * (s + y[i] * (one - s))
    elif kind == GELU:
        r, density = T(SQRT_HALF), T(INV_SQRT_2PI)
        for i in range(n):
            cdf = half * math.erfc(-r * x[i])
            dx[i] = dy[i] * (cdf + x[i] * density * math.exp(-half * x[i] * x[i]))
    elif kind == GELU_TANH:
        k, q, q3 = T(SQRT_2_OVER_PI), T(0.044715), T(3 * 0.044715)
        for i in range(n):
            t = math.tanh(k * (x[i] + q * x[i] * x[i] * x[i]))
            slope = half * x[i] * (one - t * t) * k * (one + q3 * x[i] * x[i])
            dx[i] = dy[i] * (half * (one + t) + slope)
    elif kind == EXPONENTIAL:
        for i in range(n):
            dx[i] = dy[i] * y[i]
    elif kind == HARD_SIGMOID:
        three, six = T(3), T(6)
        for i in range(n):
            dx[i] = dy[i] / six if -three < x[i] < three else zero
    elif kind == MISH:
        for i in range(n):
            t = math.tanh(softplus_of(x[i], zero))
            dx[i] = dy[i] * (t + x[i] * (one - t * t) * sigmoid_of(x[i], one))
