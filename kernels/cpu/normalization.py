"""Normalization: of the columns of a batch, and of rows."""

import math

import numpy as np

from .machine.call import called, kernel
from .machine.operands import Columns, Flag, Number, PerRow, Rows, Share, Whole, instruction
from .products import add_rows

# ------------------------------------------------------------------------ batch normalization


@instruction
def batchnorm_statistics(x: Columns, mean: Share, var: Share):
    """Mean and population variance of the columns of x, in two passes."""
    n, zero = x.dtype.type(x.shape[0]), x.dtype.type(0)
    mean[:], var[:] = zero, zero
    add_rows(x.ctypes.data, x.shape[0], x.strides[0], mean.ctypes.data, mean.size, zero)
    for j in range(mean.size):
        mean[j] /= n
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(mean.size):
            d = row[j] - mean[j]
            var[j] += d * d
    for j in range(mean.size):
        var[j] /= n


@instruction
def batchnorm_apply(x: Rows, gamma: Whole, beta: Whole, mean: Whole, var: Whole, epsilon: Number,
                    y: Rows, xhat: Rows):  # fmt: skip
    e = x.dtype.type(epsilon)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            xhat[i, j] = (x[i, j] - mean[j]) / math.sqrt(var[j] + e)
            y[i, j] = xhat[i, j]
        if gamma.size:
            for j in range(x.shape[1]):
                y[i, j] *= gamma[j]
        if beta.size:
            for j in range(x.shape[1]):
                y[i, j] += beta[j]


@instruction
def batchnorm_sums(xhat: Columns, dy: Columns, along: Share, plain: Share, dgamma: Share,
                   dbeta: Share):  # fmt: skip
    """along = dgamma = sum_i dy xhat, plain = dbeta = sum_i dy, column by column."""
    zero = dy.dtype.type(0)
    along[:], plain[:] = zero, zero
    for i in range(dy.shape[0]):
        up, row = dy[i], xhat[i]
        for j in range(along.size):
            along[j] += up[j] * row[j]
            plain[j] += up[j]
    if dgamma.size:
        dgamma[:] = along
    if dbeta.size:
        dbeta[:] = plain


@instruction
def batchnorm_dx(xhat: Rows, gamma: Whole, var: Whole, epsilon: Number, dy: Rows, along: Whole,
                 plain: Whole, rows: Flag, dx: Rows):  # fmt: skip
    """dx for some rows; `rows` is the number of all rows, 0 where moving statistics were used."""
    e, zero, one = dy.dtype.type(epsilon), dy.dtype.type(0), dy.dtype.type(1)
    share = one / dy.dtype.type(rows) if rows else zero
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            d = dy[i, j] - share * plain[j] - xhat[i, j] * (share * along[j])
            dx[i, j] = d / math.sqrt(var[j] + e)
        if gamma.size:
            for j in range(dy.shape[1]):
                dx[i, j] *= gamma[j]


@kernel
def batchnorm(x, gamma, beta, epsilon, *, y, xhat, mean, var):
    yield called("batchnorm_statistics", (x, mean, var))
    yield called("batchnorm_apply", (x, gamma, beta, mean, var, y, xhat), (epsilon,))


@kernel
def batchnorm_inference(x, gamma, beta, mean, var, epsilon, *, y, xhat):
    yield called("batchnorm_apply", (x, gamma, beta, mean, var, y, xhat), (epsilon,))


@kernel
def batchnorm_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    yield from _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, len(xhat))


@kernel
def batchnorm_inference_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    yield from _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, 0)


def _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, rows):
    along, plain = np.empty_like(var), np.empty_like(var)  # (D,)
    yield called("batchnorm_sums", (xhat, dy, along, plain, dgamma, dbeta))
    if dx is not None:
        arrays = (xhat, gamma, var, dy, along, plain, dx)
        yield called("batchnorm_dx", arrays, (epsilon,), (rows,))


# ----------------------------------------------------------------------- normalization of rows

LAYER, RMS, UNIT = range(3)
KINDS = {"layer": LAYER, "rms": RMS, "unit": UNIT}


@instruction
def rownorm_rows(kind: Flag, x: Rows, gamma: Whole, beta: Whole, epsilon: Number, y: Rows,
                 xhat: Rows, inv: PerRow):  # fmt: skip
    T = x.dtype.type
    e, zero, one, D = T(epsilon), T(0), T(1), T(x.shape[1])
    for i in range(x.shape[0]):
        mean, squares = zero, zero
        if kind == LAYER:
            for j in range(x.shape[1]):
                mean += x[i, j]
            mean /= D
        for j in range(x.shape[1]):
            d = x[i, j] - mean
            xhat[i, j] = d
            squares += d * d
        if kind == UNIT:
            inv[i] = one / max(math.sqrt(squares), e)
        else:
            inv[i] = one / math.sqrt(squares / D + e)
        for j in range(x.shape[1]):
            xhat[i, j] *= inv[i]
            y[i, j] = xhat[i, j]
        if gamma.size:
            for j in range(x.shape[1]):
                y[i, j] *= gamma[j]
        if beta.size:
            for j in range(x.shape[1]):
                y[i, j] += beta[j]


@instruction
def rownorm_dx(kind: Flag, xhat: Rows, gamma: Whole, inv: PerRow, epsilon: Number, dy: Rows,
               dx: Rows):  # fmt: skip
    T = dy.dtype.type
    zero, one, D = T(0), T(1), T(dy.shape[1])
    for i in range(dy.shape[0]):
        if gamma.size:
            for j in range(dy.shape[1]):
                dx[i, j] = dy[i, j] * gamma[j]
        else:
            for j in range(dy.shape[1]):
                dx[i, j] = dy[i, j]
        along, plain = zero, zero
        for j in range(dy.shape[1]):
            along += dx[i, j] * xhat[i, j]
            plain += dx[i, j]
        if kind == UNIT:
            along = along if inv[i] < one / T(epsilon) else zero
        else:
            along /= D
        plain = plain / D if kind == LAYER else zero
        for j in range(dy.shape[1]):
            dx[i, j] = (dx[i, j] - xhat[i, j] * along - plain) * inv[i]


@kernel
def rownorm(kind, x, gamma, beta, epsilon, *, y, xhat, inv):
    yield called("rownorm_rows", (x, gamma, beta, y, xhat, inv), (epsilon,), (KINDS[kind],))


@kernel
def rownorm_grad(kind, xhat, gamma, inv, epsilon, dy, *, dx, dgamma, dbeta):
    if dgamma is not None or dbeta is not None:
        along, total = (np.empty(xhat.shape[1], xhat.dtype) for _ in range(2))
        yield called("batchnorm_sums", (xhat, dy, along, total, dgamma, dbeta))
    if dx is not None:
        yield called("rownorm_dx", (xhat, gamma, inv, dy, dx), (epsilon,), (KINDS[kind],))
