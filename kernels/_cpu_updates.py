"""The machine's instructions on flat vectors: penalties, clipping, the optimizers' updates.

d0 is where the instruction's range starts in the flat vector, d1 its length; every thread does its
spans of it.
"""

import numpy as np

from . import _cpu_ops as ops
from ._cpu_low import barrier, vector
from ._cpu_machine import (
    COUNTER,
    LOSS,
    PARTIAL,
    SPAN_COUNT,
    THREAD,
    THREADS,
)
from ._cpu_operands import (
    flat,
    instruction,
    number_of,
    piece,
    scratch_of,
    word_of,
)


@instruction
def penalty_grad(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            dw, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
            vector(mine[LOSS], 1, 0.0)[0] += ops.penalty(w, number[0], number[1])
            if dw.size:
                ops.penalty_grad(w, number[0], number[1], dw)


@instruction
def accumulate(words, numbers, first, last, step, scratch, like):
    """dW += the gradient of a further use of W."""
    word, mine = word_of(words), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            ops.accumulate(flat(word, 1, low, high, like), flat(word, 0, low, high, like))


@instruction
def clip_by_value(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            ops.clip_by_value(number[0], flat(word, 0, low, high, like))


@instruction
def clip_by_norm(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    squares, threads = 0.0, mine[THREADS]
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            squares += ops.sum_of_squares(flat(word, 0, low, high, like))
    partial = vector(mine[PARTIAL], threads, 0.0)
    partial[mine[THREAD]] = squares
    barrier(mine[COUNTER], threads)
    norm = np.sqrt(ops.total(partial))
    barrier(mine[COUNTER], threads)  # from here on `partial` may be written again
    if norm > number[0]:
        for s in range(mine[SPAN_COUNT]):
            low, high = piece(word, mine, s)
            if low < high:
                ops.scale(number[0] / norm, flat(word, 0, low, high, like))


@instruction
def scale_(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            ops.scale(number[0], flat(word, 0, low, high, like))


@instruction
def sgd(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
            ops.sgd(g, p[0], p[1], p[2], w, flat(word, 2, low, high, like))


@instruction
def rmsprop(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
            v, a = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
            m = flat(word, 4, low, high, like)
            ops.rmsprop(g, p[0], p[1], p[2], p[3], w, v, a, m)


@instruction
def adam(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
            m, v = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
            v_max = flat(word, 4, low, high, like)
            ops.adam(g, p[0], p[1], p[2], p[3], w, m, v, v_max)
