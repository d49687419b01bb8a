"""Activations, encodings, cross-entropies and normalizations on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import activations, losses
from ..config import floatx
from .arrays import convert_to_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike, DType

ACTIVATIONS = """
celu elu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu log_sigmoid
log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus
sparse_sigmoid sparsemax squareplus swish tanh_shrink threshold
""".split()  # noqa: SIM905

__all__ = [*ACTIVATIONS, "batch_normalization", "binary_crossentropy", "categorical_crossentropy",
           "gelu", "layer_normalization", "moments", "multi_hot", "normalize", "one_hot",
           "rms_normalization", "sparse_categorical_crossentropy"]  # fmt: skip


def _activation(name):
    f = getattr(activations, name)

    def activation(x, *args, **options):
        return f(convert_to_tensor(x), *args, **options)

    activation.__name__, activation.__doc__ = name, f"Return {name}(x), see `activations.{name}`."
    return activation


globals().update({name: _activation(name) for name in ACTIVATIONS})


def gelu(x: ArrayLike, approximate: bool = True) -> Array:
    """Return gelu(x), by tanh or exactly."""
    return activations.gelu(convert_to_tensor(x), approximate=approximate)


def one_hot(x: ArrayLike, num_classes: int, axis: int | Sequence[int] = -1,
            dtype: DType | None = None, sparse: bool = False) -> Array:  # fmt: skip
    """Return 1 at each class id and 0 elsewhere; the classes stand on `axis`."""
    if sparse:
        raise ValueError("one_hot: sparse=True is not supported; scipy.sparse has such matrices")
    hot = np.asarray(x)[..., None] == np.arange(num_classes)
    return np.moveaxis(hot, -1, axis).astype(dtype or floatx())


def multi_hot(inputs: Any, num_classes: int | None = None, axis: int | Sequence[int] = -1,
              dtype: DType | None = None, sparse: bool = False,
              **options: Any) -> Array:  # fmt: skip
    """Return 1 at all class ids of a row (N, T) and 0 elsewhere (N, C)."""
    num_classes = options.pop("num_tokens", num_classes)
    x = np.asarray(inputs)
    hot = one_hot(x, num_classes, dtype=dtype, sparse=sparse)
    hot = hot if x.ndim == 0 else hot.max(axis=0 if x.ndim == 1 else 1)
    return np.moveaxis(hot, -1, axis)


def binary_crossentropy(target: ArrayLike, output: ArrayLike, from_logits: bool = False) -> Array:
    """Return -t log p - (1 - t) log(1 - p), entry by entry."""
    target, output = convert_to_tensor(target), convert_to_tensor(output)
    values = losses.binary_crossentropy(target[..., None], output[..., None],
                                        from_logits=from_logits)  # fmt: skip
    return values.reshape(np.shape(output))


def categorical_crossentropy(target: ArrayLike, output: ArrayLike, from_logits: bool = False,
                             axis: int | Sequence[int] = -1) -> Array:  # fmt: skip
    """Return -sum of t log p over the classes on `axis`."""
    return losses.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target: ArrayLike, output: ArrayLike, from_logits: bool = False,
                                    axis: int | Sequence[int] = -1) -> Array:  # fmt: skip
    """Return -log p of each class id."""
    return losses.sparse_categorical_crossentropy(target, output, from_logits=from_logits,
                                                  axis=axis)  # fmt: skip


def moments(x: ArrayLike, axes: int | Sequence[int], keepdims: bool = False,
            synchronized: bool = False) -> Any:  # fmt: skip
    """Return (mean, variance) over these axes."""
    x, axes = convert_to_tensor(x), tuple(axes) if np.ndim(axes) else axes
    return x.mean(axis=axes, keepdims=keepdims), x.var(axis=axes, keepdims=keepdims)


def normalize(x: ArrayLike, axis: int | Sequence[int] = -1, order: int = 2,
              epsilon: float | None = None) -> Array:  # fmt: skip
    """Return x divided by its norm along an axis, by epsilon where that is less."""
    x = convert_to_tensor(x)
    x = x if x.dtype.kind == "f" else x.astype(floatx())
    norm = np.sum(np.abs(x) ** order, axis=axis, keepdims=True) ** (1 / order)
    return x / np.maximum(norm, np.asarray(1e-7 if epsilon is None else epsilon, x.dtype))


def batch_normalization(x: ArrayLike, mean: float, variance: float, axis: int | Sequence[int],
                        offset: float | None = None, scale: float | None = None,
                        epsilon: float = 1e-3) -> Array:  # fmt: skip
    """Return scale (x - mean) / sqrt(variance + epsilon) + offset, features on `axis`."""
    x = convert_to_tensor(x)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    mean, variance, offset, scale = (
        None if a is None else np.reshape(a, shape) for a in (mean, variance, offset, scale)
    )
    y = (x - mean) / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    return _scaled(y, scale, offset)


def layer_normalization(x: ArrayLike, gamma: float | None = None, beta: float | None = None,
                        axis: int | Sequence[int] = -1,
                        epsilon: float | None = None) -> Array:  # fmt: skip
    """Return gamma (x - mean) / sqrt(variance + epsilon) + beta, each row by itself."""
    x = convert_to_tensor(x)
    mean, variance = moments(x, axis, keepdims=True)
    epsilon = np.asarray(1e-7 if epsilon is None else epsilon, x.dtype)
    return _scaled((x - mean) / np.sqrt(variance + epsilon), gamma, beta)


def rms_normalization(x: ArrayLike, scale: float | None = None, axis: int | Sequence[int] = -1,
                      epsilon: float | None = None) -> Array:  # fmt: skip
    """Return scale x / sqrt(mean(x^2) + epsilon), each row by itself."""
    x, axes = convert_to_tensor(x), tuple(axis) if np.ndim(axis) else axis
    epsilon = np.asarray(1e-7 if epsilon is None else epsilon, x.dtype)
    return _scaled(x / np.sqrt((x * x).mean(axis=axes, keepdims=True) + epsilon), scale, None)


def _scaled(y, scale, offset):
    y = y if scale is None else y * np.asarray(scale)
    return y if offset is None else y + np.asarray(offset)
