"""Targets, predictions and weights in shapes that belong together."""

import numpy as np

from ..config import floatx
from ..losses.checks import same_rank


def pair(y_true, y_pred, name="y_true"):
    """Return targets and predictions as floats of one shape and dtype, the predictions'.

    Raises:
        ValueError: the shapes differ.
    """
    y_pred = floats(y_pred)
    y_true, y_pred = same_rank(np.asarray(y_true), y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"{name}: expected targets of shape {y_pred.shape}, received "
                         f"{y_true.shape}")  # fmt: skip
    return y_true.astype(y_pred.dtype, copy=False), y_pred


def matrices(y_true, y_pred, name):
    """Return targets and predictions as `pair` makes them, of shape (N, C).

    Raises:
        ValueError: another rank, or shapes that differ.
    """
    y, p = pair(y_true, y_pred, name)
    if p.ndim != 2:
        raise ValueError(f"{name}: expected targets and predictions of shape (N, C), received "
                         f"{p.shape}")  # fmt: skip
    return y, p


def floats(array):
    """Return an array of floats; of whole numbers, those of `floatx()`."""
    array = np.asarray(array)
    return array if array.dtype.kind == "f" else array.astype(floatx())


def class_ids(y_true, y_pred, name):
    """Return class ids (N, ...) for outputs (N, ..., C); a last axis of length 1 is dropped.

    Raises:
        ValueError: another shape.
    """
    y_true = np.asarray(y_true)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(f"{name}: expected class ids of shape {y_pred.shape[:-1]}, received "
                         f"{y_true.shape}")  # fmt: skip
    return y_true


def check_ids(ids, classes, name):
    """Return `ids` as integers for an index, or raise an error that names the first bad one."""
    index = ids.astype(np.intp)
    wrong = (index < 0) | (index >= classes)
    if wrong.any():
        row = np.argwhere(wrong)[0]
        raise ValueError(f"{name}: row {row[0]} has class id {ids[tuple(row)]}, expected one in "
                         f"[0, {classes})")  # fmt: skip
    return index


def spread(weights, shape, name="sample_weight"):
    """Return weights for all entries of `shape`: of None, a number, an array of its first axes."""
    weights = np.asarray(1.0 if weights is None else weights)
    if weights.ndim > 1 and weights.ndim == len(shape) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    fitting = weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim))
    try:
        return np.broadcast_to(fitting, shape)
    except ValueError:
        raise ValueError(f"{name}: expected shape "
                         f"{shape[:1]} or {shape}, received {weights.shape}") from None  # fmt: skip
