"""Errors of regression: means over entries, and R^2."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from .. import losses
from .base import Metric, register
from .reduction import LossMetric
from .shapes import matrices, pair, spread

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike, Config, DType


@register("mse")
class MeanSquaredError(LossMetric, of=losses.MeanSquaredError):
    """mean (p - y)^2."""


@register("mae")
class MeanAbsoluteError(LossMetric, of=losses.MeanAbsoluteError):
    """mean |p - y|."""


@register("mape")
class MeanAbsolutePercentageError(LossMetric, of=losses.MeanAbsolutePercentageError):
    """100 mean |p - y| / |y|."""


@register("msle")
class MeanSquaredLogarithmicError(LossMetric, of=losses.MeanSquaredLogarithmicError):
    """mean (log(1 + p) - log(1 + y))^2."""


@register("logcosh")
class LogCoshError(LossMetric, of=losses.LogCosh):
    """mean log cosh(p - y)."""

    def __init__(self, name: str = "logcosh", dtype: DType | None = None) -> None:
        super().__init__(name, dtype)


@register("rmse")
class RootMeanSquaredError(MeanSquaredError):
    """sqrt(mean (p - y)^2) over all entries."""

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred, self.name)
        return (p - y) ** 2  # entry by entry, which weights may be, too

    def result(self) -> Any:
        return float(np.sqrt(super().result()))


@register()
class CosineSimilarity(LossMetric, of=losses.CosineSimilarity):
    """Mean of sum_c y p / (|y| |p|): 1 where targets and predictions point the same way.

    Args:
        axis: along which the vectors lie.
    """

    higher_is_better: Any = True

    def __init__(self, name: str = "cosine_similarity", dtype: DType | None = None,
                 axis: int = -1) -> None:  # fmt: skip
        super().__init__(name, dtype)
        self.axis = axis

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        return -super().values(y_true, y_pred)  # as a loss it is less the nearer they are

    def get_config(self) -> Config:
        config = super().get_config()
        if self.axis == -1:
            del config["axis"]  # Keras's config has no axis
        return config


@register()
class R2Score(Metric):
    """1 - sum (y - p)^2 / sum (y - mean y)^2, for every output: the share of variance explained.

    Args:
        class_aggregation: "uniform_average" of the outputs, "variance_weighted_average", or None
            for an array (C,).
        num_regressors: k > 0 for the adjusted 1 - (1 - R^2) (n - 1) / (n - k - 1), where n counts
            all entries of the targets.
    """

    counts: bool
    higher_is_better: Any
    num_regressors: int

    higher_is_better, counts = True, False

    def __init__(self, class_aggregation: str = "uniform_average", num_regressors: int = 0,
                 name: str = "r2_score", dtype: DType | None = None) -> None:  # fmt: skip
        known = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in known:
            raise ValueError(f"R2Score: class_aggregation must be one of {known}, received "
                             f"{class_aggregation!r}")  # fmt: skip
        if num_regressors < 0:
            raise ValueError(f"R2Score: num_regressors must be >= 0, received {num_regressors!r}")
        super().__init__(dtype, name)
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self._add_sums((), "num_samples")
        self.sum: Any = None  # the other sums (C,) come with the first batch

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y, p = matrices(y_true, y_pred, self.name)
        if self.sum is None:
            self._add_sums(p.shape[1:], "sum", "squared_sum", "total_mse", "count")
        w, y, p = (v.astype(np.float64) for v in (spread(sample_weight, p.shape), y, p))  # (N, C)
        self.sum.assign_add((w * y).sum(axis=0))
        self.squared_sum.assign_add((w * y * y).sum(axis=0))
        self.total_mse.assign_add((w * (y - p) ** 2).sum(axis=0))
        self.count.assign_add(w.sum(axis=0))
        self.num_samples.assign_add(y.size)

    def result(self) -> Any:
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
            warnings.warn(f"{self.name}: {k} regressors are too many for the adjusted R2 of "
                          f"{n:.0f} values; this is the standard one", stacklevel=3)  # fmt: skip
            return scores
        return 1 - (1 - scores) * (n - 1) / (n - k - 1)
