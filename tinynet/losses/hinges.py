"""Hinge losses: a margin of 1 between right and wrong, and nothing to gain beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import ElementwiseLoss, PlainLoss, register
from .checks import check_signs

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, Shape


class _Margin(ElementwiseLoss):
    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        y = super().check_targets(y, output_shape, where)
        check_signs(y, where, self._label())
        return y


@register("hinge")
class Hinge(_Margin):
    """l_i = mean_c max(0, 1 - y p), y = -1 or 1;      dp = -w/C y where y p < 1.

    Targets 0 and 1 count as -1 and 1.
    """

    kind = "hinge"


@register("squared_hinge")
class SquaredHinge(_Margin):
    """l_i = mean_c max(0, 1 - y p)^2, y = -1 or 1;      dp = -w/C 2 y max(0, 1 - y p).

    Targets 0 and 1 count as -1 and 1.
    """

    kind = "squared_hinge"


@register("categorical_hinge")
class CategoricalHinge(PlainLoss):
    """l_i = max(0, 1 + max_c (1 - y_c) p_c - sum_c y_c p_c), for one-hot y.

    Where it is not 0, dp = w ([c is the strongest of the others] - y_c); equally strong ones share.
    """

    dp: Any

    whole_rows = True
    for_class_ids = "utils.to_categorical"

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        values, self.dp = self._arrays(p)
        self.context.ops.categorical_hinge(p, y, w, losses=values, dy=self.dp)
        return values
