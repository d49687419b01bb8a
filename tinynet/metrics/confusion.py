"""Counts of true and false positives and negatives at thresholds; Precision and Recall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.attributes import Fixed
from ..configs.checks import check_integer, check_number
from .base import Metric, register
from .shapes import pair, spread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import ArrayLike, Config, DType


def count_at(thresholds, y_true, y_pred, weights):
    """Return weighted true positives, false positives (T,), and all positives and negatives.

    All arguments flat (M,), thresholds (T,). Predictions are sorted into the intervals between
    thresholds once, instead of being compared with every threshold.
    """
    order = np.argsort(thresholds)
    interval = np.searchsorted(thresholds[order], y_pred)  # number of thresholds t with p > t
    interval[np.isnan(y_pred)] = 0  # NaN is above none
    bins = len(thresholds) + 1
    positive = np.bincount(interval, weights * y_true, bins)
    negative = np.bincount(interval, weights * ~y_true, bins)
    above = np.empty((2, len(thresholds)))
    for sums, counts in zip(above, (positive, negative), strict=True):
        sums[order] = np.cumsum(counts[::-1])[::-1][1:]  # those with p > t
    return *above, positive.sum(), negative.sum()


def ratio(a, b):
    """Return a / b, and 0 where b is 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b != 0)


def evenly_spaced(thresholds) -> bool:
    """Return whether these are 0, 1/n, 2/n, ..., 1: Keras then clips predictions to [0, 1]."""
    n = len(thresholds)
    return n >= 3 and np.allclose(thresholds, np.arange(n) / (n - 1), atol=1e-7)


def check_probabilities(y_pred, name, hint=""):
    """Raise for a prediction outside [0, 1], or NaN."""
    if y_pred.size and not (y_pred.min() >= 0 and y_pred.max() <= 1):
        raise ValueError(
            f"{name}: predictions must be probabilities in [0, 1], received "
            f"[{y_pred.min()}, {y_pred.max()}]{hint}"
        )


class Counts(Metric):
    """The four counts at each of some thresholds (T,); p > threshold is positive."""

    thresholds: Any = Fixed()  # list of float

    clip = False

    def _make_counts(self, thresholds, shape=()):
        """Make the variables (T, *shape) for `thresholds`."""
        self.thresholds = [float(t) for t in thresholds]
        shape = (len(self.thresholds), *shape)
        self._add_sums(
            shape, "true_positives", "false_positives", "true_negatives", "false_negatives"
        )

    def _add(self, y_true, y_pred, sample_weight):
        """Add entries of any shape; weights are of the rows, or of every entry."""
        weights = spread(sample_weight, y_pred.shape)
        if self.clip:
            y_pred = np.clip(y_pred, 0, 1)
        tp, fp, positives, negatives = count_at(
            np.array(self.thresholds, y_pred.dtype),  # float32 0.3 is not above 0.3
            y_true.ravel().astype(bool),
            y_pred.ravel(),
            weights.ravel().astype(np.float64),
        )
        self._add_counts(tp, fp, positives, negatives)

    def _add_counts(self, tp, fp, positives, negatives):
        self.true_positives.assign_add(tp)
        self.false_positives.assign_add(fp)
        self.true_negatives.assign_add(negatives - fp)
        self.false_negatives.assign_add(positives - tp)

    def _class(self, y_true, y_pred):
        """Return the targets and predictions, those of class `class_id` if it is given."""
        if self.class_id is None:
            return y_true, y_pred
        classes = y_pred.shape[-1]
        if y_pred.ndim < 2 or not 0 <= self.class_id < classes:
            raise ValueError(
                f"{self.name}: class_id must be in [0, {classes}), received {self.class_id}, "
                f"for predictions of shape {y_pred.shape}"
            )
        return y_true[..., self.class_id], y_pred[..., self.class_id]

    def _precisions(self):
        return ratio(self.true_positives, self.true_positives + self.false_positives)

    def _recalls(self):
        return ratio(self.true_positives, self.true_positives + self.false_negatives)

    def _specificities(self):
        return ratio(self.true_negatives, self.true_negatives + self.false_positives)


class _AtThresholds(Counts):
    """One value for each threshold that the user gave."""

    class_id = top_k = None
    init_thresholds: Any = Fixed()
    counted = None  # the count that is the result

    def __init__(self, thresholds: float | Sequence[float] | None = None, name: str | None = None,
                 dtype: DType | None = None, *, default: float = 0.5) -> None:  # fmt: skip
        super().__init__(dtype, name)
        for t in () if thresholds is None else np.ravel(np.asarray(thresholds, object)):
            check_number(f"{type(self).__name__}: thresholds", t, 0, 1)
        chosen = np.atleast_1d(default if thresholds is None else thresholds).astype(np.float64)
        self.init_thresholds = thresholds
        self._make_counts(chosen)
        self.clip = evenly_spaced(chosen)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y_true, y_pred = pair(y_true, y_pred, self.name)
        if self.top_k is not None:  # all others can never be positive
            rank = np.argsort(np.argsort(-y_pred, axis=-1, kind="stable"), axis=-1)
            y_pred = np.where(rank < self.top_k, y_pred, -np.inf)
        y_true, y_pred = self._class(y_true, y_pred)
        self._add(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        return self._of(getattr(self, self.counted))

    def _of(self, values):
        values = np.array(values)
        return float(values[0]) if len(values) == 1 else values

    def get_config(self) -> Config:
        given = self.init_thresholds
        given = np.asarray(given).tolist() if np.ndim(given) else given
        keys = {key: getattr(self, key) for key in self.config_keys}
        return {**keys, "thresholds": given}


@register()
class TruePositives(_AtThresholds):
    """Weighted number of positives that are predicted as such.

    Args:
        thresholds: number or list in [0, 1]; p > threshold is positive. Default 0.5.
    """

    counted: str
    higher_is_better: Any

    counted, higher_is_better = "true_positives", True


@register()
class TrueNegatives(_AtThresholds):
    """Weighted number of negatives that are predicted as such; arguments as TruePositives."""

    counted: str
    higher_is_better: Any

    counted, higher_is_better = "true_negatives", True


@register()
class FalsePositives(_AtThresholds):
    """Weighted number of negatives predicted as positive; arguments as TruePositives."""

    counted: str
    higher_is_better: Any

    counted, higher_is_better = "false_positives", False


@register()
class FalseNegatives(_AtThresholds):
    """Weighted number of positives predicted as negative; arguments as TruePositives."""

    counted: str
    higher_is_better: Any

    counted, higher_is_better = "false_negatives", False


class _OfClasses(_AtThresholds):
    top_k: Any = Fixed()  # without thresholds, it says where they are
    higher_is_better = True

    def __init__(self, thresholds: float | Sequence[float] | None = None, top_k: int | None = None,
                 class_id: int | None = None, name: str | None = None,
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(thresholds, name, dtype, default=0.5 if top_k is None else -np.inf)
        if top_k is not None:
            check_integer(f"{type(self).__name__}: top_k", top_k)
        self.top_k, self.class_id = top_k, class_id


@register()
class Precision(_OfClasses):
    """Share of the predicted positives that are positive: TP / (TP + FP).

    Args:
        thresholds: number or list in [0, 1]; p > threshold is positive. Default 0.5.
        top_k: only the k largest outputs of a row can be positive.
        class_id: look at this class only.
    """

    def result(self) -> Any:
        return self._of(self._precisions())


@register()
class Recall(_OfClasses):
    """Share of the positives that are found: TP / (TP + FN); arguments as Precision."""

    def result(self) -> Any:
        return self._of(self._recalls())
