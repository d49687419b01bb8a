"""The kernels in NumPy: the specification that every other device is held against.

Each function is the textbook formula; `kernels/__init__.py` has the table of all of them. Forward
and backward stand together. Shapes: N rows, D inputs, H units, C classes.
"""

import numpy as np

from .activations import sigmoid
from .activations_rare import FUNCTIONS
from .layers import *  # noqa: F403  the rarer ones are written there
from .layers import _scale_and_shift, _scale_and_shift_grad
from .losses import *  # noqa: F403
from .updates import *  # noqa: F403

# ------------------------------------------------------------------------------------- arrays


def empty(shape, dtype):
    return np.empty(shape, dtype)


def zeros(shape, dtype):
    return np.zeros(shape, dtype)


def from_host(array):
    return array


def to_host(array):
    return array


def gather(data, rows, *, out):
    out[...] = data[rows]  # (N, ...)


# ------------------------------------------------------------------------------------- linear


def linear(x, W, b, *, y):
    if isinstance(x, np.ndarray):
        np.matmul(x, W, out=y)  # (N, H)
    else:
        y[...] = x @ W  # a sparse matrix multiplies in its own way
    if b is not None:
        y += b


def linear_dx(dy, W, *, dx):
    np.matmul(dy, W.T, out=dx)  # (N, D)


def linear_dW(x, dy, *, dW):
    if isinstance(x, np.ndarray):
        np.matmul(x.T, dy, out=dW)  # (D, H)
    else:
        dW[...] = x.T @ dy


def sum_rows(x, *, out):
    np.sum(x, axis=0, out=out)  # (H,)


def affine(x, scale, shift, *, y):
    np.multiply(x, scale, out=y)
    y += shift


def multiply(x, m, *, y):
    np.multiply(x, m, out=y)


def add(x, a, *, y):
    np.add(x, a, out=y)


# -------------------------------------------------------------------------------- activations


def elementwise(kind, x, params, *, y):
    f, _ = FUNCTIONS[kind]
    y[...] = f(x, *params)


def elementwise_grad(kind, x, y, dy, params, *, dx):
    _, df = FUNCTIONS[kind]
    np.multiply(dy, df(x, y, *params), out=dx)


def prelu(x, a, *, y):
    y[...] = np.maximum(x, 0) + a * np.minimum(x, 0)


def prelu_grad(x, a, dy, *, dx, da):
    if dx is not None:
        np.multiply(dy, np.where(x > 0, 1, a * (x < 0)), out=dx)  # 0 at the kink, as in Keras
    if da is not None:
        per_row = dy * np.minimum(x, 0)  # (N, ...)
        shared = tuple(i + 1 for i, n in enumerate(a.shape) if n == 1)
        da[...] = per_row.sum(axis=(0, *shared), keepdims=True)[0]


def softmax(x, axis=-1, *, y):
    np.subtract(x, x.max(axis=axis, keepdims=True), out=y)  # the largest exponent is 0
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)  # (N, C)


def softmax_grad(y, dy, axis=-1, *, dx):
    # dy_i/dx_j = y_i ([i=j] - y_j), applied without building the C x C Jacobian
    dx[...] = y * (dy - (dy * y).sum(axis=axis, keepdims=True))  # (N, C)


def log_softmax(x, axis=-1, *, y):
    np.subtract(x, x.max(axis=axis, keepdims=True), out=y)
    y -= np.log(np.exp(y).sum(axis=axis, keepdims=True))  # (N, C)


def log_softmax_grad(y, dy, axis=-1, *, dx):
    dx[...] = dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)  # (N, C)


# ------------------------------------------------------------------------------------ dropout


def dropout_mask(rate, key, step, row, *, mask):
    """mask[i, j] = [u_ij >= rate] / (1 - rate), u_ij a uniform 32-bit fraction.

    Row `row + i` of training step `step` owns its Philox4x64 counters, ceil(D / 8) of them, so a
    mask does not depend on how a batch is split. NumPy's Philox counts from 1.
    """
    rows, columns = mask.shape[0], mask[0].size
    blocks = -(-columns // 8)  # one block: 4 words of 64 bits, 8 uniforms
    bits = np.random.Philox(key=key, counter=[row * blocks, step, 0, 0])
    words = bits.random_raw(rows * blocks * 4).astype("<u8", copy=False)
    u = words.view("<u4").reshape(rows, blocks * 8)[:, :columns]  # (N, D)
    if rate == 1:
        mask[...] = 0
        return
    keep = u >= np.uint32(rate * 2**32)
    np.multiply(keep.reshape(mask.shape), mask.dtype.type(1 / (1 - rate)), out=mask)


# ------------------------------------------------------------------------ batch normalization


def batchnorm(x, gamma, beta, epsilon, *, y, xhat, mean, var):
    np.mean(x, axis=0, out=mean)  # (D,)
    np.subtract(x, mean, out=xhat)
    np.mean(xhat * xhat, axis=0, out=var)  # (D,) population variance
    xhat /= np.sqrt(var + epsilon)  # (N, D)
    _scale_and_shift(xhat, gamma, beta, y)


def batchnorm_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    _scale_and_shift_grad(xhat, dy, dgamma, dbeta)
    if dx is None:
        return
    dxhat = dy if gamma is None else dy * gamma  # (N, D)
    # x reaches the loss along three ways: xhat, the mean and the variance
    dx[...] = dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)
    dx /= np.sqrt(var + epsilon)  # (N, D)


def batchnorm_inference(x, gamma, beta, mean, var, epsilon, *, y, xhat):
    np.subtract(x, mean, out=xhat)
    xhat /= np.sqrt(var + epsilon)  # (N, D)
    _scale_and_shift(xhat, gamma, beta, y)


def batchnorm_inference_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    _scale_and_shift_grad(xhat, dy, dgamma, dbeta)
    if dx is None:
        return
    dxhat = dy if gamma is None else dy * gamma
    np.divide(dxhat, np.sqrt(var + epsilon), out=dx)  # (N, D)


def moving_average(x, momentum, *, average):
    average *= momentum
    average += x * (1 - momentum)


# ------------------------------------------------------------------------------ cross-entropy
# From logits z, fused with the softmax or sigmoid above: dz = w (p - target), never clipped.


def sparse_softmax_crossentropy(z, labels, w, *, p, losses, dz):
    log_softmax(z, y=p)
    row = np.arange(len(z))
    np.multiply(-w, p[row, labels], out=losses)  # (N,)
    np.exp(p, out=p)  # (N, C)
    if dz is not None:
        np.multiply(p, w[:, None], out=dz)
        dz[row, labels] -= w  # (N, C)


def softmax_crossentropy(z, targets, w, *, p, losses, dz):
    log_softmax(z, y=p)
    np.multiply(-w, (targets * p).sum(axis=-1), out=losses)  # (N,)
    np.exp(p, out=p)  # (N, C)
    if dz is not None:
        # sum_c t_c = 1 for one-hot targets; any other target sum scales p
        dz[...] = w[:, None] * (p * targets.sum(axis=-1, keepdims=True) - targets)  # (N, C)


def sigmoid_crossentropy(z, targets, w, *, p, losses, dz):
    p[...] = sigmoid(z)  # (N, C)
    # -t log p - (1-t) log(1-p) = max(z,0) - z t + log(1 + e^-|z|)
    values = np.maximum(z, 0) - z * targets + np.log1p(np.exp(-np.abs(z)))
    np.multiply(w, values.mean(axis=-1), out=losses)  # (N,)
    if dz is not None:
        dz[...] = (w / z.shape[-1])[:, None] * (p - targets)  # (N, C)


# From probabilities: rows are divided by their sum, then clipped to [epsilon, 1 - epsilon];
# a clipped entry passes no gradient.


def sparse_crossentropy(p, labels, w, epsilon, *, losses, dp):
    row, total = np.arange(len(p)), p.sum(axis=-1)  # (N,)
    q = p[row, labels] / total  # (N,) the probability of the true class
    clipped = np.clip(q, epsilon, 1 - epsilon)
    np.multiply(-w, np.log(clipped), out=losses)
    if dp is not None:
        g = np.where(q == clipped, -w / clipped, 0)  # (N,) dL/dq
        dp[...] = (-g * q / total)[:, None]
        dp[row, labels] += g / total  # (N, C)


def crossentropy(p, targets, w, epsilon, *, losses, dp):
    total = p.sum(axis=-1, keepdims=True)  # (N, 1)
    q = p / total
    clipped = np.clip(q, epsilon, 1 - epsilon)
    np.multiply(-w, (targets * np.log(clipped)).sum(axis=-1), out=losses)  # (N,)
    if dp is not None:
        g = np.where(q == clipped, -w[:, None] * targets / clipped, 0)  # (N, C) dL/dq
        dp[...] = (g - (g * q).sum(axis=-1, keepdims=True)) / total


def binary_crossentropy(p, targets, w, epsilon, *, losses, dp):
    clipped = np.clip(p, epsilon, 1 - epsilon)
    values = targets * np.log(clipped) + (1 - targets) * np.log1p(-clipped)
    np.multiply(-w, values.mean(axis=-1), out=losses)  # (N,)
    if dp is not None:
        share = (w / p.shape[-1])[:, None]
        slope = (clipped - targets) / (clipped * (1 - clipped))
        dp[...] = share * np.where(p == clipped, slope, 0)  # (N, C)


# ------------------------------------------------------------------------------------ metrics


def sparse_matches(p, labels, *, hits):
    np.equal(p.argmax(axis=-1), labels, out=hits)  # (N,)


def categorical_matches(p, targets, *, hits):
    np.equal(p.argmax(axis=-1), targets.argmax(axis=-1), out=hits)  # (N,)


def binary_matches(p, targets, threshold, *, hits):
    np.mean((p > threshold) == targets, axis=-1, out=hits)  # (N,)


# ------------------------------------------------- penalties, clipping, updates (flat vectors)


def penalty_grad(w, l1, l2, *, dw):
    if dw is not None:
        dw += l1 * np.sign(w) + 2 * l2 * w


def clip_by_value(c, *, g):
    np.clip(g, -c, c, out=g)


def clip_by_norm(c, *, g):
    norm = np.sqrt(np.dot(g, g))
    if norm > c:
        g *= c / norm


def scale_(factor, *, x):
    x *= factor


def sgd(g, lr, momentum, nesterov, *, w, m):
    if momentum == 0:
        w -= lr * g
        return
    m *= momentum
    m -= lr * g
    w += momentum * m - lr * g if nesterov else m


def rmsprop(g, lr, rho, momentum, epsilon, *, w, v, a, m):
    v *= rho
    v += (1 - rho) * g * g
    denominator = v + epsilon  # epsilon stands inside the root
    if a is not None:  # centered: the variance instead of the second moment
        a *= rho
        a += (1 - rho) * g
        denominator -= a * a
    step = lr * g / np.sqrt(denominator)
    if m is not None:
        m *= momentum
        m += step
        step = m
    w -= step


def adam(g, alpha, beta_1, beta_2, epsilon, *, w, m, v, v_max):
    m += (g - m) * (1 - beta_1)
    v += (g * g - v) * (1 - beta_2)
    if v_max is not None:  # amsgrad
        np.maximum(v_max, v, out=v_max)
        v = v_max
    w -= alpha * m / (np.sqrt(v) + epsilon)  # epsilon stands outside the root
