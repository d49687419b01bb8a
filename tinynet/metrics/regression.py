"""Errors of regression: means over entries, and R^2."""

import warnings

import numpy as np

from .. import losses
from .base import Metric, register
from .reduction import LossMetric
from .shapes import matrices, pair, spread


@register("mse")
class MeanSquaredError(LossMetric):
    """mean (p - y)^2."""

    loss_type = losses.MeanSquaredError


@register("mae")
class MeanAbsoluteError(LossMetric):
    """mean |p - y|."""

    loss_type = losses.MeanAbsoluteError


@register("mape")
class MeanAbsolutePercentageError(LossMetric):
    """100 mean |p - y| / |y|."""

    loss_type = losses.MeanAbsolutePercentageError


@register("msle")
class MeanSquaredLogarithmicError(LossMetric):
    """mean (log(1 + p) - log(1 + y))^2."""

    loss_type = losses.MeanSquaredLogarithmicError


@register("logcosh")
class LogCoshError(LossMetric):
    """mean log cosh(p - y)."""

    loss_type = losses.LogCosh

    def __init__(self, name="logcosh", dtype=None):
        super().__init__(name, dtype)


@register("rmse")
class RootMeanSquaredError(MeanSquaredError):
    """sqrt(mean (p - y)^2) over all entries."""

    def values(self, y_true, y_pred):
        y, p = pair(y_true, y_pred, self.name)
        return (p - y) ** 2  # entry by entry, which weights may be, too

    def result(self):
        return float(np.sqrt(super().result()))


@register()
class CosineSimilarity(LossMetric):
    """Mean of sum_c y p / (|y| |p|): 1 where targets and predictions point the same way.

    Args:
        axis: along which the vectors lie.
    """

    loss_type = losses.CosineSimilarity
    higher_is_better = True

    def __init__(self, name="cosine_similarity", dtype=None, axis=-1):
        super().__init__(name, dtype)
        self.axis = axis

    def values(self, y_true, y_pred):
        return -super().values(y_true, y_pred)  # as a loss it is less the nearer they are

    def get_config(self):
        extra = {} if self.axis == -1 else {"axis": self.axis}  # Keras's config has no axis
        return {**super().get_config(), **extra}


@register()
class R2Score(Metric):
    """1 - sum (y - p)^2 / sum (y - mean y)^2, for every output: the share of variance explained.

    Args:
        class_aggregation: "uniform_average" of the outputs, "variance_weighted_average", or None
            for an array (C,).
        num_regressors: k > 0 for the adjusted 1 - (1 - R^2) (n - 1) / (n - k - 1), where n counts
            all entries of the targets.
    """

    config_keys = ("name", "dtype", "class_aggregation", "num_regressors")
    higher_is_better, counts = True, False

    def __init__(
        self, class_aggregation="uniform_average", num_regressors=0, name="r2_score", dtype=None
    ):
        known = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in known:
            raise ValueError(
                f"R2Score: class_aggregation must be one of {known}, received {class_aggregation!r}"
            )
        if num_regressors < 0:
            raise ValueError(f"R2Score: num_regressors must be >= 0, received {num_regressors!r}")
        super().__init__(dtype, name)
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self._add_sums((), "num_samples")
        self.sum = None  # the other sums (C,) come with the first batch

    def update_state(self, y_true, y_pred, sample_weight=None):
        y, p = matrices(y_true, y_pred, self.name)
        if self.sum is None:
            self._add_sums(p.shape[1:], "sum", "squared_sum", "total_mse", "count")
        w = spread(1.0 if sample_weight is None else sample_weight, p.shape)  # (N, C)
        w, y, p = (v.astype(np.float64) for v in (w, y, p))
        self.sum.assign_add((w * y).sum(axis=0))
        self.squared_sum.assign_add((w * y * y).sum(axis=0))
        self.total_mse.assign_add((w * (y - p) ** 2).sum(axis=0))
        self.count.assign_add(w.sum(axis=0))
        self.num_samples.assign_add(y.size)

    def result(self):
        if self.sum is None:
            return float("nan")
        with np.errstate(divide="ignore", invalid="ignore"):  # a constant target explains nothing
            total = self.squared_sum - self.sum * (self.sum / self.count)  # (C,)
            scores = 1 - self.total_mse / total
            scores = np.where(np.isinf(scores), 0.0, scores)
            if self.class_aggregation == "uniform_average":
                scores = scores.mean()
            elif self.class_aggregation == "variance_weighted_average":
                scores = (total * scores).sum() / total.sum()
        scores = self._adjusted(scores)
        return scores if np.ndim(scores) else float(scores)

    def _adjusted(self, scores):
        n, k = float(self.num_samples), self.num_regressors
        if k == 0 or n == 0:
            return scores
        if k >= n - 1:
            warnings.warn(
                f"{self.name}: {k} regressors are too many for the adjusted R2 of {n:.0f} values; "
                "this is the standard one",
                stacklevel=3,
            )
            return scores
        return 1 - (1 - scores) * (n - 1) / (n - k - 1)
