"""Dropout: each entry is set to zero with probability `rate` in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.checks import check_number, is_integer
from ..random import check_seed, draw_seed
from .base import Layer, register

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike, Config, Shape, State


class Noise(Layer):
    """Base of layers that draw random numbers in training, and change nothing otherwise.

        y = x m + n,      dx = dy m

    A subclass defines `perturbed(x)`, which returns y and m, or None for m where it is 1. The
    random numbers come from a counter-based generator keyed by (seed, training step, row).
    """

    saved: Any

    key: tuple[int, str]

    supports_masking = True
    amount = "rate"  # the argument, from 0 to 1, that says how much; at 0 nothing is drawn
    below_1 = False  # whether it must be less than 1

    def store(self, arguments: dict[str, Any]) -> None:
        super().store(arguments)
        name, amount = self.amount, arguments[self.amount]
        label = f"layer {self.name!r}: {name}"
        setattr(self, name, check_number(label, amount, 0, 1))
        if self.below_1 and amount == 1:
            raise ValueError(f"{label} must be below 1, received {amount!r}")

    @property
    def seed(self) -> int | None:
        """The seed of the random numbers; None: one was drawn."""
        return self._seed

    @seed.setter
    def seed(self, seed: int | None) -> None:
        self._seed: int | None = None if seed is None else check_seed(seed)
        self.key = (draw_seed() if seed is None else self._seed, 0)

    @property
    def key_now(self) -> tuple[Any, Any]:
        """The key of the random numbers beside step and row: the seed, and the number of this
        application of the layer in the step."""
        seed, first = self.key
        return seed, first + self.context.use

    def get_state(self) -> State:
        return {**super().get_state(), "key": self.key}

    def set_state(self, state: State) -> None:
        super().set_state(state)
        seed, number = map(check_seed, state["key"])
        if self.key != (seed, number):  # a change would be a reason to record the step anew
            self.key = (seed, number)

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved = (None,)
        if training and getattr(self, self.amount) > 0:
            x, m = self.perturbed(x)
            self.saved = (m,)
        return x

    def backward(self, dy: Array) -> Any:
        (m,) = self.recall()
        if m is None or not self.needs_dx:
            return dy
        return self.result_of(self.ops.multiply, dy, m)  # (N, D), reverses y = x m + n


class Masked(Noise):
    """Base of layers that drop entries."""

    noise_shape: Any

    def store(self, arguments: dict[str, Any]) -> None:
        super().store(arguments)
        if self.noise_shape is not None:
            given = self.noise_shape
            if isinstance(given, str) or not all(n is None or is_integer(n, 1) for n in given):
                raise self.invalid(
                    f"noise_shape must hold None or integers >= 1, received {given!r}"
                )
            self.noise_shape = tuple(given)

    def mask(self, shape: Shape) -> Any:
        """The mask of this step for a batch of `shape`: 0, or 1 / (1 - rate) where x is kept."""
        given = (None,) * len(shape) if self.noise_shape is None else self.noise_shape
        if len(given) != len(shape):
            raise self.invalid(
                f"noise_shape {given} must have as many axes as the input, received {shape}"
            )
        mask = self.empty(tuple(s if n is None else n for n, s in zip(given, shape, strict=True)))
        row = self.context.first_row if given[0] is None else 0  # else one mask for all rows
        self.ops.dropout_mask(self.rate, self.key_now, self.context.step, row, mask=mask)
        return mask


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

    def __init__(self, rate: float, noise_shape: Shape | None = None, seed: int | None = None,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        self.store(locals())

    def perturbed(self, x: ArrayLike) -> tuple[Any, Any]:
        mask = self.mask(x.shape)  # (N, D)
        return self.result_of(self.ops.multiply, x, mask), mask


@register()
class SpatialDropout1D(Dropout):
    """Dropout of whole features: of (N, T, D), the T entries of a feature share their mask.

    Args:
        rate: share of features to drop, in [0, 1].
        seed: None draws one.
    """

    noise_shape: Any

    config_keys: tuple[str, ...] = ("rate", "seed")

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(rate, noise_shape=(None, 1, None), seed=seed, **options)

    def store(self, arguments: dict[str, Any]) -> None:
        self.noise_shape = arguments["noise_shape"]
        super().store(arguments)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise self.invalid(f"expected input (N, T, D), received shape {tuple(input_shape)}")
        return tuple(input_shape)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["trainable"]  # Keras's does not take it
        return config
