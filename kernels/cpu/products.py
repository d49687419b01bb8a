"""Kernels around matrix products: gather, linear, its gradients, sums of rows."""

import numpy as np

from .machine import loop, operands
from .machine.call import kernel
from .machine.loop import HEAD, LIST, ROOM, SAMPLES, SLACK, SMALL, THREAD, THREADS, TURNED, VALUES
from .machine.native import AS_STORED, TRANSPOSED, call_op, gemm, matrix, size_of, vector
from .machine.operands import at, cast, flat, instruction, is_first, jit, loop_jit, rows_of, whole
from .zeros import sparse

# OpenBLAS has kernels that need no packing for m n k <= 10^6, on AVX-512 machines.
SMALL_PRODUCT = 1_000_000
# Where it has none, products of at most so many multiplications are done in tiles, if the second
# factor stays in the core's own cache.
TILED_PRODUCT, NEAR_BYTES = 1 << 21, 1 << 18
SMALL_TRANSPOSED = 36 * 36  # and for x W^T where y has no more numbers


@loop_jit
def add_up(x, y):
    """y += x."""
    for i in range(x.size):
        y[i] += x[i]


@loop_jit
def add_bias(b, y):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += b[j]


@loop_jit
def add_rows(x, out):
    """out += sum of the rows of x, four rows per pass over out."""
    full = x.shape[0] - x.shape[0] % 4
    for i in range(0, full, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(out.size):
            out[j] += (x0[j] + x1[j]) + (x2[j] + x3[j])
    for i in range(full, x.shape[0]):
        row = x[i]
        for j in range(out.size):
            out[j] += row[j]


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


@jit
def multiply(a, rows, depth, a_stride, a_transposed, b, columns, beta, c, c_stride, mine, like):
    """C = op(A) B + beta C, see `gemm`; where BLAS would spend its time on packing, in tiles."""
    item, small = size_of(like), rows * depth * columns <= TILED_PRODUCT
    if mine[loop.TILES] and beta == 0.0 and small and depth * columns * item <= NEAR_BYTES:
        word = vector(mine[loop.TILED], 10, np.int64(0))
        word[0], word[3], word[8] = a, b, c
        word[1], word[2] = a_stride * item, item
        if a_transposed:
            word[1], word[2] = item, a_stride * item
        word[4], word[5], word[6], word[7] = columns * item, rows, depth, columns
        word[9] = c_stride * item
        call_op(mine[loop.TILES], mine[loop.TILED], 0, 0, 0, 0, 0, like)
    else:
        gemm(a, rows, depth, a_stride, a_transposed, b, columns, AS_STORED, columns, beta, c,
             c_stride, mine[ROOM], like)  # fmt: skip


@jit
def product(x, n, depth, x_stride, W, columns, y, y_stride, mine, like):
    """y = x W for n rows by BLAS; few rows are cut so that it need not pack W."""
    rows, item = n, size_of(like)
    if mine[SMALL] and n <= TURNED and depth * columns * 2 <= SMALL_PRODUCT:
        rows = max(SMALL_PRODUCT // (depth * columns), 1)
    for i in range(0, n, rows):
        multiply(x + i * x_stride * item, min(rows, n - i), depth, x_stride, AS_STORED, W, columns,
                 0.0, y + i * y_stride * item, y_stride, mine, like)  # fmt: skip


@jit
def product_transposed(dy, n, depth, W, columns, dx, dx_stride, mine, like):
    """dx = dy W^T for n rows by BLAS.

    Few rows are turned: dx^T = W dy^T. Else BLAS would spend its time on packing the transposed W,
    but for very few, where OpenBLAS can do without.
    """
    if n > TURNED or (mine[SMALL] and n * columns <= SMALL_TRANSPOSED):
        gemm(dy, n, depth, depth, AS_STORED, W, depth, TRANSPOSED, columns, 0.0, dx, dx_stride,
             mine[ROOM], like)  # fmt: skip
        return
    dy_t, dx_t = mine[loop.TURNED_DY], mine[loop.TURNED_DX]
    transpose(matrix(dy, n, depth, like), matrix(dy_t, depth, n, like))
    multiply(W, columns, depth, depth, AS_STORED, dy_t, n, 0.0, dx_t, n, mine, like)
    transpose(matrix(dx_t, columns, n, like), matrix(dx, n, dx_stride, like)[:, :columns])


@jit
def transpose(a, b):
    """b = a^T."""
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            b[i, j] = a[j, i]


@instruction
def linear(word, mine, n, D, H, first, step, like):
    """y = x W + b."""
    y = at(word, 3, first, step)
    product(at(word, 0, first, step), n, D, D, word[HEAD + 3], H, y, H, mine, like)
    b = whole(word, 2, H, like)
    if b.size:
        add_bias(b, matrix(y, n, H, like))


@instruction
def linear_zeros(word, mine, n, D, H, first, step, like):
    """The same for few rows, or an x with zeros, which are left out."""
    sparse.sparse_linear(
        matrix(at(word, 0, first, step), n, D, like), matrix(word[HEAD + 3], D, H, like),
        whole(word, 2, H, like), matrix(at(word, 3, first, step), n, H, like),
        vector(mine[LIST], D + SLACK, np.int32(0)), vector(mine[VALUES], D + SLACK, like),
    )  # fmt: skip


@instruction
def linear_dx(word, mine, n, D, H, first, step, like):
    """dx = dy W^T."""
    product_transposed(at(word, 0, first, step), n, H, word[HEAD + 3], D, at(word, 2, first, step),
                       D, mine, like)  # fmt: skip


# Few rows: splitting them would make each thread read weights that the other one has just updated,
# from the other core's cache. So each thread keeps to its own rows of W, as in linear_dW.


@instruction
def linear_part(word, mine, n, D, H, item, low, high, step, like):
    """parts[thread] = x[:, own] W[own]."""
    x, W = at(word, 0, 0, step) + low * item, word[HEAD + 3] + low * H * item
    part = word[HEAD + 6] + mine[THREAD] * n * H * item
    product(x, n, high - low, D, W, H, part, H, mine, like)


@instruction
def linear_part_zeros(word, mine, n, D, H, item, low, high, step, like):
    """The same for few rows, or an x with zeros, which are left out."""
    part = word[HEAD + 6] + mine[THREAD] * n * H * item
    sparse.sparse_linear(
        matrix(at(word, 0, 0, step), n, D, like)[:, low:high],
        matrix(word[HEAD + 3] + low * H * item, high - low, H, like),
        vector(part, 0, like), matrix(part, n, H, like),
        vector(mine[LIST], D + SLACK, np.int32(0)), vector(mine[VALUES], D + SLACK, like),
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
def linear_dx_part(word, mine, n, D, H, item, low, high, step, like):
    """dx[:, own] = dy W[own]^T."""
    if low < high:
        product_transposed(at(word, 0, 0, step), n, H, word[HEAD + 3] + low * H * item, high - low,
                           at(word, 2, 0, step) + low * item, D, mine, like)  # fmt: skip


@instruction
def linear_dW(word, mine, n, D, H, item, low, high, step, like):
    """dW = x^T dy for this thread's rows of dW."""
    x, dy, dW = at(word, 0, 0, step), at(word, 1, 0, step), word[HEAD + 6]
    block = max(high - low, 1)
    if mine[SMALL] and n <= TURNED and n * H * 8 <= SMALL_PRODUCT:
        block = max(SMALL_PRODUCT // (n * H), 1)
    for i in range(low, high, block):
        multiply(x + i * item, min(block, high - i), n, D, TRANSPOSED, dy, H, 0.0,
                 dW + i * H * item, H, mine, like)  # fmt: skip


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
def linear_dW_own(word, mine, n, D, H, first, step, like):
    """dW = or += x^T dy for these rows."""
    multiply(at(word, 0, first, step), D, n, D, TRANSPOSED, at(word, 1, first, step), H,
             0.0 if is_first(first, mine) else 1.0, operands.own_gradient(word, 2, mine), H, mine,
             like)  # fmt: skip


@instruction
def sum_rows_own(word, mine, first, last, step, like):
    out = vector(operands.own_gradient(word, 1, mine), word[3], like)
    if is_first(first, mine):
        cast(np.zeros(word[3]), out)
    add_rows(rows_of(word, 0, first, last, step, like), out)


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
    out[:] = x.dtype.type(0)
    add_rows(x, out)
