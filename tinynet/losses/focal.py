"""Focal cross-entropy (Lin et al. 2017): a row that is right already counts for less.

Cross-entropy's terms are multiplied by (1 - p)^gamma, p the probability of what is true. As in
Keras it is computed from probabilities that are clipped, also `from_logits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import activations
from ..configs.checks import check_number
from .base import EPSILON, register
from .checks import check_shares
from .crossentropy import SmoothedLoss

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, DType, Shape


class _Focal(SmoothedLoss):
    """What the two share: `activation` makes probabilities of logits."""

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        values, self.dp = self._arrays(p)
        y = self._smoothed(y, p)
        if not self.from_logits:
            self._from_probabilities(y, p, w, values, self.dp)
            return values
        empty, z = self.context.empty, p
        p, dp = empty(z.shape, z.dtype), empty(z.shape, z.dtype)  # (N, C)
        ops = self.context.ops
        self.activation.forward(ops, z, y=p)
        self._from_probabilities(y, p, w, values, dp)
        self.activation.backward(ops, z, p, dp, dx=self.dp)
        return values


@register("binary_focal_crossentropy")
class BinaryFocalCrossentropy(_Focal):
    """Focal cross-entropy of independent yes/no outputs.

        l_i = mean_c a (1 - q)^gamma -(y log p + (1 - y) log(1 - p)),   q = y p + (1 - y)(1 - p)

    Args:
        apply_class_balancing: whether a = y alpha + (1 - y)(1 - alpha), else 1.
        alpha: weight of the class 1.
        gamma: how fast the weight falls as q rises; 0: plain cross-entropy.
        from_logits: whether the output is z, before the sigmoid.
        label_smoothing: s in y (1 - s) + s / 2.
    """

    alpha: float
    apply_class_balancing: bool

    config_keys: tuple[str, ...] = (
        *SmoothedLoss.config_keys,
        "apply_class_balancing",
        "alpha",
        "gamma",
    )
    activation: Any = activations.sigmoid
    smoothed_over = 2

    def __init__(self, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
                 from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str = "sum_over_batch_size", name: str | None = None,
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.apply_class_balancing, self.alpha = bool(apply_class_balancing), float(alpha)
        self.gamma: float = check_number("gamma", gamma, 0, kind="")

    def _from_probabilities(self, y, p, w, values, dp):
        weights = (self.alpha, 1 - self.alpha) if self.apply_class_balancing else (1.0, 1.0)
        options = (self.gamma, *weights, EPSILON)
        self.context.ops.elementwise_loss("binary_focal", p, y, options, w, losses=values, dy=dp)

    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        y = super().check_targets(y, output_shape, where)
        check_shares(y, where, "binary_focal_crossentropy")
        return y


@register("categorical_focal_crossentropy")
class CategoricalFocalCrossentropy(_Focal):
    """Focal cross-entropy against one-hot rows.

        l_i = -sum_c alpha_c (1 - p_ic)^gamma y_ic log p_ic

    Args:
        alpha: weight of all classes, or a list of one for each.
        gamma: how fast the weight falls as p rises; 0: plain cross-entropy times alpha.
        from_logits: whether the output is z, before the softmax.
        label_smoothing: s in y (1 - s) + s / C.
    """

    config_keys: tuple[str, ...] = (*SmoothedLoss.config_keys, "alpha", "gamma")
    activation: Any = activations.softmax
    whole_rows = True
    for_class_ids = "utils.to_categorical"

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, from_logits: bool = False,
                 label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str = "sum_over_batch_size", name: str | None = None,
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.alpha: Any = np.asarray(alpha, float).tolist()
        self.gamma: float = check_number("gamma", gamma, 0, kind="")

    def _from_probabilities(self, y, p, w, values, dp):
        ops = self.context.ops
        alpha = np.full(p.shape[-1], self.alpha, p.dtype)  # (C,)
        ops.focal_crossentropy(
            p, y, ops.from_host(alpha), w, self.gamma, EPSILON, losses=values, dp=dp
        )

    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        if np.shape(self.alpha) not in ((), (output_shape[-1],)):
            raise ValueError(f"{self._label()}: alpha must be a number or one for each of "
                             f"{output_shape[-1]} classes, received {self.alpha}")  # fmt: skip
        return super().check_targets(y, output_shape, where)
