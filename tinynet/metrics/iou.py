"""Intersection over union of predicted and true classes, from a confusion matrix."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..configs.attributes import Fixed
from ..configs.checks import check_axes, check_number
from .base import EPSILON, Metric, register

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import ArrayLike, DType


@register()
class IoU(Metric):
    """Mean over some classes of TP / (TP + FP + FN), from a matrix that sums the
    weights: row = true class, column = predicted class.

    Args:
        num_classes: how many classes there are.
        target_class_ids: the classes to look at.
        ignore_class: values with this true class are left out.
        sparse_y_true, sparse_y_pred: whether targets, predictions are class ids; else the largest
            along `axis` says which class it is.
        dtype: of the ids and weights: "int32" unless told otherwise, so that weights lose their
            fractions.
    """

    axis: int
    ignore_class: int | None
    num_classes: Any = Fixed()
    sparse_y_pred: bool
    sparse_y_true: bool

    higher_is_better = True

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None,
                 dtype: DType | None = None, ignore_class: int | None = None,
                 sparse_y_true: bool = True, sparse_y_pred: bool = True,
                 axis: int = -1) -> None:  # fmt: skip
        super().__init__("int" if dtype is None else dtype, name)
        self.num_classes, self.ignore_class, self.axis = num_classes, ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        kind = "int64" if "int" in self.dtype else "float64"
        self.total_cm: Any = self.add_variable(
            (num_classes, num_classes), dtype=kind, name="total_confusion_matrix"
        )
        self.target_class_ids: list[int] = [int(i) for i in target_class_ids]
        if not all(0 <= i < num_classes for i in self.target_class_ids):
            raise ValueError(f"{type(self).__name__}: target_class_ids must be in [0, "
                             f"{num_classes}), received {target_class_ids!r}")  # fmt: skip

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y_true = self._class_ids(y_true, self.sparse_y_true)
        y_pred = self._class_ids(y_pred, self.sparse_y_pred)
        if len(y_true) != len(y_pred):
            raise ValueError(f"{self.name}: expected as many class ids as targets, received "
                             f"{len(y_true)} targets and {len(y_pred)} predictions")  # fmt: skip
        weights = self._weights(sample_weight, len(y_true))
        y_true, y_pred = y_true.astype(self.dtype), y_pred.astype(self.dtype)
        K = self.num_classes
        known = (y_true >= 0) & (y_true < K) & (y_pred >= 0) & (y_pred < K)
        if self.ignore_class is not None:
            known &= y_true != self.ignore_class
        cell = y_true[known].astype(np.intp) * K + y_pred[known].astype(np.intp)
        sums = np.bincount(cell, weights[known], K * K)
        self.total_cm.assign_add(sums.reshape(K, K).astype(self.total_cm.dtype))

    def _class_ids(self, y, sparse):
        """Return class ids (N,): those given, or where the largest number along `axis` stands."""
        y = np.asarray(y)
        if not sparse:
            y = y.argmax(axis=check_axes(self.name, self.axis, y.shape, several=False))
        return y.ravel()

    def _weights(self, sample_weight, count):
        weights = np.asarray(1 if sample_weight is None else sample_weight)
        if weights.dtype.kind == "f" and "int" in self.dtype:
            warnings.warn(
                f"{self.name} counts in {self.dtype}, so sample weights lose their fractions; "
                'say dtype="float32" to keep them',
                stacklevel=3,
            )
        weights = weights.astype(self.dtype)
        try:
            return np.broadcast_to(weights.ravel() if weights.ndim else weights, (count,))
        except ValueError:
            raise ValueError(f"{self.name}: expected sample_weight for {count} values, received "
                             f"{weights.shape}") from None  # fmt: skip

    def result(self) -> Any:
        cm = self.total_cm.value.astype(np.float64)
        hits = np.diag(cm)
        union = cm.sum(axis=0) + cm.sum(axis=1) - hits  # (K,)
        hits, union = hits[self.target_class_ids], union[self.target_class_ids]
        seen = union > 1e-9  # a class that never came says nothing
        return float((hits / (union + EPSILON))[seen].sum() / (seen.sum() + EPSILON))


@register()
class BinaryIoU(IoU):
    """IoU of two classes; the predicted one is 1 where p >= threshold.

    Args:
        target_class_ids: (0, 1), or one of both.
        threshold: in [0, 1].
    """

    def __init__(self, target_class_ids: Sequence[int] = (0, 1), threshold: float = 0.5,
                 name: str | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold: float = check_number("BinaryIoU: threshold", threshold, 0, 1)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y_pred = np.asarray(y_pred)
        threshold = np.asarray(self.threshold, y_pred.dtype if y_pred.dtype.kind == "f" else None)
        super().update_state(y_true, y_pred >= threshold, sample_weight)


@register()
class MeanIoU(IoU):
    """Mean IoU of all classes; arguments as IoU."""

    def __init__(self, num_classes: int, name: str | None = None, dtype: DType | None = None,
                 ignore_class: int | None = None, sparse_y_true: bool = True,
                 sparse_y_pred: bool = True, axis: int = -1) -> None:  # fmt: skip
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true,
                         sparse_y_pred, axis)  # fmt: skip


@register()
class OneHotIoU(IoU):
    """IoU where targets are one-hot, and predictions too unless `sparse_y_pred`."""

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None,
                 dtype: DType | None = None, ignore_class: int | None = None,
                 sparse_y_pred: bool = False, axis: int = -1) -> None:  # fmt: skip
        super().__init__(
            num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis
        )


@register()
class OneHotMeanIoU(MeanIoU):
    """Mean IoU of all classes where targets are one-hot, and predictions too unless
    `sparse_y_pred`.
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: DType | None = None,
                 ignore_class: int | None = None, sparse_y_pred: bool = False,
                 axis: int = -1) -> None:  # fmt: skip
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
