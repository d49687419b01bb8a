"""Accuracy in its three meanings, and top-k."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..config import floatx
from ..configs.checks import check_integer, check_number, is_number
from ..losses.checks import same_rank
from .base import register
from .reduction import MeanMetric
from .shapes import check_ids, class_ids

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike, Config, DType

# ------------------------------------------------------------------- functions: 1 is a hit, 0 none


def accuracy(y_true, y_pred):
    """Return whether y = p, entry by entry."""
    y, p = _same_shape(y_true, y_pred, "accuracy")
    return (y == p).astype(floatx())


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Array:
    """Return whether p is on y's side of the threshold, entry by entry; p > threshold means 1."""
    y, p = _same_shape(y_true, y_pred, "binary_accuracy")
    return (((p > threshold) == y) & ~np.isnan(p)).astype(floatx())


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Return whether the largest output is the one-hot target's; (N, ..., C) -> (N, ...)."""
    y, p = _one_hot(y_true, y_pred, "categorical_accuracy")
    return _hits(p, y.argmax(axis=-1))


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Return whether the largest output is the target's, a class id; (N, ..., C) -> (N, ...)."""
    p = np.asarray(y_pred)
    ids = class_ids(y_true, p, "sparse_categorical_accuracy")
    return _hits(p, ids)


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """Return whether the one-hot target is among the k largest outputs."""
    y, p = _one_hot(y_true, y_pred, "top_k_categorical_accuracy")
    return _among_largest(p, y.argmax(axis=-1), k)


def sparse_top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5,
                                      from_sorted_ids: bool = False) -> Array:  # fmt: skip
    """Return whether the target, a class id, is among the k largest outputs.

    Args:
        from_sorted_ids: the predictions are class ids already, the best first.
    """
    name, p = "sparse_top_k_categorical_accuracy", np.asarray(y_pred)
    ids = class_ids(y_true, p, name)
    if from_sorted_ids:
        return (p[..., :k] == ids[..., None]).any(axis=-1).astype(floatx())
    return _among_largest(p, check_ids(ids, p.shape[-1], name), k)


def _same_shape(y_true, y_pred, name, kind="targets"):
    y, p = same_rank(np.asarray(y_true), np.asarray(y_pred))
    if y.shape != p.shape:
        raise ValueError(f"{name}: expected {kind} of shape {p.shape}, received {y.shape}")
    return y, p


def _one_hot(y_true, y_pred, name):
    return _same_shape(y_true, y_pred, name, "one-hot targets")


def _hits(p, target):
    """Whether output number `target` of each row is the first of the largest; NaN is no hit."""
    return ((p.argmax(axis=-1) == target) & ~np.isnan(p).any(axis=-1)).astype(floatx())


def _among_largest(p, target, k):
    """Return whether fewer than k outputs of each row are larger than output number `target`."""
    value = np.take_along_axis(p, target[..., None], axis=-1)
    hits = ((p > value).sum(axis=-1) < k) & ~np.isnan(p).any(axis=-1)
    return hits.astype(floatx())


# ------------------------------------------------------------------------------ their means


class _Accuracy(MeanMetric):
    higher_is_better = True


@register()
class Accuracy(_Accuracy, of=accuracy):
    """Share of entries with y_true = y_pred, both class ids."""


@register()
class BinaryAccuracy(_Accuracy, of=binary_accuracy):
    """Share of outputs on the right side of `threshold`; p > threshold means yes.

    Where the outputs are logits, 0 stands for a probability of 0.5.
    """

    def __init__(self, name: str = "binary_accuracy", dtype: DType | None = None,
                 threshold: float = 0.5) -> None:  # fmt: skip
        super().__init__(name, dtype)
        self.threshold: float = 0.0
        if not is_number(threshold) or threshold:
            label = "BinaryAccuracy: threshold (unless it is 0, for logits)"
            self.threshold = check_number(label, threshold, above=0, below=1)

    @property
    def match(self) -> tuple[Any, Any]:
        return "binary_matches", self.threshold


@register()
class CategoricalAccuracy(_Accuracy, of=categorical_accuracy):
    """Share of rows where the largest output is the target's; targets are one-hot (N, C)."""

    match: tuple[str] = ("categorical_matches",)


@register()
class SparseCategoricalAccuracy(_Accuracy, of=sparse_categorical_accuracy):
    """Share of rows where the largest output is the target's; targets are class ids (N,)."""

    match: tuple[str] = ("sparse_matches",)


class _TopK(_Accuracy):
    def __init__(self, k: int, name: str, dtype: DType) -> None:
        super().__init__(name, dtype)
        self.k = check_integer(f"{type(self).__name__}: k", k, kind="an int")


@register()
class TopKCategoricalAccuracy(_TopK, of=top_k_categorical_accuracy):
    """Share of rows whose target (one-hot) is among the k largest outputs."""

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy",
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(k, name, dtype)


@register()
class SparseTopKCategoricalAccuracy(_TopK, of=sparse_top_k_categorical_accuracy):
    """Share of rows whose target (class id) is among the k largest outputs.

    Args:
        from_sorted_ids: the predictions are class ids already, the best first.
    """

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy",
                 dtype: DType | None = None, from_sorted_ids: bool = False) -> None:  # fmt: skip
        super().__init__(k, name, dtype)
        self.from_sorted_ids = from_sorted_ids

    def get_config(self) -> Config:
        config = super().get_config()
        if not self.from_sorted_ids:
            del config["from_sorted_ids"]  # as Keras writes it
        return config
