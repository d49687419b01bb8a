"""The kernels in NumPy: the specification that every other device is held against.

Each function is the textbook formula; `kernels/__init__.py` has the table of all of them. Forward
and backward stand together. Shapes: N rows, D inputs, H units, C classes.
"""

import numpy as np

from ._elementwise import sigmoid
from ._elementwise_losses import ELEMENTWISE_LOSSES
from ._elementwise_rare import FUNCTIONS

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


# ------------------------------------------------------------------------------------ merging


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


# ------------------------------------------------------------------------------ layout, pooling


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


# ---------------------------------------------------------------------------------- embedding
# Ids come as floats, as all inputs do. One outside the table reads NaN and teaches nothing.


def embedding(ids, table, *, y):
    known = (ids >= 0) & (ids < len(table))  # (N, ...)
    rows = table[np.where(known, ids, 0).astype(np.int64)]  # (N, ..., D)
    y[...] = np.where(known[..., None], rows, np.nan)


def embedding_grad(ids, dy, *, dW):
    known = (ids >= 0) & (ids < len(dW))
    dW[...] = 0
    np.add.at(dW, ids[known].astype(np.int64), dy[known])  # (V, D)


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


def sparsemax(x, axis=-1, *, y):
    """The nearest point of the simplex (Martins and Astudillo 2016): y = max(x - tau, 0)."""
    z = np.moveaxis(x, axis, -1)
    falling = -np.sort(-z, axis=-1)  # (..., C)
    excess = np.cumsum(falling, axis=-1) - 1
    count = np.arange(1, z.shape[-1] + 1)
    k = (falling * count > excess).sum(axis=-1, keepdims=True)  # how many entries stay
    tau = np.take_along_axis(excess, k - 1, axis=-1) / k
    y[...] = np.moveaxis(np.maximum(z - tau, 0), -1, axis)


def sparsemax_grad(y, dy, axis=-1, *, dx):
    kept = y > 0
    mean = (dy * kept).sum(axis=axis, keepdims=True) / kept.sum(axis=axis, keepdims=True)
    dx[...] = kept * (dy - mean)


def glu(x, *, y):
    a, b = np.split(x, 2, axis=-1)  # (R, C) each
    np.multiply(a, sigmoid(b), out=y)


def glu_grad(x, dy, *, dx):
    a, b = np.split(x, 2, axis=-1)
    da, db = np.split(dx, 2, axis=-1)  # views
    gate = sigmoid(b)
    np.multiply(dy, gate, out=da)
    np.multiply(dy * a, gate * (1 - gate), out=db)


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


def _scale_and_shift(xhat, gamma, beta, y):
    y[...] = xhat if gamma is None else xhat * gamma
    if beta is not None:
        y += beta


def _scale_and_shift_grad(xhat, dy, dgamma, dbeta):
    if dgamma is not None:
        np.sum(dy * xhat, axis=0, out=dgamma)  # (D,)
    if dbeta is not None:
        np.sum(dy, axis=0, out=dbeta)  # (D,)


def deviation(var, least, *, out):
    np.maximum(np.sqrt(var), least, out=out)  # (D,)


def moving_average(x, momentum, *, average):
    average *= momentum
    average += x * (1 - momentum)


# ----------------------------------------------------------------------- normalization of rows


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


# ----------------------------------------------------------------------------- activity penalty


def activity_penalty(x, l1, l2, *, losses):
    flat = x.reshape(len(x), -1)
    losses[...] = l1 * np.abs(flat).sum(axis=-1) + l2 * (flat * flat).sum(axis=-1)  # (N,)


def activity_penalty_grad(x, dy, l1, l2, *, dx):
    dx[...] = dy + l1 * np.sign(x) + 2 * l2 * x


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


def focal_crossentropy(p, targets, alpha, w, gamma, epsilon, *, losses, dp):
    total = p.sum(axis=-1, keepdims=True)  # (N, 1)
    q = p / total
    clipped = np.clip(q, epsilon, 1 - epsilon)
    log_q, rest = np.log(clipped), 1 - clipped  # (N, C)
    np.multiply(-w, (alpha * targets * rest**gamma * log_q).sum(axis=-1), out=losses)  # (N,)
    if dp is not None:
        slope = gamma * rest ** (gamma - 1) * log_q - rest**gamma / clipped
        g = np.where(q == clipped, w[:, None] * alpha * targets * slope, 0)  # (N, C) dL/dq
        dp[...] = (g - (g * q).sum(axis=-1, keepdims=True)) / total


# ------------------------------------------------------------------------------- other losses


def elementwise_loss(kind, y, targets, params, w, *, losses, dy):
    f, df = ELEMENTWISE_LOSSES[kind]
    np.multiply(w, f(y, targets, *params).mean(axis=-1), out=losses)  # (N,)
    if dy is not None:
        dy[...] = (w / y.shape[-1])[:, None] * df(y, targets, *params)  # (N, C)


def categorical_hinge(y, targets, w, *, losses, dy):
    right, others = (targets * y).sum(axis=-1), (1 - targets) * y  # (N,), (N, C)
    wrong = others.max(axis=-1)  # (N,) the strongest of the others
    values = np.maximum(wrong - right + 1, 0)
    np.multiply(w, values, out=losses)
    if dy is not None:
        strongest = others == wrong[:, None]  # (N, C) equally strong ones share the gradient
        share = strongest / strongest.sum(axis=-1, keepdims=True)
        dy[...] = (w * (values > 0))[:, None] * ((1 - targets) * share - targets)


def cosine_similarity(y, targets, w, epsilon, *, losses, dy):
    size = np.sqrt((y * y).sum(axis=-1, keepdims=True))  # (N, 1)
    length = np.maximum(size, epsilon)
    target_size = np.sqrt((targets * targets).sum(axis=-1, keepdims=True))
    u, v = y / length, targets / np.maximum(target_size, epsilon)  # (N, C) of length 1
    cosine = (u * v).sum(axis=-1, keepdims=True)
    np.multiply(-w, cosine[:, 0], out=losses)  # (N,)
    if dy is not None:
        along = np.where(size > epsilon, cosine, 0)  # moving along u changes nothing but its length
        dy[...] = w[:, None] * (along * u - v) / length  # (N, C)


def sum_all(x, *, out):
    out[0] = x.sum(dtype=np.float64)


# ------------------------------------------------------------------------------------ metrics


def sparse_matches(p, labels, *, hits):
    np.equal(p.argmax(axis=-1), labels, out=hits)  # (N,)


def categorical_matches(p, targets, *, hits):
    np.equal(p.argmax(axis=-1), targets.argmax(axis=-1), out=hits)  # (N,)


def binary_matches(p, targets, threshold, *, hits):
    np.mean((p > threshold) == targets, axis=-1, out=hits)  # (N,)


# ------------------------------------------------- penalties, clipping, updates (flat vectors)


def penalty(w, l1, l2, *, out):
    w = w.astype(np.float64)
    out[0] = l1 * np.abs(w).sum() + l2 * (w * w).sum()


def penalty_grad(w, l1, l2, *, dw):
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


def nadam(g, m_rate, g_rate, beta_1, beta_2, v_root, epsilon, *, w, m, v):
    m += (g - m) * (1 - beta_1)
    v += (g * g - v) * (1 - beta_2)
    w -= (m_rate * m + g_rate * g) / (v_root * np.sqrt(v) + epsilon)


def adamax(g, alpha, beta_1, beta_2, epsilon, *, w, m, u):
    m += (g - m) * (1 - beta_1)
    np.maximum(beta_2 * u, np.abs(g), out=u)
    w -= alpha * m / (u + epsilon)


def adagrad(g, lr, epsilon, *, w, a):
    a += g * g
    w -= lr * g / np.sqrt(a + epsilon)  # epsilon stands inside the root


def adadelta(g, lr, rho, epsilon, *, w, a, x):
    a *= rho
    a += (1 - rho) * g * g
    d = np.sqrt(x + epsilon) / np.sqrt(a + epsilon) * g
    x *= rho
    x += (1 - rho) * d * d
    w -= lr * d


def lion(g, lr, beta_1, beta_2, *, w, m):
    w -= lr * np.sign(beta_1 * m + (1 - beta_1) * g)
    m *= beta_2
    m += (1 - beta_2) * g


def ftrl(g, lr, power, l1, l2, shrinkage, *, w, n, z):
    before = n**-power
    n += g * g
    after = n**-power
    z += g + 2 * shrinkage * w - (after - before) / lr * w
    w[...] = (np.clip(z, -l1, l1) - z) / (after / lr + l2)


def lamb(g, lr, beta_1, beta_2, m_scale, v_scale, epsilon, *, w, m, v):
    m += (g - m) * (1 - beta_1)
    v += (g * g - v) * (1 - beta_2)
    u = m_scale * m / (np.sqrt(v_scale * v) + epsilon)
    size, step = np.sqrt(np.dot(w, w)), np.sqrt(np.dot(u, u))
    w -= (lr * size / step if size > 0 and step > 0 else lr) * u


def adafactor(g, rate, beta_2, epsilon_1, epsilon_2, threshold, *, w, r, c, v):
    square = g * g + epsilon_1
    if r is None:
        v *= beta_2
        v += (1 - beta_2) * square
    else:  # v from the means of its rows r and of its columns c
        r *= beta_2
        r += (1 - beta_2) * square.mean(axis=-1)
        c *= beta_2
        c += (1 - beta_2) * square.mean(axis=-2)
        v[...] = (r / r.mean(axis=-1, keepdims=True))[..., None] * c[..., None, :]
    u = g / np.sqrt(v)
    size, step = np.sqrt((w * w).mean()), np.sqrt((u * u).mean())
    w -= rate * max(epsilon_2, size) / max(1.0, step / threshold) * u


# ------------------------------------------------------------- before and after an update


def accumulate(due, steps, *, g, total):
    total += g
    if due:  # the mean takes the gradient's place, and the sum starts again
        np.divide(total, steps, out=g)
        total[...] = 0


def ema(momentum, overwrite, *, w, average):
    average *= momentum
    average += (1 - momentum) * w
    if overwrite:
        w[...] = average


def not_negative(*, w):
    np.maximum(w, 0, out=w)


def limit_norm(low, high, rate, epsilon, axis, *, w):
    norm = np.sqrt((w * w).sum(axis=axis, keepdims=True))
    w *= (rate * np.clip(norm, low, high) + (1 - rate) * norm) / (epsilon + norm)
