"""F scores: precision and recall of each class in one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_number
from .base import EPSILON, Metric, register
from .shapes import matrices, spread

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, DType


@register()
class FBetaScore(Metric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), for every class.

    Args:
        average: None for an array (C,), "micro" to count all classes together, "macro" for the
            mean, "weighted" for the mean weighted with the number of positives.
        beta: how many times as important recall is as precision, > 0.
        threshold: p > threshold is positive, in (0, 1]; None: the largest outputs of a row.
    """

    higher_is_better = True
    counts = False  # targets may lie between 0 and 1

    def __init__(self, average: str | None = None, beta: float = 1.0,
                 threshold: float | None = None, name: str = "fbeta_score",
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(dtype, name)
        who, known = type(self).__name__, (None, "micro", "macro", "weighted")
        if average not in known:
            raise ValueError(f"{who}: average must be one of {known}, received {average!r}")
        self.average = average
        self.beta: float = check_number(f"{who}: beta", beta, above=0, kind="a number")
        if threshold is not None:
            threshold = check_number(f"{who}: threshold", threshold, above=0, high=1)
        self.threshold = threshold
        self.true_positives: Any = None  # (C,), made at the first batch

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y, p = matrices(y_true, y_pred, self.name)
        if self.true_positives is None:
            names = ("true_positives", "false_positives", "false_negatives", "class_weights")
            self._add_sums(p.shape[1:], *names)
        if self.threshold is None:
            yes = (p >= p.max(axis=-1, keepdims=True)) & (np.abs(p) > 1e-9)
        else:
            yes = p > p.dtype.type(self.threshold)
        w = spread(sample_weight, p.shape).astype(np.float64)
        self.true_positives.assign_add((w * (yes * y)).sum(axis=0))
        self.false_positives.assign_add((w * (yes * (1 - y))).sum(axis=0))
        self.false_negatives.assign_add((w * (~yes * y)).sum(axis=0))
        self.class_weights.assign_add((w * y).sum(axis=0))

    def result(self) -> Any:
        if self.true_positives is None:
            return 0.0
        tp, fp, fn, weights = (
            v.numpy() if self.average != "micro" else v.value.sum()
            for v in (self.true_positives, self.false_positives, self.false_negatives,
                      self.class_weights)
        )  # fmt: skip
        precision, recall = tp / (tp + fp + EPSILON), tp / (tp + fn + EPSILON)
        b = self.beta**2
        scores = (1 + b) * precision * recall / (b * precision + recall + EPSILON)
        if self.average == "weighted":
            scores = (scores * weights).sum() / (weights.sum() + EPSILON)
        elif self.average is not None:
            scores = scores.mean()
        return scores if np.ndim(scores) else float(scores)


@register()
class F1Score(FBetaScore):
    """2 precision recall / (precision + recall), for every class; arguments as FBetaScore."""

    def __init__(self, average: str | None = None, threshold: float | None = None,
                 name: str = "f1_score", dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(average, 1.0, threshold, name, dtype)
