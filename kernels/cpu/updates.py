"""The machine's instructions on flat vectors: penalties, clipping, the optimizers' updates.

d0 is where the instruction's range starts in the flat vector, d1 its length; every thread does its
spans of it.
"""

import numpy as np

from . import ops, rules
from .machine.loop import (
    COUNTER,
    HEAD,
    LOSS,
    PARTIAL,
    THREAD,
    THREADS,
)
from .machine.native import barrier, vector
from .machine.operands import (
    flat,
    instruction,
    jit,
    number_of,
    pieces,
    scratch_of,
    share,
    whole,
    word_of,
)

COLUMNS_AT_ONCE = 256  # of a matrix whose columns' norms are limited: their sums stay in cache


@jit
def of_all(value, mine):
    """The sum of all threads' values."""
    threads = mine[THREADS]
    partial = vector(mine[PARTIAL], threads, 0.0)
    partial[mine[THREAD]] = value
    barrier(mine[COUNTER], threads)
    result = ops.total(partial)
    barrier(mine[COUNTER], threads)  # from here on `partial` may be written again
    return result


@instruction
def penalty_grad(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        dw, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        vector(mine[LOSS], 1, 0.0)[0] += ops.penalty(w, number[0], number[1])
        if dw.size:
            ops.penalty_grad(w, number[0], number[1], dw)


@instruction
def add_to(words, numbers, first, last, step, scratch, like):
    """dW += the gradient of a further use of W."""
    word, mine = word_of(words), scratch_of(scratch)
    for low, high in pieces(word, mine):
        ops.accumulate(flat(word, 1, low, high, like), flat(word, 0, low, high, like))


@instruction
def clip_by_value(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        ops.clip_by_value(number[0], flat(word, 0, low, high, like))


@instruction
def clip_by_norm(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    squares = 0.0
    for low, high in pieces(word, mine):
        squares += ops.sum_of_squares(flat(word, 0, low, high, like))
    norm = np.sqrt(of_all(squares, mine))
    if norm > number[0]:
        for low, high in pieces(word, mine):
            ops.scale(number[0] / norm, flat(word, 0, low, high, like))


@instruction
def scale_(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        ops.scale(number[0], flat(word, 0, low, high, like))


@instruction
def sgd(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        ops.sgd(g, p[0], p[1], p[2], w, flat(word, 2, low, high, like))


@instruction
def rmsprop(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        v, a = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        m = flat(word, 4, low, high, like)
        ops.rmsprop(g, p[0], p[1], p[2], p[3], w, v, a, m)


@instruction
def adam(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        m, v = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        v_max = flat(word, 4, low, high, like)
        ops.adam(g, p[0], p[1], p[2], p[3], w, m, v, v_max)


@instruction
def nadam(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        m, v = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        rules.nadam(g, p[0], p[1], p[2], p[3], p[4], p[5], w, m, v)


@instruction
def adamax(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        m, u = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        rules.adamax(g, p[0], p[1], p[2], p[3], w, m, u)


@instruction
def adagrad(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        rules.adagrad(g, p[0], p[1], w, flat(word, 2, low, high, like))


@instruction
def adadelta(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        a, x = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        rules.adadelta(g, p[0], p[1], p[2], w, a, x)


@instruction
def lion(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        rules.lion(g, p[0], p[1], p[2], w, flat(word, 2, low, high, like))


@instruction
def ftrl(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        n, z = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        rules.ftrl(g, p[0], p[1], p[2], p[3], p[4], w, n, z)


@instruction
def lamb(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    size = step_size = 0.0
    for low, high in pieces(word, mine):
        g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        m, v = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        rules.lamb_moments(g, p[1], p[2], m, v)
        size += ops.sum_of_squares(w)
        step_size += rules.lamb_squares(m, v, p[3], p[4], p[5])
    size, step_size = np.sqrt(of_all(size, mine)), np.sqrt(of_all(step_size, mine))
    lr = p[0] * size / step_size if size > 0 and step_size > 0 else p[0]
    for low, high in pieces(word, mine):
        m, v = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
        rules.lamb(m, v, lr, p[3], p[4], p[5], flat(word, 1, low, high, like))


@instruction
def adafactor(words, numbers, first, last, step, scratch, like):
    """One thread does it all: rows and columns of v would cross the threads' spans. k0, k1: R, C"""
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    barrier(mine[COUNTER], mine[THREADS])
    R, C, n = word[6], word[7], word[4]
    if mine[THREAD] == 0 and n:
        g, w, v = whole(word, 0, n, like), whole(word, 1, n, like), whole(word, 2, n, like)
        r, c = whole(word, 3, n // C, like), whole(word, 4, n // max(R, 1), like)
        rules.adafactor_moments(g, p[1], p[2], R, C, r, c, v)
        rules.adafactor(g, p[0], p[3], p[4], w, v)
    barrier(mine[COUNTER], mine[THREADS])


@instruction
def accumulate(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        g, total = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        rules.accumulate(p[0], p[1], g, total)


@instruction
def ema(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for low, high in pieces(word, mine):
        w, average = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
        rules.ema(p[0], p[1], w, average)


@instruction
def not_negative(words, numbers, first, last, step, scratch, like):
    word, mine = word_of(words), scratch_of(scratch)
    for low, high in pieces(word, mine):
        rules.not_negative(flat(word, 0, low, high, like))


@instruction
def limit_norm(words, numbers, first, last, step, scratch, like):
    """w is (A, R, B), the norms are along R; k0 is R, k1 is B."""
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    barrier(mine[COUNTER], mine[THREADS])  # a norm may be of weights that several threads updated
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
            rules.limit_norm(p[0], p[1], p[2], p[3], R, B, b, stop, block, norms)
