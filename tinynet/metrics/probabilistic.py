"""Losses of classification followed as metrics: cross-entropies, divergences, hinges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import losses
from ..configs.checks import check_axes
from .base import register
from .reduction import LossMetric, loss_values
from .shapes import class_ids, floats, pair, spread

if TYPE_CHECKING:
    from ..configs.types import Array, ArrayLike, DType


@register("bce")
class BinaryCrossentropy(LossMetric, of=losses.BinaryCrossentropy):
    """Mean cross-entropy of yes/no outputs.

    Args:
        from_logits: whether predictions are logits.
        label_smoothing: s in y (1 - s) + s / 2.
    """

    from_logits: bool
    label_smoothing: float

    def __init__(self, name: str = "binary_crossentropy", dtype: DType | None = None,
                 from_logits: bool = False, label_smoothing: float = 0) -> None:  # fmt: skip
        super().__init__(name, dtype)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing
        self.loss()


@register()
class CategoricalCrossentropy(LossMetric, of=losses.CategoricalCrossentropy):
    """Mean cross-entropy against one-hot rows or distributions (N, C).

    Args:
        from_logits: whether predictions are logits.
        label_smoothing: s in y (1 - s) + s / C.
        axis: of the classes.
    """

    axis: int
    from_logits: bool
    label_smoothing: float

    def __init__(self, name: str = "categorical_crossentropy", dtype: DType | None = None,
                 from_logits: bool = False, label_smoothing: float = 0,
                 axis: int = -1) -> None:  # fmt: skip
        super().__init__(name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis
        self.loss()


@register()
class SparseCategoricalCrossentropy(LossMetric, of=losses.SparseCategoricalCrossentropy):
    """Mean cross-entropy against class ids (N,).

    Args:
        from_logits: whether predictions are logits.
        ignore_class: rows of this id count as 0; with sample weights they do not count at all.
        axis: of the classes.
    """

    axis: int
    from_logits: bool
    ignore_class: int | None

    def __init__(self, name: str = "sparse_categorical_crossentropy", dtype: DType | None = None,
                 from_logits: bool = False, ignore_class: int | None = None,
                 axis: int = -1) -> None:  # fmt: skip
        super().__init__(name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis
        self.loss()

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        check_axes(self.name, self.axis, np.shape(y_pred), several=False)
        if sample_weight is not None and self.ignore_class is not None:
            counted = np.moveaxis(np.asarray(y_pred), self.axis, -1)
            counted = class_ids(y_true, counted, self.name) != self.ignore_class
            sample_weight = counted * spread(sample_weight, counted.shape)
        super().update_state(y_true, y_pred, sample_weight)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        loss, p = self.loss(), np.moveaxis(floats(y_pred), self.axis, -1)
        return loss_values(loss, loss.check_targets(np.asarray(y_true), p.shape, "y_true"), p)


@register("kld", "kullback_leibler_divergence")
class KLDivergence(LossMetric, of=losses.KLDivergence):
    """Mean of sum_c y log(y / p)."""


@register()
class Poisson(LossMetric, of=losses.Poisson):
    """mean p - y log p."""


@register()
class Hinge(LossMetric, of=losses.Hinge):
    """mean max(1 - y p, 0) for y = -1 or 1 (0 is taken for -1)."""

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        y = 2 * y - 1 if ((y == 0) | (y == 1)).all() else y
        return super().values(np.ones_like(y), y * p)  # a 0 among signs stays 0, as in Keras


@register()
class SquaredHinge(Hinge, of=losses.SquaredHinge):
    """mean max(1 - y p, 0)^2 for y = -1 or 1 (0 is taken for -1)."""


@register()
class CategoricalHinge(LossMetric, of=losses.CategoricalHinge):
    """Mean of max(1 + the largest other output - the target's, 0); targets are one-hot (N, C)."""
