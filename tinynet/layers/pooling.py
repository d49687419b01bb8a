"""Pooling over the steps of a sequence: GlobalAveragePooling1D, GlobalMaxPooling1D."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .axes import transposed
from .base import Layer, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike, Shape


class GlobalPooling1D(Layer):
    """Base: (N, T, D) -> (N, D), or (N, 1, D) with keepdims.

    Args:
        data_format: "channels_last" (also None), or "channels_first": inputs are (N, D, T).
        keepdims: keep the axis of steps, with size 1.
    """

    config_keys: tuple[str, ...] = ("data_format", "keepdims")

    def __init__(self, data_format: str | None = None, keepdims: bool = False,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        self.set_data_format(data_format)
        self.keepdims: bool = bool(keepdims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise self.invalid(
                f"expected input of 3 axes, (N, T, D), received shape {tuple(input_shape)}"
            )
        N, T, D = input_shape
        if self.features_first:
            T, D = D, T
            return (N, D, 1) if self.keepdims else (N, D)
        return (N, 1, D) if self.keepdims else (N, D)

    def forward(self, x: Any, training: bool = False) -> Any:
        shape = self.compute_output_shape(x.shape)
        steps = self._swapped(x)  # (N, T, D)
        y = self.pool(steps, self.context.masks.of(x))  # (N, D)
        return y.reshape(shape)

    def backward(self, dy: Array) -> Any:
        steps = self.recall()[0]
        if not self.needs_dx:
            return None
        dx = self.unpool(dy.reshape(len(dy), steps.shape[2]))  # (N, T, D)
        return self._swapped(dx)

    def _swapped(self, x):
        """(N, T, D) from x, or x from it."""
        return transposed(self, x, (0, 2, 1)) if self.features_first else x


@register("GlobalAvgPool1D")
class GlobalAveragePooling1D(GlobalPooling1D):
    """Mean over the steps.

        y = sum_t w_t x_t          w_t = 1 / T          (N, T, D) -> (N, D)

    After an Embedding with mask_zero=True, w_t is 0 at steps with id 0, and 1 / (number of others)
    elsewhere. A row of nothing but padding gives zeros (in Keras: NaN).
    """

    saved: Any

    def pool(self, x: ArrayLike, mask: ArrayLike) -> Any:
        (N, T, D), w = x.shape, None
        if mask is not None:
            w = self.empty((N, T))
            self.ops.mask_weights(mask, w=w)
            weighted = self.result_of(self.ops.multiply, x, w.reshape(N, T, 1))
            y = self.result_of(self.ops.sum_steps, weighted, shape=(N, D))
        else:
            total = self.result_of(self.ops.sum_steps, x, shape=(N, D))
            y = self.result_of(self.ops.affine, total, 1 / T, 0.0)
        self.saved = (x, w)
        return y

    def unpool(self, dy: Array) -> Any:
        x, w = self.recall()
        N, T, _ = x.shape
        repeated = self.result_of(self.ops.repeat, dy, shape=x.shape)
        if w is not None:
            return self.result_of(self.ops.multiply, repeated, w.reshape(N, T, 1))  # dx_t = w_t dy
        return self.result_of(self.ops.affine, repeated, 1 / T, 0.0)


@register("GlobalMaxPool1D")
class GlobalMaxPooling1D(GlobalPooling1D):
    """Maximum over the steps: y = max_t x_t. Steps that are equally large share the gradient."""

    saved: Any

    def pool(self, x: ArrayLike, mask: ArrayLike) -> Any:
        y = self.result_of(self.ops.max_steps, x, shape=(len(x), x.shape[2]))
        self.saved = (x, y)
        return y

    def unpool(self, dy: Array) -> Any:
        x, y = self.recall()
        dx = self.empty(x.shape)
        self.ops.max_steps_grad(x, y, dy, dx=dx)
        return dx
