"""Batch normalization, and the scale and shift after any normalization."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..configs.checks import check_number
from .axes import axes_of, from_rows, to_rows
from .base import Layer, register

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, Named, Shape
    from ..core.parameters import Parameter


class ScaledAndShifted(Layer):
    """Base: y = gamma xhat + beta, where a subclass computes xhat, x normalized."""

    beta: Any
    gamma: Any

    gamma = beta = None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        axes_of(self, self.axis, input_shape)
        return tuple(input_shape)

    def add_scale_and_shift(self, shape: Shape) -> None:
        """Create gamma where `scale` is set, beta where `center` is."""
        if self.scale:
            self.gamma = self.named_weight("gamma", shape)
        if self.center:
            self.beta = self.named_weight("beta", shape)

    def scale_and_shift(self, kind: str = "value") -> list[Any]:
        """gamma and beta, or with "grad" their gradients, as vectors (D,); None where none is."""
        found = [getattr(p, kind, None) for p in (self.gamma, self.beta)]
        return [None if a is None else a.reshape(math.prod(a.shape)) for a in found]


@register()
class BatchNormalization(ScaledAndShifted):
    """Normalizes each feature over the batch, then scales and shifts it (Ioffe and Szegedy 2015).

        xhat = (x - mean) / sqrt(var + epsilon)          (N, D), mean and var over the rows
        y = gamma xhat + beta

    While training, mean and (population) variance are the batch's, and the moving ones follow:
    moving = momentum moving + (1 - momentum) batch. Otherwise, and in a frozen layer, the moving
    ones are used.

    Args:
        axis: the feature axis; all others are averaged over.
        momentum: inertia of the moving statistics.
        epsilon: keeps the root away from zero.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer,
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: as for Dense.
    """

    saved: Any

    moving_mean: Parameter
    moving_variance: Parameter

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, momentum: float = 0.99,
                 epsilon: float = 1e-3, center: bool = True, scale: bool = True,
                 beta_initializer: Named = "zeros", gamma_initializer: Named = "ones",
                 moving_mean_initializer: Named = "zeros",
                 moving_variance_initializer: Named = "ones", beta_regularizer: Named = None,
                 gamma_regularizer: Named = None, beta_constraint: Named = None,
                 gamma_constraint: Named = None, *, renorm: bool = False,
                 renorm_clipping: Any = None, renorm_momentum: float = 0.99,
                 synchronized: bool = False, **options: Any) -> None:  # fmt: skip
        if renorm or synchronized:
            kind = "renorm" if renorm else "synchronized"
            raise ValueError(f"BatchNormalization: {kind}=True is not supported")
        super().__init__(**options)
        self.store(locals())
        self.momentum: float = check_number(f"layer {self.name!r}: momentum", momentum, 0, 1)
        self.epsilon: float = check_number(f"layer {self.name!r}: epsilon", epsilon, 0)

    def build(self, input_shape: Any) -> None:
        D = (input_shape[self.axis],)
        self.add_scale_and_shift(D)
        self.moving_mean = self.named_weight("moving_mean", D, trainable=False)
        self.moving_variance = self.named_weight("moving_variance", D, trainable=False)

    def accepts(self, shape: Shape) -> bool:
        (axis,) = axes_of(self, self.axis, self.input_shape)
        return len(shape) == len(self.input_shape) and shape[axis] == self.input_shape[axis]

    def forward(self, x: Any, training: bool = False) -> Any:
        ops, gamma, beta = self.ops, *self.scale_and_shift()
        batch_statistics = training and self.trainable
        shape, axis = x.shape, [self.axis % x.ndim]
        if batch_statistics and self.context.masks.of(x) is not None:
            raise self.invalid(
                "batch statistics that leave out padding (mask_zero=True) "
                "are not supported; use LayerNormalization, or mask_zero=False"
            )
        x = to_rows(self, x, axis)  # (N, D)
        y, xhat = self.empty(x.shape), self.empty(x.shape)
        if batch_statistics:
            mean, var = self.empty(x.shape[1:]), self.empty(x.shape[1:])  # (D,)
            ops.batchnorm(x, gamma, beta, self.epsilon, y=y, xhat=xhat, mean=mean, var=var)
            if self.context.merge_statistics(mean, var, len(x)):  # with the rows of other ranks
                ops.batchnorm_inference(x, gamma, beta, mean, var, self.epsilon, y=y, xhat=xhat)
                batch_statistics = "merged"
            ops.moving_average(mean, self.momentum, average=self.moving_mean.value)
            ops.moving_average(var, self.momentum, average=self.moving_variance.value)
        else:
            mean, var = self.moving_mean.value, self.moving_variance.value
            ops.batchnorm_inference(x, gamma, beta, mean, var, self.epsilon, y=y, xhat=xhat)
        self.saved = (xhat, var, batch_statistics)
        return from_rows(self, y, axis, shape)

    def backward(self, dy: Array) -> Any:
        xhat, var, batch_statistics = self.recall()
        grad = self.ops.batchnorm_grad if batch_statistics else self.ops.batchnorm_inference_grad
        shape, axis = dy.shape, [self.axis % dy.ndim]
        dy = to_rows(self, dy, axis)  # (N, D)
        dx = self.empty(xhat.shape) if self.needs_dx else None
        (gamma, _), (dgamma, dbeta) = self.scale_and_shift(), self.scale_and_shift("grad")
        if batch_statistics == "merged":
            grad = self.ops.batchnorm_inference_grad  # of what is left, without the means of all
            if dx is not None:
                self._merged_dx(xhat, gamma, var, dy, dx)
                grad(xhat, gamma, var, self.epsilon, dy, dx=None, dgamma=dgamma, dbeta=dbeta)
                return from_rows(self, dx, axis, shape)
        grad(xhat, gamma, var, self.epsilon, dy, dx=dx, dgamma=dgamma, dbeta=dbeta)
        return None if dx is None else from_rows(self, dx, axis, shape)

    def _merged_dx(self, xhat, gamma, var, dy, dx):
        """Write dx where mean and var are of all ranks' rows.

        dx = gamma / sqrt(var + epsilon) (dy - mean(dy) - xhat mean(dy xhat))
        """
        grad, empty = self.ops.batchnorm_inference_grad, self.empty
        along, plain = empty(var.shape), empty(var.shape)  # (D,)
        grad(xhat, gamma, var, self.epsilon, dy, dx=None, dgamma=along, dbeta=plain)
        self.context.mean_over_ranks(len(dy), along, plain)
        means = self.result_of(self.ops.multiply, xhat, along)  # (N, D)
        means = self.result_of(self.ops.add, means, plain)
        less = self.result_of(self.ops.affine, means, -1.0, 0.0)
        left = self.result_of(self.ops.add, dy, less)
        grad(xhat, gamma, var, self.epsilon, left, dx=dx, dgamma=None, dbeta=None)
