"""Fixed scaling of inputs: Rescaling, and Normalization, which measures it on data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .axes import axes_of, from_rows, to_rows
from .base import Layer, register

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike, Config, Shape
    from ..core.parameters import Parameter

LEAST = 1e-7  # the smallest standard deviation that is divided by, as in Keras


@register()
class Rescaling(Layer):
    """y = scale x + offset.

    Args:
        scale, offset: numbers, or arrays that broadcast against a row of inputs.
    """

    offset: Any | float
    scale: Any | float

    supports_masking = True

    def __init__(self, scale: float, offset: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.scale, self.offset = _plain(scale), _plain(offset)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        for name in ("scale", "offset"):
            wanted = np.shape(getattr(self, name))
            tail = shape[max(len(shape) - len(wanted), 1) :]
            if len(wanted) > len(tail) or any(
                w not in (1, s) for w, s in zip(wanted, tail, strict=True)
            ):
                raise self.invalid(f"{name} of shape {wanted} does not fit input of shape {shape}")
        return shape

    def forward(self, x: Any, training: bool = False) -> Any:
        if np.ndim(self.scale) == np.ndim(self.offset) == 0:
            return self.result_of(self.ops.affine, x, self.scale, self.offset)
        scaled = self.result_of(self.ops.multiply, x, np.array(self.scale, self.dtype))
        return self.result_of(self.ops.add, scaled, np.array(self.offset, self.dtype))

    def backward(self, dy: Array) -> Any:
        if not self.needs_dx:
            return None
        if np.ndim(self.scale) == 0:
            return self.result_of(self.ops.affine, dy, self.scale, 0.0)
        return self.result_of(self.ops.multiply, dy, np.array(self.scale, self.dtype))


def _plain(value):
    """A number, or nested lists of numbers, as in a config."""
    value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        raise TypeError(f"Rescaling: expected numbers, received {value!r}")
    return value.tolist() if value.ndim else float(value)


@register()
class Normalization(Layer):
    """Shifts and scales each feature to mean 0 and variance 1, as measured on data.

        sd = max(sqrt(variance), 1e-7)
        y = (x - mean) / sd,      with invert: y = mean + x sd

    `adapt(x)` measures mean and variance before training; or they are given.

    Args:
        axis: the axis, or axes, with a mean of their own; None: one mean for all entries. Inputs
            with more axes than the data to adapt to are scaled along their last axes.
        mean, variance: numbers or arrays, both or neither.
        invert: undo the normalization instead.

    Attributes:
        mean, variance: arrays that broadcast against an input, (1, D) for (N, D); None before
            `build`.
        adapt_mean, adapt_variance: the same, (D,), as Parameters where they are measured.
    """

    saved: Any

    count: Parameter
    adapt_mean: Any
    adapt_variance: Any

    supports_masking = True
    config_keys: tuple[str, ...] = ()  # mean and variance may be measured: see `get_config`

    may_be_empty: tuple[str] = ("axis",)  # Keras writes None so

    def __init__(self, axis: int | Sequence[int] = -1, mean: float | None = None,
                 variance: float | None = None, invert: bool = False,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        self.axis: Any = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise self.invalid(
                f"give mean and variance, or neither; received mean={mean}, variance={variance}"
            )
        if np.shape(mean) != np.shape(variance) or np.ndim(mean) > len(self.axis):
            raise self.invalid(
                f"expected mean and variance of equal shape, with at most "
                f"{len(self.axis)} axes; received shapes {np.shape(mean)}, {np.shape(variance)}"
            )
        self.given: tuple[float, float | None] | None = None if mean is None else (mean, variance)
        self.invert: bool = bool(invert)
        self.adapt_mean = self.adapt_variance = None

    @property
    def mean(self) -> Array | None:
        return self._beside_inputs(self.adapt_mean)

    @property
    def variance(self) -> Array | None:
        return self._beside_inputs(self.adapt_variance)

    def _beside_inputs(self, values):
        """Return a copy of (D,) with an axis of length 1 for each that has no mean of its own."""
        if values is None:
            return None
        kept = self._axes(self.input_shape)
        return np.array(values).reshape([n if a in kept else 1
                                         for a, n in enumerate(self.input_shape)])  # fmt: skip

    def _axes(self, shape):
        """The axes with a mean of their own; in more axes than it was built for, from the right."""
        built = self.input_shape
        shift = len(built) if built is not None and len(shape) > len(built) else 0
        return axes_of(self, tuple(a - shift if a >= 0 else a for a in self.axis), shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._axes(input_shape)
        return tuple(input_shape)

    def build(self, input_shape: Any) -> None:
        kept = tuple(input_shape[a] for a in self._axes(input_shape))
        if self.given is not None:
            try:
                self.adapt_mean, self.adapt_variance = (
                    np.broadcast_to(np.asarray(v, self.dtype), kept).copy() for v in self.given
                )
            except ValueError:
                raise self.invalid(
                    f"mean of shape {np.shape(self.given[0])} does not fit "
                    f"axes {self.axis} of input {tuple(input_shape)}"
                ) from None
            return
        self.adapt_mean = self.add_weight(kept, "zeros", name="mean", trainable=False)
        self.adapt_variance = self.add_weight(kept, "ones", name="variance", trainable=False)
        self.count = self.add_weight((), "zeros", name="count", trainable=False)  # Keras has one

    def accepts(self, shape: Shape) -> bool:
        axes = self._axes(shape)
        more = len(shape) - len(self.input_shape)
        return more >= 0 and all(shape[a] == self.input_shape[a - more] for a in axes)

    def adapt(self, data: ArrayLike) -> None:
        """Measure mean and (population) variance.

        Args:
            data: array (N, ...), or an iterable of such batches; of a batch (x, y) x counts.
        """
        if self.given is not None:
            raise self.invalid("mean and variance were given; nothing to adapt")
        count, mean, squares = 0, 0.0, 0.0
        for batch in [data] if hasattr(data, "shape") else data:
            x = np.asarray(batch[0] if isinstance(batch, (tuple, list)) else batch)
            if x.dtype.kind not in "fiub" or x.ndim == 0 or x.size == 0:
                raise self.invalid(
                    f"adapt expected arrays of numbers, received shape {x.shape}, dtype {x.dtype}"
                )
            self.build_once((None, *x.shape[1:]))
            self.check_input_shape(x.shape)
            axes = self._axes(x.shape)
            others = tuple(a for a in range(x.ndim) if a not in axes)
            x = x.astype(np.float64)
            n = math.prod(x.shape[a] for a in others)
            # mean and sum of squared distances of both parts together (Chan et al. 1979)
            own = x.mean(axis=others)
            between = (own - mean) ** 2 * (count * n / (count + n))
            squares = squares + x.var(axis=others) * n + between
            mean = mean + (own - mean) * (n / (count + n))
            count += n
        if count == 0:
            raise self.invalid("adapt received no data")
        self.adapt_mean.assign(np.asarray(mean, self.dtype))
        self.adapt_variance.assign(np.asarray(squares / count, self.dtype))

    def forward(self, x: Any, training: bool = False) -> Any:
        axes = self._axes(x.shape)
        rows, (mean, variance) = self._rows(x, axes), self._statistics()  # (R, D), (D,)
        if self.invert:
            deviation = self.empty(mean.shape)
            self.ops.deviation(variance, LEAST, out=deviation)
            scaled = self.result_of(self.ops.multiply, rows, deviation)
            y = self.result_of(self.ops.add, scaled, mean)
            self.saved = (deviation, axes)
        else:
            # LEAST**2 under the root: what max does, but for variances of that size themselves
            y, xhat = self.empty(rows.shape), self.empty(rows.shape)
            self.ops.batchnorm_inference(rows, None, None, mean, variance, LEAST**2, y=y, xhat=xhat)
            self.saved = (xhat, axes)
        return self._back(y, axes, x.shape)

    def backward(self, dy: Array) -> Any:
        kept, axes = self.recall()
        if not self.needs_dx:
            return None
        rows = self._rows(dy, axes)
        if self.invert:
            dx = self.result_of(self.ops.multiply, rows, kept)
        else:
            dx, (_, variance) = self.empty(rows.shape), self._statistics()
            self.ops.batchnorm_inference_grad(
                kept, None, variance, LEAST**2, rows, dx=dx, dgamma=None, dbeta=None
            )
        return self._back(dx, axes, dy.shape)

    def _rows(self, x, axes):
        return to_rows(self, x, axes) if axes else x.reshape(x.size, 1)

    def _back(self, y, axes, shape):
        return from_rows(self, y, axes, shape) if axes else y.reshape(shape)

    def _statistics(self):
        arrays = (getattr(v, "value", v) for v in (self.adapt_mean, self.adapt_variance))
        return [a.reshape(a.size) for a in arrays]  # (D,)

    def get_config(self) -> Config:
        given = (None, None) if self.given is None else [np.asarray(v).tolist() for v in self.given]
        own = {"axis": list(self.axis), "mean": given[0], "variance": given[1]}
        return {**super().get_config(), **own, "invert": self.invert}
