"""Counts of true and false positives and negatives at thresholds; Precision and Recall."""

import numpy as np

from .base import Metric, register
from .shapes import pair, spread


def count_at(thresholds, y_true, y_pred, weights):
    """Weighted true positives, false positives (T,), and all positives and negatives.

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
    """a / b, and 0 where b is 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b != 0)


def evenly_spaced(thresholds) -> bool:
    """Whether these are 0, 1/n, 2/n, ..., 1: Keras then clips predictions to [0, 1]."""
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

    clip = False

    def _make_counts(self, thresholds, shape=()):
        """Variables (T, *shape) for `thresholds`."""
        self.thresholds = [float(t) for t in thresholds]
        shape = (len(self.thresholds), *shape)
        self._add_sums(
            shape, "true_positives", "false_positives", "true_negatives", "false_negatives"
        )

    def _add(self, y_true, y_pred, sample_weight):
        """Add entries of any shape; weights are of the rows, or of every entry."""
        weights = spread(1.0 if sample_weight is None else sample_weight, y_pred.shape)
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
        """One class's targets and predictions, if `class_id` says so."""
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

    config_keys = ("name", "dtype", "thresholds")
    class_id = top_k = None

    def __init__(self, thresholds=None, name=None, dtype=None, *, default=0.5):
        super().__init__(dtype, name)
        chosen = np.atleast_1d(default if thresholds is None else thresholds).astype(np.float64)
        if thresholds is not None and not ((chosen >= 0) & (chosen <= 1)).all():
            raise ValueError(f"{type(self).__name__}: thresholds must be in [0, 1]: {thresholds!r}")
        self.init_thresholds = thresholds
        self._make_counts(chosen)
        self.clip = evenly_spaced(chosen)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = pair(y_true, y_pred, self.name)
        if self.top_k is not None:  # all others can never be positive
            rank = np.argsort(np.argsort(-y_pred, axis=-1, kind="stable"), axis=-1)
            y_pred = np.where(rank < self.top_k, y_pred, -np.inf)
        y_true, y_pred = self._class(y_true, y_pred)
        self._add(y_true, y_pred, sample_weight)

    def _of(self, values):
        values = np.array(values)
        return float(values[0]) if len(values) == 1 else values

    def get_config(self):
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

    higher_is_better = True

    def result(self):
        return self._of(self.true_positives)


@register()
class TrueNegatives(_AtThresholds):
    """Weighted number of negatives that are predicted as such; arguments as TruePositives."""

    higher_is_better = True

    def result(self):
        return self._of(self.true_negatives)


@register()
class FalsePositives(_AtThresholds):
    """Weighted number of negatives predicted as positive; arguments as TruePositives."""

    higher_is_better = False

    def result(self):
        return self._of(self.false_positives)


@register()
class FalseNegatives(_AtThresholds):
    """Weighted number of positives predicted as negative; arguments as TruePositives."""

    higher_is_better = False

    def result(self):
        return self._of(self.false_negatives)


class _OfClasses(_AtThresholds):
    config_keys = ("name", "dtype", "thresholds", "top_k", "class_id")
    higher_is_better = True

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(thresholds, name, dtype, default=0.5 if top_k is None else -np.inf)
        self.top_k, self.class_id = top_k, class_id


@register()
class Precision(_OfClasses):
    """Share of the predicted positives that are positive: TP / (TP + FP).

    Args:
        thresholds: number or list in [0, 1]; p > threshold is positive. Default 0.5.
        top_k: only the k largest outputs of a row can be positive.
        class_id: look at this class only.
    """

    def result(self):
        return self._of(self._precisions())


@register()
class Recall(_OfClasses):
    """Share of the positives that are found: TP / (TP + FN); arguments as Precision."""

    def result(self):
        return self._of(self._recalls())
