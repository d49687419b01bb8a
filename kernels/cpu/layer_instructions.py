"""The machine's instructions for layout, pooling, embedding, noise and normalization of rows.

How one is written: `machine/operands.py`. An `index` is an operand of int64 that belongs to no row.
"""

import numpy as np

from . import layer_ops as ops
from .elementwise_rare import elementwise_rare as f_elementwise_rare
from .elementwise_rare import elementwise_rare_grad as f_elementwise_rare_grad
from .machine.loop import HEAD, STEP_NUMBER, THREAD
from .machine.native import matrix, size_of, vector
from .machine.operands import (
    at,
    flat_rows,
    instruction,
    jit,
    number_of,
    rows_of,
    scratch_of,
    share,
    whole,
    word_of,
)
from .ops import dropout_mask as f_dropout_mask


@jit
def index_of(word, i, n):
    return vector(word[HEAD + 3 * i], n, np.int64(0))


@jit
def rows_wide(word, i, D, first, last, step, like):
    """Operand i for samples first..last as (rows, D), where D differs from d0."""
    return matrix(at(word, i, first, step), (last - first) * word[2], D, like)


@jit
def row_values(word, i, first, last, step, like):
    """Operand i, one number per row."""
    return vector(at(word, i, first, step), (last - first) * word[2], like)


# ----------------------------------------------------------------------------- layout, pooling


@instruction
def add(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, a = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    ops.add(x, a, flat_rows(word, 2, first, last, step, like))


@instruction
def broadcast(words, numbers, first, last, step, scratch, like):
    """y = x m (k0: 0) or x + m (k0: 1); d1: entries of a row of m; k1: whether m has rows."""
    word = word_of(words)
    x, y = rows_of(word, 0, first, last, step, like), rows_of(word, 3, first, last, step, like)
    m = matrix(at(word, 1, first, step), x.shape[0] if word[7] else 1, word[4], like)
    ops.broadcast(word[6], x, m, index_of(word, 2, word[3]), y)


@instruction
def take(words, numbers, first, last, step, scratch, like):
    """y[i, j] = x[i, index[j]]; d0, d1: entries of a row of x, of y."""
    word = word_of(words)
    y = rows_wide(word, 2, word[4], first, last, step, like)
    ops.take(rows_of(word, 0, first, last, step, like), index_of(word, 1, word[4]), y)


@instruction
def sum_steps(words, numbers, first, last, step, scratch, like):
    """d0, d1: entries of a row of x, of y."""
    word = word_of(words)
    y = rows_wide(word, 1, word[4], first, last, step, like)
    ops.sum_steps(rows_of(word, 0, first, last, step, like), y)


@instruction
def max_steps(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    y = rows_wide(word, 1, word[4], first, last, step, like)
    ops.max_steps(rows_of(word, 0, first, last, step, like), y)


@instruction
def max_steps_grad(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, dx = rows_of(word, 0, first, last, step, like), rows_of(word, 3, first, last, step, like)
    y = rows_wide(word, 1, word[4], first, last, step, like)
    ops.max_steps_grad(x, y, rows_wide(word, 2, word[4], first, last, step, like), dx)


@instruction
def mask_weights(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    ids, w = rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like)
    ops.mask_weights(ids, w)


# ---------------------------------------------------------------------------------- embedding


@instruction
def embedding(words, numbers, first, last, step, scratch, like):
    """d0: ids of a row; d1, d2: rows and columns of the table."""
    word = word_of(words)
    ids = flat_rows(word, 0, first, last, step, like)
    table = matrix(word[HEAD + 3], word[4], word[5], like)
    ops.embedding(ids, table, matrix(at(word, 2, first, step), ids.size, word[5], like))


@instruction
def embedding_dW(words, numbers, first, last, step, scratch, like):
    """Each thread writes rows of its own of the table, all of it for all ids."""
    word = word_of(words)
    ids = flat_rows(word, 0, 0, last, step, like)
    low, high = share(word[4], scratch_of(scratch))
    dW = matrix(word[HEAD + 6] + low * word[5] * size_of(like), high - low, word[5], like)
    ops.embedding_dW(ids, matrix(at(word, 1, 0, step), ids.size, word[5], like), low, high, dW)


# -------------------------------------------------------------------------------- activations


@instruction
def elementwise_rare(words, numbers, first, last, step, scratch, like):
    """y = f(x); k0: which f."""
    word, p = word_of(words), number_of(numbers)
    x, y = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    f_elementwise_rare(word[6], x, p[0], p[1], y)


@instruction
def elementwise_rare_grad(words, numbers, first, last, step, scratch, like):
    word, p = word_of(words), number_of(numbers)
    x, y = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    dy = flat_rows(word, 2, first, last, step, like)
    f_elementwise_rare_grad(
        word[6], x, y, dy, p[0], p[1], flat_rows(word, 3, first, last, step, like)
    )


@instruction
def glu(words, numbers, first, last, step, scratch, like):
    """d0, d1: entries of a row of x, of y."""
    word = word_of(words)
    y = rows_wide(word, 1, word[4], first, last, step, like)
    ops.glu(rows_of(word, 0, first, last, step, like), y)


@instruction
def glu_grad(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, dx = rows_of(word, 0, first, last, step, like), rows_of(word, 2, first, last, step, like)
    ops.glu_grad(x, rows_wide(word, 1, word[4], first, last, step, like), dx)


@instruction
def along(words, numbers, first, last, step, scratch, like):
    """softmax, log_softmax or sparsemax (k0) of entries that lie d1 apart."""
    word = word_of(words)
    x, y = rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like)
    ops.along(word[6], x, word[4], y)


@instruction
def along_grad(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    y, dy = rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like)
    ops.along_grad(word[6], y, dy, word[4], rows_of(word, 2, first, last, step, like))


@instruction
def prelu_shared(words, numbers, first, last, step, scratch, like):
    """d1: number of slopes."""
    word = word_of(words)
    x, y = rows_of(word, 0, first, last, step, like), rows_of(word, 3, first, last, step, like)
    ops.prelu_shared(x, whole(word, 1, word[4], like), index_of(word, 2, word[3]), y)


@instruction
def prelu_shared_dx(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, dy = rows_of(word, 0, first, last, step, like), rows_of(word, 3, first, last, step, like)
    dx = rows_of(word, 4, first, last, step, like)
    ops.prelu_shared_dx(x, whole(word, 1, word[4], like), index_of(word, 2, word[3]), dy, dx)


@instruction
def prelu_shared_da(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    K, S = word[4], word[3] // word[4]
    low, high = share(K, scratch_of(scratch))
    x, dy = rows_of(word, 0, 0, last, step, like), rows_of(word, 1, 0, last, step, like)
    places = index_of(word, 2, word[3]).reshape((K, S))
    ops.prelu_shared_da(x, dy, places[low:high], whole(word, 3, K, like)[low:high])


# -------------------------------------------------------------------------------------- noise


@jit
def step_of(word, scratch):
    """k0: number of the step, -1: the running one."""
    return word[6] if word[6] >= 0 else scratch_of(scratch)[STEP_NUMBER]


@instruction
def normal_mask(words, numbers, first, last, step, scratch, like):
    """k1: the batch's first row."""
    word, number = word_of(words), number_of(numbers)
    key, mask = vector(word[HEAD + 3], 2, np.uint64(0)), rows_of(word, 0, first, last, step, like)
    ops.normal_mask(
        number[0], number[1], key[0], key[1], step_of(word, scratch), word[7] + first * word[2],
        mask,
    )  # fmt: skip


@instruction
def dropout_mask_once(words, numbers, first, last, step, scratch, like):
    """One mask for all rows of the batch: the first thread makes it."""
    if scratch_of(scratch)[THREAD] == 0:
        word, number = word_of(words), number_of(numbers)
        key, mask = vector(word[HEAD + 3], 2, np.uint64(0)), matrix(word[HEAD], 1, word[3], like)
        f_dropout_mask(number[0], key[0], key[1], step_of(word, scratch), word[7], mask)


# ----------------------------------------------------------------------- normalization of rows


@instruction
def rownorm(words, numbers, first, last, step, scratch, like):
    """k0: which."""
    word, number = word_of(words), number_of(numbers)
    D = word[3]
    ops.rownorm(
        word[6], rows_of(word, 0, first, last, step, like), whole(word, 1, D, like),
        whole(word, 2, D, like), number[0], rows_of(word, 3, first, last, step, like),
        rows_of(word, 4, first, last, step, like), row_values(word, 5, first, last, step, like),
    )  # fmt: skip


@instruction
def rownorm_dx(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    ops.rownorm_dx(
        word[6], rows_of(word, 0, first, last, step, like), whole(word, 1, word[3], like),
        row_values(word, 2, first, last, step, like), number[0],
        rows_of(word, 3, first, last, step, like), rows_of(word, 4, first, last, step, like),
    )  # fmt: skip


@instruction
def deviation(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    low, high = share(word[3], scratch_of(scratch))
    var, out = whole(word, 0, word[3], like), whole(word, 1, word[3], like)
    ops.deviation(var[low:high], number[0], out[low:high])


# ---------------------------------------------------------------------------- activity penalty


@instruction
def activity_penalty(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    x, losses = (
        rows_of(word, 0, first, last, step, like),
        row_values(word, 1, first, last, step, like),
    )
    ops.activity_penalty(x, number[0], number[1], losses)


@instruction
def activity_penalty_grad(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    x, dy = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    ops.activity_penalty_grad(
        x, dy, number[0], number[1], flat_rows(word, 2, first, last, step, like)
    )
