"""The machine's instructions around a first layer whose inputs come as a sparse matrix.

The entries of a batch are copied from the data set's CSR arrays, in the dtype of the arithmetic, to
room that all threads share; the products read them there. No dense batch is ever built. The
instructions stand in for those of the same name without `_csr` (see `Machine`).
"""

import numpy as np

from ..machine.loop import BATCH_COLUMNS, BATCH_STARTS, BATCH_VALUES, HEAD, SAMPLES, THREAD
from ..machine.native import size_of, vector
from ..machine.operands import at, instruction, is_first, jit, own_gradient, whole
from . import sparse
from .vectors import sum_rows_times


@jit
def copy_entries(begin, source_columns, wide, columns, source, values, n):
    """n entries from number `begin` on; `wide`: whether their columns are 64 bits."""
    size = n + begin
    if wide:
        numbers = vector(source_columns, size, np.int64(0))
        for k in range(n):
            columns[k] = numbers[begin + k]
    else:
        narrow = vector(source_columns, size, np.int32(0))
        for k in range(n):
            columns[k] = narrow[begin + k]
    for k in range(n):
        values[k] = values.dtype.type(source[begin + k])


@instruction
def gather_csr(word, mine, first, last, step, like):
    """The entries of these rows; k0: dtype of the values, k1: bytes of a column's number.

    Operands: the values, the rows' numbers, x (not touched), the data set's starts, its columns,
    and where each row of the batch begins in the shared room (N + 1 per step).
    """
    N, kind, wide = mine[SAMPLES], word[6], word[7] == 8
    index = vector(at(word, 1, 0, step), N, np.int64(0))
    new = vector(at(word, 5, 0, step), N + 1, np.int64(0))
    starts = vector(mine[BATCH_STARTS], N + 1, np.int64(0))
    data, old, numbers = word[HEAD], word[HEAD + 9], word[HEAD + 12]
    starts[first] = new[first]
    for i in range(first, last):
        starts[i + 1] = new[i + 1]
        n, begin = new[i + 1] - new[i], vector(old + index[i] * 8, 1, np.int64(0))[0]
        columns = vector(mine[BATCH_COLUMNS] + new[i] * 4, n, np.int32(0))
        values = vector(mine[BATCH_VALUES] + new[i] * size_of(like), n, like)
        end = begin + n
        if kind == 0:
            copy_entries(begin, numbers, wide, columns, vector(data, end, np.uint8(0)), values, n)
        elif kind == 1:
            copy_entries(begin, numbers, wide, columns, vector(data, end, np.float32(0)), values, n)
        elif kind == 2:
            copy_entries(begin, numbers, wide, columns, vector(data, end, 0.0), values, n)
        elif kind == 3:
            copy_entries(begin, numbers, wide, columns, vector(data, end, np.int64(0)), values, n)
        else:
            copy_entries(begin, numbers, wide, columns, vector(data, end, np.int32(0)), values, n)


@jit
def batch_entries(mine, first, last, like):
    """(starts, columns, values) of samples first..last; starts count from the batch's first."""
    starts = vector(mine[BATCH_STARTS] + first * 8, last - first + 1, np.int64(0))
    count = starts[last - first]
    return (
        starts, vector(mine[BATCH_COLUMNS], count, np.int32(0)),
        vector(mine[BATCH_VALUES], count, like),
    )  # fmt: skip


@instruction
def linear_csr(word, mine, H, first, last, step, like):
    """y = x W + b."""
    y = at(word, 3, first, step)
    starts, columns, values = batch_entries(mine, first, last, like)
    sparse.rows_linear(starts, columns, values, word[HEAD + 3], whole(word, 2, H, like), y,
                       last - first, H)  # fmt: skip


@instruction
def linear_part_csr(word, mine, H, item, low, high, last, like):
    """parts[thread] = x[:, own] W[own]."""
    part = word[HEAD + 6] + mine[THREAD] * last * H * item
    starts, columns, values = batch_entries(mine, 0, last, like)
    for i in range(last):
        begin = sparse.first_from(columns, starts[i], starts[i + 1], low)
        end = sparse.first_from(columns, begin, starts[i + 1], high)
        sum_rows_times(part + i * H * item, 0, columns.ctypes.data, values.ctypes.data, begin, end,
                       word[HEAD + 3], H * item, H, like)  # fmt: skip


@instruction
def linear_dW_csr(word, mine, H, low, high, last, step, like):
    """dW = x^T dy for this thread's rows of dW."""
    dW = word[HEAD + 6]
    vector(dW + low * H * size_of(like), (high - low) * H, like)[:] = 0
    starts, columns, values = batch_entries(mine, 0, last, like)
    sparse.add_outer(starts, columns, values, low, high, at(word, 1, 0, step), dW, H)


@instruction
def linear_dW_own_csr(word, mine, D, H, first, last, step, like):
    """dW = or += x^T dy for these rows, in this thread's own gradients."""
    dW = own_gradient(word, 2, mine)
    if is_first(first, mine):
        vector(dW, D * H, like)[:] = 0
    starts, columns, values = batch_entries(mine, first, last, like)
    sparse.add_outer(starts, columns, values, 0, D, at(word, 1, first, step), dW, H)
