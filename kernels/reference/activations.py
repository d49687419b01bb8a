"""Elementwise activations for the NumPy reference: pairs of f(x) and its derivative f'(x).

`df` receives x and y = f(x) and uses whichever makes the shorter formula. At a kink the derivative
is the one that Keras's backends take: relu'(0) = 0.
"""

import math

import numpy as np

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


ELEMENTWISE = {
    f.__name__: (f, df)
    for f, df in [
        (linear, d_linear),
        (relu, d_relu),
        (clipped_relu, d_clipped_relu),
        (leaky_relu, d_leaky_relu),
        (elu, d_elu),
        (selu, d_selu),
        (sigmoid, d_sigmoid),
        (tanh, d_tanh),
        (softplus, d_softplus),
        (softsign, d_softsign),
        (silu, d_silu),
        (gelu, d_gelu),
        (gelu_tanh, d_gelu_tanh),
        (exponential, d_exponential),
        (hard_sigmoid, d_hard_sigmoid),
        (mish, d_mish),
    ]
}
