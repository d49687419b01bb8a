"""What `machine.native` offers, as plain Python: for NUMBA_DISABLE_JIT=1.

Every kernel and the machine itself then run line by line: slowly, but a debugger can stop in them,
and tests see the arithmetic without the compiler.
"""

import ctypes
import threading
import time

import numpy as np

__all__ = [
    "arrive", "atomic_add", "atomic_load", "call_back", "call_op", "claim", "columns", "fetch",
    "float_mode", "load", "matrix", "multiply_high", "not_zero", "not_zero_plain",
    "operand_address", "patience", "set_float_mode", "size_of", "sleep_until", "sum_rows_times",
    "vector",
]  # fmt: skip

_lock = threading.Lock()
_functions = []  # an instruction's address is its place here, counted from 1


def address_of_function(function):
    """A number that `call_op` knows the function by."""
    _functions.append(function)
    return len(_functions)


def call_op(address, words, numbers, first, last, step, scratch, like):
    with np.errstate(all="ignore"):
        _functions[address - 1](words, numbers, first, last, step, scratch, like)


def call_back(address):
    ctypes.CFUNCTYPE(None)(int(address))()


def float_mode():
    return 0  # NumPy's arithmetic stays as it is


def set_float_mode(mode):
    pass


def fetch(address, size):
    pass


def vector(address, n, like):
    return _array(address, (n,), (1,), like)


def matrix(address, n, m, like):
    return _array(address, (n, m), (m, 1), like)


def columns(address, n, m, stride, like):
    return _array(address, (n, m), (stride // size_of(like), 1), like)


def _array(address, shape, strides, like):
    """A view of memory; strides are in numbers."""
    dtype = np.dtype(type(like))
    if 0 in shape:
        return np.empty(shape, dtype)
    last = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    memory = (ctypes.c_char * ((int(last) + 1) * dtype.itemsize)).from_address(int(address))
    return np.ndarray(shape, dtype, memory, strides=[int(s) * dtype.itemsize for s in strides])


def operand_address(head):
    def at(word, i, row, step):
        base, by_row, by_step = word[head + 3 * i : head + 3 * i + 3]
        return base + row * by_row + step * by_step

    return at


def size_of(like):
    return np.dtype(type(like)).itemsize


def atomic_add(address, value):
    with _lock:
        counter = vector(address, 1, np.int64(0))
        counter[0] += value
        return int(counter[0] - value)


def load(address, number):
    return int(vector(address, number + 1, np.int64(0))[number])


def atomic_load(address):
    return load(address, 0)


def claim(meeting, share, stage):
    with _lock:
        claimed = vector(meeting + 64 * (1 + share), 1, np.int64(0))
        free = claimed[0] < stage
        claimed[0] = max(claimed[0], stage)
        return bool(free)


def arrive(meeting, shares, goal):
    atomic_add(meeting, shares)


def patience(meeting, goal, shares):
    return 0


def sleep_until(meeting, goal):
    time.sleep(0)


def multiply_high(a, b):
    return np.uint64(int(a) * int(b) >> 64)


def gemm(a, a_row, a_k, rows, depth, b, b_k, b_column, columns, start, start_row, c, c_row,
         scratch, like):  # fmt: skip
    item = size_of(like)

    def operand(address, n, m, by_row, by_column):
        return _array(address, (n, m), (by_row // item, by_column // item), like)

    first = operand(start, rows, columns, start_row, item) if start else 0
    A, B = operand(a, rows, depth, a_row, a_k), operand(b, depth, columns, b_k, b_column)
    operand(c, rows, columns, c_row, item)[...] = A @ B + first


def dots(a, a_row, a_rows, b, b_row, b_rows, depth, c, c_row, like):
    gemm(b, b_row, size_of(like), b_rows, depth, a, size_of(like), a_row, a_rows, 0, 0, c, c_row,
         None, like)  # fmt: skip


def pack(source, lane, step, lanes, depth, width, out, row, like):
    item = size_of(like)
    for first in range(0, lanes, width):
        shape = depth, min(width, lanes - first)
        block = _array(source + first * lane, shape, (step // item, lane // item), like)
        _array(out + first // width * depth * row, shape, (row // item, 1), like)[...] = block


def sum_rows_times(out, first, places, factors, begin, end, rows, stride, n, like):
    total = vector(first, n, like).copy() if first else np.zeros(n, type(like))
    place, factor = vector(places, end, np.int32(0)), vector(factors, end, like)
    for c in range(begin, end):
        total += factor[c] * vector(rows + int(place[c]) * stride, n, like)
    vector(out, n, like)[:] = total


def not_zero(row, low, columns, values, count):
    places = np.flatnonzero(row)
    end = count + len(places)
    columns[count:end], values[count:end] = low + places, row[places]
    return end


not_zero_plain = not_zero
