"""Sums over segments, the largest entries, and functions beyond NumPy's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrays import convert_to_tensor, narrow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike

__all__ = ["cdist", "erf", "erfc", "erfinv", "in_top_k", "logdet", "logsumexp", "lstsq", "rsqrt",
           "segment_max", "segment_min", "segment_prod", "segment_sum", "solve_triangular",
           "top_k"]  # fmt: skip


def _floats(x):
    x = convert_to_tensor(x)
    return x if x.dtype.kind in "fc" else x.astype(narrow(np.zeros(1)).dtype)


def rsqrt(x: ArrayLike) -> Array:
    """Return 1 / sqrt(x)."""
    return 1 / np.sqrt(_floats(x))


def logsumexp(x: ArrayLike, axis: int | Sequence[int] | None = None,
              keepdims: bool = False) -> Array:  # fmt: skip
    """Return log(sum(exp(x))) along an axis, without overflow."""
    x = _floats(x)
    top = x.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, np.zeros((), x.dtype))
    total = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return total if keepdims else total.reshape(()) if axis is None else total.squeeze(axis)


def erf(x: ArrayLike) -> Array:
    """Return the error function."""
    from scipy import special

    return special.erf(_floats(x))


def erfc(x: ArrayLike) -> Array:
    """Return 1 - erf(x)."""
    from scipy import special

    return special.erfc(_floats(x))


def erfinv(x: ArrayLike) -> Array:
    """Return the inverse of erf."""
    from scipy import special

    return special.erfinv(_floats(x))


def logdet(x: ArrayLike) -> Array:
    """Return the logarithm of the determinants of positive definite matrices (..., M, M)."""
    return np.linalg.slogdet(_floats(x))[1]


def solve_triangular(a: ArrayLike, b: ArrayLike, lower: bool = False) -> Array:
    """Return x with a x = b for a triangle a (..., M, M) and b (..., M) or (..., M, K)."""
    a, b = np.tril(_floats(a)) if lower else np.triu(_floats(a)), _floats(b)
    vector = b.ndim == a.ndim - 1
    x = np.linalg.solve(a, b[..., None] if vector else b)
    return x[..., 0] if vector else x


def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> Array:
    """Return the x with the least |a x - b|."""
    return np.linalg.lstsq(_floats(a), _floats(b), rcond=rcond)[0]


def cdist(x: ArrayLike, y: ArrayLike) -> Array:
    """Return the Euclidean distances (..., N, M) of rows (..., N, D) from rows (..., M, D)."""
    return np.linalg.norm(_floats(x)[..., :, None, :] - _floats(y)[..., None, :, :], axis=-1)


def top_k(x: ArrayLike, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """Return (values, indices) of the k largest entries along the last axis, the first first."""
    x = convert_to_tensor(x)
    indices = np.argsort(-x.astype(np.result_type(x, np.int8)), axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, indices, axis=-1), indices.astype("int32")


def in_top_k(targets: ArrayLike, predictions: ArrayLike, k: int) -> Array:
    """Return whether each class id (N,) is among the k largest of its row (N, C)."""
    predictions, targets = convert_to_tensor(predictions), np.asarray(targets)
    of_target = np.take_along_axis(predictions, targets[..., None].astype(np.int64), axis=-1)
    return np.isfinite(of_target[..., 0]) & ((predictions > of_target).sum(axis=-1) < k)


def _segments(way, start):
    def segment(data, segment_ids, num_segments=None, sorted=False):
        data, ids = convert_to_tensor(data), np.asarray(segment_ids)
        count = int(ids.max()) + 1 if num_segments is None else int(num_segments)
        out = np.full((count, *data.shape[1:]), start(data.dtype), data.dtype)
        inside = (ids >= 0) & (ids < count)
        way.at(out, ids[inside], data[inside])
        return out

    return segment


def _least(dtype):
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _largest(dtype):
    return np.inf if dtype.kind == "f" else np.iinfo(dtype).max


segment_sum = _segments(np.add, lambda dtype: 0)
segment_prod = _segments(np.multiply, lambda dtype: 1)
segment_max = _segments(np.maximum, _least)
segment_min = _segments(np.minimum, _largest)
