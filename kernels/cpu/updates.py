"""Kernels on flat vectors: penalties, clipping, the optimizers' updates, constraints.

The rules of the reference that work entry by entry are made of its text (`formulas`); here are
those with sums over a whole vector. d0 is where an instruction's range starts in the flat vector,
d1 its length; every thread does its spans of it.
"""

import inspect
import math

import numpy as np

from .. import reference, translate
from ..recording import Unsupported
from .formulas import applied, of_reference, scalar
from .machine import operands
from .machine.call import Instruction, kernel, plain
from .machine.loop import ALONE, APART, FLAT, HEAD, PARTIAL, THREAD, THREADS
from .machine.native import vector
from .machine.operands import Number, Span, flat, instruction, jit, loop_jit, pieces, share, whole

COLUMNS_AT_ONCE = 256  # of a matrix whose columns' norms are limited: their sums stay in cache

for _name, _rule in reference.RULES.items():  # sgd, adam, ...
    _first = next(iter(inspect.signature(_rule).parameters))
    globals()[_name] = of_reference(_name, int(_first == "g"), Span)
add_to = of_reference("add_to", 1, Span)


@kernel
def update(rule, g, options, *, w, moments):
    names = list(inspect.signature(rule).parameters)
    given = dict(zip(names, (g, *options), strict=False))
    yield applied("update", rule, 1, {**given, "w": w, **moments}, Span)


# ------------------------------------------------------------------------------------- penalties

_penalty_slope = scalar(translate.read(reference.penalty_grad))


@loop_jit
def penalty(w, l1, l2):
    a, b = 0.0, 0.0
    for i in range(w.size):
        value = np.float64(w[i])
        a += abs(value)
        b += value * value
    return l1 * a + l2 * b


@kernel
def penalty_grad(dw: Span, w: Span, l1: Number, l2: Number, loss: operands.StepLoss):
    loss[0] += penalty(w, l1, l2)
    for i in range(dw.size):
        dw[i] = _penalty_slope(w.dtype.type, w[i], dw[i], l1, l2)


# ------------------------------------------------------------------------- norms of whole vectors


@jit
def partial_sums(which, mine):
    """Each share's sum of its part of a vector: the first (which = 0), or a second one."""
    count = mine[THREADS]
    return vector(mine[PARTIAL] + which * count * 8, count, 0.0)


@loop_jit
def sum_of_squares(x):
    result = 0.0
    for i in range(x.size):
        result += np.float64(x[i]) * np.float64(x[i])
    return result


@loop_jit
def scale(factor, x):
    f = x.dtype.type(factor)
    for i in range(x.size):
        x[i] *= f


@instruction
def squares(word, mine, like):
    """The share's part of the squared norm of operand 0."""
    result = 0.0
    for low, high in pieces(word, mine):
        result += sum_of_squares(flat(word, 0, low, high, like))
    partial_sums(0, mine)[mine[THREAD]] = result


@instruction
def clip_norm(word, number, mine, like):
    norm = np.sqrt(operands.total_of(partial_sums(0, mine)))
    if norm > number[0]:
        for low, high in pieces(word, mine):
            scale(number[0] / norm, flat(word, 0, low, high, like))


@kernel
def clip_by_norm(c, *, g):
    yield _on_vectors("squares", (g,))
    yield _on_vectors("clip_norm", (g,), (c,))


def _on_vectors(op, arrays, numbers=(), flags=(), stage=APART):
    plain(*arrays)
    arrays = tuple(None if a is None else a.reshape(-1) for a in arrays)
    return Instruction(op, FLAT, arrays, (), arrays[0].size, (), flags, numbers, stage=stage)


# ------------------------------------------------------------------------------------------- lamb


@loop_jit
def lamb_moments(g, beta_1, beta_2, m, v):
    T = g.dtype.type
    one_minus_1, one_minus_2 = T(1 - beta_1), T(1 - beta_2)
    for i in range(g.size):
        m[i] += (g[i] - m[i]) * one_minus_1
        v[i] += (g[i] * g[i] - v[i]) * one_minus_2


@loop_jit
def lamb_squares(m, v, m_scale, v_scale, epsilon):
    """Sum of the squared steps."""
    T = m.dtype.type
    a, b, e, squares = T(m_scale), T(v_scale), T(epsilon), 0.0
    for i in range(m.size):
        u = a * m[i] / (math.sqrt(b * v[i]) + e)
        squares += u * u
    return squares


@loop_jit
def lamb_update(m, v, lr, m_scale, v_scale, epsilon, w):
    T = w.dtype.type
    rate, b, e = T(lr * m_scale), T(v_scale), T(epsilon)
    for i in range(w.size):
        w[i] -= rate * m[i] / (math.sqrt(b * v[i]) + e)


@instruction
def lamb_sums(word, number, mine, like):
    """The moments, and the share's parts of the squared norms of the weights and of the step."""
    size = step_size = 0.0
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        m, v = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        lamb_moments(g, number[1], number[2], m, v)
        size += sum_of_squares(w)
        step_size += lamb_squares(m, v, number[3], number[4], number[5])
    partial_sums(0, mine)[mine[THREAD]] = size
    partial_sums(1, mine)[mine[THREAD]] = step_size


@instruction
def lamb_step(word, number, mine, like):
    size = np.sqrt(operands.total_of(partial_sums(0, mine)))
    step_size = np.sqrt(operands.total_of(partial_sums(1, mine)))
    lr = number[0] * size / step_size if size > 0 and step_size > 0 else number[0]
    for low, high in pieces(word, mine):
        m, v = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        lamb_update(m, v, lr, number[3], number[4], number[5], flat(word, 1, low, high, like))


@kernel
def lamb(g, lr, beta_1, beta_2, m_scale, v_scale, epsilon, *, w, m, v):
    numbers = (lr, beta_1, beta_2, m_scale, v_scale, epsilon)
    yield _on_vectors("lamb_sums", (g, w, m, v), numbers)
    yield _on_vectors("lamb_step", (g, w, m, v), numbers)


# -------------------------------------------------------------------------------------- adafactor


@loop_jit
def adafactor_moments(g, beta_2, epsilon_1, R, C, r, c, v):
    """v (A, R, C) from the means of its rows r (A, R) and columns c (A, C); R = 0: by itself."""
    T = g.dtype.type
    b, rest, e = T(beta_2), T(1 - beta_2), T(epsilon_1)
    if R == 0:
        for i in range(g.size):
            v[i] = b * v[i] + rest * (g[i] * g[i] + e)
        return
    for a in range(g.size // (R * C)):
        rows, columns, start = r[a * R : (a + 1) * R], c[a * C : (a + 1) * C], a * R * C
        for j in range(C):
            columns[j] *= b
        total = T(0)
        for i in range(R):
            row, mean = g[start + i * C : start + (i + 1) * C], T(0)
            for j in range(C):
                square = row[j] * row[j] + e
                mean += square
                columns[j] += rest * square / T(R)
            rows[i] = b * rows[i] + rest * mean / T(C)
            total += rows[i]
        for i in range(R):
            share = rows[i] / (total / T(R))
            for j in range(C):
                v[start + i * C + j] = share * columns[j]


@loop_jit
def adafactor_update(g, rate, epsilon_2, threshold, w, v):
    T, size, step = w.dtype.type, 0.0, 0.0
    for i in range(g.size):
        u = g[i] / math.sqrt(v[i])
        size += w[i] * w[i]
        step += u * u
    size, step = math.sqrt(size / w.size), math.sqrt(step / w.size)
    a = T(rate * max(epsilon_2, size) / max(1.0, step / threshold))
    for i in range(g.size):
        w[i] -= a * g[i] / math.sqrt(v[i])


@instruction
def adafactor_step(word, number, like):
    """One share does it all: rows and columns of v would cross the shares' spans. k0, k1: R, C"""
    R, C, n = word[6], word[7], word[4]
    if n:
        g, w, v = whole(word, 0, n, like), whole(word, 1, n, like), whole(word, 2, n, like)
        r, c = whole(word, 3, n // C, like), whole(word, 4, n // max(R, 1), like)
        adafactor_moments(g, number[1], number[2], R, C, r, c, v)
        adafactor_update(g, number[0], number[3], number[4], w, v)


@kernel
def adafactor(g, rate, beta_2, epsilon_1, epsilon_2, threshold, *, w, r, c, v):
    R, C = (0, w.size) if r is None else w.shape[-2:]
    numbers = (rate, beta_2, epsilon_1, epsilon_2, threshold)
    yield _on_vectors("adafactor_step", (g, w, v, r, c), numbers, (R, C), ALONE)


# --------------------------------------------------------------------------------- norms of lines


@loop_jit
def limit_columns(low, high, rate, epsilon, R, B, first, last, w, norms):
    """For columns first..last of w (R, B); `norms` has room for them."""
    T = w.dtype.type
    a, b, r, keep, e = T(low), T(high), T(rate), T(1 - rate), T(epsilon)
    for j in range(last - first):
        norms[j] = T(0)
    for i in range(R):
        row = w[i * B + first : i * B + last]
        for j in range(row.size):
            norms[j] += row[j] * row[j]
    for j in range(last - first):
        norm = math.sqrt(norms[j])
        norms[j] = (r * min(max(norm, a), b) + keep * norm) / (e + norm)
    for i in range(R):
        row = w[i * B + first : i * B + last]
        for j in range(row.size):
            row[j] *= norms[j]


@instruction
def limit_norms(word, number, mine, like):
    """w is (A, R, B), the norms are along R; k0 is R, k1 is B. Not by the shares' spans."""
    R, B = word[6], word[7]
    A = word[4] // max(R * B, 1)
    w = vector(word[HEAD], word[4], like)
    (a_first, a_last), (b_first, b_last) = share(A, mine), (0, B)
    if A == 1:
        (a_first, a_last), (b_first, b_last) = (0, 1), share(B, mine)
    norms = np.empty(COLUMNS_AT_ONCE, w.dtype)
    for a in range(a_first, a_last):
        for b in range(b_first, b_last, COLUMNS_AT_ONCE):
            block = w[a * R * B : (a + 1) * R * B]
            stop = min(b + COLUMNS_AT_ONCE, b_last)
            limit_columns(number[0], number[1], number[2], number[3], R, B, b, stop, block, norms)


@kernel
def limit_norm(low, high, rate, epsilon, axis, *, w):
    axes = sorted(a % w.ndim for a in np.atleast_1d(axis).tolist())
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        raise Unsupported(f"norms along axes that are not neighbours: {axis}")
    R, B = math.prod(w.shape[axes[0] : axes[-1] + 1]), math.prod(w.shape[axes[-1] + 1 :])
    yield _on_vectors("limit_norms", (w,), (low, high, rate, epsilon), (R, B))
