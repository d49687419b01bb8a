"""Errors of regression, and losses followed as metrics."""

import numpy as np

from .. import losses
from .base import MeanMetric, register


class _LossMetric(MeanMetric):
    """The mean of a loss's values over rows, apart from what is trained on."""

    loss = None  # class
    loss_keys: tuple = ()
    higher_is_better = False

    def __init__(self, name=None, **options):
        self._loss = self.loss(reduction="none", **options)
        super().__init__(name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.add(self._loss(y_true, y_pred), sample_weight)

    def get_config(self):
        return {"name": self.name, **{k: getattr(self._loss, k) for k in self.loss_keys}}


@register("mse", "mean_squared_error")
class MeanSquaredError(_LossMetric):
    """mean (p - y)^2."""

    loss = losses.MeanSquaredError


@register("mae", "mean_absolute_error")
class MeanAbsoluteError(_LossMetric):
    """mean |p - y|."""

    loss = losses.MeanAbsoluteError


@register("bce")
class BinaryCrossentropy(_LossMetric):
    """The loss of this name as a metric."""

    loss = losses.BinaryCrossentropy
    loss_keys = ("from_logits", "label_smoothing")


@register()
class CategoricalCrossentropy(_LossMetric):
    """The loss of this name as a metric."""

    loss = losses.CategoricalCrossentropy
    loss_keys = ("from_logits", "label_smoothing")


@register()
class SparseCategoricalCrossentropy(_LossMetric):
    """The loss of this name as a metric."""

    loss = losses.SparseCategoricalCrossentropy
    loss_keys = ("from_logits",)


@register("rmse")
class RootMeanSquaredError(MeanMetric):
    """sqrt(mean (p - y)^2) over all entries."""

    higher_is_better = False

    def values(self, y_true, y_pred):
        return (y_pred - y_true.astype(y_pred.dtype)) ** 2

    def result(self):
        return float(np.sqrt(super().result()))
