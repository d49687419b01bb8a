"""Masking: steps that hold nothing but a certain value are padding."""

import numpy as np

from .base import Layer, register


@register()
class Masking(Layer):
    """y[n, t] = x[n, t], or zeros where all entries of x[n, t] are mask_value: padding.

        dx = dy where x is kept, else 0      (N, T, D)

    Layers above that know padding leave these steps out, GlobalAveragePooling1D for one.

    Args:
        mask_value: what padding holds.
    """

    on_host = True
    supports_masking = True

    def __init__(self, mask_value=0.0, **options):
        super().__init__(**options)
        self.store(locals())

    def compute_output_shape(self, input_shape):
        if len(input_shape) < 3:
            raise self.invalid(f"expected input (N, T, D), received shape {tuple(input_shape)}")
        return tuple(input_shape)

    def compute_mask(self, inputs, previous_mask=None):
        kept = (self.ops.to_host(inputs) != self.mask_value).any(axis=-1)  # (N, T)
        return self.ops.from_host(kept.astype(self.dtype))

    def forward(self, x, training=False):
        x = self.ops.to_host(x)
        kept = (x != self.mask_value).any(axis=-1, keepdims=True)
        self.saved = (kept,)
        return self.ops.from_host(np.where(kept, x, np.zeros((), x.dtype)))

    def backward(self, dy):
        (kept,) = self.recall()
        return self.ops.from_host(self.ops.to_host(dy) * kept)
