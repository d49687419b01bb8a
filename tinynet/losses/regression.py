"""How far predictions are from real numbers: errors squared, absolute, relative, and as angles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.checks import check_number
from .base import EPSILON, ElementwiseLoss, Loss, check_axis, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, DType


@register("mean_squared_error", "mse")
class MeanSquaredError(ElementwiseLoss):
    """l_i = mean_c (p - y)^2;      dp = w/C 2 (p - y)."""

    kind = "squared"


@register("mean_absolute_error", "mae")
class MeanAbsoluteError(ElementwiseLoss):
    """l_i = mean_c |p - y|;      dp = w/C sign(p - y)."""

    kind = "absolute"


@register("mean_absolute_percentage_error", "mape")
class MeanAbsolutePercentageError(ElementwiseLoss):
    """l_i = 100 mean_c |p - y| / s, s = max(|y|, 1e-7);      dp = w/C 100 sign(p - y) / s."""

    options: dict[str, Any]

    kind: str

    kind, options = "percentage", (EPSILON,)


@register("mean_squared_logarithmic_error", "msle")
class MeanSquaredLogarithmicError(ElementwiseLoss):
    """l_i = mean_c (log(1 + p) - log(1 + y))^2, p and y raised to 1e-7 where they are less;

    dp = w/C 2 (log(1 + p) - log(1 + y)) / (1 + p), 0 where p was raised.
    """

    options: dict[str, Any]

    kind: str

    kind, options = "squared_log", (EPSILON,)


@register("huber", "huber_loss")
class Huber(ElementwiseLoss):
    """Squared near zero, absolute far away (Huber 1964): e^2/2 where |e| <= delta, else
    delta |e| - delta^2/2;      dp = w/C clip(p - y, -delta, delta).
    """

    config_keys: tuple[str, ...] = ("name", "reduction", "delta")
    default_name = "huber_loss"
    kind = "huber"

    def __init__(self, delta: float = 1.0, reduction: str = "sum_over_batch_size",
                 name: str | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(reduction, name, dtype)
        self.delta: float = check_number("delta", delta, above=0, kind="")

    @property
    def options(self) -> tuple[Any]:
        return (self.delta,)


@register("log_cosh")
class LogCosh(ElementwiseLoss):
    """l_i = mean_c log cosh(p - y), e^2/2 near zero, |e| - log 2 far away; dp = w/C tanh(p - y)."""

    kind = "log_cosh"


@register("cosine_similarity")
class CosineSimilarity(Loss):
    """Minus the cosine between prediction and target: -1 same direction, 1 opposite, 0 for a zero.

        l_i = -u.v,  u = p/|p|,  v = y/|y|;      dp = w ((u.v) u - v) / |p|

    Lengths below 1e-7 count as 1e-7.

    Args:
        axis: -1, the only one there is here.
    """

    dp: Any

    whole_rows = True

    def __init__(self, axis: int = -1, reduction: str = "sum_over_batch_size",
                 name: str | None = None, dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(name, reduction, dtype)
        check_axis(axis)

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        values, self.dp = self._arrays(p)
        self.context.ops.cosine_similarity(p, y, w, EPSILON, losses=values, dy=self.dp)
        return values
