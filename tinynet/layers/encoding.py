"""Numbers as categories: CategoryEncoding and Discretization, which nothing trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..config import floatx
from ..configs.checks import check_integer, check_number
from ..core.graph import is_symbolic
from .base import Layer, register

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike, Config, Shape

MODES = ("int", "one_hot", "multi_hot", "count")


class Preparing(Layer):
    """Base of layers that prepare data: `encode(x)` on an array of NumPy's, without a gradient.

    Called on an array it returns what `encode` does; in a model, where it must stand at the
    beginning, numbers of the model's dtype.
    """

    on_host = True
    output_mode = "int"

    def __call__(self, inputs: Any, training: bool | None = None, **given: Any) -> Any:
        if is_symbolic(inputs):
            return self.connect(inputs, training)
        return self.encode(np.asarray(inputs), **given)

    def encode(self, x: ArrayLike) -> Array:
        """Return the categories of an array."""
        raise NotImplementedError(f"{type(self).__name__} needs encode(x), which returns the "
                                  "categories of an array")  # fmt: skip

    def depth(self) -> int:
        """Return the number of categories."""
        raise NotImplementedError(f"{type(self).__name__} needs depth(), the number of categories")

    def check_mode(self, modes: Any = MODES) -> None:
        """Raise unless `output_mode` is one of these."""
        if self.output_mode not in modes:
            raise self.invalid(f"output_mode must be one of {modes}, received {self.output_mode!r}")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.output_mode == "int":
            return shape
        if self.output_mode == "one_hot":
            shape = shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
            return (*shape, self.depth())
        return (shape[0], *shape[2:], self.depth())

    def accepts(self, shape: Shape) -> bool:
        return True

    def forward(self, x: Any, training: bool = False) -> Any:
        return self.ops.from_host(self.encode(self.ops.to_host(x)).astype(self.dtype))

    def backward(self, dy: Array) -> Any:
        if not self.needs_dx:
            return None
        raise NotImplementedError(f"layer {self.name!r}: a category has no gradient; the layer "
                                  "stands at the beginning of a model")  # fmt: skip

    def as_vectors(self, ids: Any, weights: Sequence[ArrayLike] | None = None) -> Any:
        """Return ids (N, ...) in the form of `output_mode`; an id of -1 belongs to no category."""
        if self.output_mode == "int":
            return ids
        ids = ids if ids.ndim else ids[None]
        if self.output_mode == "one_hot" and ids.ndim > 1 and ids.shape[-1] == 1:
            ids = ids[..., 0]
        hot = (ids[..., None] == np.arange(self.depth())).astype(floatx())
        if self.output_mode == "one_hot":
            return hot
        hot = hot if weights is None else hot * np.asarray(weights)[..., None]
        axis = 1 if ids.ndim > 1 else 0
        return hot.max(axis=axis) if self.output_mode == "multi_hot" else hot.sum(axis=axis)


@register()
class CategoryEncoding(Preparing):
    """Category numbers as vectors: one_hot (N,) -> (N, C), multi_hot or count (N, T) -> (N, C).

    Args:
        num_tokens: C.
        output_mode: "one_hot", "multi_hot" or "count"; called with `count_weights` (N, T), "count"
            adds these.

    Raises:
        ValueError: a number that is not in [0, C).
    """

    def __init__(self, num_tokens: int | None = None, output_mode: str = "multi_hot",
                 sparse: bool = False, **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        if sparse:
            raise self.invalid("sparse=True is not supported")
        self.output_mode: str = "count" if output_mode == "count" else output_mode
        self.check_mode(MODES[1:])
        self.num_tokens: int = check_integer(f"layer {self.name!r}: num_tokens", num_tokens)
        self.sparse = False

    def depth(self) -> int:
        return self.num_tokens

    def encode(self, x: ArrayLike, count_weights: Any = None) -> Array:
        if count_weights is not None and self.output_mode != "count":
            raise self.invalid('count_weights goes with output_mode="count" alone, received '
                               f"{self.output_mode!r}")  # fmt: skip
        wrong = (x < 0) | (x >= self.num_tokens) | (x != np.floor(x))
        if wrong.any():
            raise self.invalid(f"expected integers in [0, {self.num_tokens}), received "
                               f"{x[wrong][0]}")  # fmt: skip
        return self.as_vectors(x, count_weights)


@register()
class Discretization(Preparing):
    """The number of the interval that each entry lies in, boundaries belonging to the upper one.

    Args:
        bin_boundaries: their ends, rising: [0, 1] makes x < 0, 0 <= x < 1 and x >= 1.
        num_bins: how many intervals `adapt(x)` finds, with equally many entries each.
        epsilon: how exact `adapt` is: it keeps about 1 / epsilon numbers of the data.
        output_mode: "int", "one_hot", "multi_hot" or "count".
    """

    bin_boundaries: list[float]
    boundaries: list[float]
    summary: Any

    def __init__(self, bin_boundaries: Sequence[float] | None = None, num_bins: int | None = None,
                 epsilon: float = 0.01, output_mode: str = "int", sparse: bool = False,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        self.store(locals())
        if sparse:
            raise self.invalid("sparse=True is not supported")
        self.check_mode()
        if (bin_boundaries is None) == (num_bins is None):
            raise self.invalid("give bin_boundaries or num_bins, one of them; received "
                               f"{bin_boundaries} and {num_bins}")  # fmt: skip
        check_number(f"layer {self.name!r}: epsilon", epsilon, above=0, below=1)
        self.boundaries, self.summary = None, np.zeros((2, 0), "float32")
        if num_bins is not None:
            check_integer(f"layer {self.name!r}: num_bins", num_bins)
        else:
            self.boundaries = self.bin_boundaries = [float(b) for b in bin_boundaries]
            if sorted(self.boundaries) != self.boundaries:
                raise self.invalid(f"bin_boundaries must rise, received {bin_boundaries}")

    def depth(self) -> int:
        return self.num_bins if self.boundaries is None else len(self.boundaries) + 1

    def adapt(self, data: ArrayLike, steps: int | None = None) -> None:
        """Find boundaries between which equally many entries lie, as Keras does.

        Args:
            data: an array, or an iterable of such batches.
            steps: how many batches to look at; None: all.
        """
        if self.num_bins is None:
            raise self.invalid("bin_boundaries were given; nothing to adapt")
        self.summary = np.zeros((2, 0), "float32")
        batches = [data] if hasattr(data, "shape") else data
        for number, batch in enumerate(batches):
            if number == steps:
                break
            values = np.sort(np.asarray(batch, "float32"), axis=None)
            step = max(len(values) * self.epsilon, 1)
            ends = values[int(step - 1) :: int(step)]
            found = np.stack([ends, np.full_like(ends, step)])
            merged = np.concatenate([found, self.summary], axis=1)
            self.summary = _compressed(merged[:, np.argsort(merged[0])], self.epsilon)
        self.boundaries = _compressed(self.summary, 1 / self.num_bins)[0, :-1].tolist()

    def encode(self, x: ArrayLike) -> Array:
        if self.boundaries is None:
            raise self.invalid("it has no boundaries yet: call adapt(data), or give bin_boundaries")
        return self.as_vectors(np.digitize(x, self.boundaries))

    def get_config(self) -> Config:
        known, config = self.boundaries is not None, super().get_config()
        del config["trainable"]  # Keras's does not take it
        return {**config, "bin_boundaries": self.boundaries,
                "num_bins": None if known else self.num_bins}  # fmt: skip


def _compressed(summary, epsilon):
    """Return a summary (2, K), ends of intervals and weights, of about 1 / epsilon columns."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares, weights = epsilon + np.arange(0.0, 1.0, epsilon), summary[1].cumsum()
    ends = np.interp(shares, weights / weights[-1], summary[0])
    weights = np.interp(shares, weights / weights[-1], weights)
    return np.stack([ends, np.diff(weights, prepend=0)]).astype("float32")
