"""Cross-entropy, of class ids, of distributions, and of independent yes/no outputs.

Softmax or sigmoid directly before a cross-entropy is fused with it: the loss then takes the logits
z, and dz = w (p - y) stays exact where p saturates. Anywhere else probabilities are clipped to
[1e-7, 1 - 1e-7], as in Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_number, is_integer
from .base import EPSILON, Loss, PlainLoss, _registry, check_axis, register
from .checks import check_class_ids, check_shares, flatten_missing

if TYPE_CHECKING:
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, DType, Shape


class SmoothedLoss(Loss):
    """What losses on probabilities share: logits or not, and label smoothing."""

    config_keys: tuple[str, ...] = ("name", "reduction", "from_logits", "label_smoothing", "axis")
    of_probabilities = True
    smoothed_over = None  # K; None: all outputs

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str = "sum_over_batch_size", name: str | None = None,
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(name, reduction, dtype)
        self.label_smoothing: float = check_number("label_smoothing", label_smoothing, 0, 1)
        self.from_logits: bool = bool(from_logits)
        self.axis = check_axis(axis)

    def _smoothed(self, y, p):
        """Return y (1 - s) + s / K: a share s of the target is spread over the K classes."""
        if not self.label_smoothing:
            return y
        s, smooth = self.label_smoothing, self.context.empty(p.shape, p.dtype)
        K = self.smoothed_over or p.shape[-1]
        self.context.ops.affine(y, 1 - s, s / K, y=smooth)  # (N, C)
        return smooth


class _CrossEntropy(SmoothedLoss):
    """What the cross-entropies share: `kernels`, one for logits, one for probabilities."""

    kernels: tuple

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        values, self.dp = self._arrays(p)
        y = self._smoothed(y, p)
        of_logits, of_probabilities = (getattr(self.context.ops, name) for name in self.kernels)
        if logits or self.from_logits:
            self.probabilities = self.context.empty(p.shape, p.dtype)  # (N, C)
            of_logits(p, y, w, p=self.probabilities, losses=values, dz=self.dp)
        else:
            of_probabilities(p, y, w, EPSILON, losses=values, dp=self.dp)
        return values


@register("sparse_categorical_crossentropy")
class SparseCategoricalCrossentropy(_CrossEntropy):
    """Cross-entropy against integer class ids.

        l_i = -log p[i, y_i];      from logits: dz = w (p - onehot(y))      (N, C)

    Args:
        from_logits: whether the output is z, before the softmax.
        ignore_class: id of rows that count for nothing: their loss is 0, and a mean is taken over
            the others. It may lie outside [0, C), as -1 does.
    """

    kernels: tuple[Any, ...]
    logits_of: str

    config_keys: tuple[str, ...] = ("name", "reduction", "from_logits", "ignore_class")
    logits_of, kernels = "softmax", ("sparse_softmax_crossentropy", "sparse_crossentropy")
    integer_targets = True
    whole_rows = True

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None,
                 reduction: str = "sum_over_batch_size", axis: int = -1, name: str | None = None,
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(from_logits, 0.0, axis, reduction, name, dtype)
        if ignore_class is not None and not is_integer(ignore_class):
            raise ValueError(f"ignore_class must be a class id or None, received {ignore_class!r}")
        self.ignore_class: int | None = None if ignore_class is None else int(ignore_class)

    def valid(self, y: Array) -> Array | None:
        return None if self.ignore_class is None else y != self.ignore_class

    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        lead, C = output_shape[1:-1], output_shape[-1]
        y = y[..., 0] if y.ndim == len(lead) + 2 and y.shape[-1] == 1 else y
        if y.shape[1:] != lead:
            one_hot = y.shape[1:] == (*lead, C)
            raise ValueError(
                f"{where}: {self._label()} expects integer class ids of shape {('N', *lead)}, "
                f"received {('N', *y.shape[1:])}"
                + ("; for one-hot rows use categorical_crossentropy" if one_hot else "")
                + flatten_missing(y, output_shape)
            )
        return check_class_ids(y, C, where, self.ignore_class)


@register("categorical_crossentropy")
class CategoricalCrossentropy(_CrossEntropy):
    """Cross-entropy against one-hot rows or distributions.

        l_i = -sum_c y_ic log p_ic;      from logits: dz = w (p - y)      (N, C)

    Args:
        from_logits: whether the output is z, before the softmax.
        label_smoothing: s in y (1 - s) + s / C.
    """

    kernels: tuple[Any, ...]
    logits_of: str

    logits_of, kernels = "softmax", ("softmax_crossentropy", "crossentropy")
    whole_rows = True
    for_class_ids = "sparse_categorical_crossentropy or utils.to_categorical"


@register("binary_crossentropy", "bce")
class BinaryCrossentropy(_CrossEntropy):
    """Cross-entropy of independent yes/no outputs.

        l_i = mean_c -(y log p + (1 - y) log(1 - p));      from logits: dz = w/C (p - y)

    Args:
        from_logits: whether the output is z, before the sigmoid.
        label_smoothing: s in y (1 - s) + s / 2.
    """

    kernels: tuple[Any, ...]
    logits_of: str

    logits_of, kernels = "sigmoid", ("sigmoid_crossentropy", "binary_crossentropy")
    smoothed_over = 2

    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        y = super().check_targets(y, output_shape, where)
        check_shares(y, where, "binary_crossentropy")
        return y


def kind_by_shape(target_shape, output_shape):
    """Return which cross-entropy, or accuracy, fits: the first half of its class's name."""
    if output_shape[-1] == 1:
        return "Binary"
    sparse = len(target_shape) < len(output_shape) or target_shape[-1] == 1
    return "SparseCategorical" if sparse else "Categorical"


@register("crossentropy", "ce")
class Crossentropy(PlainLoss):
    """compile(loss="crossentropy"): which of the three is meant follows from the first shapes seen.

    Binary for outputs (..., 1); sparse for targets of a lower rank or (..., 1); else categorical.
    """

    of_probabilities = True

    def for_shapes(self, target_shape: Shape, output_shape: Shape) -> Self:
        cls = _registry.lookup(kind_by_shape(target_shape, output_shape) + "Crossentropy")
        return cls(reduction=self.reduction, name=self.name, dtype=self.dtype)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike,
                 sample_weight: ArrayLike = None) -> Any:  # fmt: skip
        return self._meant(y_true, y_pred)(y_true, y_pred, sample_weight)

    def gradient(self, y_true: ArrayLike, y_pred: ArrayLike,
                 sample_weight: ArrayLike = None) -> Array:  # fmt: skip
        return self._meant(y_true, y_pred).gradient(y_true, y_pred, sample_weight)

    def _meant(self, *given):
        return self.for_shapes(*map(np.shape, given))
