"""The reference kernels of activations: formulas of single entries, and what works on whole rows.

A formula f(x) stands above its derivative d_f(x, y), which receives y = f(x) as well and uses
whichever makes the shorter formula; options follow. The compiled code of the other devices is made
from this text. At a kink the derivative is the one that Keras's backends take: relu'(0) = 0.
"""

import math

import numpy as np

__all__ = [
    "elementwise", "elementwise_grad", "glu", "glu_grad", "log_softmax", "log_softmax_grad",
    "prelu", "prelu_grad", "softmax", "softmax_grad", "sparsemax", "sparsemax_grad",
]  # fmt: skip

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017


def linear(x):
    return x


def d_linear(x, y):
    return np.ones_like(x)


def relu(x):
    return np.maximum(x, 0)


def d_relu(x, y):
    return x > 0


def clipped_relu(x, negative_slope, max_value, threshold):
    y = np.where(x > threshold, x, negative_slope * (x - threshold))
    return np.minimum(y, max_value)


def d_clipped_relu(x, y, negative_slope, max_value, threshold):
    return np.where(x > threshold, x < max_value, negative_slope).astype(x.dtype)


def leaky_relu(x, slope):
    return np.where(x > 0, x, slope * x)


def d_leaky_relu(x, y, slope):
    return np.where(x > 0, 1, slope).astype(x.dtype)


def elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def d_elu(x, y, alpha):
    return np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


def selu(x):
    return SELU_SCALE * elu(x, SELU_ALPHA)


def d_selu(x, y):
    return SELU_SCALE * d_elu(x, y, SELU_ALPHA)


def sigmoid(x):
    e = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1, e) / (1 + e)


def d_sigmoid(x, y):
    return y * (1 - y)


def tanh(x):
    return np.tanh(x)


def d_tanh(x, y):
    return 1 - y * y


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def d_softplus(x, y):
    return sigmoid(x)


def softsign(x):
    return x / (1 + np.abs(x))


def d_softsign(x, y):
    return 1 / (1 + np.abs(x)) ** 2


def silu(x):
    return x * sigmoid(x)


def d_silu(x, y):
    s = sigmoid(x)
    return s + y * (1 - s)


def gelu(x):
    return x * _normal_cdf(x)


def d_gelu(x, y):
    density = np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
    return _normal_cdf(x) + x * density


def _normal_cdf(x):
    from scipy.special import ndtr  # imported here: `import tinynet` loads no scipy

    return ndtr(x)


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def d_gelu_tanh(x, y):
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + 0.044715 * x * x * x))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)


def exponential(x):
    return np.exp(x)


def d_exponential(x, y):
    return y


def hard_sigmoid(x):
    return np.clip(x / 6 + 0.5, 0, 1)


def d_hard_sigmoid(x, y):
    return ((x > -3) & (x < 3)).astype(x.dtype) / 6


def mish(x):
    return x * np.tanh(softplus(x))


def d_mish(x, y):
    t = np.tanh(softplus(x))
    return t + x * (1 - t * t) * sigmoid(x)


def celu(x, alpha):
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)


def d_celu(x, y, alpha):
    return np.where(x > 0, 1, np.exp(np.minimum(x, 0) / alpha))


def squareplus(x, b):
    root = np.sqrt(x * x + b)
    away = root + np.abs(x)  # of x < 0 nothing cancels this way
    return np.where(x >= 0, away / 2, b / np.where(x >= 0, 1, 2 * away))


def d_squareplus(x, y, b):
    return y / np.sqrt(x * x + b)


def soft_shrink(x, threshold):
    return np.where(x > threshold, x - threshold, np.where(x < -threshold, x + threshold, 0))


def d_soft_shrink(x, y, threshold):
    return ((x > threshold) | (x < -threshold)).astype(x.dtype)


def hard_shrink(x, threshold):
    return np.where(np.abs(x) > threshold, x, 0)


def d_hard_shrink(x, y, threshold):
    return (np.abs(x) > threshold).astype(x.dtype)


def sparse_plus(x):
    return np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x))


def d_sparse_plus(x, y):
    return np.clip((x + 1) / 2, 0, 1)


def hard_tanh(x):
    return np.clip(x, -1, 1)


def d_hard_tanh(x, y):
    return ((x >= -1) & (x <= 1)).astype(x.dtype)


def tanh_shrink(x):
    return x - np.tanh(x)


def d_tanh_shrink(x, y):
    return np.tanh(x) ** 2


def threshold(x, threshold, default_value):
    return np.where(x > threshold, x, x.dtype.type(default_value))


def d_threshold(x, y, threshold, default_value):
    return (x > threshold).astype(x.dtype)


def log_sigmoid(x):
    return -softplus(-x)


def d_log_sigmoid(x, y):
    return sigmoid(-x)


def sparse_sigmoid(x):
    return np.clip((x + 1) / 2, 0, 1)


def d_sparse_sigmoid(x, y):
    return ((x > -1) & (x < 1)).astype(x.dtype) / 2


def hard_silu(x):
    return x * np.clip(x / 6 + 0.5, 0, 1)


def d_hard_silu(x, y):
    inside = (x > -3) & (x < 3)
    return np.clip(x / 6 + 0.5, 0, 1) + np.where(inside, x / 6, 0)


# ----------------------------------------------------------------------------------------- kernels

# name -> (f, df)
FUNCTIONS = {
    name[2:]: (globals()[name[2:]], df) for name, df in list(globals().items()) if name[:2] == "d_"
}


def elementwise(kind, x, params, *, y):
    f, _ = FUNCTIONS[kind] if isinstance(kind, str) else kind
    y[...] = f(x, *params)


def elementwise_grad(kind, x, y, dy, params, *, dx):
    _, df = FUNCTIONS[kind] if isinstance(kind, str) else kind
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
