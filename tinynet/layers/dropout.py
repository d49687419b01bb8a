"""Dropout: each entry is set to zero with probability `rate` while training."""

from ..random import check_seed, draw_seed
from .base import Layer, register
from .checks import fraction


class Keyed(Layer):
    """Base of layers with counter-based random numbers, keyed by (seed, step, row).

    Args:
        seed: None draws one.
    """

    def __init__(self, seed, options):
        super().__init__(**options)
        self.seed = None if seed is None else check_seed(seed)
        self.key = (draw_seed() if seed is None else self.seed, 0)

    def key_now(self):
        """Return the key beside step and row: the seed, and the number of this application of the
        layer in the step."""
        seed, first = self.key
        return seed, first + self.context.use

    def get_state(self):
        return {**super().get_state(), "key": self.key}

    def set_state(self, state):
        super().set_state(state)
        if self.key != state["key"]:  # a change would be a reason to record the step anew
            self.key = state["key"]


class Masked(Keyed):
    """Base of layers that drop entries: `mask(shape)` is 0 or 1 / (1 - rate)."""

    supports_masking = True

    def __init__(self, rate, noise_shape, seed, options):
        super().__init__(seed, options)
        self.rate = fraction(self, "rate", rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def mask(self, shape):
        """The mask of this step for a batch of `shape`."""
        mask = self.empty(self._mask_shape(shape))
        shared = self.noise_shape is not None and self.noise_shape[0] is not None
        row = 0 if shared else self.context.first_row  # a mask for all rows belongs to none
        self.ops.dropout_mask(self.rate, self.key_now(), self.context.step, row, mask=mask)
        return mask

    def _mask_shape(self, shape):
        if self.noise_shape is None:
            return shape
        if len(self.noise_shape) != len(shape):
            raise ValueError(
                f"layer {self.name!r}: noise_shape {self.noise_shape} must have as many axes as "
                f"the input, received {shape}"
            )
        return tuple(s if n is None else n for n, s in zip(self.noise_shape, shape, strict=True))


@register()
class Dropout(Masked):
    """Inverted dropout (Srivastava et al. 2014).

        y = x m,   m = 0 with probability rate, else 1 / (1 - rate)      (N, D)

    so that the mean stays and nothing changes outside training. The mask comes from a counter-based
    generator keyed by (seed, training step, row): it does not depend on device, threads, or how a
    batch is split.

    Args:
        rate: share of entries to drop, in [0, 1].
        noise_shape: shape of the mask where it is shared along axes, e.g. (None, 1, D).
        seed: None draws one.
    """

    config_keys = ("rate", "noise_shape", "seed")

    def __init__(self, rate, noise_shape=None, seed=None, **options):
        super().__init__(rate, noise_shape, seed, options)

    def forward(self, x, training=False):
        if not training or self.rate == 0:
            self.saved = (None,)
            return x
        mask = self.mask(x.shape)
        y = self.empty(x.shape)  # (N, D)
        self.ops.multiply(x, mask, y=y)
        self.saved = (mask,)
        return y

    def backward(self, dy):
        (mask,) = self.recall()
        if mask is None or not self.needs_dx:
            return dy
        dx = self.empty(dy.shape)  # (N, D)
        self.ops.multiply(dy, mask, y=dx)  # reverses y = x m
        return dx
