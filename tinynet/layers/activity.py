"""Penalties on the outputs of a layer: `activity_regularizer=` and ActivityRegularization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import regularizers
from ..configs.attributes import Follows
from .base import Layer, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike, Config, Named


class Penalizing(Layer):
    """Base of layers with a penalty on their outputs.

        loss += R(y) / N,      dy += R'(y) / N          N rows of the batch

    in training and in `evaluate`, around the layer's own `forward` and `backward`. R is L1, L2 or
    L1L2.

    Attributes:
        activity_regularizer: R; None for none.
        activity_losses: R(y_i) / N of each row of the last forward (N,), or None.
    """

    activity_regularizer: Any
    activity: Any = None
    activity_losses: Any = None

    unversioned: frozenset[str] = Layer.unversioned | {"activity_losses", "activity"}
    derived: dict[str, Any] = Layer.derived | {"activity_losses": None, "activity": None}

    def forward_pass(self, x: ArrayLike, training: bool = False, logits: bool = False) -> Any:
        y, r = super().forward_pass(x, training, logits), self.activity_regularizer
        if r is not None:
            N, self.activity = self.context.rows_of_batch(len(y)), y
            self.activity_losses = self.empty((len(y),))
            self.ops.activity_penalty(y, r.l1 / N, r.l2 / N, losses=self.activity_losses)
        return y

    def backward_pass(self, dy: Array, logits: bool = False) -> Any:
        r = self.activity_regularizer
        if r is not None:
            N, total = self.context.rows_of_batch(len(dy)), self.empty(dy.shape)
            share = self.context.loss_scale / N
            l1, l2 = r.l1 * share, r.l2 * share
            self.ops.activity_penalty_grad(self.activity, dy, l1, l2, dx=total)
            dy = total
        return super().backward_pass(dy, logits)


class Penalized(Penalizing):
    """Base of layers that take an `activity_regularizer`: R, a name or an object."""

    def __init__(self, *, activity_regularizer: Named = None, **options: Any) -> None:
        super().__init__(**options)
        regularizer = regularizers.get(activity_regularizer)
        if regularizer is not None and not isinstance(regularizer, regularizers.L1L2):
            raise self.invalid(
                f"activity_regularizer must be L1, L2 or L1L2, received {regularizer!r}"
            )
        self.activity_regularizer = regularizer

    def get_config(self) -> Config:
        r = self.activity_regularizer
        mine = {} if r is None else {"activity_regularizer": regularizers.serialize(r)}
        return {**super().get_config(), **mine}


@register()
class ActivityRegularization(Penalizing):
    """y = x, with the penalty (l1 sum |x| + l2 sum x^2) / N added to the loss.

    Args:
        l1, l2: factors >= 0.
    """

    l1: float
    l2: float

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.l1, self.l2 = l1, l2

    @Follows("l1", "l2")
    def activity_regularizer(self) -> Any:
        return regularizers.L1L2(self.l1, self.l2)

    def forward(self, x: Any, training: bool = False) -> Any:
        return x

    def backward(self, dy: Array) -> Any:
        return dy
