"""The gpu's activations and elementwise losses."""

import math

import numpy as np

from .card import runtime
from .card.formulas import framed
from .machine.call import kernel
from .machine.launches import launch, repeated, row_size


def _of_formula(name, kind, params, **arrays):
    """A kernel that is made from the formula named by `kind`, or given as functions (f, df)."""
    options = {f"p{i}": value for i, value in enumerate(params)}
    yield launch(framed(name, kind, len(params)), **arrays, **options)


for _name in ("elementwise", "elementwise_grad", "elementwise_loss"):
    kernel(_of_formula, _name)


@kernel
def prelu(x, a, *, y):
    index = _slopes(x, a)
    yield launch("prelu", own=(index,), x=x, a=a, index=index, D=row_size(x.shape), y=y)


@kernel
def prelu_grad(x, a, dy, *, dx, da):
    index, D = _slopes(x, a), row_size(x.shape)
    if dx is not None:
        yield launch("prelu_dx", own=(index,), x=x, a=a, index=index, dy=dy, D=D, dx=dx)
    if da is not None and index is None:
        yield launch("prelu_da", x=x, dy=dy, da=da)
    elif da is not None:  # entry by entry, and then the entries of each slope
        each = runtime.empty((D,), da.dtype.name)
        yield launch("prelu_da", own=(each,), x=x, dy=dy, da=each)
        index = runtime.to_host(index)
        order = runtime.to_card(np.argsort(index, kind="stable").astype(np.int64))
        starts = np.concatenate([[0], np.cumsum(np.bincount(index, minlength=a.size))])
        starts = runtime.to_card(starts.astype(np.int64))
        own = (each, starts, order)
        yield launch("sum_groups", own=own, x=each, starts=starts, index=order, out=da)


def _slopes(x, a):
    """Which slope each entry of a row has; None: its own."""
    return None if a.shape == x.shape[1:] else repeated(a.shape, x.shape[1:])


ALONG = {"softmax": 0, "log_softmax": 1, "sparsemax": 2}


def _along(name, axis=-1, **arrays):
    """A warp for each row where the axis is the last one, else a thread for each line."""
    shape, grad = next(iter(arrays.values())).shape, "_grad" * name.endswith("_grad")
    axis %= len(shape)
    stride, C, kind = math.prod(shape[axis + 1 :]), shape[axis], name.removesuffix("_grad")
    if stride == 1 and kind != "sparsemax":
        yield launch(name, **arrays)
        return
    lines = math.prod(shape) // C
    yield launch("along" + grad, size=lines, kind=ALONG[kind], lines=lines, C=C, stride=stride,
                 **arrays)  # fmt: skip


for _name in ALONG:
    kernel(_along, _name)
    kernel(_along, _name + "_grad")


@kernel
def glu(x, *, y):
    yield launch("glu", x=x, C=y.shape[-1], y=y)


@kernel
def glu_grad(x, dy, *, dx):
    yield launch("glu_grad", x=x, dy=dy, n=dy.size, C=dy.shape[-1], dx=dx)
