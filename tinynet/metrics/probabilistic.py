"""Losses of classification followed as metrics: cross-entropies, divergences, hinges."""

import numpy as np

from . import values
from .base import register
from .reduction import ColumnMeanMetric, MeanMetric
from .shapes import class_ids, spread


@register("bce")
class BinaryCrossentropy(ColumnMeanMetric):
    """Mean cross-entropy of yes/no outputs.

    Args:
        from_logits: whether predictions are logits.
        label_smoothing: s in y (1 - s) + s / 2.
    """

    config_keys = ("name", "dtype", "from_logits", "label_smoothing")

    def __init__(
        self, name="binary_crossentropy", dtype=None, from_logits=False, label_smoothing=0
    ):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = _share(label_smoothing, "BinaryCrossentropy")

    def values(self, y_true, y_pred):
        return values.binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


def _share(smoothing, name):
    if not 0 <= smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must be in [0, 1], received {smoothing!r}")
    return smoothing


class _LowerMean(MeanMetric):
    higher_is_better = False

    @property
    def counts_rows(self):
        return getattr(self, "axis", -1) == -1


@register()
class CategoricalCrossentropy(_LowerMean):
    """Mean cross-entropy against one-hot rows or distributions (N, C).

    Args:
        from_logits: whether predictions are logits.
        label_smoothing: s in y (1 - s) + s / C.
        axis: of the classes.
    """

    config_keys = ("name", "dtype", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        name="categorical_crossentropy",
        dtype=None,
        from_logits=False,
        label_smoothing=0,
        axis=-1,
    ):
        super().__init__(name, dtype)
        self.from_logits, self.axis = from_logits, axis
        self.label_smoothing = _share(label_smoothing, "CategoricalCrossentropy")

    def values(self, y_true, y_pred):
        return values.categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )


@register()
class SparseCategoricalCrossentropy(_LowerMean):
    """Mean cross-entropy against class ids (N,).

    Args:
        from_logits: whether predictions are logits.
        ignore_class: rows of this id count as 0; with sample weights they do not count at all.
        axis: of the classes.
    """

    config_keys = ("name", "dtype", "from_logits", "ignore_class", "axis")

    def __init__(
        self,
        name="sparse_categorical_crossentropy",
        dtype=None,
        from_logits=False,
        ignore_class=None,
        axis=-1,
    ):
        super().__init__(name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    def update_state(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None and self.ignore_class is not None:
            counted = np.moveaxis(np.asarray(y_pred), self.axis, -1)
            counted = class_ids(y_true, counted, self.name) != self.ignore_class
            sample_weight = counted * spread(sample_weight, counted.shape)
        super().update_state(y_true, y_pred, sample_weight)

    def values(self, y_true, y_pred):
        return values.sparse_categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.ignore_class, self.axis
        )


@register("kld", "kullback_leibler_divergence")
class KLDivergence(_LowerMean):
    """Mean of sum_c y log(y / p)."""

    def __init__(self, name="kl_divergence", dtype=None):
        super().__init__(name, dtype)

    def values(self, y_true, y_pred):
        return values.kl_divergence(y_true, y_pred)


@register()
class Poisson(ColumnMeanMetric):
    """mean p - y log p."""

    def __init__(self, name="poisson", dtype=None):
        super().__init__(name, dtype)

    def values(self, y_true, y_pred):
        return values.poisson(y_true, y_pred)


@register()
class Hinge(ColumnMeanMetric):
    """mean max(1 - y p, 0) for y = -1 or 1 (0 is taken for -1)."""

    def __init__(self, name="hinge", dtype=None):
        super().__init__(name, dtype)

    def values(self, y_true, y_pred):
        return values.hinge(y_true, y_pred)


@register()
class SquaredHinge(ColumnMeanMetric):
    """mean max(1 - y p, 0)^2 for y = -1 or 1 (0 is taken for -1)."""

    def __init__(self, name="squared_hinge", dtype=None):
        super().__init__(name, dtype)

    def values(self, y_true, y_pred):
        return values.squared_hinge(y_true, y_pred)


@register()
class CategoricalHinge(_LowerMean):
    """Mean of max(1 + the largest other output - the target's, 0); targets are one-hot (N, C)."""

    def __init__(self, name="categorical_hinge", dtype=None):
        super().__init__(name, dtype)

    def values(self, y_true, y_pred):
        return values.categorical_hinge(y_true, y_pred)
