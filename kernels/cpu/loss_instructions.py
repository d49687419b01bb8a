"""The machine's instructions for losses.

Operands: prediction, target, w, p, losses, gradient (no address: not wanted).
"""

import numpy as np

from . import elementwise_losses as kinds
from . import losses as ops
from .machine.loop import (
    HEAD,
)
from .machine.native import matrix, vector
from .machine.operands import (
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
def focal_crossentropy(words, numbers, first, last, step, scratch, like):
    """Operand 3: alpha (C,)."""
    word, number = word_of(words), number_of(numbers)
    p, w, losses, dp = shared(word, first, last, step, like)
    targets = rows_of(word, 1, first, last, step, like)
    alpha = vector(at(word, 3, 0, step), word[3], like)
    ops.focal_crossentropy(p, targets, alpha, w, number[0], number[1], losses, dp)


@instruction
def categorical_hinge(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    y, w, losses, dy = shared(word, first, last, step, like)
    ops.categorical_hinge(y, rows_of(word, 1, first, last, step, like), w, losses, dy)


@instruction
def cosine_similarity(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    y, w, losses, dy = shared(word, first, last, step, like)
    targets = rows_of(word, 1, first, last, step, like)
    ops.cosine_similarity(y, targets, w, number[0], losses, dy)


# ------------------------------------------- elementwise: each kind is compiled when it is needed


@jit
def elementwise(words, numbers, first, last, step, like):
    """What every elementwise loss wants; its options are numbers 0 to 3."""
    word, number = word_of(words), number_of(numbers)
    y, w, losses, dy = shared(word, first, last, step, like)
    targets = rows_of(word, 1, first, last, step, like)
    return y, targets, number[0], number[1], number[2], number[3], w, losses, dy


@instruction
def squared(words, numbers, first, last, step, scratch, like):
    kinds.squared(*elementwise(words, numbers, first, last, step, like))


@instruction
def absolute(words, numbers, first, last, step, scratch, like):
    kinds.absolute(*elementwise(words, numbers, first, last, step, like))


@instruction
def huber(words, numbers, first, last, step, scratch, like):
    kinds.huber(*elementwise(words, numbers, first, last, step, like))


@instruction
def percentage(words, numbers, first, last, step, scratch, like):
    kinds.percentage(*elementwise(words, numbers, first, last, step, like))


@instruction
def squared_log(words, numbers, first, last, step, scratch, like):
    kinds.squared_log(*elementwise(words, numbers, first, last, step, like))


@instruction
def log_cosh(words, numbers, first, last, step, scratch, like):
    kinds.log_cosh(*elementwise(words, numbers, first, last, step, like))


@instruction
def hinge(words, numbers, first, last, step, scratch, like):
    kinds.hinge(*elementwise(words, numbers, first, last, step, like))


@instruction
def squared_hinge(words, numbers, first, last, step, scratch, like):
    kinds.squared_hinge(*elementwise(words, numbers, first, last, step, like))


@instruction
def poisson(words, numbers, first, last, step, scratch, like):
    kinds.poisson(*elementwise(words, numbers, first, last, step, like))


@instruction
def kl_divergence(words, numbers, first, last, step, scratch, like):
    kinds.kl_divergence(*elementwise(words, numbers, first, last, step, like))


@instruction
def binary_focal(words, numbers, first, last, step, scratch, like):
    kinds.binary_focal(*elementwise(words, numbers, first, last, step, like))
