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


@instruction
def sparse_softmax_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    ops.sparse_softmax_crossentropy(
        rows_of(word, 0, first, last, step, like),
        one_per_row(word, 1, first, last, step, np.int64(0)),
        one_per_row(word, 2, first, last, step, like),
        rows_of(word, 3, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )


@instruction
def softmax_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    ops.softmax_crossentropy(
        rows_of(word, 0, first, last, step, like),
        rows_of(word, 1, first, last, step, like),
        one_per_row(word, 2, first, last, step, like),
        rows_of(word, 3, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )


@instruction
def sigmoid_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    ops.sigmoid_crossentropy(
        rows_of(word, 0, first, last, step, like),
        rows_of(word, 1, first, last, step, like),
        one_per_row(word, 2, first, last, step, like),
        rows_of(word, 3, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )


@instruction
def sparse_crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    ops.sparse_crossentropy(
        rows_of(word, 0, first, last, step, like),
        one_per_row(word, 1, first, last, step, np.int64(0)),
        one_per_row(word, 2, first, last, step, like), number[0],
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )  # fmt: skip


@instruction
def crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    ops.crossentropy(
        rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like),
        one_per_row(word, 2, first, last, step, like), number[0],
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )  # fmt: skip


@instruction
def binary_crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    ops.binary_crossentropy(
        rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like),
        one_per_row(word, 2, first, last, step, like), number[0],
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )  # fmt: skip


@instruction
def regression_loss(words, numbers, first, last, step, scratch, like):
    """k0: which of the reference's REGRESSION."""
    word, number = word_of(words), number_of(numbers)
    ops.regression_loss(
        word[6], rows_of(word, 0, first, last, step, like),
        rows_of(word, 1, first, last, step, like), number[0],
        one_per_row(word, 2, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )  # fmt: skip
