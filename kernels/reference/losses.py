"""The reference kernels of losses and of the metrics that count matches.

A formula f(y, t) of one prediction y and target t stands above its derivative d_f by y; options
follow. The compiled code of the other devices is made from this text.
"""

import numpy as np

from .activations import log_softmax, sigmoid

__all__ = [
    "binary_crossentropy", "binary_matches", "categorical_hinge", "categorical_matches",
    "cosine_similarity", "crossentropy", "elementwise_loss", "focal_crossentropy",
    "sigmoid_crossentropy", "softmax_crossentropy", "sparse_crossentropy", "sparse_matches",
    "sparse_softmax_crossentropy",
]  # fmt: skip


def squared(y, t):
    return (y - t) ** 2


def d_squared(y, t):
    return 2 * (y - t)


def absolute(y, t):
    return np.abs(y - t)


def d_absolute(y, t):
    return np.sign(y - t)


def huber(y, t, delta):
    e = np.abs(y - t)
    return np.where(e <= delta, 0.5 * e * e, delta * e - 0.5 * delta * delta)


def d_huber(y, t, delta):
    return np.clip(y - t, -delta, delta)


def percentage(y, t, epsilon):
    return 100 * np.abs((y - t) / np.maximum(np.abs(t), epsilon))


def d_percentage(y, t, epsilon):
    return 100 * np.sign(y - t) / np.maximum(np.abs(t), epsilon)


def squared_log(y, t, epsilon):
    return (np.log1p(np.maximum(y, epsilon)) - np.log1p(np.maximum(t, epsilon))) ** 2


def d_squared_log(y, t, epsilon):
    raised = np.maximum(y, epsilon)
    difference = np.log1p(raised) - np.log1p(np.maximum(t, epsilon))
    return (y > epsilon) * 2 * difference / (1 + raised)


def log_cosh(y, t):
    e = np.abs(y - t)
    return e + np.log1p(np.expm1(-2 * e) / 2)  # e^e never appears


def d_log_cosh(y, t):
    return np.tanh(y - t)


def hinge(y, t):
    return np.maximum(1 - _sign(t) * y, 0)


def d_hinge(y, t):
    return np.where(_sign(t) * y < 1, -_sign(t), 0)


def squared_hinge(y, t):
    return np.maximum(1 - _sign(t) * y, 0) ** 2


def d_squared_hinge(y, t):
    return -2 * _sign(t) * np.maximum(1 - _sign(t) * y, 0)


def _sign(t):
    return t - (t == 0)  # of the labels 0 and 1, too


def poisson(y, t, epsilon):
    return y - t * np.log(y + epsilon)


def d_poisson(y, t, epsilon):
    return 1 - t / (y + epsilon)


def kl_divergence(y, t, epsilon):
    t = np.clip(t, epsilon, 1)
    return t * np.log(t / np.clip(y, epsilon, 1))


def d_kl_divergence(y, t, epsilon):
    clipped = np.clip(y, epsilon, 1)
    return np.where(y == clipped, -np.clip(t, epsilon, 1) / clipped, 0)


def binary_focal(y, t, gamma, positive, negative, epsilon):
    wrong, clipped = 1 - (t * y + (1 - t) * (1 - y)), np.clip(y, epsilon, 1 - epsilon)
    entropy = -t * np.log(clipped) - (1 - t) * np.log1p(-clipped)
    return (t * positive + (1 - t) * negative) * wrong**gamma * entropy


def d_binary_focal(y, t, gamma, positive, negative, epsilon):
    wrong, clipped = 1 - (t * y + (1 - t) * (1 - y)), np.clip(y, epsilon, 1 - epsilon)
    entropy = -t * np.log(clipped) - (1 - t) * np.log1p(-clipped)
    slope = np.where(y == clipped, (clipped - t) / (clipped * (1 - clipped)), 0)
    # wrong' = 1 - 2t
    by_factor = power_slope(wrong, gamma) * (1 - 2 * t) * entropy
    return (t * positive + (1 - t) * negative) * (by_factor + wrong**gamma * slope)


def power_slope(x, gamma):
    """The derivative of x^gamma; 0 at x = 0, where it may be infinite."""
    if gamma >= 1:
        return gamma * x ** (gamma - 1)
    return gamma * np.where(x == 0, 0, np.where(x == 0, 1, x) ** (gamma - 1))


# name -> (f, df)
ELEMENTWISE_LOSSES = {
    name[2:]: (globals()[name[2:]], df) for name, df in list(globals().items()) if name[:2] == "d_"
}


def elementwise_loss(kind, y, targets, params, w, *, losses, dy):
    f, df = ELEMENTWISE_LOSSES[kind] if isinstance(kind, str) else kind
    np.multiply(w, f(y, targets, *params).mean(axis=-1), out=losses)  # (N,)
    if dy is not None:
        dy[...] = (w / y.shape[-1])[:, None] * df(y, targets, *params)  # (N, C)


# ----------------------------------------------------------------------------------- cross-entropy
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


# ------------------------------------------------------------------------------------ other losses


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


# ----------------------------------------------------------------------------------------- metrics


def sparse_matches(p, labels, *, hits):
    np.equal(p.argmax(axis=-1), labels, out=hits)  # (N,)
    hits[np.isnan(p).any(axis=-1)] = 0  # NaN is no hit


def categorical_matches(p, targets, *, hits):
    sparse_matches(p, targets.argmax(axis=-1), hits=hits)  # (N,)


def binary_matches(p, targets, threshold, *, hits):
    np.mean(((p > threshold) == targets) & ~np.isnan(p), axis=-1, out=hits)  # (N,)
