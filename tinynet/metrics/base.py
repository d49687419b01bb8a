"""What all metrics share: sums over batches, divided once at the end, so that an unequal last batch
counts exactly by its rows.
"""

import numpy as np

from ..devices import load_ops
from ..naming import snake_case
from ..registry import Configurable, Registry

_registry = Registry("metric", "metrics")
register = _registry.register


class Metric(Configurable):
    """Base of all metrics: `update_state` per batch, `result` any time, `reset_state` per epoch."""

    config_keys = ("name",)
    higher_is_better = True

    def __init__(self, name=None):
        self.name = name or snake_case(type(self).__name__)
        self.ops = load_ops("reference")
        self.reset_state()

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch: targets and predictions with N rows, weights (N,)."""
        raise NotImplementedError(f"{type(self).__name__} needs update_state")

    def result(self):
        """The value over all batches since `reset_state`."""
        raise NotImplementedError(f"{type(self).__name__} needs result")

    def reset_state(self):
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} needs reset_state")

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Add a batch and return the value so far."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


class MeanMetric(Metric):
    """total += sum w v, count += sum w, result = total / count, for one value v per row."""

    def values(self, y_true, y_pred):
        """One value per row (or per row and position)."""
        raise NotImplementedError(f"{type(self).__name__} needs values(y_true, y_pred)")

    def reset_state(self):
        self.total = self.count = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = fit_shapes(y_true, y_pred)
        self.add(self.values(y_true, y_pred), sample_weight)

    def add(self, values, weights=None):
        """Add values (N, ...) with weights (N,) or of the values' shape."""
        values = np.asarray(values)
        if weights is None:
            self.total += float(values.sum(dtype=np.float64))
            self.count += values.size
            return
        weights = spread_weights(weights, values.shape)
        self.total += float(np.sum(values * weights, dtype=np.float64))
        self.count += float(weights.sum(dtype=np.float64))

    def result(self):
        return self.total / self.count if self.count else 0.0


def fit_shapes(y_true, y_pred):
    """Both as arrays; (N,) targets beside (N, 1) predictions become (N, 1), and the other way."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim + 1 == y_pred.ndim and y_pred.shape[-1] == 1:
        y_true = y_true[..., None]
    elif y_pred.ndim + 1 == y_true.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    if y_true.shape[:1] != y_pred.shape[:1]:
        raise ValueError(
            f"y_true and y_pred must have the same number of rows, received shapes {y_true.shape} "
            f"and {y_pred.shape}"
        )
    return y_true, y_pred


def spread_weights(weights, shape):
    """weights (N,) or (N, 1) as an array that multiplies values of `shape`."""
    weights = np.asarray(weights)
    if weights.ndim > 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if weights.ndim == 0 or weights.shape != shape[: weights.ndim]:
        raise ValueError(
            f"sample_weight: expected shape {shape[:1]} or {shape}, received {weights.shape}"
        )
    weights = weights.reshape(*weights.shape, *(1,) * (len(shape) - weights.ndim))
    return np.broadcast_to(weights, shape)


@register()
class Mean(MeanMetric):
    """Weighted mean of whatever numbers it is given: `update_state(values, sample_weight)`."""

    def update_state(self, values, sample_weight=None):
        self.add(np.atleast_1d(np.asarray(values)), sample_weight)

    def __call__(self, values, sample_weight=None):
        self.update_state(values, sample_weight)
        return self.result()


@register()
class MeanMetricWrapper(MeanMetric):
    """The mean of a user's function fn(y_true, y_pred) -> one value per row."""

    def __init__(self, fn, name=None):
        self.fn = fn
        own = getattr(fn, "__name__", None) or getattr(fn, "name", None)
        super().__init__(name or own or snake_case(type(fn).__name__))

    def values(self, y_true, y_pred):
        return np.atleast_1d(np.asarray(self.fn(y_true, y_pred)))

    def get_config(self):
        return {"fn": self.fn, "name": self.name}
