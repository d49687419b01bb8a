"""Correlation of targets and predictions along an axis."""

from . import values
from .base import register
from .reduction import MeanMetric


class _Correlation(MeanMetric):
    config_keys = ("name", "dtype", "axis")
    higher_is_better = True

    def __init__(self, name, dtype, axis):
        super().__init__(name, dtype)
        self.axis = axis

    @property
    def counts_rows(self):
        return self.axis == -1  # along axis 0 every batch has its own correlation


@register()
class PearsonCorrelation(_Correlation):
    """Mean correlation coefficient of targets and predictions along `axis`."""

    def __init__(self, name="pearson_correlation", dtype=None, axis=-1):
        super().__init__(name, dtype, axis)

    def values(self, y_true, y_pred):
        return values.pearson_correlation(y_true, y_pred, self.axis)


@register()
class ConcordanceCorrelation(_Correlation):
    """Mean concordance correlation coefficient (Lin 1989) along `axis`: 1 only for equal values."""

    def __init__(self, name="concordance_correlation", dtype=None, axis=-1):
        super().__init__(name, dtype, axis)

    def values(self, y_true, y_pred):
        return values.concordance_correlation(y_true, y_pred, self.axis)
