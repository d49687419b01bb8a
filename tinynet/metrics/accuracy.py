"""Accuracy in its three meanings, and top-k."""

import numpy as np

from .base import MeanMetric, register


@register()
class Accuracy(MeanMetric):
    """Share of entries with y_true = y_pred, both class ids."""

    def values(self, y_true, y_pred):
        return y_true == y_pred


@register("binary_accuracy")
class BinaryAccuracy(MeanMetric):
    """Share of outputs on the right side of `threshold`; p > threshold means yes."""

    config_keys = ("name", "threshold")

    def __init__(self, name=None, threshold=0.5):
        if not 0 < threshold < 1:
            raise ValueError(f"BinaryAccuracy: threshold must be in (0, 1), received {threshold!r}")
        self.threshold = threshold
        super().__init__(name)

    def values(self, y_true, y_pred):
        if y_pred.ndim == 1:  # N values, not one row
            y_true, y_pred = y_true[:, None], y_pred[:, None]
        hits = np.empty(y_pred.shape[:-1], np.float64)
        self.ops.binary_matches(y_pred, y_true, self.threshold, hits=hits)
        return hits  # (N,)


@register("categorical_accuracy")
class CategoricalAccuracy(MeanMetric):
    """Share of rows where the largest output is the target's; targets are one-hot (N, C)."""

    def values(self, y_true, y_pred):
        if y_true.shape != y_pred.shape:
            raise ValueError(
                f"categorical_accuracy: expected one-hot targets of shape {y_pred.shape}, "
                f"received {y_true.shape}"
            )
        hits = np.empty(y_pred.shape[:-1], bool)
        self.ops.categorical_matches(y_pred, y_true, hits=hits)
        return hits  # (N,)


@register("sparse_categorical_accuracy")
class SparseCategoricalAccuracy(MeanMetric):
    """Share of rows where the largest output is the target's; targets are class ids (N,)."""

    def values(self, y_true, y_pred):
        y_true = _ids(y_true, y_pred, self.name)
        hits = np.empty(y_pred.shape[:-1], bool)
        self.ops.sparse_matches(y_pred, y_true, hits=hits)
        return hits  # (N,)


def _ids(y_true, y_pred, name):
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(
            f"{name}: expected class ids of shape {y_pred.shape[:-1]}, received {y_true.shape}"
        )
    return y_true


def _among_largest(y_pred, target, k):
    """Whether fewer than k outputs of each row are larger than output number `target`."""
    value = np.take_along_axis(y_pred, target[..., None].astype(np.intp), axis=-1)
    return (y_pred > value).sum(axis=-1) < k


@register("sparse_top_k_categorical_accuracy")
class SparseTopKCategoricalAccuracy(MeanMetric):
    """Share of rows whose target (class id) is among the k largest outputs."""

    config_keys = ("name", "k")

    def __init__(self, k=5, name=None):
        if k < 1:
            raise ValueError(f"{type(self).__name__}: k must be an int >= 1, received {k!r}")
        self.k = k
        super().__init__(name)

    def values(self, y_true, y_pred):
        return _among_largest(y_pred, _ids(y_true, y_pred, self.name), self.k)


@register("top_k_categorical_accuracy")
class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """The same with one-hot targets (N, C)."""

    def values(self, y_true, y_pred):
        return _among_largest(y_pred, y_true.argmax(axis=-1), self.k)
