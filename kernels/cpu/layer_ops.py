"""Arithmetic on the CPU for layout, pooling, embedding, noise and normalization of rows.

As in `ops.py`: naive loops over the rows of one thread, the twins of `reference`. `index`
arrays say, for each entry of a row of the result, which entry of a row it comes from: transposing,
repeating and broadcasting are all this one lookup.
"""

import math

import numpy as np

from .elementwise import sigmoid_of
from .ops import jit, log_softmax, philox, softmax

# ----------------------------------------------------------------------------- layout, pooling


@jit
def add(x, a, y):
    for i in range(x.size):
        y[i] = x[i] + a[i]


@jit
def broadcast(adds, x, m, index, y):
    """y = x m, or x + m, where m has fewer entries per row, or one row for all."""
    for i in range(x.shape[0]):
        row = m[i] if m.shape[0] > 1 else m[0]
        if adds:
            for j in range(x.shape[1]):
                y[i, j] = x[i, j] + row[index[j]]
        else:
            for j in range(x.shape[1]):
                y[i, j] = x[i, j] * row[index[j]]


@jit
def take(x, index, y):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = x[i, index[j]]


@jit
def sum_steps(x, y):
    D = y.shape[1]
    for i in range(y.shape[0]):
        row, total = x[i], y[i]
        for j in range(D):
            total[j] = row[j]
        for start in range(D, row.size, D):
            for j in range(D):
                total[j] += row[start + j]


@jit
def max_steps(x, y):
    D = y.shape[1]
    for i in range(y.shape[0]):
        row, top = x[i], y[i]
        for j in range(D):
            top[j] = row[j]
        for start in range(D, row.size, D):
            for j in range(D):
                if not row[start + j] <= top[j]:  # NaN wins
                    top[j] = row[start + j]


@jit
def max_steps_grad(x, y, dy, dx):
    D, zero, one = y.shape[1], x.dtype.type(0), x.dtype.type(1)
    for i in range(y.shape[0]):
        for j in range(D):
            ties = zero
            for k in range(j, x.shape[1], D):
                ties += one if x[i, k] == y[i, j] else zero
            part = dy[i, j] / ties
            for k in range(j, x.shape[1], D):
                dx[i, k] = part if x[i, k] == y[i, j] else zero


@jit
def mask_weights(ids, w):
    zero, one = w.dtype.type(0), w.dtype.type(1)
    for i in range(ids.shape[0]):
        count = zero
        for t in range(ids.shape[1]):
            count += one if ids[i, t] != zero else zero
        share = one / max(count, one)
        for t in range(ids.shape[1]):
            w[i, t] = share if ids[i, t] != zero else zero


# ---------------------------------------------------------------------------------- embedding


@jit
def embedding(ids, table, y):
    V, D, nan = table.shape[0], table.shape[1], table.dtype.type(np.nan)
    for i in range(ids.size):
        known = ids[i] >= 0 and ids[i] < V
        row = table[np.int64(ids[i])] if known else table[0]
        for j in range(D):
            y[i, j] = row[j] if known else nan


@jit
def embedding_dW(ids, dy, low, high, dW):
    """dW, whose rows are those low..high of the table."""
    zero = dW.dtype.type(0)
    for k in range(dW.shape[0]):
        for j in range(dW.shape[1]):
            dW[k, j] = zero
    for i in range(ids.size):
        if low <= ids[i] < high:
            row = dW[np.int64(ids[i]) - low]
            for j in range(row.size):
                row[j] += dy[i, j]


# -------------------------------------------------------------------------------- activations


@jit
def glu(x, y):
    one, C = x.dtype.type(1), y.shape[1]
    for i in range(y.shape[0]):
        for j in range(C):
            y[i, j] = x[i, j] * sigmoid_of(x[i, C + j], one)


@jit
def glu_grad(x, dy, dx):
    one, C = x.dtype.type(1), dy.shape[1]
    for i in range(dy.shape[0]):
        for j in range(C):
            gate = sigmoid_of(x[i, C + j], one)
            dx[i, j] = dy[i, j] * gate
            dx[i, C + j] = dy[i, j] * x[i, j] * (gate * (one - gate))


@jit
def sparsemax(x, y):
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


@jit
def sparsemax_grad(y, dy, dx):
    one, zero = y.dtype.type(1), y.dtype.type(0)
    for i in range(y.shape[0]):
        total, count = zero, zero
        for j in range(y.shape[1]):
            if y[i, j] > zero:
                total += dy[i, j]
                count += one
        for j in range(y.shape[1]):
            dx[i, j] = dy[i, j] - total / count if y[i, j] > zero else zero


SOFTMAX, LOG_SOFTMAX, SPARSEMAX = range(3)


@jit
def along(kind, x, stride, y):
    """softmax, log_softmax or sparsemax of the entries that lie `stride` apart in a row."""
    C = x.shape[1] // stride
    line, result = np.empty((1, C), x.dtype), np.empty((1, C), x.dtype)
    for i in range(x.shape[0]):
        for s in range(stride):
            for c in range(C):
                line[0, c] = x[i, c * stride + s]
            if kind == SOFTMAX:
                softmax(line, result)
            elif kind == LOG_SOFTMAX:
                log_softmax(line, result)
            else:
                sparsemax(line, result)
            for c in range(C):
                y[i, c * stride + s] = result[0, c]


@jit
def along_grad(kind, y, dy, stride, dx):
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
                    dx[i, k] = dy[i, k] - math.exp(y[i, k]) * total
                else:
                    dx[i, k] = dy[i, k] - total / count if y[i, k] > zero else zero


# PReLU with slopes that are shared along axes: entry j of a row has slope a[index[j]].


@jit
def prelu_shared(x, a, index, y):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = max(x[i, j], zero) + a[index[j]] * min(x[i, j], zero)


@jit
def prelu_shared_dx(x, a, index, dy, dx):
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            slope = a[index[j]] if x[i, j] < zero else zero  # 0 at the kink, as in Keras
            dx[i, j] = dy[i, j] if x[i, j] > zero else slope * dy[i, j]


@jit
def prelu_shared_da(x, dy, places, da):
    """places (K, S): the S entries of a row that share slope k."""
    zero = x.dtype.type(0)
    for k in range(da.size):
        total = zero
        for i in range(x.shape[0]):
            for s in range(places.shape[1]):
                j = places[k, s]
                total += dy[i, j] * min(x[i, j], zero)
        da[k] = total


# -------------------------------------------------------------------------------------- noise


@jit
def normal_mask(mean, stddev, key0, key1, step, row, mask):
    """The mask of `reference.normal_mask` for rows row, row + 1, ... of step `step`."""
    N, D = mask.shape
    blocks, low, shift = (D + 3) // 4, np.uint64(0xFFFFFFFF), np.uint64(32)
    scale = 1.0 / 4294967296.0
    for i in range(N):
        for block in range(blocks):
            counter = np.uint64((row + i) * blocks + block + 1)
            words = philox(counter, np.uint64(step), key0, key1)
            for k in range(min(4, D - block * 4)):
                u = (np.float64(words[k] & low) + 1.0) * scale
                v = np.float64(words[k] >> shift) * scale
                n = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
                mask[i, block * 4 + k] = mean + stddev * n


# ----------------------------------------------------------------------- normalization of rows

LAYER, RMS, UNIT = range(3)


@jit
def rownorm(kind, x, gamma, beta, epsilon, y, xhat, inv):
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


@jit
def rownorm_dx(kind, xhat, gamma, inv, epsilon, dy, dx):
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


@jit
def deviation(var, least, out):
    low = var.dtype.type(least)
    for j in range(var.size):
        out[j] = max(math.sqrt(var[j]), low)


# ---------------------------------------------------------------------------- activity penalty


@jit
def activity_penalty(x, l1, l2, losses):
    T = x.dtype.type
    for i in range(x.shape[0]):
        a, b = T(0), T(0)
        for j in range(x.shape[1]):
            a += abs(x[i, j])
            b += x[i, j] * x[i, j]
        losses[i] = T(l1) * a + T(l2) * b


@jit
def activity_penalty_grad(x, dy, l1, l2, dx):
    T = x.dtype.type
    a, b, zero = T(l1), T(2 * l2), T(0)
    for i in range(x.size):
        sign = (a if x[i] > zero else -a) if x[i] != zero else zero
        dx[i] = dy[i] + sign + b * x[i]
