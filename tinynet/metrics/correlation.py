"""Correlation of targets and predictions along an axis: functions, and their means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_axes
from .base import EPSILON, register
from .reduction import MeanMetric
from .shapes import pair

if TYPE_CHECKING:
    from ..configs.types import Array, ArrayLike, DType


def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Return the correlation along an axis: cov(y, p) by both standard deviations (Pearson)."""
    y, p = _pair(y_true, y_pred, axis, "pearson_correlation")
    y, p = y - y.mean(axis=axis, keepdims=True), p - p.mean(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN where one of them is constant
        y, p = y / y.std(axis=axis, keepdims=True), p / p.std(axis=axis, keepdims=True)
    return (y * p).mean(axis=axis)


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Return the agreement 2 cov / (var y + var p + (mean y - mean p)^2) (Lin 1989)."""
    y, p = _pair(y_true, y_pred, axis, "concordance_correlation")
    mean_y, mean_p = y.mean(axis=axis, keepdims=True), p.mean(axis=axis, keepdims=True)
    spread = y.var(axis=axis, keepdims=True) + p.var(axis=axis, keepdims=True)
    covariance = (y - mean_p) * (p - mean_p)  # its mean is cov(y, p), whatever y is shifted by
    return (2 * covariance / (spread + (mean_y - mean_p) ** 2 + EPSILON)).mean(axis=axis)


def _pair(y_true, y_pred, axis, name):
    y, p = pair(y_true, y_pred)
    if axis is not None:  # that of all entries
        check_axes(name, axis, p.shape)
    return y, p


class _Correlation(MeanMetric):
    higher_is_better = True

    def __init__(self, name: str | None = None, dtype: DType | None = None, axis: int = -1) -> None:
        super().__init__(name, dtype)
        self.axis = axis


@register()
class PearsonCorrelation(_Correlation, of=pearson_correlation):
    """Mean correlation coefficient of targets and predictions along `axis`."""


@register()
class ConcordanceCorrelation(_Correlation, of=concordance_correlation):
    """Mean concordance correlation coefficient (Lin 1989) along `axis`: 1 only for equal values."""
