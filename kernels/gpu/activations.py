"""The gpu's activations."""

import math

import numpy as np

from ..recording import Unsupported
from ..reference.activations import FUNCTIONS
from .card import runtime
from .machine.call import Launch, kernel
from .machine.launches import (
    bringing,
    number,
    on_columns,
    on_entries,
    on_rows,
    plain,
    row_size,
    there,
)

KINDS = {name: i for i, name in enumerate(FUNCTIONS)}


# -------------------------------------------------------------------------------- activations


@kernel
def elementwise(kind, x, params, *, y):
    yield on_entries("elementwise", (x, y), (KINDS[kind], x, x.size, *_three(params), y))


@kernel
def elementwise_grad(kind, x, y, dy, params, *, dx):
    args = (KINDS[kind], x, y, dy, x.size, *_three(params), dx)
    yield on_entries("elementwise_grad", (x, y, dy, dx), args)


def _three(params):
    """The options of an activation as three floats."""
    return (*map(number, params), 0.0, 0.0, 0.0)[:3]


@kernel
def prelu(x, a, *, y):
    index = _slopes(x, a)
    args = (x, a, index, x.size, row_size(x.shape), y)
    yield bringing(on_entries("prelu", (x, a, y), args), *there(index))


@kernel
def prelu_grad(x, a, dy, *, dx, da):
    index, D = _slopes(x, a), row_size(x.shape)
    if dx is not None:
        args = (x, a, index, dy, x.size, D, dx)
        yield bringing(on_entries("prelu_dx", (x, a, dy, dx), args), *there(index))
    if da is not None and index is None:
        yield on_columns("prelu_da", (x, dy, da), (da,), (x, dy))
    elif da is not None:  # entry by entry, and then the entries of each slope
        each, dtype = runtime.empty((D,), da.dtype.name), plain(x, dy, da)
        yield bringing(on_columns("prelu_da", (x, dy, each), (each,), (x, dy)), each)
        index = runtime.to_host(index)
        order = runtime.to_card(np.argsort(index, kind="stable").astype(np.int64))
        starts = np.concatenate([[0], np.cumsum(np.bincount(index, minlength=a.size))])
        starts = runtime.to_card(starts.astype(np.int64))
        args = (each, starts, order, a.size, da)
        yield Launch("sum_groups", "entries", a.size, args, dtype, (each, starts, order))


def _slopes(x, a):
    """Which slope each entry of a row has; None: its own."""
    if a.shape == x.shape[1:]:
        return None
    fits = a.ndim == x.ndim - 1 and all(
        n in (1, s) for n, s in zip(a.shape, x.shape[1:], strict=True)
    )
    if not fits:
        raise Unsupported(f"slopes of shape {a.shape} for x of {x.shape}")
    index = np.broadcast_to(np.arange(a.size).reshape(a.shape), x.shape[1:])
    return runtime.to_card(np.array(index, np.int64).ravel())


ALONG = {"softmax": 0, "log_softmax": 1, "sparsemax": 2}


@kernel
def softmax(x, axis=-1, *, y):
    yield _along("softmax", (x, y), axis)


@kernel
def softmax_grad(y, dy, axis=-1, *, dx):
    yield _along("softmax_grad", (y, dy, dx), axis)


@kernel
def log_softmax(x, axis=-1, *, y):
    yield _along("log_softmax", (x, y), axis)


@kernel
def log_softmax_grad(y, dy, axis=-1, *, dx):
    yield _along("log_softmax_grad", (y, dy, dx), axis)


@kernel
def sparsemax(x, axis=-1, *, y):
    yield _along("sparsemax", (x, y), axis)


@kernel
def sparsemax_grad(y, dy, axis=-1, *, dx):
    yield _along("sparsemax_grad", (y, dy, dx), axis)


def _along(name, arrays, axis):
    """A warp for each row where the axis is the last one, else a thread for each line."""
    dtype, shape = plain(*arrays), arrays[0].shape
    axis %= len(shape)
    stride, C = math.prod(shape[axis + 1 :]), shape[axis]
    if stride == 1 and not name.startswith("sparsemax"):
        return on_rows(name, arrays)
    kind = ALONG[name.removesuffix("_grad")]
    name = "along_grad" if name.endswith("_grad") else "along"
    lines = arrays[0].size // C
    args = (kind, *arrays[:-1], lines, C, stride, arrays[-1])
    return Launch(name, "entries", lines, args, dtype)


@kernel
def glu(x, *, y):
    yield on_entries("glu", (y, x), (x, y.size, y.shape[-1], y))


@kernel
def glu_grad(x, dy, *, dx):
    yield on_entries("glu_grad", (dy, x, dx), (x, dy, dy.size, dy.shape[-1], dx))
