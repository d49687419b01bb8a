"""The best of one rate at the thresholds where another is large enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.attributes import Fixed
from ..configs.checks import check_integer, check_number
from ..core.parameters import claim
from .base import register
from .confusion import Counts, check_probabilities
from .shapes import pair

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, DType


class _AtLeast(Counts):
    """The largest value at those thresholds where another value is large enough."""

    num_thresholds: Any = Fixed()
    higher_is_better = True

    def __init__(self, what: str, least: float, num_thresholds: int, class_id: int, name: str,
                 dtype: DType) -> None:  # fmt: skip
        super().__init__(dtype, name)
        check_number(f"{type(self).__name__}: {what}", least, 0, 1)
        check_integer(f"{type(self).__name__}: num_thresholds", num_thresholds, kind="")
        claim(f"{type(self).__name__}: thresholds", (num_thresholds,))
        self.num_thresholds, self.class_id, self.what = num_thresholds, class_id, what
        setattr(self, what, least)
        n = num_thresholds
        self._make_counts(np.arange(n) / (n - 1) if n > 1 else [0.5])

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y_true, y_pred = pair(y_true, y_pred, self.name)
        check_probabilities(y_pred, self.name)
        self._add(*self._class(y_true, y_pred), sample_weight)

    def _best(self, values, where):
        return float(np.max(values, where=where >= getattr(self, self.what), initial=0.0))


@register()
class SensitivityAtSpecificity(_AtLeast):
    """The best TP / (TP + FN) at a threshold where TN / (TN + FP) is at least `specificity`.

    Args:
        specificity: in [0, 1].
        num_thresholds: how many, evenly spaced from 0 to 1, are tried.
        class_id: look at this class only.
    """

    def __init__(self, specificity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__("specificity", specificity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._recalls(), self._specificities())


@register()
class SpecificityAtSensitivity(_AtLeast):
    """The best TN / (TN + FP) at a threshold where TP / (TP + FN) is at least `sensitivity`;
    arguments as SensitivityAtSpecificity.
    """

    def __init__(self, sensitivity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__("sensitivity", sensitivity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._specificities(), self._recalls())


@register()
class PrecisionAtRecall(_AtLeast):
    """The best TP / (TP + FP) at a threshold where TP / (TP + FN) is at least `recall`;
    arguments as SensitivityAtSpecificity.
    """

    def __init__(self, recall: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__("recall", recall, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._precisions(), self._recalls())


@register()
class RecallAtPrecision(_AtLeast):
    """The best TP / (TP + FN) at a threshold where TP / (TP + FP) is at least `precision`;
    arguments as SensitivityAtSpecificity.
    """

    def __init__(self, precision: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__("precision", precision, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._recalls(), self._precisions())
