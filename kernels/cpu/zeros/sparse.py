"""Products with inputs that are mostly zeros, one thread's share: what is zero is left out."""

import numpy as np

from ..machine.loop import TILE
from ..machine.native import inlined
from ..machine.operands import loop_jit as jit
from .vectors import not_zero, sum_rows_times


@jit
def sparse_linear(x, W, b, y, columns, values):
    """y = x W + b, reading only the rows of W where x is not zero; x and y may have gaps."""
    H, like, item = W.shape[1], values.dtype.type(0), values.itemsize
    start = b.ctypes.data if b.size else 0
    for i in range(x.shape[0]):
        count = not_zero(x[i], 0, columns, values, 0)
        sum_rows_times(y[i].ctypes.data, start, columns.ctypes.data, values.ctypes.data, 0, count,
                       W.ctypes.data, H * item, H, like)  # fmt: skip


@jit
def sparse_dW(x, dy, first, last, dW, rows, values, counts):
    """dW = x^T dy for rows first..last of dW, reading only the entries of x that are not zero."""
    N, H = dy.shape
    zero, stride = x.dtype.type(0), H * dy.itemsize
    for start in range(first, last, TILE):
        stop = min(start + TILE, last)
        counts[:] = 0
        for i in range(N):
            for j in range(start, stop):
                t = j - start
                rows[t, counts[t]] = i
                values[t, counts[t]] = x[i, j]
                counts[t] += x[i, j] != zero
        for t in range(stop - start):
            sum_rows_times(dW[start + t].ctypes.data, 0, rows[t].ctypes.data,
                           values[t].ctypes.data, 0, counts[t], dy.ctypes.data, stride, H,
                           zero)  # fmt: skip


@inlined
def rows_linear(starts, columns, values, W, b, y, n, H):
    """y = x W + b for n rows of x given by their entries; W and y are addresses."""
    like, width = values.dtype.type(0), H * values.itemsize
    begin = b.ctypes.data if b.size else 0
    for i in range(n):
        sum_rows_times(y + i * width, begin, columns.ctypes.data, values.ctypes.data, starts[i],
                       starts[i + 1], W, width, H, like)  # fmt: skip


@jit
def first_from(columns, c, end, column):
    """The first of the entries c..end, ascending, whose column is not below `column`."""
    while c < end:
        middle = (c + end) // 2
        if columns[middle] < column:
            c = middle + 1
        else:
            end = middle
    return c


@jit
def add_outer(starts, columns, values, low, high, dy, dW, H):
    """dW += x^T dy for columns low..high of x, given by its entries; dy and dW are addresses.

    Each entry adds to one row of dW: for rows with far fewer entries than columns.
    """
    like, width = values.dtype.type(0), H * values.itemsize
    for i in range(starts.size - 1):
        c, end = starts[i], starts[i + 1]
        if low > 0:
            c = first_from(columns, c, end, low)
        while c < end and columns[c] < high:
            out = dW + np.int64(columns[c]) * width
            sum_rows_times(out, out, columns.ctypes.data, values.ctypes.data, c, c + 1, dy, 0, H,
                           like)  # fmt: skip
            c += 1
        dy += width


@inlined
def sort_by_column(starts, columns, values, first, last, low, high, ends, rows, factors):
    """Entries of rows first..last column by column, of columns low..high: `ends[k - low]` is where
    column k ends, `rows` has each entry's row, counted from `first`, `factors` its value.
    """
    ends[: high - low + 1] = 0
    for c in range(starts[first], starts[last]):
        ends[columns[c] - low + 1] += 1
    for k in range(high - low):
        ends[k + 1] += ends[k]
    for i in range(first, last):
        for c in range(starts[i], starts[i + 1]):
            k = columns[c] - low
            at = ends[k]
            rows[at], factors[at] = i - first, values[c]
            ends[k] = at + 1


@inlined
def entries_dW(ends, rows, factors, low, high, dy, stride, dW, H, fresh):
    """dW = or += x^T dy for entries sorted by column; dW is the address of row 0, dy of row 0.

    Each row of dW is written once, and the few rows of dy stay in the nearest cache.
    """
    like, width = factors.dtype.type(0), H * factors.itemsize
    c = 0
    for k in range(low, high):
        end, out = ends[k - low], dW + k * width
        if fresh or end > c:
            before = 0 if fresh else out
            sum_rows_times(out, before, rows.ctypes.data, factors.ctypes.data, c, end, dy, stride,
                           H, like)  # fmt: skip
        c = end
