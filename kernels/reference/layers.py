"""The reference kernels for merging, layout, pooling, embedding, noise and normalization."""

import numpy as np

# ----------------------------------------------------------------------------------------- merging


def add_to(x, *, total):
    total += x


def maximum(x, z, *, y):
    np.maximum(x, z, out=y)


def maximum_grad(x, z, dy, *, dx, dz):
    first = np.where(x > z, 1, np.where(x < z, 0, 0.5)).astype(dy.dtype)  # equals share
    np.multiply(dy, first, out=dx)
    np.multiply(dy, 1 - first, out=dz)


def put_columns(x, first, *, y):
    y[:, first : first + x.shape[1]] = x  # (R, D) into (R, E)


def take_columns(y, first, *, x):
    x[...] = y[:, first : first + x.shape[1]]  # (R, D) of (R, E)


# --------------------------------------------------------------------------------- layout, pooling


def transpose(x, axes, *, y):
    y[...] = x.transpose(axes)  # axes[0] is 0: rows stay rows


def repeat(x, *, y):
    y[...] = x[:, None]  # (N, D) -> (N, T, D)


def sum_steps(x, *, y):
    np.sum(x, axis=1, out=y)  # (N, T, D) -> (N, D)


def max_steps(x, *, y):
    np.max(x, axis=1, out=y)  # (N, T, D) -> (N, D)


def max_steps_grad(x, y, dy, *, dx):
    top = x == y[:, None]  # (N, T, D); steps that are equally large share the gradient
    np.multiply(top, (dy / top.sum(axis=1))[:, None], out=dx)


def mask_weights(ids, *, w):
    """w[i, t] = [ids[i, t] != 0] / how many of them; a row of zeros gets zeros."""
    kept = ids != 0  # (N, T)
    np.divide(kept, np.maximum(kept.sum(axis=1, keepdims=True), 1), out=w)


# --------------------------------------------------------------------------------------- embedding
# Ids come as floats, as all inputs do. One outside the table reads NaN and teaches nothing.


def embedding(ids, table, *, y):
    known = (ids >= 0) & (ids < len(table))  # (N, ...)
    rows = table[np.where(known, ids, 0).astype(np.int64)]  # (N, ..., D)
    y[...] = np.where(known[..., None], rows, np.nan)


def embedding_grad(ids, dy, *, dW):
    known = (ids >= 0) & (ids < len(dW))
    dW[...] = 0
    np.add.at(dW, ids[known].astype(np.int64), dy[known])  # (V, D)


# ------------------------------------------------------------------------------------------- noise


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


def normal_mask(mean, stddev, key, step, row, *, mask):
    """mask[i, j] = mean + stddev n_ij, n_ij standard normal (Box and Muller 1958).

    Rows own their Philox counters as in `dropout_mask`; a word of 64 bits makes one number: its
    low half u the radius, its high half v the angle. Computed in float64 for every dtype.
    """
    rows, columns = mask.shape[0], mask[0].size
    blocks = -(-columns // 4)
    bits = np.random.Philox(key=key, counter=[row * blocks, step, 0, 0])
    words = bits.random_raw(rows * blocks * 4).reshape(rows, blocks * 4)[:, :columns]
    u = ((words & np.uint64(0xFFFFFFFF)).astype(np.float64) + 1) / 2**32  # (0, 1]
    v = (words >> np.uint64(32)).astype(np.float64) / 2**32  # [0, 1)
    n = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)  # (N, D)
    mask[...] = (mean + stddev * n).reshape(mask.shape)


# ----------------------------------------------------------------------------- batch normalization


def _scale_and_shift(xhat, gamma, beta, y):
    y[...] = xhat if gamma is None else xhat * gamma
    if beta is not None:
        y += beta


def _scale_and_shift_grad(xhat, dy, dgamma, dbeta):
    if dgamma is not None:
        np.sum(dy * xhat, axis=0, out=dgamma)  # (D,)
    if dbeta is not None:
        np.sum(dy, axis=0, out=dbeta)  # (D,)


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


# --------------------------------------------------------------------------- normalization of rows


def deviation(var, least, *, out):
    np.maximum(np.sqrt(var), least, out=out)  # (D,)


def rownorm(kind, x, gamma, beta, epsilon, *, y, xhat, inv):
    """xhat = (x - mean) inv, each row by itself; y = gamma xhat + beta.

    "layer": inv = 1 / sqrt(var + epsilon) (Ba et al. 2016); "rms": no mean, inv = 1 / sqrt(mean of
    squares + epsilon) (Zhang and Sennrich 2019); "unit": no mean, inv = 1 / max(norm, epsilon).
    """
    xhat[...] = x - x.mean(axis=-1, keepdims=True) if kind == "layer" else x
    squares = np.square(xhat)  # (R, D)
    if kind == "unit":
        inv[...] = 1 / np.maximum(np.sqrt(squares.sum(axis=-1)), epsilon)  # (R,)
    else:
        inv[...] = 1 / np.sqrt(squares.mean(axis=-1) + epsilon)
    xhat *= inv[:, None]
    _scale_and_shift(xhat, gamma, beta, y)


def rownorm_grad(kind, xhat, gamma, inv, epsilon, dy, *, dx, dgamma, dbeta):
    _scale_and_shift_grad(xhat, dy, dgamma, dbeta)
    if dx is None:
        return
    d = dy if gamma is None else dy * gamma  # (R, D)
    along = (d * xhat).sum(axis=-1, keepdims=True)  # x reaches the loss through inv ...
    if kind == "unit":
        clipped = inv == 1 / inv.dtype.type(epsilon)  # (R,)
        dx[...] = d - xhat * along * ~clipped[:, None]  # ... unless the norm was clipped
    else:
        dx[...] = d - xhat * along / dy.shape[-1]
    if kind == "layer":
        dx -= d.mean(axis=-1, keepdims=True)  # ... and through the mean
    dx *= inv[:, None]


# -------------------------------------------------------------------------------- activity penalty


def activity_penalty(x, l1, l2, *, losses):
    flat = x.reshape(len(x), -1)
    losses[...] = l1 * np.abs(flat).sum(axis=-1) + l2 * (flat * flat).sum(axis=-1)  # (N,)


def activity_penalty_grad(x, dy, l1, l2, *, dx):
    dx[...] = dy + l1 * np.sign(x) + 2 * l2 * x
