"""Kernels around matrix products: gather, linear, its gradients, sums of rows."""

import numpy as np

from .gemm import dots, gemm, pack
from .machine import loop, operands
from .machine.call import kernel
from .machine.loop import HEAD, LIST, SAMPLES, SCRATCH, SLACK, THREAD, THREADS, TURNED
from .machine.native import inlined, matrix, size_of, vector
from .machine.operands import at, cast, flat, instruction, is_first, rows_of, share, whole
from .machine.routines import routine
from .zeros import sparse

DOTS = 12  # up to so many rows dx is computed number by number


@inlined
def add_up(x, y):
    """y += x."""
    for i in range(x.size):
        y[i] += x[i]


@inlined
def add_bias(b, y):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += b[j]


@routine()
def add_rows(x, rows, stride, out, n, like):
    """out += sum of the rows of x, n numbers `stride` bytes apart; four rows per pass over out.

    x and out are addresses.
    """
    total, full = vector(out, n, like), rows - rows % 4
    for i in range(0, full, 4):
        first = x + i * stride
        x0, x1 = vector(first, n, like), vector(first + stride, n, like)
        x2, x3 = vector(first + 2 * stride, n, like), vector(first + 3 * stride, n, like)
        for j in range(n):
            total[j] += (x0[j] + x1[j]) + (x2[j] + x3[j])
    for i in range(full, rows):
        add_up(vector(x + i * stride, n, like), total)


def _gather(dtype):
    """Register the instruction that gathers rows of data of a dtype."""
    entry = np.dtype(dtype).type(0)

    def gather(word, n, D, first, last, step, like):
        data, stride, out = word[HEAD], word[7], rows_of(word, 2, first, last, step, like)
        index = vector(at(word, 1, first, step), n, np.int64(0))
        for i in range(n):
            cast(vector(data + index[i] * stride, D, entry), out[i])

    gather.__name__ = f"gather_{dtype}"
    instruction(gather)


for _dtype in loop.DTYPES:
    _gather(_dtype)


@routine()
def product_transposed(dy, n, depth, W, columns, dx, dx_row, scratch, like):
    """dx = dy W^T for n rows of so many columns; W is (columns, depth), dx_row is in bytes.

    Few rows are turned, dx^T = W dy^T, as it would take as long to pack the transposed W; very few
    would not fill a vector.
    """
    item = size_of(like)
    if n <= DOTS or columns == 0:
        dots(W, depth * item, columns, dy, depth * item, n, depth, dx, dx_row, like)
        return
    if n > TURNED:
        gemm(dy, depth * item, item, n, depth, W, item, depth * item, columns, 0, 0, dx, dx_row,
             scratch, like)  # fmt: skip
        return
    turned = vector(scratch, SCRATCH, np.int64(0))[loop.TURNED_DX]
    gemm(W, depth * item, item, columns, depth, dy, item, depth * item, n, 0, 0, turned, n * item,
         scratch, like)  # fmt: skip
    pack(turned, n * item, item, columns, n, columns, dx, dx_row, like)


@instruction
def linear(word, n, D, H, first, step, scratch, like):
    """y = x W + b."""
    item = size_of(like)
    gemm(at(word, 0, first, step), D * item, item, n, D, word[HEAD + 3], H * item, item, H,
         word[HEAD + 6], 0, at(word, 3, first, step), H * item, scratch, like)  # fmt: skip


@instruction
def linear_zeros(word, mine, n, D, H, first, step, like):
    """The same for few rows, or an x with zeros, which are left out."""
    sparse.sparse_linear(
        matrix(at(word, 0, first, step), n, D, like), matrix(word[HEAD + 3], D, H, like),
        whole(word, 2, H, like), matrix(at(word, 3, first, step), n, H, like),
        vector(mine[LIST], D + SLACK, np.int32(0)), vector(mine[loop.VALUES], D + SLACK, like),
    )  # fmt: skip


@instruction
def linear_dx(word, n, D, H, first, step, scratch, like):
    """dx = dy W^T."""
    product_transposed(at(word, 0, first, step), n, H, word[HEAD + 3], D, at(word, 2, first, step),
                       D * size_of(like), scratch, like)  # fmt: skip


# Few rows: splitting them would make each thread read weights that the other one has just updated,
# from the other core's cache. So each thread keeps to its own rows of W, as in linear_dW; but where
# these do not stay in its cache (`linear_columns`).


@instruction
def linear_part(word, mine, n, D, H, item, low, high, step, scratch, like):
    """parts[thread] = x[:, own] W[own]."""
    x, W = at(word, 0, 0, step) + low * item, word[HEAD + 3] + low * H * item
    part = word[HEAD + 6] + mine[THREAD] * n * H * item
    gemm(x, D * item, item, n, high - low, W, H * item, item, H, 0, 0, part, H * item, scratch,
         like)  # fmt: skip


@instruction
def linear_part_zeros(word, mine, n, D, H, item, low, high, step, like):
    """The same for few rows, or an x with zeros, which are left out."""
    part = word[HEAD + 6] + mine[THREAD] * n * H * item
    sparse.sparse_linear(
        matrix(at(word, 0, 0, step), n, D, like)[:, low:high],
        matrix(word[HEAD + 3] + low * H * item, high - low, H, like),
        vector(part, 0, like), matrix(part, n, H, like),
        vector(mine[LIST], D + SLACK, np.int32(0)), vector(mine[loop.VALUES], D + SLACK, like),
    )  # fmt: skip


@instruction
def linear_join(word, mine, n, item, first, last, step, like):
    """y = sum of the parts + b, for some rows."""
    H, y = word[3], operands.flat_rows(word, 2, first, last, step, like)
    slab, b = mine[SAMPLES] * word[2] * H * item, whole(word, 1, H, like)
    part = word[HEAD] + first * word[2] * H * item
    cast(vector(part, n * H, like), y)
    for t in range(1, mine[THREADS]):
        add_up(vector(part + t * slab, n * H, like), y)
    if b.size:
        add_bias(b, rows_of(word, 2, first, last, step, like))


@instruction
def linear_columns(word, mine, n, D, H, item, step, scratch, like):
    """y[:, own] = x W[:, own] + b[own]."""
    low, high = share(H, mine)
    b = word[HEAD + 6] + low * item if word[HEAD + 6] else 0
    gemm(at(word, 0, 0, step), D * item, item, n, D, word[HEAD + 3] + low * item, H * item, item,
         high - low, b, 0, at(word, 3, 0, step) + low * item, H * item, scratch, like)  # fmt: skip


@instruction
def linear_dx_part(word, n, D, H, item, low, high, step, scratch, like):
    """dx[:, own] = dy W[own]^T."""
    if low < high:
        product_transposed(at(word, 0, 0, step), n, H, word[HEAD + 3] + low * H * item, high - low,
                           at(word, 2, 0, step) + low * item, D * item, scratch,
                           like)  # fmt: skip


@instruction
def linear_dW(word, mine, n, D, H, item, low, high, step, scratch, like):
    """dW = x^T dy for this thread's rows of dW."""
    x, dy, dW = at(word, 0, 0, step), at(word, 1, 0, step), word[HEAD + 6]
    if low < high:
        gemm(x + low * item, item, D * item, high - low, n, dy, H * item, item, H, 0, 0,
             dW + low * H * item, H * item, scratch, like)  # fmt: skip


@instruction
def linear_dW_zeros(word, mine, n, D, H, low, high, step, like):
    """The same for few rows; zeros of x are left out."""
    sparse.sparse_dW(
        matrix(at(word, 0, 0, step), n, D, like), matrix(at(word, 1, 0, step), n, H, like), low,
        high, matrix(word[HEAD + 6], D, H, like),
        matrix(mine[loop.TILE_ROWS], sparse.TILE, n + 1, np.int32(0)),
        matrix(mine[loop.TILE_VALUES], sparse.TILE, n + 1, like),
        vector(mine[loop.TILE_COUNTS], sparse.TILE, np.int64(0)),
    )  # fmt: skip


# Many rows: each thread sums over its own, while they are in its cache, into a vector of gradients
# of its own, the first into the flat gradients; `add_gradients` adds the others' to these.

AT_ONCE = 2048  # entries of all threads' gradients that are added up while they are in cache


@instruction
def linear_dW_own(word, mine, n, D, H, first, step, scratch, like):
    """dW = or += x^T dy for these rows."""
    item, dW = size_of(like), operands.own_gradient(word, 2, mine)
    x, dy, before = at(word, 0, first, step), at(word, 1, first, step), dW
    if is_first(first, mine):
        before = 0
    gemm(x, item, D * item, D, n, dy, H * item, item, H, before, H * item, dW, H * item, scratch,
         like)  # fmt: skip


@instruction
def sum_rows_own(word, mine, n, D, item, first, step, like):
    out = operands.own_gradient(word, 1, mine)
    if is_first(first, mine):
        vector(out, D, like)[:] = 0
    add_rows(at(word, 0, first, step), n, D * item, out, D, like)


@instruction
def add_gradients(word, mine, item, like):
    """flat gradients += those of the threads but the first, in this thread's spans."""
    slab = operands.padded(word[4], like)
    for low, high in operands.pieces(word, mine):
        for first in range(low, high, AT_ONCE):
            last = min(first + AT_ONCE, high)
            out = flat(word, 0, first, last, like)
            for t in range(mine[THREADS] - 1):
                other = word[HEAD + 3] + t * slab + (first - word[3]) * item
                add_up(vector(other, last - first, like), out)


@kernel
def sum_rows(x: operands.Columns, out: operands.Share):
    zero = x.dtype.type(0)
    out[:] = zero
    add_rows(x.ctypes.data, x.shape[0], x.strides[0], out.ctypes.data, out.size, zero)
