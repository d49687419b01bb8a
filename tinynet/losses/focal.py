"""Focal cross-entropy (Lin et al. 2017): a row that is right already counts for less.

Cross-entropy's terms are multiplied by (1 - p)^gamma, p the probability of what is true. As in
Keras it is computed from probabilities that are clipped, also `from_logits`.
"""

import numpy as np

from .. import activations
from ..configs.checks import check_number
from .base import EPSILON, register
from .checks import check_shares, one_hot_hint
from .crossentropy import SmoothedLoss


class _Focal(SmoothedLoss):
    """What the two share: gamma, and logits that `activation` makes probabilities of first."""

    def _set_gamma(self, gamma):
        self.gamma = check_number("gamma", gamma, 0, kind="")

    def forward(self, y, p, w, logits=False):
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

    config_keys = (*SmoothedLoss.config_keys, "apply_class_balancing", "alpha", "gamma")
    activation = activations.sigmoid

    def __init__(
        self, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False,
        label_smoothing=0.0, axis=-1, reduction="sum_over_batch_size", name=None, dtype=None,
    ):  # fmt: skip
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.apply_class_balancing, self.alpha = bool(apply_class_balancing), float(alpha)
        self._set_gamma(gamma)

    def _classes(self, p):
        return 2

    def _from_probabilities(self, y, p, w, values, dp):
        weights = (self.alpha, 1 - self.alpha) if self.apply_class_balancing else (1.0, 1.0)
        options = (self.gamma, *weights, EPSILON)
        self.context.ops.elementwise_loss("binary_focal", p, y, options, w, losses=values, dy=dp)

    def check_targets(self, y, output_shape, where="y"):
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

    config_keys = (*SmoothedLoss.config_keys, "alpha", "gamma")
    activation = activations.softmax
    whole_rows = True

    def __init__(
        self, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1,
        reduction="sum_over_batch_size", name=None, dtype=None,
    ):  # fmt: skip
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.alpha = np.asarray(alpha, float).tolist()
        self._set_gamma(gamma)

    def _from_probabilities(self, y, p, w, values, dp):
        ops = self.context.ops
        alpha = np.full(p.shape[-1], self.alpha, p.dtype)  # (C,)
        ops.focal_crossentropy(
            p, y, ops.from_host(alpha), w, self.gamma, EPSILON, losses=values, dp=dp
        )

    def check_targets(self, y, output_shape, where="y"):
        if np.shape(self.alpha) not in ((), (output_shape[-1],)):
            raise ValueError(
                f"{self._label()}: alpha must be a number or one for each of {output_shape[-1]} "
                f"classes, received {self.alpha}"
            )
        return super().check_targets(y, output_shape, where)

    def _shape_hint(self, y, shape):
        return one_hot_hint(y, shape)
