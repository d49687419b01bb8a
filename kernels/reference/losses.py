"""The reference kernels of the losses beyond cross-entropy; a part of `reference`."""

import numpy as np

from .losses_elementwise import ELEMENTWISE_LOSSES

__all__ = [
    "categorical_hinge",
    "cosine_similarity",
    "elementwise_loss",
    "focal_crossentropy",
]


def elementwise_loss(kind, y, targets, params, w, *, losses, dy):
    f, df = ELEMENTWISE_LOSSES[kind]
    np.multiply(w, f(y, targets, *params).mean(axis=-1), out=losses)  # (N,)
    if dy is not None:
        dy[...] = (w / y.shape[-1])[:, None] * df(y, targets, *params)  # (N, C)


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
