"""The machine's instructions: all of them, and here those for activations, dropout, normalization.

How one is written: `machine/operands.py`.
"""

import numpy as np

from . import (  # noqa: F401  they register theirs
    layer_instructions,
    loss_instructions,
    ops,
    products,
    updates,
)
from .elementwise import elementwise as f_elementwise
from .elementwise import elementwise_grad as f_elementwise_grad
from .machine.loop import (
    HEAD,
    LOSS,
    STEP_NUMBER,
)
from .machine.native import matrix, vector
from .machine.operands import (
    INSTRUCTIONS,
    at,
    flat_rows,
    instruction,
    number_of,
    rows_of,
    scratch_of,
    share,
    whole,
    word_of,
)
from .products import DTYPES, FEW_ROWS
from .zeros import csr, entries, sparse  # noqa: F401  they register theirs

__all__ = ["DTYPES", "FEW_ROWS", "INSTRUCTIONS"]


@instruction
def affine(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    x, y = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    ops.affine(x, number[0], number[1], y)


@instruction
def multiply(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, m = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    ops.multiply(x, m, flat_rows(word, 2, first, last, step, like))


@instruction
def copy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x = flat_rows(word, 0, first, last, step, like)
    ops.cast(x, flat_rows(word, 1, first, last, step, like))


# ------------------------------------------------------------------------------------ merging


@instruction
def maximum(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, z = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    ops.maximum(x, z, flat_rows(word, 2, first, last, step, like))


@instruction
def maximum_grad(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, z = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    dy, dx = (
        flat_rows(word, 2, first, last, step, like),
        flat_rows(word, 3, first, last, step, like),
    )
    ops.maximum_grad(x, z, dy, dx, flat_rows(word, 4, first, last, step, like))


@instruction
def put_columns(words, numbers, first, last, step, scratch, like):
    """y[:, k0 : k0 + D] = x for x (R, D), y (R, E)."""
    word = word_of(words)
    x, D, n = rows_of(word, 0, first, last, step, like), word[3], (last - first) * word[2]
    y = matrix(at(word, 1, first, step), n, word[4], like)
    sparse.copy_rows(x, y[:, word[6] : word[6] + D])


@instruction
def take_columns(words, numbers, first, last, step, scratch, like):
    """x = y[:, k0 : k0 + D] for x (R, D), y (R, E)."""
    word = word_of(words)
    n, D = (last - first) * word[2], word[3]
    y = matrix(at(word, 0, first, step), n, word[4], like)
    sparse.copy_rows(y[:, word[6] : word[6] + D], rows_of(word, 1, first, last, step, like))


@instruction
def add_loss(words, numbers, first, last, step, scratch, like):
    """Count these rows' weighted losses towards the loss of the step."""
    values = flat_rows(word_of(words), 0, first, last, step, like)
    vector(scratch_of(scratch)[LOSS], 1, 0.0)[0] += ops.total(values)


# -------------------------------------------------------------------------------- activations


@instruction
def relu(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, y = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    ops.relu(x, y)


@instruction
def relu_grad(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, dy = flat_rows(word, 0, first, last, step, like), flat_rows(word, 2, first, last, step, like)
    ops.relu_grad(x, dy, flat_rows(word, 3, first, last, step, like))


@instruction
def elementwise(words, numbers, first, last, step, scratch, like):
    """y = f(x); k0: which f."""
    word, p = word_of(words), number_of(numbers)
    x, y = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    f_elementwise(word[6], x, p[0], p[1], p[2], y)


@instruction
def elementwise_grad(words, numbers, first, last, step, scratch, like):
    """dx = dy f'(x)."""
    word, p = word_of(words), number_of(numbers)
    x, y = flat_rows(word, 0, first, last, step, like), flat_rows(word, 1, first, last, step, like)
    dy, dx = (
        flat_rows(word, 2, first, last, step, like),
        flat_rows(word, 3, first, last, step, like),
    )
    f_elementwise_grad(word[6], x, y, dy, p[0], p[1], p[2], dx)


@instruction
def prelu(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, y = rows_of(word, 0, first, last, step, like), rows_of(word, 2, first, last, step, like)
    ops.prelu(x, whole(word, 1, word[3], like), y)


@instruction
def prelu_dx(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, dy = rows_of(word, 0, first, last, step, like), rows_of(word, 2, first, last, step, like)
    ops.prelu_dx(x, whole(word, 1, word[3], like), dy, rows_of(word, 3, first, last, step, like))


@instruction
def prelu_da(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    low, high = share(word[3], scratch_of(scratch))
    x, dy = rows_of(word, 0, 0, last, step, like), rows_of(word, 1, 0, last, step, like)
    da = whole(word, 2, word[3], like)[low:high]
    ops.cast(np.zeros(high - low), da)
    ops.prelu_da(x[:, low:high], dy[:, low:high], da)


@instruction
def softmax(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, y = rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like)
    ops.softmax(x, y)


@instruction
def softmax_grad(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    y, dy = rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like)
    ops.softmax_grad(y, dy, rows_of(word, 2, first, last, step, like))


@instruction
def log_softmax(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    x, y = rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like)
    ops.log_softmax(x, y)


@instruction
def log_softmax_grad(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    y, dy = rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like)
    ops.log_softmax_grad(y, dy, rows_of(word, 2, first, last, step, like))


# ------------------------------------------------------------------------------------ dropout


@instruction
def dropout_mask(words, numbers, first, last, step, scratch, like):
    """k0: number of the step, -1: the running one; k1: the batch's first row."""
    word, number = word_of(words), number_of(numbers)
    key = vector(word[HEAD + 3], 2, np.uint64(0))
    step_number = word[6] if word[6] >= 0 else scratch_of(scratch)[STEP_NUMBER]
    mask = rows_of(word, 0, first, last, step, like)
    ops.dropout_mask(number[0], key[0], key[1], step_number, word[7] + first * word[2], mask)


# ------------------------------------------------------------------------ batch normalization


@instruction
def batchnorm_statistics(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    D, x = word[3], rows_of(word, 0, 0, last, step, like)
    low, high = share(D, scratch_of(scratch))
    mean, var = whole(word, 1, D, like), whole(word, 2, D, like)
    ops.column_statistics(x[:, low:high], mean[low:high], var[low:high])


@instruction
def batchnorm_apply(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    D = word[3]
    ops.batchnorm_apply(
        rows_of(word, 0, first, last, step, like), whole(word, 1, D, like),
        whole(word, 2, D, like), whole(word, 3, D, like), whole(word, 4, D, like), number[0],
        rows_of(word, 5, first, last, step, like), rows_of(word, 6, first, last, step, like),
    )  # fmt: skip


@instruction
def batchnorm_sums(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    D = word[3]
    low, high = share(D, scratch_of(scratch))
    along, plain = whole(word, 2, D, like), whole(word, 3, D, like)
    xhat, dy = rows_of(word, 0, 0, last, step, like), rows_of(word, 1, 0, last, step, like)
    ops.batchnorm_sums(xhat[:, low:high], dy[:, low:high], along[low:high], plain[low:high])
    if word[HEAD + 12]:
        whole(word, 4, D, like)[low:high] = along[low:high]
    if word[HEAD + 15]:
        whole(word, 5, D, like)[low:high] = plain[low:high]


@instruction
def batchnorm_dx(words, numbers, first, last, step, scratch, like):
    """k0: number of all rows, 0 where the moving statistics were used."""
    word, number = word_of(words), number_of(numbers)
    D = word[3]
    ops.batchnorm_dx(
        rows_of(word, 0, first, last, step, like), whole(word, 1, D, like),
        whole(word, 2, D, like), number[0], rows_of(word, 3, first, last, step, like),
        whole(word, 4, D, like), whole(word, 5, D, like), word[6],
        rows_of(word, 6, first, last, step, like),
    )  # fmt: skip


@instruction
def moving_average(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    low, high = share(word[3], scratch_of(scratch))
    x, average = whole(word, 0, word[3], like), whole(word, 1, word[3], like)
    ops.moving_average(x[low:high], number[0], average[low:high])
