"""Activations that are more than a formula of single entries: of whole rows, or with weights."""

import math

import numpy as np

from ..recording import Unsupported
from .elementary import exp, log
from .formulas import sigmoid
from .machine import operands
from .machine.call import Instruction, called, entries, kernel, plain
from .machine.loop import COLUMNS
from .machine.native import inlined
from .machine.operands import D1, Flag, Rows, Whole, Wide, instruction, loop_jit, share, whole

# ---------------------------------------------------------------------------- along the last axis


@inlined
def row_log_sum(x):
    """(largest entry, log sum e^(x - largest)) of a row."""
    largest, total = x[0], x.dtype.type(0)
    for j in range(x.size):
        largest = max(largest, x[j])
    for j in range(x.size):
        total += exp(x[j] - largest)
    return largest, log(total)


@instruction
def softmax_rows(x: Rows, y: Rows):
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for j in range(x.shape[1]):
            largest = max(largest, x[i, j])
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            y[i, j] = exp(x[i, j] - largest)
            total += y[i, j]
        for j in range(x.shape[1]):
            y[i, j] /= total


@instruction
def softmax_rows_grad(y: Rows, dy: Rows, dx: Rows):
    for i in range(y.shape[0]):
        dot = y.dtype.type(0)
        for j in range(y.shape[1]):
            dot += dy[i, j] * y[i, j]
        for j in range(y.shape[1]):
            dx[i, j] = y[i, j] * (dy[i, j] - dot)


@instruction
def log_softmax_rows(x: Rows, y: Rows):
    for i in range(x.shape[0]):
        largest, log_sum = row_log_sum(x[i])
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - largest) - log_sum


@instruction
def log_softmax_rows_grad(y: Rows, dy: Rows, dx: Rows):
    for i in range(y.shape[0]):
        total = y.dtype.type(0)
        for j in range(y.shape[1]):
            total += dy[i, j]
        for j in range(y.shape[1]):
            dx[i, j] = dy[i, j] - exp(y[i, j]) * total


# ---------------------------------------------------------- along an axis whose entries lie apart

SOFTMAX, LOG_SOFTMAX, SPARSEMAX = range(3)
KINDS = {"softmax": SOFTMAX, "log_softmax": LOG_SOFTMAX, "sparsemax": SPARSEMAX}
_softmax, _log_softmax = loop_jit(softmax_rows), loop_jit(log_softmax_rows)


@loop_jit
def _sparsemax(x, y):
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for i in range(x.shape[0]):
        falling = -np.sort(-x[i])
        excess, tau = -one, zero
        for k in range(falling.size):
            excess += falling[k]
            if falling[k] * (k + one) > excess:
                tau = excess / (k + one)
            else:
                break
        for j in range(x.shape[1]):
            y[i, j] = max(x[i, j] - tau, zero)


@instruction
def along(kind: Flag, x: Rows, stride: D1, y: Rows):
    """softmax, log_softmax or sparsemax of the entries that lie `stride` apart in a row."""
    C = x.shape[1] // stride
    line, result = np.empty((1, C), x.dtype), np.empty((1, C), x.dtype)
    for i in range(x.shape[0]):
        for s in range(stride):
            for c in range(C):
                line[0, c] = x[i, c * stride + s]
            if kind == SOFTMAX:
                _softmax(line, result)
            elif kind == LOG_SOFTMAX:
                _log_softmax(line, result)
            else:
                _sparsemax(line, result)
            for c in range(C):
                y[i, c * stride + s] = result[0, c]


@instruction
def along_grad(kind: Flag, y: Rows, dy: Rows, stride: D1, dx: Rows):
    C = y.shape[1] // stride
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for i in range(y.shape[0]):
        for s in range(stride):
            total, count = zero, zero
            for k in range(s, C * stride, stride):
                if kind == SOFTMAX:
                    total += dy[i, k] * y[i, k]
                elif kind == LOG_SOFTMAX:
                    total += dy[i, k]
                elif y[i, k] > zero:
                    total += dy[i, k]
                    count += one
            for k in range(s, C * stride, stride):
                if kind == SOFTMAX:
                    dx[i, k] = y[i, k] * (dy[i, k] - total)
                elif kind == LOG_SOFTMAX:
                    dx[i, k] = dy[i, k] - exp(y[i, k]) * total
                else:
                    dx[i, k] = dy[i, k] - total / count if y[i, k] > zero else zero


def _along_axis(name, arrays, axis):
    """The instruction of an activation along one axis: of rows, or of entries that lie apart."""
    plain(*arrays)
    shape = arrays[0].shape
    axis %= len(shape)
    if axis == 0 and len(shape) > 1:
        raise Unsupported("axis 0: it mixes the rows of a batch")
    stride = math.prod(shape[axis + 1 :])
    arrays = tuple(a.reshape(-1, shape[axis] * stride) for a in arrays)
    kind, grad = name.removesuffix("_grad"), "_grad" * name.endswith("_grad")
    if stride == 1 and kind != "sparsemax":
        return called(f"{kind}_rows{grad}", arrays)
    sizes = (shape[axis] * stride, stride)
    return called(f"along{grad}", arrays, flags=(KINDS[kind],), sizes=sizes)


@kernel
def softmax(x, axis=-1, *, y):
    yield _along_axis("softmax", (x, y), axis)


@kernel
def softmax_grad(y, dy, axis=-1, *, dx):
    yield _along_axis("softmax_grad", (y, dy, dx), axis)


@kernel
def log_softmax(x, axis=-1, *, y):
    yield _along_axis("log_softmax", (x, y), axis)


@kernel
def log_softmax_grad(y, dy, axis=-1, *, dx):
    yield _along_axis("log_softmax_grad", (y, dy, dx), axis)


@kernel
def sparsemax(x, axis=-1, *, y):
    yield _along_axis("sparsemax", (x, y), axis)


@kernel
def sparsemax_grad(y, dy, axis=-1, *, dx):
    yield _along_axis("sparsemax_grad", (y, dy, dx), axis)


# -------------------------------------------------------------------------------------------- glu


@instruction
def glu_rows(x: Rows, y: Wide):
    T, C = x.dtype.type, y.shape[1]
    for i in range(y.shape[0]):
        for j in range(C):
            y[i, j] = x[i, j] * sigmoid(T, x[i, C + j])


@instruction
def glu_rows_grad(x: Rows, dy: Wide, dx: Rows):
    T, C = x.dtype.type, dy.shape[1]
    for i in range(dy.shape[0]):
        for j in range(C):
            gate = sigmoid(T, x[i, C + j])
            dx[i, j] = dy[i, j] * gate
            dx[i, C + j] = dy[i, j] * x[i, j] * (gate * (T(1) - gate))


@kernel
def glu(x, *, y):
    yield called("glu_rows", _matrices(x, y))


@kernel
def glu_grad(x, dy, *, dx):
    yield called("glu_rows_grad", _matrices(x, dy, dx))


def _matrices(*arrays):
    plain(*arrays)
    return [a.reshape(-1, a.shape[-1]) for a in arrays]


# ------------------------------------------------------------------------------------------ PReLU
# With slopes of its own for each entry of a row, or shared: entry j has slope a[index[j]].


@instruction
def prelu_rows(x: Rows, a: Whole, y: Rows):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = max(x[i, j], zero) + a[j] * min(x[i, j], zero)


@instruction
def prelu_dx(x: Rows, a: Whole, dy: Rows, dx: Rows):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            slope = a[j] if x[i, j] < zero else zero  # 0 at the kink, as in Keras
            dx[i, j] = dy[i, j] if x[i, j] > zero else slope * dy[i, j]


@instruction
def prelu_da(x: operands.Columns, dy: operands.Columns, da: operands.Share):
    zero = x.dtype.type(0)
    da[:] = zero
    for i in range(x.shape[0]):
        row, up = x[i], dy[i]
        for j in range(da.size):
            da[j] += up[j] * min(row[j], zero)


@instruction
def prelu_shared(x: Rows, a: operands.WholeD1, index: operands.Index, y: Rows):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = max(x[i, j], zero) + a[index[j]] * min(x[i, j], zero)


@instruction
def prelu_shared_dx(x: Rows, a: operands.WholeD1, index: operands.Index, dy: Rows, dx: Rows):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            slope = a[index[j]] if x[i, j] < zero else zero  # 0 at the kink, as in Keras
            dx[i, j] = dy[i, j] if x[i, j] > zero else slope * dy[i, j]


@instruction
def prelu_shared_da(word, mine, last, step, like):
    """Operand 2: the S entries of a row that share slope 0, slope 1, ... (K, S); d1: K."""
    K, S = word[4], word[3] // word[4]
    low, high = share(K, mine)
    x = operands.rows_of(word, 0, 0, last, step, like)
    dy = operands.rows_of(word, 1, 0, last, step, like)
    places, da = operands.index_of(word, 2, word[3]).reshape((K, S)), whole(word, 3, K, like)
    zero = x.dtype.type(0)
    for k in range(low, high):
        total = zero
        for i in range(x.shape[0]):
            for s in range(S):
                j = places[k, s]
                total += dy[i, j] * min(x[i, j], zero)
        da[k] = total


def _slope_of_each(x, a):
    """Which slope each entry of a row has (entries,)."""
    if a.ndim != x.ndim - 1 or any(n not in (1, s) for n, s in zip(a.shape, x.shape[1:])):  # noqa: B905
        raise Unsupported("slopes of another rank")
    return np.broadcast_to(np.arange(a.size).reshape(a.shape), x.shape[1:]).ravel()


@kernel
def prelu(x, a, *, y):
    if a.shape == x.shape[1:]:
        yield called("prelu_rows", (x, a, y))
    else:
        index, sizes = _slope_of_each(x, a), (entries(x), a.size)
        yield called("prelu_shared", (x, a, index, y), sizes=sizes)


@kernel
def prelu_grad(x, a, dy, *, dx, da):
    if a.shape == x.shape[1:]:
        if dx is not None:
            yield called("prelu_dx", (x, a, dy, dx))
        if da is not None:
            yield called("prelu_da", (x, dy, da))
        return
    index, sizes = _slope_of_each(x, a), (entries(x), a.size)
    if dx is not None:
        yield called("prelu_shared_dx", (x, a, index, dy, dx), sizes=sizes)
    if da is not None:
        plain(x, dy, da)
        arrays = (x, dy, np.argsort(index, kind="stable"), da)
        yield Instruction("prelu_shared_da", COLUMNS, arrays, (0, 1), len(x), sizes)
