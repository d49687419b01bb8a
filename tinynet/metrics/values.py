"""The formulas: functions of targets and predictions, with one value per row.

Shapes: `y_true` and `y_pred` (N, ..., C) -> (N, ...). All compute in the dtype of the predictions.
"""

import numpy as np

from .base import EPSILON
from .shapes import check_ids, class_ids, floats, pair

# ------------------------------------------------------------------------------------- regression


def mean_squared_error(y_true, y_pred):
    """mean_c (p - y)^2."""
    y, p = pair(y_true, y_pred)
    return ((p - y) ** 2).mean(axis=-1)


def mean_absolute_error(y_true, y_pred):
    """mean_c |p - y|."""
    y, p = pair(y_true, y_pred)
    return np.abs(p - y).mean(axis=-1)


def mean_absolute_percentage_error(y_true, y_pred):
    """100 mean_c |p - y| / max(|y|, 1e-7)."""
    y, p = pair(y_true, y_pred)
    return 100 * np.abs((p - y) / np.maximum(np.abs(y), EPSILON)).mean(axis=-1)


def mean_squared_logarithmic_error(y_true, y_pred):
    """mean_c (log(1 + p) - log(1 + y))^2, with p and y raised to 1e-7 where they are below it."""
    y, p = (np.log(np.maximum(v, EPSILON) + 1) for v in pair(y_true, y_pred))
    return ((p - y) ** 2).mean(axis=-1)


def log_cosh(y_true, y_pred):
    """mean_c log cosh(p - y)."""
    y, p = pair(y_true, y_pred)
    e = p - y
    return (np.logaddexp(e, -e) - np.log(e.dtype.type(2))).mean(axis=-1)


def huber(y_true, y_pred, delta=1.0):
    """mean_c of e^2/2 where |e| = |p - y| <= delta, else delta |e| - delta^2/2 (Huber 1964)."""
    y, p = pair(y_true, y_pred)
    e = np.abs(p - y)
    return np.where(e <= delta, e * e / 2, delta * e - delta * delta / 2).mean(axis=-1)


def cosine_similarity(y_true, y_pred, axis=-1):
    """sum_c y p / (|y| |p|): 1 for the same direction, -1 for the opposite one."""
    y, p = (_unit(v, axis) for v in pair(y_true, y_pred))
    return (y * p).sum(axis=axis)


def _unit(v, axis):
    return v / np.maximum(np.sqrt((v * v).sum(axis=axis, keepdims=True)), EPSILON)


# ------------------------------------------------------------------------------------------ hinge


def hinge(y_true, y_pred):
    """mean_c max(1 - y p, 0) for y = -1 or 1; targets that are all 0 or 1 become -1 or 1 first."""
    y, p = pair(y_true, y_pred)
    return np.maximum(1 - _signs(y) * p, 0).mean(axis=-1)


def squared_hinge(y_true, y_pred):
    """mean_c max(1 - y p, 0)^2; targets as for `hinge`."""
    y, p = pair(y_true, y_pred)
    return (np.maximum(1 - _signs(y) * p, 0) ** 2).mean(axis=-1)


def categorical_hinge(y_true, y_pred):
    """max(1 + max_c (1 - y) p - sum_c y p, 0) for one-hot y."""
    y, p = pair(y_true, y_pred)
    return np.maximum(1 + ((1 - y) * p).max(axis=-1) - (y * p).sum(axis=-1), 0)


def _signs(y):
    return 2 * y - 1 if ((y == 0) | (y == 1)).all() else y


# -------------------------------------------------------------------------------- distributions


def kl_divergence(y_true, y_pred):
    """sum_c y log(y / p), both clipped to [1e-7, 1] (Kullback and Leibler 1951)."""
    y, p = (np.clip(v, EPSILON, 1) for v in pair(y_true, y_pred))
    return (y * np.log(y / p)).sum(axis=-1)


def poisson(y_true, y_pred):
    """mean_c p - y log(p + 1e-7)."""
    y, p = pair(y_true, y_pred)
    return (p - y * np.log(p + EPSILON)).mean(axis=-1)


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """mean_c -(y log p + (1 - y) log(1 - p)), p clipped to [1e-7, 1 - 1e-7].

    Args:
        from_logits: whether `y_pred` is z with p = sigmoid(z).
        label_smoothing: s in y (1 - s) + s / 2.
        axis: of the mean.
    """
    y, p = pair(y_true, y_pred)
    y = y * (1 - label_smoothing) + label_smoothing / 2 if label_smoothing else y
    return _bernoulli(y, p, from_logits).mean(axis=axis)


def sigmoid(z):
    """1 / (1 + exp(-z)), without overflow."""
    return np.exp(-np.logaddexp(0, -z))


def _bernoulli(y, p, from_logits=False):
    """Cross-entropy of every entry."""
    if from_logits:
        return y * np.logaddexp(0, -p) + (1 - y) * np.logaddexp(0, p)
    p = np.clip(p, EPSILON, 1 - EPSILON)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def binary_focal_crossentropy(
    y_true,
    y_pred,
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
):
    """Binary cross-entropy where each entry counts (1 - q)^gamma, q = y p + (1 - y)(1 - p), so that
    what is easy counts little (Lin et al. 2017).

    Args:
        apply_class_balancing: weights of alpha for y = 1 and 1 - alpha for y = 0.
        from_logits, label_smoothing, axis: as for `binary_crossentropy`.
    """
    y, p = pair(y_true, y_pred)
    y = y * (1 - label_smoothing) + label_smoothing / 2 if label_smoothing else y
    p = sigmoid(p) if from_logits else p
    values = (1 - (y * p + (1 - y) * (1 - p))) ** gamma * _bernoulli(y, p)
    if apply_class_balancing:
        values = values * (y * alpha + (1 - y) * (1 - alpha))
    return values.mean(axis=axis)


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """-sum_c y log p, where p is divided by its sum and clipped to [1e-7, 1 - 1e-7].

    Args:
        from_logits: whether `y_pred` is z with p = softmax(z).
        label_smoothing: s in y (1 - s) + s / C.
        axis: of the classes.
    """
    y, p = pair(y_true, y_pred)
    y = y * (1 - label_smoothing) + label_smoothing / y.shape[-1] if label_smoothing else y
    return -(y * _log_probabilities(p, from_logits, axis)).sum(axis=axis)


def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """-sum_c alpha (1 - p)^gamma y log p (Lin et al. 2017); arguments as for
    `categorical_crossentropy`.
    """
    y, p = pair(y_true, y_pred)
    y = y * (1 - label_smoothing) + label_smoothing / y.shape[-1] if label_smoothing else y
    if from_logits:
        p = np.exp(_log_probabilities(p, True, axis))
    log_p = _log_probabilities(p, False, axis)
    return -(alpha * (1 - np.exp(log_p)) ** gamma * y * log_p).sum(axis=axis)


def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    """-log p_y for class ids y; arguments as for `categorical_crossentropy`.

    Args:
        ignore_class: rows of this id have the value 0.

    Raises:
        ValueError: an id that is no class.
    """
    log_p = np.moveaxis(_log_probabilities(floats(y_pred), from_logits, axis), axis, -1)
    ids = class_ids(y_true, log_p, "sparse_categorical_crossentropy")
    ignored = np.zeros(ids.shape, bool) if ignore_class is None else ids == ignore_class
    index = check_ids(np.where(ignored, 0, ids), log_p.shape[-1], "sparse_categorical_crossentropy")
    values = -np.take_along_axis(log_p, index[..., None], axis=-1)[..., 0]
    return np.where(ignored, values.dtype.type(0), values)


def _log_probabilities(p, from_logits, axis):
    if from_logits:
        z = p - p.max(axis=axis, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):  # a row of zeros has no distribution
        p = p / p.sum(axis=axis, keepdims=True)
    return np.log(np.clip(p, EPSILON, 1 - EPSILON))


# ------------------------------------------------------------------------------------ correlation


def pearson_correlation(y_true, y_pred, axis=-1):
    """The correlation of y and p along an axis: their covariance by both standard deviations."""
    y, p = pair(y_true, y_pred)
    y, p = y - y.mean(axis=axis, keepdims=True), p - p.mean(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN where one of them is constant
        y, p = y / y.std(axis=axis, keepdims=True), p / p.std(axis=axis, keepdims=True)
    return (y * p).mean(axis=axis)


def concordance_correlation(y_true, y_pred, axis=-1):
    """Agreement of y and p: 2 cov / (var y + var p + (mean y - mean p)^2) (Lin 1989)."""
    y, p = pair(y_true, y_pred)
    mean_y, mean_p = y.mean(axis=axis, keepdims=True), p.mean(axis=axis, keepdims=True)
    spread = y.var(axis=axis, keepdims=True) + p.var(axis=axis, keepdims=True)
    covariance = (y - mean_p) * (p - mean_p)  # its mean is cov(y, p), whatever y is shifted by
    return (2 * covariance / (spread + (mean_y - mean_p) ** 2 + EPSILON)).mean(axis=axis)
