"""Metrics from counts of true and false positives and negatives: Precision, Recall, AUC."""

import numpy as np

from .base import Metric, fit_shapes, register, spread_weights

EPSILON = 1e-7


def _confusion(y_true, y_pred, weights, thresholds):
    """Weighted true positives, false positives, positives and negatives at each threshold.

    All arguments flat (M,), thresholds ascending (T,). Predictions are sorted into the T + 1
    intervals once instead of being compared with every threshold.
    """
    interval = np.searchsorted(thresholds, y_pred)  # number of thresholds t with p > t
    bins = len(thresholds) + 1
    positive = np.bincount(interval, weights * y_true, bins)
    negative = np.bincount(interval, weights * (1 - y_true), bins)
    above = [np.cumsum(c[::-1])[::-1][1:] for c in (positive, negative)]  # sums over p > t
    return *above, positive.sum(), negative.sum()


def _ratio(a, b):
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


class _Counts(Metric):
    """Sums of the four counts at each of `_thresholds` (T,)."""

    def reset_state(self):
        self.true_positives = np.zeros(len(self._thresholds))
        self.false_positives = np.zeros(len(self._thresholds))
        self.positives = self.negatives = 0.0

    def _arrays(self, y_true, y_pred):
        """Both as arrays of one shape, the predictions as floats."""
        y_true, y_pred = fit_shapes(y_true, y_pred)
        if y_true.shape != y_pred.shape:
            raise ValueError(
                f"{self.name}: expected targets of shape {y_pred.shape}, received {y_true.shape}"
            )
        return y_true, y_pred if y_pred.dtype.kind == "f" else y_pred.astype(np.float64)

    def _add(self, y_true, y_pred, sample_weight):
        weights = np.ones(y_pred.shape[:1]) if sample_weight is None else sample_weight
        weights = spread_weights(weights, y_pred.shape)
        order = np.argsort(self._thresholds)
        tp, fp, p, n = _confusion(
            y_true.ravel().astype(bool).astype(np.float64),
            y_pred.ravel(),
            weights.ravel().astype(np.float64),
            self._thresholds[order].astype(y_pred.dtype),  # float32 0.3 is not above 0.3
        )
        self.true_positives[order] += tp
        self.false_positives[order] += fp
        self.positives += p
        self.negatives += n


class _AtThresholds(_Counts):
    config_keys = ("name", "thresholds", "top_k", "class_id")

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None):
        self.thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        default = -np.inf if top_k is not None else 0.5
        chosen = np.atleast_1d(default if thresholds is None else thresholds).astype(np.float64)
        if thresholds is not None and ((chosen < 0) | (chosen > 1)).any():
            raise ValueError(f"{type(self).__name__}: thresholds must be in [0, 1]: {thresholds!r}")
        self._thresholds = chosen
        super().__init__(name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = self._arrays(y_true, y_pred)
        if self.top_k is not None:  # all others can never be positive
            rank = np.argsort(np.argsort(-y_pred, axis=-1, kind="stable"), axis=-1)
            y_pred = np.where(rank < self.top_k, y_pred, -np.inf)
        if self.class_id is not None:
            classes = y_pred.shape[-1]
            if not 0 <= self.class_id < classes:
                raise ValueError(
                    f"{self.name}: class_id must be in [0, {classes}), received {self.class_id}"
                )
            y_true, y_pred = y_true[..., self.class_id], y_pred[..., self.class_id]
        self._add(y_true, y_pred, sample_weight)

    def _value(self, divisor):
        value = _ratio(self.true_positives, divisor)
        return value if np.ndim(self.thresholds) else float(value[0])


@register()
class Precision(_AtThresholds):
    """Share of the predicted positives that are positive: TP / (TP + FP).

    Args:
        thresholds: number or list in [0, 1]; p > threshold is positive. Default 0.5.
        top_k: only the k largest outputs of a row can be positive.
        class_id: look at this class only.
    """

    def result(self):
        return self._value(self.true_positives + self.false_positives)


@register()
class Recall(_AtThresholds):
    """Share of the positives that are found: TP / (TP + FN); arguments as Precision."""

    def result(self):
        return self._value(np.full_like(self.true_positives, self.positives))


@register()
class AUC(_Counts):
    """Area under the ROC or the precision-recall curve, from counts at a grid of thresholds.

    Args:
        num_thresholds: points of the grid, 200 as in Keras.
        curve: "ROC" or "PR".
        summation_method: "interpolation" (trapezoids; for PR after Davis and Goadrich 2006),
            "minoring" or "majoring".
        thresholds: inner points instead of the even grid.
        from_logits: apply the sigmoid first.
    """

    config_keys = (
        "name",
        "num_thresholds",
        "curve",
        "summation_method",
        "thresholds",
        "from_logits",
    )

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        thresholds=None,
        from_logits=False,
    ):
        if curve not in ("ROC", "PR"):
            raise ValueError(f'AUC: curve must be "ROC" or "PR", received {curve!r}')
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                'AUC: summation_method must be "interpolation", "minoring" or "majoring", '
                f"received {summation_method!r}"
            )
        if thresholds is None and num_thresholds < 2:
            raise ValueError(f"AUC: num_thresholds must be > 1, received {num_thresholds!r}")
        self.curve, self.summation_method, self.from_logits = curve, summation_method, from_logits
        self.thresholds = None if thresholds is None else sorted(map(float, thresholds))
        n = num_thresholds if thresholds is None else len(self.thresholds) + 2
        self.num_thresholds = n
        inner = np.arange(1, n - 1) / (n - 1) if thresholds is None else np.array(self.thresholds)
        self._thresholds = np.concatenate([[-EPSILON], inner, [1 + EPSILON]])
        super().__init__(name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = self._arrays(y_true, y_pred)
        if self.from_logits:
            p = np.empty_like(y_pred)
            self.ops.elementwise("sigmoid", y_pred, (), y=p)
            y_pred = p
        if y_pred.size and not (y_pred.min() >= 0 and y_pred.max() <= 1):
            raise ValueError(
                f"{self.name}: predictions must be probabilities in [0, 1], received "
                f"[{y_pred.min()}, {y_pred.max()}]; for logits say from_logits=True"
            )
        self._add(y_true, y_pred, sample_weight)

    def result(self):
        tp, fp = self.true_positives, self.false_positives
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated_pr(tp, fp)
        recall = _ratio(tp, np.full_like(tp, self.positives))
        if self.curve == "ROC":
            x, y = _ratio(fp, np.full_like(fp, self.negatives)), recall
        else:
            x, y = recall, _ratio(tp, tp + fp)
        heights = {
            "interpolation": (y[:-1] + y[1:]) / 2,
            "minoring": np.minimum(y[:-1], y[1:]),
            "majoring": np.maximum(y[:-1], y[1:]),
        }[self.summation_method]
        return float(((x[:-1] - x[1:]) * heights).sum())

    def _interpolated_pr(self, tp, fp):
        # between two thresholds TP grows linearly with P = TP + FP, TP = a P + b, so the area
        # under precision is a (dTP + b log(P_left / P_right)) / positives
        p = tp + fp
        d_tp, d_p = tp[:-1] - tp[1:], p[:-1] - p[1:]
        a = _ratio(d_tp, d_p)
        b = tp[1:] - a * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.divide(p[:-1], p[1:], out=np.ones_like(a), where=both)
        area = a * (d_tp + b * np.log(ratio))
        return float(area.sum() / self.positives) if self.positives else 0.0
