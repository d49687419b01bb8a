"""The machine's instructions around a first layer whose inputs are mostly zeros: pixels, words.

Only the entries that are not zero are read and kept, in each thread's own room. The instructions
stand in for those without `_entries` (see `Machine`).
"""

import numpy as np

from ..machine import loop
from ..machine.loop import BLOCK, DTYPES, FEATURES, HEAD, NEAR, SCRATCH, SLACK, THREAD
from ..machine.native import inlined, size_of, vector
from ..machine.operands import LOOPS, at, cast, instruction, is_first, own_gradient, padded
from ..machine.routines import routine
from . import sparse
from .vectors import fetch, not_zero, not_zero_plain, sum_rows_times


@inlined
def entries_of(mine, n, D, like):
    """(starts, columns, values) of n rows."""
    return (
        vector(mine[loop.STARTS], n + 1, np.int64(0)),
        vector(mine[loop.COLUMN_OF], n * D + SLACK, np.int32(0)),
        vector(mine[loop.ENTRIES], n * D + SLACK, like),
    )


_SIZES = tuple(np.dtype(name).itemsize for name in DTYPES)


@routine()
def read(data, index, n, stride, low, high, scratch, like):
    """Keep the entries of n rows, columns low..high, that are not zero, of numbers in the dtype of
    the arithmetic. `index` is the address of the rows' numbers."""
    mine, numbers = vector(scratch, SCRATCH, np.int64(0)), vector(index, n, np.int64(0))
    starts, columns, values = entries_of(mine, n, high - low, like)
    count, D, size = np.int64(0), high - low, size_of(like)
    for i in range(n):
        starts[i] = count
        row = data + numbers[i] * stride + low * size
        if i + 1 < n:  # rows lie anywhere in memory
            fetch(data + numbers[i + 1] * stride + low * size, D * size)
        count = not_zero(vector(row, D, like), low, columns, values, count)
    starts[n] = count


@routine()
def read_cast(data, index, n, stride, kind, low, high, scratch, like):
    """The same of bytes, and of numbers in another dtype: code of its own, as it takes its time to
    compile.
    """
    mine, numbers = vector(scratch, SCRATCH, np.int64(0)), vector(index, n, np.int64(0))
    starts, columns, values = entries_of(mine, n, high - low, like)
    count, D, size = np.int64(0), high - low, _SIZES[kind]
    for i in range(n):
        starts[i] = count
        row = data + numbers[i] * stride + low * size
        if i + 1 < n:
            fetch(data + numbers[i + 1] * stride + low * size, D * size)
        if kind == 0:
            count = not_zero(vector(row, D, np.uint8(0)), low, columns, values, count)
        elif kind == 1:
            count = not_zero_plain(vector(row, D, np.float32(0)), low, columns, values, count)
        elif kind == 2:
            count = not_zero_plain(vector(row, D, 0.0), low, columns, values, count)
        elif kind == 3:
            count = not_zero_plain(vector(row, D, np.int64(0)), low, columns, values, count)
        else:
            count = not_zero_plain(vector(row, D, np.int32(0)), low, columns, values, count)
    starts[n] = count


@routine(fastmath=LOOPS)
def multiply_entries(n, low, high, W, b, y, H, scratch, like):
    """y = x W + b for n rows of x that were read, with columns in low..high; by addresses.

    FEATURES rows of W at a time are copied side by side, and used for all rows of x.
    """
    mine, item = vector(scratch, SCRATCH, np.int64(0)), size_of(like)
    starts, columns, _ = entries_of(mine, n, high - low, like)
    places, factors, width = mine[loop.COLUMN_OF], mine[loop.ENTRIES], H * item
    if n < 64 or starts[n] * FEATURES <= 2 * n * (high - low):  # not worth the trouble
        for i in range(n):
            sum_rows_times(y + i * width, b, places, factors, starts[i], starts[i + 1], W, width, H,
                           like)  # fmt: skip
        return
    cursors, near, stride = vector(mine[loop.CURSORS], n, np.int64(0)), mine[NEAR], padded(H, like)
    for i in range(n):
        cursors[i] = starts[i]
    for k in range(low, high, FEATURES):
        end = k + FEATURES if k + FEATURES < high else high
        for j in range(end - k):
            cast(vector(W + (k + j) * width, H, like), vector(near + j * stride, H, like))
        for i in range(n):
            c = cursors[i]
            while c < starts[i + 1] and columns[c] < end:
                c += 1
            if c > cursors[i] or k == low:
                out = y + i * width
                sum_rows_times(out, b if k == low else out, places, factors, cursors[i], c,
                               near - k * stride, stride, H, like)  # fmt: skip
            cursors[i] = c


@routine(fastmath=LOOPS)
def add_dW(n, low, high, dy, dW, H, fresh, scratch, like):
    """dW = or (`fresh`: 0) += x^T dy for the n rows that were read; `dy` and `dW` are addresses."""
    mine, item, stride = vector(scratch, SCRATCH, np.int64(0)), size_of(like), padded(H, like)
    starts, columns, values = entries_of(mine, n, high - low, like)
    ends = vector(mine[loop.PLACES], high - low + 1, np.int64(0))
    rows = vector(mine[loop.ENTRY_ROWS], BLOCK * (high - low), np.int32(0))
    factors = vector(mine[loop.FACTORS], BLOCK * (high - low), like)
    for row in range(0, n, BLOCK):
        end = row + BLOCK if row + BLOCK < n else n
        for i in range(row, end):
            near = mine[NEAR] + (i - row) * stride
            cast(vector(dy + i * H * item, H, like), vector(near, H, like))
        sparse.sort_by_column(starts, columns, values, row, end, low, high, ends, rows, factors)
        sparse.entries_dW(ends, rows, factors, low, high, mine[NEAR], stride, dW, H,
                          fresh != 0 and row == 0)  # fmt: skip


# ---------------------------------------------------------------- each thread reads its own rows


@instruction
def gather_entries(word, first, last, step, scratch, like):
    """The entries of these rows."""
    read(word[HEAD], at(word, 1, first, step), last - first, word[7], 0, word[3], scratch,
         like)  # fmt: skip


@instruction
def gather_entries_cast(word, first, last, step, scratch, like):
    read_cast(word[HEAD], at(word, 1, first, step), last - first, word[7], word[6], 0, word[3],
              scratch, like)  # fmt: skip


@instruction
def linear_entries(word, D, H, first, last, step, scratch, like):
    """y = x W + b for the rows that gather_entries has read."""
    multiply_entries(last - first, 0, D, word[HEAD + 3], word[HEAD + 6], at(word, 3, first, step),
                     H, scratch, like)  # fmt: skip


@instruction
def linear_dW_own_entries(word, mine, D, H, first, last, step, scratch, like):
    """The thread's own dW = or += x^T dy for the rows that gather_entries has read."""
    dW, fresh = own_gradient(word, 2, mine), 1 if is_first(first, mine) else 0
    add_dW(last - first, 0, D, at(word, 1, first, step), dW, H, fresh, scratch, like)


# ------------------------------------- each thread reads its own columns, and has those rows of W


@instruction
def gather_part_entries(word, low, high, last, step, scratch, like):
    """The entries in this thread's columns of all rows."""
    read(word[HEAD], at(word, 1, 0, step), last, word[7], low, high, scratch, like)


@instruction
def gather_part_entries_cast(word, low, high, last, step, scratch, like):
    read_cast(word[HEAD], at(word, 1, 0, step), last, word[7], word[6], low, high, scratch, like)


@instruction
def linear_part_entries(word, mine, H, item, low, high, last, scratch, like):
    """parts[thread] = x[:, own] W[own]."""
    part = word[HEAD + 6] + mine[THREAD] * last * H * item
    multiply_entries(last, low, high, word[HEAD + 3], 0, part, H, scratch, like)


@instruction
def linear_dW_entries(word, H, low, high, last, step, scratch, like):
    """dW = x^T dy for this thread's rows of dW."""
    add_dW(last, low, high, at(word, 1, 0, step), word[HEAD + 6], H, 1, scratch, like)
