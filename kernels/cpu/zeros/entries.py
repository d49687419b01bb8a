"""The machine's instructions around a first layer whose inputs are mostly zeros: pixels, words.

Only the entries that are not zero are read and kept, in each thread's own room. The instructions
stand in for those without `_entries` (see `Machine`).
"""

import numpy as np

from ..machine import loop
from ..machine.loop import BLOCK, CURSORS, DTYPES, HEAD, NEAR, PLACES, SLACK, STARTS, THREAD
from ..machine.native import matrix, size_of, vector
from ..machine.operands import at, instruction, is_first, jit, own_gradient, padded, whole
from . import sparse
from .vectors import fetch, not_zero, not_zero_plain


@jit
def entries_of(mine, n, D, like):
    """(starts, columns, values) of n rows."""
    return (
        vector(mine[STARTS], n + 1, np.int64(0)),
        vector(mine[loop.COLUMN_OF], n * D + SLACK, np.int32(0)),
        vector(mine[loop.ENTRIES], n * D + SLACK, like),
    )


FIRST = np.int64(0)  # for a literal 0 all that is called would be compiled once more
_SIZES = tuple(np.dtype(name).itemsize for name in DTYPES)


@jit
def read(data, index, stride, kind, low, high, mine, like):
    """Keep the entries of the rows `index`, columns low..high, that are not zero; of bytes, or of
    numbers in the dtype of the arithmetic."""
    starts, columns, values = entries_of(mine, index.size, high - low, like)
    count, D, size = FIRST, high - low, _SIZES[kind]
    for i in range(index.size):
        starts[i] = count
        row = data + index[i] * stride + low * size
        if i + 1 < index.size:  # rows lie anywhere in memory
            fetch(data + index[i + 1] * stride + low * size, D * size)
        if kind == 0:
            count = not_zero(vector(row, D, np.uint8(0)), low, columns, values, count)
        else:
            count = not_zero(vector(row, D, like), low, columns, values, count)
    starts[index.size] = count


@jit
def read_cast(data, index, stride, kind, low, high, mine, like):
    """The same of other numbers: code that few need, and that takes its time to compile."""
    starts, columns, values = entries_of(mine, index.size, high - low, like)
    count, D, size = FIRST, high - low, _SIZES[kind]
    for i in range(index.size):
        starts[i] = count
        row = data + index[i] * stride + low * size
        if kind == 1:
            count = not_zero_plain(vector(row, D, np.float32(0)), low, columns, values, count)
        elif kind == 2:
            count = not_zero_plain(vector(row, D, 0.0), low, columns, values, count)
        elif kind == 3:
            count = not_zero_plain(vector(row, D, np.int64(0)), low, columns, values, count)
        else:
            count = not_zero_plain(vector(row, D, np.int32(0)), low, columns, values, count)
    starts[index.size] = count


@jit
def add_dW(mine, n, low, high, dy, dW, H, fresh, like):
    """dW = or += x^T dy for the n rows that were read; `dy` and `dW` are addresses."""
    starts, columns, values = entries_of(mine, n, high - low, like)
    ends = vector(mine[PLACES], high - low + 1, np.int64(0))
    rows = vector(mine[loop.ENTRY_ROWS], BLOCK * (high - low), np.int32(0))
    factors = vector(mine[loop.FACTORS], BLOCK * (high - low), like)
    stride, rows_of_dy = padded(H, like), matrix(dy, n, H, like)
    near = matrix(mine[NEAR], BLOCK, stride // size_of(like), like)
    for row in range(0, n, BLOCK):
        end = min(row + BLOCK, n)
        sparse.copy_rows(rows_of_dy[row:end], near)
        sparse.sort_by_column(starts, columns, values, row, end, low, high, ends, rows, factors)
        sparse.entries_dW(ends, rows, factors, low, high, mine[NEAR], stride, dW, H,
                          fresh and row == 0)  # fmt: skip


# ---------------------------------------------------------------- each thread reads its own rows


@instruction
def gather_entries(word, mine, first, last, step, like):
    """The entries of these rows."""
    index = vector(at(word, 1, first, step), last - first, np.int64(0))
    read(word[HEAD], index, word[7], word[6], FIRST, word[3], mine, like)


@instruction
def gather_entries_cast(word, mine, first, last, step, like):
    index = vector(at(word, 1, first, step), last - first, np.int64(0))
    read_cast(word[HEAD], index, word[7], word[6], FIRST, word[3], mine, like)


@instruction
def linear_entries(word, mine, D, H, first, last, step, like):
    """y = x W + b for the rows that gather_entries has read."""
    n = last - first
    starts, columns, values = entries_of(mine, n, D, like)
    sparse.entries_linear(
        starts, columns, values, FIRST, D, word[HEAD + 3], mine[NEAR], padded(H, like),
        vector(mine[CURSORS], n, np.int64(0)), whole(word, 2, H, like), at(word, 3, first, step),
        n, H,
    )  # fmt: skip


@instruction
def linear_dW_own_entries(word, mine, first, last, step, like):
    """The thread's own dW = or += x^T dy for the rows that gather_entries has read."""
    add_dW(mine, last - first, 0, word[3], at(word, 1, first, step), own_gradient(word, 2, mine),
           word[4], is_first(first, mine), like)  # fmt: skip


# ------------------------------------- each thread reads its own columns, and has those rows of W


@instruction
def gather_part_entries(word, mine, low, high, last, step, like):
    """The entries in this thread's columns of all rows."""
    index = vector(at(word, 1, 0, step), last, np.int64(0))
    read(word[HEAD], index, word[7], word[6], low, high, mine, like)


@instruction
def gather_part_entries_cast(word, mine, low, high, last, step, like):
    index = vector(at(word, 1, 0, step), last, np.int64(0))
    read_cast(word[HEAD], index, word[7], word[6], low, high, mine, like)


@instruction
def linear_part_entries(word, mine, H, low, high, last, like):
    """parts[thread] = x[:, own] W[own]."""
    starts, columns, values = entries_of(mine, last, high - low, like)
    part = word[HEAD + 6] + mine[THREAD] * last * H * size_of(like)
    sparse.entries_linear(
        starts, columns, values, low, high, word[HEAD + 3], mine[NEAR], padded(H, like),
        vector(mine[CURSORS], last, np.int64(0)), vector(part, 0, like), part, last, H,
    )  # fmt: skip


@instruction
def linear_dW_entries(word, mine, low, high, last, step, like):
    """dW = x^T dy for this thread's rows of dW."""
    add_dW(mine, last, low, high, at(word, 1, 0, step), word[HEAD + 6], word[4], True, like)
