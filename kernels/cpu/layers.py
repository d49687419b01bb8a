"""Merging, layout, pooling, embedding, noise and activity penalties.

`index` arrays say, for each entry of a row of the result, which entry of a row it comes from:
transposing, repeating and broadcasting are all this one lookup.
"""

import math

import numpy as np

from .. import reference
from ..recording import RunningStep, Unsupported
from .formulas import applied, of_reference
from .machine import operands
from .machine.call import Instruction, called, entries, kernel, plain
from .machine.loop import COLUMNS, HEAD, ROWS, THREAD
from .machine.native import matrix, multiply_high, size_of
from .machine.operands import Flag, Flat, Key, Number, Rows, Wide, at, cast, instruction, share

# ------------------------------------------------------------------------------------- merging

affine = of_reference("affine", 1, Flat)
maximum = of_reference("maximum", 2, Flat)
maximum_grad = of_reference("maximum_grad", 3, Flat)
moving_average = of_reference("moving_average", 1, operands.Share)
deviation = of_reference("deviation", 1, operands.Share)
activity_penalty_grad = of_reference("activity_penalty_grad", 2, Flat)


@kernel
def put_columns(x: Rows, first: Flag, y: Wide):
    for i in range(x.shape[0]):
        cast(x[i], y[i, first : first + x.shape[1]])


@kernel
def take_columns(y: Wide, first: Flag, x: Rows):
    for i in range(x.shape[0]):
        cast(y[i, first : first + x.shape[1]], x[i])


@instruction
def copy(x: Flat, y: Flat):
    cast(x, y)


@instruction
def broadcast(word, first, last, step, like):
    """y = x m (k0: 0) or x + m (k0: 1); operand 2: an index into a row of m, which has d1 entries.

    k1: whether m has a row for each of x's, or one for all.
    """
    x = matrix(at(word, 0, first, step), (last - first) * word[2], word[3], like)
    y = matrix(at(word, 3, first, step), (last - first) * word[2], word[3], like)
    m = matrix(at(word, 1, first, step), x.shape[0] if word[7] else 1, word[4], like)
    index = operands.index_of(word, 2, word[3])
    for i in range(x.shape[0]):
        row = m[i] if m.shape[0] > 1 else m[0]
        if word[6]:
            for j in range(x.shape[1]):
                y[i, j] = x[i, j] + row[index[j]]
        else:
            for j in range(x.shape[1]):
                y[i, j] = x[i, j] * row[index[j]]


def _combined(name, adds, x, m, y):
    """y = x m or y = x + m; m is shaped like x, or is repeated along axes."""
    if m.shape == x.shape:
        names = dict(zip(("x", "m" if name == "multiply" else "a", "y"), (x, m, y), strict=True))
        return applied(name, getattr(reference, name), 2, names, Flat)
    if x.shape != y.shape or m.ndim > x.ndim:
        raise Unsupported("a broadcast of x")
    m = m.reshape((1,) * (x.ndim - m.ndim) + m.shape)
    if len(m) not in (1, len(x)):
        raise Unsupported("a broadcast of x")
    plain(x, m, y)
    by_rows = len(m) == len(x)
    index = np.broadcast_to(np.arange(entries(m)).reshape(m.shape[1:]), x.shape[1:])
    arrays = (x, m, np.array(index, np.int64).ravel(), y)
    return Instruction("broadcast", ROWS, arrays, (0, 1, 3) if by_rows else (0, 3), len(x),
                       (entries(x), entries(m)), (adds, by_rows))  # fmt: skip


@kernel
def multiply(x, m, *, y):
    yield _combined("multiply", 0, x, m, y)


@kernel
def add(x, a, *, y):
    yield _combined("add", 1, x, a, y)


# ----------------------------------------------------------------------------- layout, pooling


@instruction
def take(x: Rows, index: operands.IndexD1, y: Wide):
    """y[i, j] = x[i, index[j]]"""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = x[i, index[j]]


@kernel
def transpose(x, axes, *, y):
    index = np.arange(entries(x)).reshape(x.shape[1:]).transpose([i - 1 for i in axes[1:]])
    yield called("take", (x, index.ravel(), y))


@kernel
def repeat(x, *, y):
    yield called("take", (x, np.tile(np.arange(entries(x)), y.shape[1]), y))


@kernel
def sum_steps(x: Rows, y: Wide):
    D = y.shape[1]
    for i in range(y.shape[0]):
        row, total = x[i], y[i]
        for j in range(D):
            total[j] = row[j]
        for start in range(D, row.size, D):
            for j in range(D):
                total[j] += row[start + j]


@kernel
def max_steps(x: Rows, y: Wide):
    D = y.shape[1]
    for i in range(y.shape[0]):
        row, top = x[i], y[i]
        for j in range(D):
            top[j] = row[j]
        for start in range(D, row.size, D):
            for j in range(D):
                if not row[start + j] <= top[j]:  # NaN wins
                    top[j] = row[start + j]


@kernel
def max_steps_grad(x: Rows, y: Wide, dy: Wide, dx: Rows):
    D, zero, one = y.shape[1], x.dtype.type(0), x.dtype.type(1)
    for i in range(y.shape[0]):
        for j in range(D):
            ties = zero
            for k in range(j, x.shape[1], D):
                ties += one if x[i, k] == y[i, j] else zero
            part = dy[i, j] / ties
            for k in range(j, x.shape[1], D):
                dx[i, k] = part if x[i, k] == y[i, j] else zero


@kernel
def mask_weights(ids: Rows, w: Rows):
    zero, one = w.dtype.type(0), w.dtype.type(1)
    for i in range(ids.shape[0]):
        count = zero
        for t in range(ids.shape[1]):
            count += one if ids[i, t] != zero else zero
        share = one / max(count, one)
        for t in range(ids.shape[1]):
            w[i, t] = share if ids[i, t] != zero else zero


# ---------------------------------------------------------------------------------- embedding


@instruction
def embedding_rows(word, first, last, step, like):
    """d0: ids of a row; d1, d2: rows and columns of the table."""
    V, D = word[4], word[5]
    ids = operands.flat_rows(word, 0, first, last, step, like)
    table = matrix(word[HEAD + 3], V, D, like)
    y, nan = matrix(at(word, 2, first, step), ids.size, D, like), ids.dtype.type(np.nan)
    for i in range(ids.size):
        known = ids[i] >= 0 and ids[i] < V
        row = table[np.int64(ids[i])] if known else table[0]
        for j in range(D):
            y[i, j] = row[j] if known else nan


@instruction
def embedding_dW(word, mine, last, step, like):
    """Each thread writes rows of its own of the table, for all ids."""
    ids, D = operands.flat_rows(word, 0, 0, last, step, like), word[5]
    low, high = share(word[4], mine)
    dW = matrix(word[HEAD + 6] + low * D * size_of(like), high - low, D, like)
    dy, zero = matrix(at(word, 1, 0, step), ids.size, D, like), ids.dtype.type(0)
    for k in range(dW.shape[0]):
        for j in range(D):
            dW[k, j] = zero
    for i in range(ids.size):
        if low <= ids[i] < high:
            row = dW[np.int64(ids[i]) - low]
            for j in range(D):
                row[j] += dy[i, j]


@kernel
def embedding(ids, table, *, y):
    plain(ids, table, y)
    sizes = (entries(ids), *table.shape)
    yield Instruction("embedding_rows", ROWS, (ids, table, y), (0, 2), len(ids), sizes)


@kernel
def embedding_grad(ids, dy, *, dW):
    plain(ids, dy, dW)
    sizes = (entries(ids), *dW.shape)
    yield Instruction("embedding_dW", COLUMNS, (ids, dy, dW), (0, 1), len(ids), sizes)


# -------------------------------------------------------------------------------------- noise

_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)


@operands.loop_jit
def philox(counter, step, key0, key1):
    """Philox4x64-10 (Salmon et al. 2011), the generator of NumPy's Philox: four random words."""
    c0, c1, c2, c3 = counter, step, np.uint64(0), np.uint64(0)
    k0, k1 = key0, key1
    for _ in range(10):
        h0, l0 = multiply_high(_M0, c0), _M0 * c0
        h1, l1 = multiply_high(_M1, c2), _M1 * c2
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0 += _W0
        k1 += _W1
    return c0, c1, c2, c3


@instruction
def dropout_mask_rows(rate: Number, key: Key, step: operands.StepNumber, row: operands.FirstRow,
                      mask: Rows):  # fmt: skip
    """The mask of `reference.dropout_mask` for rows row, row + 1, ... of step `step`."""
    N, D = mask.shape
    T = mask.dtype.type
    blocks = (D + 7) // 8
    threshold = np.uint64(rate * 4294967296.0)
    keep = T(1.0 / (1.0 - rate)) if rate < 1.0 else T(0)
    zero, low = T(0), np.uint64(0xFFFFFFFF)
    words = np.empty(8, np.uint64)
    for i in range(N):
        for block in range(blocks):
            counter = np.uint64((row + i) * blocks + block + 1)
            a, b, c, d = philox(counter, np.uint64(step), key[0], key[1])
            words[0], words[1] = a & low, a >> np.uint64(32)
            words[2], words[3] = b & low, b >> np.uint64(32)
            words[4], words[5] = c & low, c >> np.uint64(32)
            words[6], words[7] = d & low, d >> np.uint64(32)
            start = block * 8
            for j in range(min(8, D - start)):
                mask[i, start + j] = keep if words[j] >= threshold else zero


_dropout_mask = operands.loop_jit(dropout_mask_rows)


@instruction
def dropout_mask_once(word, number, mine, like):
    """One mask for all rows of the batch: the first thread makes it."""
    if mine[THREAD] == 0:
        mask = matrix(word[HEAD + 3], 1, word[3], like)
        step_ = operands.step_number(word[6], mine)
        _dropout_mask(number[0], operands.key_of(word, 0), step_, word[7], mask)


@instruction
def normal_mask_rows(mean: Number, stddev: Number, key: Key, step: operands.StepNumber,
                     row: operands.FirstRow, mask: Rows):  # fmt: skip
    """The mask of `reference.normal_mask` for rows row, row + 1, ... of step `step`."""
    N, D = mask.shape
    blocks, low, shift = (D + 3) // 4, np.uint64(0xFFFFFFFF), np.uint64(32)
    scale = 1.0 / 4294967296.0
    for i in range(N):
        for block in range(blocks):
            counter = np.uint64((row + i) * blocks + block + 1)
            words = philox(counter, np.uint64(step), key[0], key[1])
            for k in range(min(4, D - block * 4)):
                u = (np.float64(words[k] & low) + 1.0) * scale
                v = np.float64(words[k] >> shift) * scale
                n = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
                mask[i, block * 4 + k] = mean + stddev * n


def _keyed(op, key, step, row, mask, numbers):
    # k0 is the number of the step, or -1 for the step that is being replayed
    flags = (-1 if isinstance(step, RunningStep) else int(step), int(row))
    plain(mask)
    arrays, sizes = (np.array(key, np.uint64), mask), (entries(mask),)
    if op == "dropout_mask_rows" and len(mask) == 1:  # perhaps for all rows of the batch
        return Instruction("dropout_mask_once", COLUMNS, arrays, (), 1, sizes, flags, numbers)
    return Instruction(op, ROWS, arrays, (1,), len(mask), sizes, flags, numbers)


@kernel
def dropout_mask(rate, key, step, row, *, mask):
    yield _keyed("dropout_mask_rows", key, step, row, mask, (rate,))


@kernel
def normal_mask(mean, stddev, key, step, row, *, mask):
    yield _keyed("normal_mask_rows", key, step, row, mask, (mean, stddev))


# ---------------------------------------------------------------------------- activity penalty


@kernel
def activity_penalty(x: Rows, l1: Number, l2: Number, losses: operands.PerRow):
    T = x.dtype.type
    for i in range(x.shape[0]):
        a, b = T(0), T(0)
        for j in range(x.shape[1]):
            a += abs(x[i, j])
            b += x[i, j] * x[i, j]
        losses[i] = T(l1) * a + T(l2) * b
