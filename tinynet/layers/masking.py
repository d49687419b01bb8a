"""Masking: steps that hold nothing but a certain value are padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .base import Layer, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike, Shape


@register()
class Masking(Layer):
    """y[n, t] = x[n, t], or zeros where all entries of x[n, t] are mask_value: padding.

        dx = dy where x is kept, else 0      (N, T, D)

    Layers above that know padding leave these steps out, GlobalAveragePooling1D for one.

    Args:
        mask_value: what padding holds.
    """

    saved: Any

    on_host = True
    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.store(locals())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 3:
            raise self.invalid(f"expected input (N, T, D), received shape {tuple(input_shape)}")
        return tuple(input_shape)

    def compute_mask(self, inputs: Any, previous_mask: ArrayLike = None) -> Any:
        kept = (self.ops.to_host(inputs) != self.mask_value).any(axis=-1)  # (N, T)
        return self.ops.from_host(kept.astype(self.dtype))

    def forward(self, x: Any, training: bool = False) -> Any:
        x = self.ops.to_host(x)
        kept = (x != self.mask_value).any(axis=-1, keepdims=True)
        self.saved = (kept,)
        return self.ops.from_host(np.where(kept, x, np.zeros((), x.dtype)))

    def backward(self, dy: Array) -> Any:
        (kept,) = self.recall()
        return self.ops.from_host(self.ops.to_host(dy) * kept)
