"""The machine's instructions for losses.

Operands: prediction, target, w, p, losses, gradient (no address: not wanted).
"""

import numpy as np

from . import _cpu_ops as ops
from ._cpu_low import matrix, vector
from ._cpu_machine import (
    HEAD,
)
from ._cpu_operands import (
    at,
    instruction,
    jit,
    number_of,
    rows_of,
    word_of,
)


@jit
def wanted(word, i, first, last, step, like):
    """Operand i as (rows, C), or (rows, 0) where it is not wanted."""
    columns = word[3] if word[HEAD + 3 * i] else 0
    return matrix(at(word, i, first, step), (last - first) * word[2], columns, like)


@jit
def one_per_row(word, i, first, last, step, like):
    return vector(at(word, i, first, step), (last - first) * word[2], like)


@jit
def shared(word, first, last, step, like):
    """What every loss has: prediction, w, losses, gradient."""
    return (
        rows_of(word, 0, first, last, step, like),
        one_per_row(word, 2, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )


@instruction
def sparse_softmax_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    z, w, losses, dz = shared(word, first, last, step, like)
    labels = one_per_row(word, 1, first, last, step, np.int64(0))
    ops.sparse_softmax_crossentropy(
        z, labels, w, rows_of(word, 3, first, last, step, like), losses, dz
    )


@instruction
def softmax_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    z, w, losses, dz = shared(word, first, last, step, like)
    targets = rows_of(word, 1, first, last, step, like)
    ops.softmax_crossentropy(z, targets, w, rows_of(word, 3, first, last, step, like), losses, dz)


@instruction
def sigmoid_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    z, w, losses, dz = shared(word, first, last, step, like)
    targets = rows_of(word, 1, first, last, step, like)
    ops.sigmoid_crossentropy(z, targets, w, rows_of(word, 3, first, last, step, like), losses, dz)


@instruction
def sparse_crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    p, w, losses, dp = shared(word, first, last, step, like)
    labels = one_per_row(word, 1, first, last, step, np.int64(0))
    ops.sparse_crossentropy(p, labels, w, number[0], losses, dp)


@instruction
def crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    p, w, losses, dp = shared(word, first, last, step, like)
    targets = rows_of(word, 1, first, last, step, like)
    ops.crossentropy(p, targets, w, number[0], losses, dp)


@instruction
def binary_crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    p, w, losses, dp = shared(word, first, last, step, like)
    targets = rows_of(word, 1, first, last, step, like)
    ops.binary_crossentropy(p, targets, w, number[0], losses, dp)


@instruction
def regression_loss(words, numbers, first, last, step, scratch, like):
    """k0: which of the reference's REGRESSION."""
    word, number = word_of(words), number_of(numbers)
    y, w, losses, dy = shared(word, first, last, step, like)
    targets = rows_of(word, 1, first, last, step, like)
    ops.regression_loss(word[6], y, targets, number[0], w, losses, dy)
