"""The machine's instructions: where each finds its operands, and which kernel it runs.

Every instruction has the same C signature, so that the machine calls it by address:

    (words, numbers, first, last, step, scratch, like) -> nothing

For ROWS, first..last are the samples of this chunk; COLUMNS and FLAT find their share in `scratch`.
An instruction is compiled when a program first contains it, and kept on disk.
"""

import sys

import numpy as np
from numba import njit, types

from . import _cpu_ops as ops
from ._cpu_elementwise import elementwise as f_elementwise
from ._cpu_elementwise import elementwise_grad as f_elementwise_grad
from ._cpu_low import barrier, gemm, matrix, size_of, vector
from ._cpu_machine import (
    BLOCK,
    COLUMN_OF,
    COUNTER,
    ENTRIES,
    ENTRY_ROWS,
    FACTORS,
    FLAT_GRADS,
    HEAD,
    LINE,
    LIST,
    LOSS,
    NUMBERS,
    OWN_GRADS,
    PACKED,
    PADDED,
    PARTIAL,
    PLACES,
    ROOM,
    SAMPLES,
    SCRATCH,
    SMALL,
    SPAN_COUNT,
    SPANS,
    STARTS,
    STEP_NUMBER,
    THREAD,
    THREADS,
    TILE_COUNTS,
    TILE_ROWS,
    TILE_VALUES,
    VALUES,
    WORDS,
    kept_on_disk,
)

DTYPES = ("uint8", "float32", "float64", "int64", "int32")  # what gather reads

# Up to so many rows BLAS would spend its time on packing W.
FEW_ROWS = 2
# OpenBLAS has kernels that need no packing for m n k <= 10^6, on AVX-512 machines.
SMALL_PRODUCT = 1_000_000

jit = njit(nogil=True, error_model="numpy")
INSTRUCTIONS = {}  # name -> Instruction


class Instruction:
    """Compiled lazily, once per dtype; `address(dtype)` is what the machine calls."""

    said_so = False  # that something is being compiled; once per process

    def __init__(self, function):
        self.name = function.__name__
        self.dispatcher = kept_on_disk(function)
        self.addresses = {}

    def address(self, dtype):
        if dtype not in self.addresses:
            like = types.float32 if dtype == np.float32 else types.float64
            signature = types.void(*[types.int64] * 6, like)
            self.dispatcher.compile(signature)
            if self.dispatcher.stats.cache_misses and not Instruction.said_so:
                Instruction.said_so = True
                print("tinynet compiles its CPU kernels (some seconds, once)", file=sys.stderr)
            compiled = self.dispatcher.overloads[signature.args]
            name = compiled.fndesc.llvm_cfunc_wrapper_name
            self.addresses[dtype] = compiled.library.get_pointer_to_function(name)
        return self.addresses[dtype]


def instruction(function):
    INSTRUCTIONS[function.__name__] = Instruction(function)
    return function


# ------------------------------------------------------------------------- finding the operands


@jit
def word_of(words):
    return vector(words, WORDS, np.int64(0))


@jit
def number_of(numbers):
    return vector(numbers, NUMBERS, 0.0)


@jit
def at(word, i, row, step):
    """Address of operand i for sample `row` of step number `step` of the stretch."""
    place = HEAD + 3 * i
    return word[place] + row * word[place + 1] + step * word[place + 2]


@jit
def rows_of(word, i, first, last, step, like):
    """Operand i for samples first..last as (rows, D)."""
    return matrix(at(word, i, first, step), (last - first) * word[2], word[3], like)


@jit
def flat_rows(word, i, first, last, step, like):
    """The same as one vector."""
    return vector(at(word, i, first, step), (last - first) * word[2] * word[3], like)


@jit
def whole(word, i, n, like):
    """Operand i, which belongs to no sample: n numbers, or none where it is not there."""
    address = word[HEAD + 3 * i]
    return vector(address, n if address else 0, like)


@jit
def scratch_of(scratch):
    return vector(scratch, SCRATCH, np.int64(0))


@jit
def share(D, mine):
    """This thread's part of D columns: first and last."""
    return D * mine[THREAD] // mine[THREADS], D * (mine[THREAD] + 1) // mine[THREADS]


@jit
def piece(word, mine, s):
    """This thread's span number s, cut to the instruction's range: low and high."""
    spans = vector(mine[SPANS], 2 * mine[SPAN_COUNT], np.int64(0))
    return max(spans[2 * s], word[3]), min(spans[2 * s + 1], word[3] + word[4])


@jit
def flat(word, i, low, high, like):
    """Entries low..high of operand i, or none where it is not there."""
    address, n = word[HEAD + 3 * i], high - low
    return vector(address + (low - word[3]) * size_of(like), n if address else 0, like)


# ------------------------------------------------------------------------------------- linear


@jit
def own_gradient(word, i, mine):
    """Operand i, an address in the flat gradients, in this thread's vector of gradients."""
    return mine[OWN_GRADS] + word[HEAD + 3 * i] - mine[FLAT_GRADS]


@jit
def is_first(first, mine):
    """Whether this is the first chunk of the thread's rows."""
    return first == mine[SAMPLES] * mine[THREAD] // mine[THREADS]


@instruction
def gather(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    n, D, kind, stride = (last - first) * word[2], word[3], word[6], word[7]
    data, out = word[HEAD], rows_of(word, 2, first, last, step, like)
    index = vector(at(word, 1, first, step), n, np.int64(0))
    for i in range(n):
        source, target = data + index[i] * stride, out[i]
        if kind == 0:
            ops.cast(vector(source, D, np.uint8(0)), target)
        elif kind == 1:
            ops.cast(vector(source, D, np.float32(0)), target)
        elif kind == 2:
            ops.cast(vector(source, D, 0.0), target)
        elif kind == 3:
            ops.cast(vector(source, D, np.int64(0)), target)
        else:
            ops.cast(vector(source, D, np.int32(0)), target)


# Inputs that are mostly zeros (pixels, words): only their entries are read and kept.


@instruction
def gather_entries(words, numbers, first, last, step, scratch, like):
    """The entries of these rows that are not zero, into this thread's room."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, kind, stride = last - first, word[3], word[6], word[7]
    data, index = word[HEAD], vector(at(word, 1, first, step), n, np.int64(0))
    starts = vector(mine[STARTS], n + 1, np.int64(0))
    columns = vector(mine[COLUMN_OF], n * D + 1, np.int32(0))
    values = vector(mine[ENTRIES], n * D + 1, like)
    count = 0
    for i in range(n):
        starts[i] = count
        row = data + index[i] * stride
        if kind == 0:
            count = ops.nonzeros(vector(row, D, np.uint8(0)), columns, values, count)
        elif kind == 1:
            count = ops.nonzeros(vector(row, D, np.float32(0)), columns, values, count)
        elif kind == 2:
            count = ops.nonzeros(vector(row, D, 0.0), columns, values, count)
        elif kind == 3:
            count = ops.nonzeros(vector(row, D, np.int64(0)), columns, values, count)
        else:
            count = ops.nonzeros(vector(row, D, np.int32(0)), columns, values, count)
    starts[n] = count


@jit
def padded(H, like):
    """Bytes of a row of H numbers that begins and ends at a cache line."""
    return (H * size_of(like) + LINE - 1) // LINE * LINE


@instruction
def linear_entries(words, numbers, first, last, step, scratch, like):
    """y = x W + b for the rows that gather_entries has read; W is copied to whole cache lines."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, H, stride = last - first, word[3], word[4], padded(word[4], like)
    if is_first(first, mine):
        W = matrix(word[HEAD + 3], D, H, like)
        ops.copy_rows(W, matrix(mine[PACKED], D, stride // size_of(like), like))
    y = at(word, 3, first, step)
    ops.entries_linear(
        vector(mine[STARTS], n + 1, np.int64(0)), vector(mine[COLUMN_OF], n * D + 1, np.int32(0)),
        vector(mine[ENTRIES], n * D + 1, like), mine[PACKED], stride,
        whole(word, 2, H, like), matrix(y, n, H, like), y,
    )  # fmt: skip


@instruction
def linear_dW_entries(words, numbers, first, last, step, scratch, like):
    """dW = or += x^T dy for the rows that gather_entries has read."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, H, stride = last - first, word[3], word[4], padded(word[4], like)
    dW = own_gradient(word, 2, mine)
    if is_first(first, mine):
        vector(dW, D * H, like)[:] = 0
    starts = vector(mine[STARTS], n + 1, np.int64(0))
    columns = vector(mine[COLUMN_OF], n * D + 1, np.int32(0))
    values = vector(mine[ENTRIES], n * D + 1, like)
    places = vector(mine[PLACES], D + 1, np.int64(0))
    rows = vector(mine[ENTRY_ROWS], BLOCK * D + 1, np.int64(0))
    factors = vector(mine[FACTORS], BLOCK * D + 1, like)
    dy = matrix(at(word, 1, first, step), n, H, like)
    near = matrix(mine[PADDED], BLOCK, stride // size_of(like), like)
    for row in range(0, n, BLOCK):
        end = min(row + BLOCK, n)
        ops.copy_rows(dy[row:end], near)
        ops.sort_by_column(starts, columns, values, row, end, stride, places, rows, factors)
        ops.entries_dW(places, rows, factors, mine[PADDED], dW, D, H)


@jit
def strided_product(x, n, depth, x_stride, W, W_transposed, W_stride, columns, y, y_stride, mine,
                    like):  # fmt: skip
    """y = x op(W) for n rows by BLAS; few rows are cut so that it need not pack W."""
    rows, item = n, size_of(like)
    if mine[SMALL] and n <= 64 and depth * columns * 2 <= SMALL_PRODUCT:
        rows = max(SMALL_PRODUCT // (depth * columns), 1)
    for i in range(0, n, rows):
        gemm(x + i * x_stride * item, min(rows, n - i), depth, x_stride, 0,
             W, W_stride, W_transposed, columns, 0.0, y + i * y_stride * item, y_stride,
             mine[ROOM], like)  # fmt: skip


@jit
def product(x, n, depth, W, W_transposed, W_stride, columns, y, mine, like):
    """The same for arrays without gaps between their rows."""
    strided_product(x, n, depth, depth, W, W_transposed, W_stride, columns, y, columns, mine, like)


@instruction
def linear(words, numbers, first, last, step, scratch, like):
    """y = x W + b; k0: whether x is sparse."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, H = (last - first) * word[2], word[3], word[4]
    x, W, y = at(word, 0, first, step), word[HEAD + 3], at(word, 3, first, step)
    b, out = whole(word, 2, H, like), matrix(y, n, H, like)
    if word[6] or n <= FEW_ROWS:
        ops.sparse_linear(
            matrix(x, n, D, like), matrix(W, D, H, like), b, out,
            vector(mine[LIST], D + 1, np.int64(0)), vector(mine[VALUES], D + 1, like),
        )  # fmt: skip
    else:
        product(x, n, D, W, 0, H, H, y, mine, like)
        if b.size:
            ops.add_bias(b, out)


@instruction
def linear_dx(words, numbers, first, last, step, scratch, like):
    """dx = dy W^T."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, H = (last - first) * word[2], word[3], word[4]
    product(at(word, 0, first, step), n, H, word[HEAD + 3], 1, H, D, at(word, 2, first, step),
            mine, like)  # fmt: skip


# Few rows: splitting them would make each thread read weights that the other one has just updated,
# from the other core's cache. So each thread keeps to its own rows of W, as in linear_dW.


@instruction
def linear_part(words, numbers, first, last, step, scratch, like):
    """parts[thread] = x[:, own] W[own]; k0: whether x is sparse."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, H, item = last * word[2], word[3], word[4], size_of(like)
    low, high = share(D, mine)
    x, W = at(word, 0, 0, step) + low * item, word[HEAD + 3] + low * H * item
    part = word[HEAD + 6] + mine[THREAD] * n * H * item
    if word[6] or n <= FEW_ROWS:
        ops.sparse_linear(
            matrix(x - low * item, n, D, like)[:, low:high], matrix(W, high - low, H, like),
            vector(x, 0, like), matrix(part, n, H, like),
            vector(mine[LIST], D + 1, np.int64(0)), vector(mine[VALUES], D + 1, like),
        )  # fmt: skip
    else:
        strided_product(x, n, high - low, D, W, 0, H, H, part, H, mine, like)


@instruction
def linear_join(words, numbers, first, last, step, scratch, like):
    """y = sum of the parts + b, for some rows."""
    word, mine = word_of(words), scratch_of(scratch)
    H, n, threads = word[3], (last - first) * word[2], mine[THREADS]
    slab = mine[SAMPLES] * word[2] * H * size_of(like)
    y, b = rows_of(word, 2, first, last, step, like), whole(word, 1, H, like)
    part = word[HEAD] + first * word[2] * H * size_of(like)
    ops.cast(vector(part, n * H, like), flat_rows(word, 2, first, last, step, like))
    for t in range(1, threads):
        ops.add(vector(part + t * slab, n * H, like), flat_rows(word, 2, first, last, step, like))
    if b.size:
        ops.add_bias(b, y)


@instruction
def linear_dx_part(words, numbers, first, last, step, scratch, like):
    """dx[:, own] = dy W[own]^T."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, H, item = last * word[2], word[3], word[4], size_of(like)
    low, high = share(D, mine)
    if low < high:
        strided_product(at(word, 0, 0, step), n, H, H, word[HEAD + 3] + low * H * item, 1, H,
                        high - low, at(word, 2, 0, step) + low * item, D, mine, like)  # fmt: skip


@instruction
def linear_dW(words, numbers, first, last, step, scratch, like):
    """dW = x^T dy for this thread's rows of dW; k0: whether x is sparse."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, H = last * word[2], word[3], word[4]
    x, dy, dW = at(word, 0, 0, step), at(word, 1, 0, step), word[HEAD + 6]
    low, high = share(D, mine)
    if word[6] or n <= FEW_ROWS:
        tile = (ops.TILE, n + 1)
        ops.sparse_dW(
            matrix(x, n, D, like), matrix(dy, n, H, like), low, high, matrix(dW, D, H, like),
            matrix(mine[TILE_ROWS], tile[0], tile[1], np.int64(0)),
            matrix(mine[TILE_VALUES], tile[0], tile[1], like),
            vector(mine[TILE_COUNTS], ops.TILE, np.int64(0)),
        )  # fmt: skip
        return
    block, item = max(high - low, 1), size_of(like)
    if mine[SMALL] and n <= 64 and n * H * 8 <= SMALL_PRODUCT:
        block = max(SMALL_PRODUCT // (n * H), 1)
    for i in range(low, high, block):
        gemm(x + i * item, min(block, high - i), n, D, 1, dy, H, 0,
             H, 0.0, dW + i * H * item, H, mine[ROOM], like)  # fmt: skip


# Many rows: each thread sums over its own, while they are in its cache, into a vector of gradients
# of its own; `add_gradients` adds the vectors up.


@instruction
def linear_dW_own(words, numbers, first, last, step, scratch, like):
    """dW = or += x^T dy for these rows."""
    word, mine = word_of(words), scratch_of(scratch)
    n, D, H = (last - first) * word[2], word[3], word[4]
    gemm(at(word, 0, first, step), D, n, D, 1, at(word, 1, first, step), H, 0, H,
         0.0 if is_first(first, mine) else 1.0,
         own_gradient(word, 2, mine), H, mine[ROOM], like)  # fmt: skip


@instruction
def sum_rows_own(words, numbers, first, last, step, scratch, like):
    word, mine = word_of(words), scratch_of(scratch)
    out = vector(own_gradient(word, 1, mine), word[3], like)
    if is_first(first, mine):
        ops.cast(np.zeros(word[3]), out)
    ops.sum_rows(rows_of(word, 0, first, last, step, like), out)


@instruction
def add_gradients(words, numbers, first, last, step, scratch, like):
    """The flat gradients, summed over the threads, in this thread's spans."""
    word, mine = word_of(words), scratch_of(scratch)
    item, size = size_of(like), word[4]
    base = mine[OWN_GRADS] - mine[THREAD] * size * item  # where thread 0's vector starts
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            out = flat(word, 0, low, high, like)
            ops.cast(vector(base + low * item, high - low, like), out)
            for t in range(1, mine[THREADS]):
                ops.add(vector(base + (t * size + low) * item, high - low, like), out)


@instruction
def sum_rows(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    low, high = share(word[3], scratch_of(scratch))
    out = whole(word, 1, word[3], like)[low:high]
    ops.cast(np.zeros(high - low), out)
    ops.sum_rows(rows_of(word, 0, 0, last, step, like)[:, low:high], out)


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


# ------------------------------------------------------------------------------------- losses
# Operands: prediction, target, w, p, losses, gradient (no address: not wanted).


@jit
def wanted(word, i, first, last, step, like):
    """Operand i as (rows, C), or (rows, 0) where it is not wanted."""
    columns = word[3] if word[HEAD + 3 * i] else 0
    return matrix(at(word, i, first, step), (last - first) * word[2], columns, like)


@jit
def one_per_row(word, i, first, last, step, like):
    return vector(at(word, i, first, step), (last - first) * word[2], like)


@instruction
def sparse_softmax_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    ops.sparse_softmax_crossentropy(
        rows_of(word, 0, first, last, step, like),
        one_per_row(word, 1, first, last, step, np.int64(0)),
        one_per_row(word, 2, first, last, step, like),
        rows_of(word, 3, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )


@instruction
def softmax_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    ops.softmax_crossentropy(
        rows_of(word, 0, first, last, step, like),
        rows_of(word, 1, first, last, step, like),
        one_per_row(word, 2, first, last, step, like),
        rows_of(word, 3, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )


@instruction
def sigmoid_crossentropy(words, numbers, first, last, step, scratch, like):
    word = word_of(words)
    ops.sigmoid_crossentropy(
        rows_of(word, 0, first, last, step, like),
        rows_of(word, 1, first, last, step, like),
        one_per_row(word, 2, first, last, step, like),
        rows_of(word, 3, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )


@instruction
def sparse_crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    ops.sparse_crossentropy(
        rows_of(word, 0, first, last, step, like),
        one_per_row(word, 1, first, last, step, np.int64(0)),
        one_per_row(word, 2, first, last, step, like), number[0],
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )  # fmt: skip


@instruction
def crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    ops.crossentropy(
        rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like),
        one_per_row(word, 2, first, last, step, like), number[0],
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )  # fmt: skip


@instruction
def binary_crossentropy(words, numbers, first, last, step, scratch, like):
    word, number = word_of(words), number_of(numbers)
    ops.binary_crossentropy(
        rows_of(word, 0, first, last, step, like), rows_of(word, 1, first, last, step, like),
        one_per_row(word, 2, first, last, step, like), number[0],
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )  # fmt: skip


@instruction
def regression_loss(words, numbers, first, last, step, scratch, like):
    """k0: which of the reference's REGRESSION."""
    word, number = word_of(words), number_of(numbers)
    ops.regression_loss(
        word[6], rows_of(word, 0, first, last, step, like),
        rows_of(word, 1, first, last, step, like), number[0],
        one_per_row(word, 2, first, last, step, like),
        one_per_row(word, 4, first, last, step, like),
        wanted(word, 5, first, last, step, like),
    )  # fmt: skip


# ------------------------------------------------- penalties, clipping, updates (flat vectors)
# d0: where the instruction's range starts in the flat vector, d1: its length.


@instruction
def penalty_grad(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            dw, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
            vector(mine[LOSS], 1, 0.0)[0] += ops.penalty(w, number[0], number[1])
            if dw.size:
                ops.penalty_grad(w, number[0], number[1], dw)


@instruction
def clip_by_value(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            ops.clip_by_value(number[0], flat(word, 0, low, high, like))


@instruction
def clip_by_norm(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    squares, threads = 0.0, mine[THREADS]
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            squares += ops.sum_of_squares(flat(word, 0, low, high, like))
    partial = vector(mine[PARTIAL], threads, 0.0)
    partial[mine[THREAD]] = squares
    barrier(mine[COUNTER], threads)
    norm = np.sqrt(ops.total(partial))
    barrier(mine[COUNTER], threads)  # from here on `partial` may be written again
    if norm > number[0]:
        for s in range(mine[SPAN_COUNT]):
            low, high = piece(word, mine, s)
            if low < high:
                ops.scale(number[0] / norm, flat(word, 0, low, high, like))


@instruction
def scale_(words, numbers, first, last, step, scratch, like):
    word, number, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            ops.scale(number[0], flat(word, 0, low, high, like))


@instruction
def sgd(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
            ops.sgd(g, p[0], p[1], p[2], w, flat(word, 2, low, high, like))


@instruction
def rmsprop(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
            v, a = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
            m = flat(word, 4, low, high, like)
            ops.rmsprop(g, p[0], p[1], p[2], p[3], w, v, a, m)


@instruction
def adam(words, numbers, first, last, step, scratch, like):
    word, p, mine = word_of(words), number_of(numbers), scratch_of(scratch)
    for s in range(mine[SPAN_COUNT]):
        low, high = piece(word, mine, s)
        if low < high:
            g, w = flat(word, 0, low, high, like), flat(word, 1, low, high, like)
            m, v = flat(word, 2, low, high, like), flat(word, 3, low, high, like)
            v_max = flat(word, 4, low, high, like)
            ops.adam(g, p[0], p[1], p[2], p[3], w, m, v, v_max)
