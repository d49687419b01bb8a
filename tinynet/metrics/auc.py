"""AUC: the area under a curve through the rates at a grid of thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..activations import sigmoid
from ..configs.attributes import Fixed
from ..configs.checks import check_number, is_integer
from ..core.parameters import claim
from .base import EPSILON, register
from .confusion import Counts, check_probabilities, count_at, ratio
from .shapes import pair, spread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from ..configs.types import ArrayLike, Config, DType

CURVES = ("ROC", "PR", "PRGAIN")
METHODS = ("interpolation", "minoring", "majoring")


def _one_of(given, known, what):
    """Return `given` spelled as Keras spells it; "roc" and "ROC" are the same."""
    for name in known:
        if str(given).lower() == name.lower():
            return name
    listed = ", ".join(f'"{name}"' for name in known)
    raise ValueError(f"AUC: {what} must be one of {listed}, received {given!r}")


@register()
class AUC(Counts):
    """Area under the ROC or the precision-recall curve, from counts at a grid of thresholds.

    Args:
        num_thresholds: points of the grid, 200 as in Keras.
        curve: "ROC" (true by false positive rate), "PR" (precision by recall) or "PRGAIN" (the
            gains of both over always saying yes; Flach and Kull 2015).
        summation_method: "interpolation" (trapezoids; for PR after Davis and Goadrich 2006),
            "minoring" or "majoring".
        thresholds: inner points instead of the even grid.
        multi_label: an area for each of the L outputs, and their mean; else all outputs are
            counted together.
        num_labels: L, with `multi_label`; None: found at the first batch.
        label_weights: weights (L,) of the areas' mean, or, without `multi_label`, of the entries.
        from_logits: apply the sigmoid first.
    """

    from_logits: bool
    multi_label: Any = Fixed()
    num_labels: Any = Fixed()
    num_thresholds: Any = Fixed()
    inner: Any = Fixed()  # the thresholds that were given

    config_keys: tuple[str, ...] = (
        *("name", "dtype", "num_thresholds", "curve", "summation_method", "multi_label"),
        *("num_labels", "label_weights", "from_logits"),
    )
    higher_is_better = True

    def __init__(self, num_thresholds: int = 200, curve: str = "ROC",
                 summation_method: str = "interpolation", name: str | None = None,
                 dtype: DType | None = None, thresholds: float | Sequence[float] | None = None,
                 multi_label: bool = False, num_labels: int | None = None,
                 label_weights: Sequence[float] | None = None,
                 from_logits: bool = False) -> None:  # fmt: skip
        super().__init__(dtype, name)
        self.curve: Any = _one_of(curve, CURVES, "curve")
        self.summation_method: Any = _one_of(summation_method, METHODS, "summation_method")
        if thresholds is None and not is_integer(num_thresholds, 2):
            raise ValueError(f"AUC: num_thresholds must be > 1, received {num_thresholds!r}")
        for t in () if thresholds is None else thresholds:
            check_number("AUC: thresholds", t, kind="finite numbers")
        if num_labels and not multi_label:
            raise ValueError("AUC: num_labels is of use with multi_label=True only")
        self.inner = None if thresholds is None else sorted(map(float, thresholds))
        self.num_thresholds = n = num_thresholds if thresholds is None else len(self.inner) + 2
        claim("AUC: thresholds", (n,))
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        self.label_weights: Any = label_weights
        if label_weights is not None:
            self.label_weights = np.asarray(label_weights, np.float64).tolist()
        inner = np.arange(1, n - 1) / (n - 1) if thresholds is None else self.inner
        self.thresholds = [-EPSILON, *map(float, inner), 1 + EPSILON]
        self.true_positives: Any = None  # made when L is known
        if not multi_label:
            self._make_counts(self.thresholds)
        elif num_labels:
            self._make_counts(self.thresholds, (num_labels,))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y_true, y_pred = pair(y_true, y_pred, self.name)
        if self.from_logits:
            y_pred = sigmoid(y_pred)
        check_probabilities(y_pred, self.name, "; for logits say from_logits=True")
        weights = spread(sample_weight, y_pred.shape)
        if not self.multi_label:
            if self.label_weights is not None:
                weights = weights * self._label_weights(y_pred.shape)
            self._add(y_true, y_pred, weights)
            return
        if y_pred.ndim != 2 or self.num_labels not in (None, y_pred.shape[1]):
            raise ValueError(f"{self.name}: multi_label expects predictions of shape "
                             f"{('N', self.num_labels or 'L')}, "
                             f"received {y_pred.shape}")  # fmt: skip
        self._label_weights(y_pred.shape)
        if self.true_positives is None:
            self._make_counts(self.thresholds, y_pred.shape[1:])
        thresholds = np.array(self.thresholds, y_pred.dtype)
        columns = zip(y_true.T.astype(bool), y_pred.T, weights.T.astype(float), strict=True)
        counts = [count_at(thresholds, *column) for column in columns]
        tp, fp, positives, negatives = (np.array(part) for part in zip(*counts, strict=True))
        self._add_counts(tp.T, fp.T, positives, negatives)  # (T, L), (T, L), (L,), (L,)

    def _label_weights(self, shape):
        if self.label_weights is None or len(self.label_weights) == shape[-1]:
            return self.label_weights
        raise ValueError(f"{self.name}: {len(self.label_weights)} label_weights for predictions of "
                         f"shape {shape}")  # fmt: skip

    def result(self) -> Any:
        if self.true_positives is None:
            return 0.0
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = self._interpolated_pr()
        else:
            x, y = self._curve()
            left, right = y[:-1], y[1:]
            heights = {
                "interpolation": (left + right) / 2,
                "minoring": np.minimum(left, right),
                "majoring": np.maximum(left, right),
            }[self.summation_method]
            areas = ((x[:-1] - x[1:]) * heights).sum(axis=0)
        if self.multi_label and self.label_weights is not None:
            areas = ratio(np.dot(areas, self.label_weights), np.sum(self.label_weights))
        return float(np.mean(areas))

    def _curve(self):
        """Return x and y (T,) or (T, L), from the lowest threshold to the highest."""
        if self.curve == "ROC":
            fp = self.false_positives
            return ratio(fp, fp + self.true_negatives), self._recalls()
        if self.curve == "PR":
            return self._recalls(), self._precisions()
        tp, fp, fn = self.true_positives, self.false_positives, self.false_negatives
        odds = ratio(tp + fn, self.true_negatives + fp)  # positives for each negative
        recall_gain = np.where(tp == 0, 0, 1 - odds * ratio(fn, tp))
        precision_gain = np.where(tp == 0, 1, 1 - odds * ratio(fp, tp))
        return np.maximum(recall_gain, 0), precision_gain

    def _interpolated_pr(self):
        # between two thresholds TP grows linearly with P = TP + FP, TP = a P + b, so the area
        # under precision is a (dTP + b log(P_left / P_right)) / positives
        tp, p = self.true_positives.value, self.true_positives + self.false_positives
        d_tp, d_p = tp[:-1] - tp[1:], p[:-1] - p[1:]
        a = ratio(d_tp, np.maximum(d_p, 0))
        b = tp[1:] - a * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        growth = np.divide(p[:-1], p[1:], out=np.ones_like(a), where=both)
        positives = (self.true_positives + self.false_negatives)[1:]
        return ratio(a * (d_tp + b * np.log(growth)), positives).sum(axis=0)

    def get_config(self) -> Config:
        inner = {} if self.inner is None else {"thresholds": self.inner}
        return {**super().get_config(), **inner}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        weights = config.get("label_weights")
        if isinstance(weights, dict):  # how Keras writes an array
            config = {**config, "label_weights": weights["config"]["value"]}
        return cls(**config)
