"""Kernels around matrix products: gather, linear, its gradients, sums of rows."""

import numpy as np

from .machine import loop, operands
from .machine.call import kernel
from .machine.loop import HEAD, LIST, SAMPLES, SCRATCH, SLACK, SMALL, THREAD, THREADS, TURNED
from .machine.native import (
    AS_STORED,
    TRANSPOSED,
    call_op,
    gemm,
    inlined,
    matrix,
    size_of,
    vector,
)  # fmt: skip
from .machine.operands import at, cast, flat, instruction, is_first, rows_of, whole
from .machine.routines import routine
from .zeros import sparse

# OpenBLAS has kernels that need no packing for m n k <= 10^6, on AVX-512 machines.
SMALL_PRODUCT = 1_000_000
# Where it has none, products of at most so many multiplications are done in tiles, if the second
# factor stays in the core's own cache.
TILED_PRODUCT, NEAR_BYTES = 1 << 21, 1 << 18
SMALL_TRANSPOSED = 36 * 36  # and for x W^T where y has no more numbers


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
def multiply(a, rows, depth, a_stride, a_transposed, b, columns, adds, c, c_stride, scratch, like):
    """C = op(A) B, or C += op(A) B (`adds`: 1); in tiles where BLAS would spend its time packing.

    See `gemm`.
    """
    item, mine = size_of(like), vector(scratch, SCRATCH, np.int64(0))
    near = rows * depth * columns <= TILED_PRODUCT and depth * columns * item <= NEAR_BYTES
    if near and mine[loop.TILES] and not adds:
        word = vector(mine[loop.TILED], 10, np.int64(0))
        word[0], word[3], word[8] = a, b, c
        word[1], word[2] = a_stride * item, item
        if a_transposed:
            word[1], word[2] = item, a_stride * item
        word[4], word[5], word[6], word[7] = columns * item, rows, depth, columns
        word[9] = c_stride * item
        call_op(mine[loop.TILES], mine[loop.TILED], 0, 0, 0, 0, 0, like)
    else:
        gemm(a, rows, depth, a_stride, a_transposed, b, columns, AS_STORED, columns, adds, c,
             c_stride, mine[loop.ROOM], like)  # fmt: skip


@routine()
def product(x, n, depth, x_stride, W, columns, y, y_stride, scratch, like):
    """y = x W for n rows; few rows are cut so that BLAS need not pack W."""
    rows, item, small = n, size_of(like), vector(scratch, SCRATCH, np.int64(0))[SMALL]
    if small and n <= TURNED and 0 < depth * columns * 2 <= SMALL_PRODUCT:
        rows = SMALL_PRODUCT // (depth * columns)
    for i in range(0, n, rows):
        multiply(x + i * x_stride * item, rows if rows < n - i else n - i, depth, x_stride,
                 AS_STORED, W, columns, 0, y + i * y_stride * item, y_stride, scratch,
                 like)  # fmt: skip


@routine()
def product_transposed(dy, n, depth, W, columns, dx, dx_stride, scratch, like):
    """dx = dy W^T for n rows by BLAS.

    Few rows are turned: dx^T = W dy^T. Else BLAS would spend its time on packing the transposed W,
    but for very few, where OpenBLAS can do without.
    """
    mine = vector(scratch, SCRATCH, np.int64(0))
    if n > TURNED or (mine[SMALL] and n * columns <= SMALL_TRANSPOSED):
        gemm(dy, n, depth, depth, AS_STORED, W, depth, TRANSPOSED, columns, 0, dx, dx_stride,
             mine[loop.ROOM], like)  # fmt: skip
        return
    dy_t, dx_t = mine[loop.TURNED_DY], mine[loop.TURNED_DX]
    transpose(dy, depth, n, depth, dy_t, n, like)
    multiply(W, columns, depth, depth, AS_STORED, dy_t, n, 0, dx_t, n, scratch, like)
    transpose(dx_t, n, columns, n, dx, dx_stride, like)


@routine()
def transpose(a, a_stride, rows, columns, b, b_stride, like):
    """b = a^T for an a of so many rows and columns; strides in numbers."""
    item = size_of(like)
    for j in range(columns):
        row = vector(b + j * b_stride * item, rows, like)
        for i in range(rows):
            row[i] = vector(a + (i * a_stride + j) * item, 1, like)[0]


@instruction
def linear(word, n, D, H, first, step, scratch, like):
    """y = x W + b."""
    y = at(word, 3, first, step)
    product(at(word, 0, first, step), n, D, D, word[HEAD + 3], H, y, H, scratch, like)
    b = whole(word, 2, H, like)
    if b.size:
        add_bias(b, matrix(y, n, H, like))


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
                       D, scratch, like)  # fmt: skip


# Few rows: splitting them would make each thread read weights that the other one has just updated,
# from the other core's cache. So each thread keeps to its own rows of W, as in linear_dW.


@instruction
def linear_part(word, mine, n, D, H, item, low, high, step, scratch, like):
    """parts[thread] = x[:, own] W[own]."""
    x, W = at(word, 0, 0, step) + low * item, word[HEAD + 3] + low * H * item
    part = word[HEAD + 6] + mine[THREAD] * n * H * item
    product(x, n, high - low, D, W, H, part, H, scratch, like)


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
def linear_dx_part(word, n, D, H, item, low, high, step, scratch, like):
    """dx[:, own] = dy W[own]^T."""
    if low < high:
        product_transposed(at(word, 0, 0, step), n, H, word[HEAD + 3] + low * H * item, high - low,
                           at(word, 2, 0, step) + low * item, D, scratch, like)  # fmt: skip


@instruction
def linear_dW(word, mine, n, D, H, item, low, high, step, scratch, like):
    """dW = x^T dy for this thread's rows of dW."""
    x, dy, dW = at(word, 0, 0, step), at(word, 1, 0, step), word[HEAD + 6]
    block = high - low if low < high else 1
    if mine[SMALL] and n <= TURNED and 0 < n * H * 8 <= SMALL_PRODUCT:
        block = SMALL_PRODUCT // (n * H)
    for i in range(low, high, block):
        rows = block if block < high - i else high - i
        multiply(x + i * item, rows, n, D, TRANSPOSED, dy, H, 0, dW + i * H * item, H, scratch,
                 like)  # fmt: skip


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
    multiply(at(word, 0, first, step), D, n, D, TRANSPOSED, at(word, 1, first, step), H,
             0 if is_first(first, mine) else 1, operands.own_gradient(word, 2, mine), H, scratch,
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
