"""Normalization of each row by itself: LayerNormalization, RMSNormalization, UnitNormalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.checks import check_number
from .axes import axes_of, from_rows, to_rows
from .base import register
from .normalization import ScaledAndShifted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, Named
    from ..core.parameters import Parameter


class RowNormalization(ScaledAndShifted):
    """Base: y = gamma xhat + beta, where xhat is x normalized over `axis`, row by row."""

    saved: Any

    axis: Any

    kind = None
    supports_masking = True
    epsilon: float = 1e-12

    def store(self, arguments: dict[str, Any]) -> None:
        super().store(arguments)
        axis = self.axis
        if isinstance(axis, bool) or not isinstance(axis, (int, list, tuple)):
            raise TypeError(f"layer {self.name!r}: axis must be an int or a list of ints, received "
                            f"{axis!r}")  # fmt: skip
        self.axis = list(axis) if isinstance(axis, tuple) else axis
        self.epsilon = check_number(f"layer {self.name!r}: epsilon", self.epsilon, 0)

    def forward(self, x: Any, training: bool = False) -> Any:
        axes = axes_of(self, self.axis, x.shape)
        rows = to_rows(self, x, axes)  # (R, D)
        y, xhat, inv = self.empty(rows.shape), self.empty(rows.shape), self.empty(rows.shape[:1])
        gamma, beta = self.scale_and_shift()
        self.ops.rownorm(self.kind, rows, gamma, beta, self.epsilon, y=y, xhat=xhat, inv=inv)
        self.saved = (xhat, inv, axes)
        return from_rows(self, y, axes, x.shape)

    def backward(self, dy: Array) -> Any:
        xhat, inv, axes = self.recall()
        rows, dx = to_rows(self, dy, axes), self.empty(xhat.shape) if self.needs_dx else None
        (gamma, _), (dgamma, dbeta) = self.scale_and_shift(), self.scale_and_shift("grad")
        self.ops.rownorm_grad(self.kind, xhat, gamma, inv, self.epsilon, rows, dx=dx,
                              dgamma=dgamma, dbeta=dbeta)  # fmt: skip
        return None if dx is None else from_rows(self, dx, axes, dy.shape)

    def _shape(self, input_shape):
        return tuple(input_shape[a] for a in axes_of(self, self.axis, input_shape))


@register()
class LayerNormalization(RowNormalization):
    """Normalizes each row over its features, then scales and shifts (Ba, Kiros, Hinton 2016).

        xhat = (x - mean) / sqrt(var + epsilon)      (N, D), mean and var over D, row by row
        y = gamma xhat + beta

    Args:
        axis: the axis, or axes, to normalize over.
        epsilon: keeps the root away from zero.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
        gamma_constraint: as for Dense.
    """

    kind = "layer"

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Named = "zeros",
                 gamma_initializer: Named = "ones", beta_regularizer: Named = None,
                 gamma_regularizer: Named = None, beta_constraint: Named = None,
                 gamma_constraint: Named = None, *, rms_scaling: bool = False,
                 **options: Any) -> None:  # fmt: skip
        if rms_scaling:
            raise ValueError("LayerNormalization(rms_scaling=True): use RMSNormalization")
        super().__init__(**options)
        self.store(locals())

    def build(self, input_shape: Any) -> None:
        self.add_scale_and_shift(self._shape(input_shape))


@register()
class RMSNormalization(RowNormalization):
    """Divides each row by its root mean square, then scales it (Zhang and Sennrich 2019).

        y = scale x / sqrt(mean(x^2) + epsilon)      (N, D), mean over D, row by row

    Args:
        axis: the axis, or axes, to normalize over.
        epsilon: keeps the root away from zero.
    """

    gamma: Any

    scale: Parameter

    kind = "rms"
    supports_masking = False  # nor does Keras

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        self.store(locals())

    def build(self, input_shape: Any) -> None:
        self.gamma = self.scale = self.add_weight(self._shape(input_shape), "ones", name="scale")


@register()
class UnitNormalization(RowNormalization):
    """Divides each row by its Euclidean norm: y = x / max(|x|, 1e-12). It has no parameters.

    Args:
        axis: the axis, or axes, that the norm goes over.
    """

    kind = "unit"

    def __init__(self, axis: int | Sequence[int] = -1, **options: Any) -> None:
        super().__init__(**options)
        self.store(locals())
