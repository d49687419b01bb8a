"""The kernels on the CPU for layout, pooling, embedding, noise and normalization of rows.

Written as instructions, like those in `cpu`, which hands them on.
"""

import math

import numpy as np

from ..recording import RunningStep, Unsupported
from .layer_ops import LAYER, LOG_SOFTMAX, RMS, SOFTMAX, SPARSEMAX, UNIT
from .machine.call import (
    Instruction,
    kernel,
    on_columns,
    on_rows,
    plain,
)
from .machine.loop import COLUMNS, ROWS

ROWWISE = {"softmax": SOFTMAX, "log_softmax": LOG_SOFTMAX, "sparsemax": SPARSEMAX}
ROWNORM = {"layer": LAYER, "rms": RMS, "unit": UNIT}


def entries(x):
    """How many numbers a row has."""
    return math.prod(x.shape[1:])


def by_index(op, arrays, index, place, sizes, rows, flags=()):
    """A ROWS instruction with an int64 operand, `index`, at `place` among its arrays."""
    plain(*arrays)
    count = len(arrays[0])
    arrays = (*arrays[:place], np.ascontiguousarray(index, np.int64), *arrays[place:])
    return Instruction(op, ROWS, arrays, rows, count, sizes, flags)


# ----------------------------------------------------------------------------- layout, pooling


def combine(op, adds, x, m, y):
    """y = x m or y = x + m; m is shaped like x, or is repeated along axes."""
    if m.shape == x.shape:
        return on_rows(op, (x, m, y))
    if x.shape != y.shape or m.ndim > x.ndim:
        raise Unsupported("a broadcast of x")
    m = m.reshape((1,) * (x.ndim - m.ndim) + m.shape)
    if len(m) not in (1, len(x)):
        raise Unsupported("a broadcast of x")
    by_rows = len(m) == len(x)
    index = np.broadcast_to(np.arange(entries(m)).reshape(m.shape[1:]), x.shape[1:]).ravel()
    rows = (0, 1, 3) if by_rows else (0, 3)
    return by_index("broadcast", (x, m, y), index, 2, (entries(x), entries(m)), rows,
                    (adds, by_rows))  # fmt: skip


@kernel
def multiply(x, m, *, y):
    yield combine("multiply", 0, x, m, y)


@kernel
def add(x, a, *, y):
    yield combine("add", 1, x, a, y)


@kernel
def transpose(x, axes, *, y):
    index = np.arange(entries(x)).reshape(x.shape[1:]).transpose([i - 1 for i in axes[1:]]).ravel()
    yield by_index("take", (x, y), index, 1, (entries(x), entries(x)), (0, 2))


@kernel
def repeat(x, *, y):
    index = np.tile(np.arange(entries(x)), y.shape[1])
    yield by_index("take", (x, y), index, 1, (entries(x), entries(y)), (0, 2))


def steps(op, wide, narrow, arrays):
    """`wide` (N, T, D) and `narrow` (N, D) give the sizes."""
    return on_rows(op, arrays, (entries(wide), entries(narrow)))


@kernel
def sum_steps(x, *, y):
    yield steps("sum_steps", x, y, (x, y))


@kernel
def max_steps(x, *, y):
    yield steps("max_steps", x, y, (x, y))


@kernel
def max_steps_grad(x, y, dy, *, dx):
    yield steps("max_steps_grad", x, y, (x, y, dy, dx))


@kernel
def mask_weights(ids, *, w):
    yield on_rows("mask_weights", (ids, w))


# ---------------------------------------------------------------------------------- embedding


@kernel
def embedding(ids, table, *, y):
    yield on_rows("embedding", (ids, table, y), (entries(ids), *table.shape), fixed=(1,))


@kernel
def embedding_grad(ids, dy, *, dW):
    plain(ids, dy, dW)
    sizes = (entries(ids), *dW.shape)
    yield Instruction("embedding_dW", COLUMNS, (ids, dy, dW), (0, 1), len(ids), sizes)


# -------------------------------------------------------------------------------- activations


def rowwise(name, arrays, axis):
    """An activation along one axis: of rows, or of entries that lie apart."""
    plain(*arrays)
    shape = arrays[0].shape
    axis %= len(shape)
    if axis == 0 and len(shape) > 1:
        raise Unsupported("axis 0: it mixes the rows of a batch")
    stride = math.prod(shape[axis + 1 :])
    arrays = tuple(a.reshape(-1, shape[axis] * stride) for a in arrays)
    if stride == 1 and not name.startswith("sparsemax"):
        return on_rows(name, arrays)
    kind, grad = name.removesuffix("_grad"), name.endswith("_grad")
    sizes = (shape[axis] * stride, stride)
    return on_rows("along_grad" if grad else "along", arrays, sizes, (ROWWISE[kind],))


@kernel
def softmax(x, axis=-1, *, y):
    yield rowwise("softmax", (x, y), axis)


@kernel
def softmax_grad(y, dy, axis=-1, *, dx):
    yield rowwise("softmax_grad", (y, dy, dx), axis)


@kernel
def log_softmax(x, axis=-1, *, y):
    yield rowwise("log_softmax", (x, y), axis)


@kernel
def log_softmax_grad(y, dy, axis=-1, *, dx):
    yield rowwise("log_softmax_grad", (y, dy, dx), axis)


@kernel
def sparsemax(x, axis=-1, *, y):
    yield rowwise("sparsemax", (x, y), axis)


@kernel
def sparsemax_grad(y, dy, axis=-1, *, dx):
    yield rowwise("sparsemax_grad", (y, dy, dx), axis)


@kernel
def glu(x, *, y):
    yield _halves("glu", x, y, (x, y))


@kernel
def glu_grad(x, dy, *, dx):
    yield _halves("glu_grad", x, dy, (x, dy, dx))


def _halves(op, wide, narrow, arrays):
    plain(*arrays)
    sizes = (wide.shape[-1], narrow.shape[-1])
    return on_rows(op, tuple(a.reshape(-1, a.shape[-1]) for a in arrays), sizes)


def slopes(x, a):
    """Which slope each entry of a row has."""
    if a.ndim != x.ndim - 1 or any(n not in (1, s) for n, s in zip(a.shape, x.shape[1:])):  # noqa: B905
        raise Unsupported("slopes of another rank")
    return np.broadcast_to(np.arange(a.size).reshape(a.shape), x.shape[1:]).ravel()


@kernel
def prelu(x, a, *, y):
    if a.shape == x.shape[1:]:
        yield on_rows("prelu", (x, a, y), fixed=(1,))
    else:
        sizes = (entries(x), a.size)
        yield by_index("prelu_shared", (x, a, y), slopes(x, a), 2, sizes, (0, 3))


@kernel
def prelu_grad(x, a, dy, *, dx, da):
    if a.shape == x.shape[1:]:
        if dx is not None:
            yield on_rows("prelu_dx", (x, a, dy, dx), fixed=(1,))
        if da is not None:
            yield on_columns("prelu_da", (x, dy, da), (0, 1))
        return
    index, sizes = slopes(x, a), (entries(x), a.size)
    if dx is not None:
        yield by_index("prelu_shared_dx", (x, a, dy, dx), index, 2, sizes, (0, 3, 4))
    if da is not None:
        plain(x, dy, da)
        places = np.argsort(index, kind="stable")  # the entries of slope 0, of slope 1, ...
        arrays = (x, dy, places, da)
        yield Instruction("prelu_shared_da", COLUMNS, arrays, (0, 1), len(x), sizes)


# -------------------------------------------------------------------------------------- noise


def keyed(op, key, step, row, mask, numbers):
    # k0 is the number of the step, or -1 for the step that is being replayed
    flags = (-1 if isinstance(step, RunningStep) else int(step), int(row))
    plain(mask)
    arrays, sizes = (mask, np.array(key, np.uint64)), (entries(mask),)
    if op == "dropout_mask" and len(mask) == 1:  # perhaps for all rows of the batch
        return Instruction(op + "_once", COLUMNS, arrays, (), 1, sizes, flags, numbers)
    return Instruction(op, ROWS, arrays, (0,), len(mask), sizes, flags, numbers)


@kernel
def dropout_mask(rate, key, step, row, *, mask):
    yield keyed("dropout_mask", key, step, row, mask, (rate,))


@kernel
def normal_mask(mean, stddev, key, step, row, *, mask):
    yield keyed("normal_mask", key, step, row, mask, (mean, stddev))


# ----------------------------------------------------------------------- normalization of rows


@kernel
def rownorm(kind, x, gamma, beta, epsilon, *, y, xhat, inv):
    arrays = (x, gamma, beta, y, xhat, inv)
    yield on_rows("rownorm", arrays, flags=(ROWNORM[kind],), numbers=(epsilon,), fixed=(1, 2))


@kernel
def rownorm_grad(kind, xhat, gamma, inv, epsilon, dy, *, dx, dgamma, dbeta):
    if dgamma is not None or dbeta is not None:
        along, total = (np.empty(xhat.shape[1], xhat.dtype) for _ in range(2))
        yield on_columns("batchnorm_sums", (xhat, dy, along, total, dgamma, dbeta), (0, 1))
    if dx is not None:
        arrays, which = (xhat, gamma, inv, dy, dx), ROWNORM[kind]
        yield on_rows("rownorm_dx", arrays, flags=(which,), numbers=(epsilon,), fixed=(1,))


@kernel
def deviation(var, least, *, out):
    yield on_columns("deviation", (var, out), (), numbers=(least,))


# ---------------------------------------------------------------------------- activity penalty


@kernel
def activity_penalty(x, l1, l2, *, losses):
    yield on_rows("activity_penalty", (x, losses), numbers=(l1, l2))


@kernel
def activity_penalty_grad(x, dy, l1, l2, *, dx):
    yield on_rows("activity_penalty_grad", (x, dy, dx), numbers=(l1, l2))
