"""The gpu's kernels for layout, merging, pooling, embedding, noise and normalization."""

import math

import numpy as np

from ..recording import RunningStep, Unsupported
from .card import runtime
from .machine.call import CONTROL, Launch, kernel
from .machine.launches import (
    bringing,
    number,
    on_columns,
    on_entries,
    on_rows,
    plain,
    row_size,
    same_shape,
)

# ------------------------------------------------------------------------------ layout, pooling


@kernel
def transpose(x, axes, *, y):
    index = np.arange(row_size(x.shape)).reshape(x.shape[1:])
    yield _taken(x, index.transpose([i - 1 for i in axes[1:]]), y)


@kernel
def repeat(x, *, y):
    yield _taken(x, np.tile(np.arange(row_size(x.shape)), y.shape[1]), y)


def _taken(x, index, y):
    """y[i, j] = x[i, index[j]], rows as they are."""
    dtype, index = (
        plain(x, y),
        runtime.to_card(np.ascontiguousarray(index, np.int64).ravel()),
    )
    args = (x, index, y.size, row_size(x.shape), row_size(y.shape), y)
    return Launch("take", "entries", y.size, args, dtype, (index,))


@kernel
def sum_steps(x, *, y):
    yield _by_steps("sum_steps", x, (x,), y, (y,))


@kernel
def max_steps(x, *, y):
    yield _by_steps("max_steps", x, (x,), y, (y,))


@kernel
def max_steps_grad(x, y, dy, *, dx):
    yield _by_steps("max_steps_grad", x, (x, y, dy), y, (dx,))


def _by_steps(name, x, inputs, narrow, outputs):
    """x (N, T, ...) beside (N, ...)."""
    dtype, T = plain(*inputs, *outputs), x.shape[1]
    args = (*inputs, narrow.size, T, math.prod(x.shape[2:]), *outputs)
    return Launch(name, "entries", narrow.size, args, dtype)


@kernel
def mask_weights(ids, *, w):
    yield on_rows("mask_weights", (ids, w))


# ---------------------------------------------------------------------------------- embedding


@kernel
def embedding(ids, table, *, y):
    args = (ids, table, y.size, *table.shape, y)
    yield Launch("embedding", "entries", y.size, args, plain(ids, table, y))


@kernel
def embedding_grad(ids, dy, *, dW):
    args = (ids, dy, ids.size, *dW.shape, dW)
    yield Launch("embedding_grad", "blocks", len(dW), args, plain(ids, dy, dW))


# ------------------------------------------------------------------------------------ merging


@kernel
def add_to(x, *, total):
    if x.size != total.size:
        raise Unsupported(f"arrays of shapes {x.shape}, {total.shape}")
    yield on_entries("add_to", (x, total), (x, x.size, total))


@kernel
def maximum(x, z, *, y):
    same_shape(x, z, y)
    yield on_entries("maximum", (x, z, y), (x, z, x.size, y))


@kernel
def maximum_grad(x, z, dy, *, dx, dz):
    same_shape(x, z, dy)
    yield on_entries("maximum_grad", (x, z, dy, dx, dz), (x, z, dy, x.size, dx, dz))


@kernel
def put_columns(x, first, *, y):
    yield on_entries("put_columns", (x, y), (x, x.size, x.shape[1], y.shape[1], first, y))


@kernel
def take_columns(y, first, *, x):
    yield on_entries("take_columns", (x, y), (y, x.size, x.shape[1], y.shape[1], first, x))


# ------------------------------------------------------------------------------------ dropout


@kernel
def dropout_mask(rate, key, step, row, *, mask):
    yield _noise("dropout_mask", 8, (rate,), key, step, row, mask)


@kernel
def normal_mask(mean, stddev, key, step, row, *, mask):
    yield _noise("normal_mask", 4, (mean, stddev), key, step, row, mask)


def _noise(name, each, numbers, key, step, row, mask):
    """A thread makes `each` entries of a row."""
    dtype, R = plain(mask), len(mask)
    D = mask.size // max(R, 1)
    # the number of the step, or -1 for the step that is being replayed
    step = -1 if isinstance(step, RunningStep) else int(step)
    args = (
        CONTROL,
        *map(number, numbers),
        *(np.uint64(k) for k in key),
        step,
        int(row),
        R,
        D,
        mask,
    )
    return Launch(name, "entries", R * -(-D // each), args, dtype)


# ------------------------------------------------------------------------ batch normalization


@kernel
def batchnorm(x, gamma, beta, epsilon, *, y, xhat, mean, var):
    yield on_columns("batchnorm_statistics", (x, mean, var), (mean, var))
    yield _apply(x, gamma, beta, mean, var, epsilon, y, xhat)


@kernel
def batchnorm_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    yield from _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, len(xhat))


@kernel
def batchnorm_inference(x, gamma, beta, mean, var, epsilon, *, y, xhat):
    yield _apply(x, gamma, beta, mean, var, epsilon, y, xhat)


@kernel
def batchnorm_inference_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    yield from _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, 0)


def _apply(x, gamma, beta, mean, var, epsilon, y, xhat):
    args = (x, gamma, beta, mean, var, number(epsilon), x.size, mean.size, y, xhat)
    return on_entries("batchnorm_apply", (x, gamma, beta, mean, var, y, xhat), args)


def _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, rows):
    along, total = (runtime.empty(var.shape, var.dtype.name) for _ in range(2))  # (D,)
    sums = (along, total, dgamma, dbeta)
    one = on_columns("batchnorm_sums", (xhat, dy, *sums), sums, (xhat, dy))
    one.own = (along, total)
    yield one
    if dx is None:
        return
    args = (xhat, gamma, var, number(epsilon), dy, along, total, rows, dy.size, var.size, dx)
    one = on_entries("batchnorm_dx", (xhat, gamma, var, dy, dx), args)
    one.own = (along, total)
    yield one


@kernel
def moving_average(x, momentum, *, average):
    args = (x, number(momentum), x.size, average)
    yield on_entries("moving_average", (x, average), args)


@kernel
def deviation(var, least, *, out):
    yield on_entries("deviation", (var, out), (var, number(least), var.size, out))


# ----------------------------------------------------------------------- normalization of rows

ROWNORM = {"layer": 0, "rms": 1, "unit": 2}


@kernel
def rownorm(kind, x, gamma, beta, epsilon, *, y, xhat, inv):
    dtype, (R, C) = plain(x, gamma, beta, y, xhat, inv), x.shape
    args = (ROWNORM[kind], x, gamma, beta, number(epsilon), R, C, y, xhat, inv)
    yield Launch("rownorm", "rows", R, args, dtype)


@kernel
def rownorm_grad(kind, xhat, gamma, inv, epsilon, dy, *, dx, dgamma, dbeta):
    dtype, (R, C) = plain(xhat, gamma, inv, dy, dx, dgamma, dbeta), xhat.shape
    if dgamma is not None or dbeta is not None:
        along, total = (
            runtime.empty((C,), dtype),
            runtime.empty((C,), dtype),
        )
        sums = (along, total, dgamma, dbeta)
        one = on_columns("batchnorm_sums", (xhat, dy, *sums), sums, (xhat, dy))
        yield bringing(one, along, total)
    if dx is not None:
        args = (ROWNORM[kind], xhat, gamma, inv, dy, R, C, number(epsilon), dx)
        yield Launch("rownorm_dx", "rows", R, args, dtype)


# ----------------------------------------------------------------------------- activity penalty


@kernel
def activity_penalty(x, l1, l2, *, losses):
    R = len(x)
    args = (x, R, row_size(x.shape), number(l1), number(l2), losses)
    yield Launch("activity_penalty", "rows", R, args, plain(x, losses))


@kernel
def activity_penalty_grad(x, dy, l1, l2, *, dx):
    args = (x, dy, number(l1), number(l2), x.size, dx)
    yield on_entries("activity_penalty_grad", (x, dy, dx), args)
