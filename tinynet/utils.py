"""Preparation of data: one-hot classes, scaling, padding; Keras's and scikit-learn's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .config import (
    clear_session,
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from .configs.arguments import absent as _absent
from .configs.checks import check_axes, check_number, is_integer
from .configs.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from .configs.registry import Configurable
from .data import PyDataset, split_dataset
from .datasets._get_file import get_file
from .random import set_random_seed
from .saving.objects import deserialize_keras_object, serialize_keras_object
from .showing.progbar import Progbar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

    from .configs.types import Array, ArrayLike, DType, Path
    from .models import Model

Sequence = PyDataset  # its older name

__all__ = [
    "CustomObjectScope", "MinMaxScaler", "Progbar", "PyDataset", "Sequence", "StandardScaler",
    "check_number", "clear_session", "custom_object_scope", "deserialize_keras_object",
    "disable_interactive_logging", "enable_interactive_logging", "get_custom_objects", "get_file",
    "get_registered_name", "get_registered_object", "is_interactive_logging_enabled", "normalize",
    "pad_sequences", "plot_model", "register_keras_serializable", "serialize_keras_object",
    "set_random_seed", "split_dataset", "to_categorical",
]  # fmt: skip


def plot_model(model: Model, to_file: Path = "model.png", **options: Any) -> Any:
    """Draw the layers of a built model into a file, see `plotting.plot_model`."""
    from .plotting.model import plot_model

    return plot_model(model, to_file, **options)


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> Array:
    """One-hot rows from class ids.

        y[..., c] = 1 if c == x[...] else 0

    Args:
        x: class ids 0..C-1 of any shape; a last axis of length 1 is dropped: (N,) or (N, 1).
            Whole numbers in a floating dtype count as ids.
        num_classes: C; None means max(x) + 1.

    Returns:
        float64 array (..., C), as in Keras.

    Raises:
        ValueError: an id that is negative, not whole or not below C, with its row; no ids at
            all without `num_classes`.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise ValueError(f"class ids must be integers, received an array of dtype {x.dtype}")
    if x.ndim > 1 and x.shape[-1] == 1:
        x = x[..., 0]
    if num_classes is None:
        if not x.size:
            raise ValueError("num_classes can't be found from an empty array of class ids: name it")
    elif not is_integer(num_classes, 1):
        raise ValueError(f"num_classes must be a positive integer, received {num_classes!r}")
    bad = (x < 0) | (x != np.floor(x)) | ~np.isfinite(x)
    if num_classes is not None:
        bad |= x >= num_classes
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        top = "" if num_classes is None else f" and below num_classes = {num_classes}"
        row = where[0] if len(where) == 1 else where
        raise ValueError(f"class ids must be whole numbers, 0 or more{top}; received "
                         f"{x[where].item()!r} in row {row}")  # fmt: skip
    ids = x.astype(np.int64).ravel()
    C = int(ids.max()) + 1 if num_classes is None else int(num_classes)
    y = np.zeros((ids.size, C))
    y[np.arange(ids.size), ids] = 1
    return y.reshape(*x.shape, C)


def normalize(x: ArrayLike, axis: int | tuple[int, ...] = -1, order: int = 2) -> Array:
    """Vectors of norm 1; a zero vector stays zero.

        y = x / ‖x‖,   ‖x‖ = (Σ|x|^order)^(1/order) along `axis`

    Args:
        x: array of any shape.
        axis: the axis along which a vector lies. (Keras 3.15 fails for 0; this does not.)
        order: 1, 2, `np.inf` or another order of `numpy.linalg.norm` for vectors.

    Returns:
        Array of x's shape; floating dtypes are kept, integers become float64.

    Raises:
        ValueError: `axis` isn't one axis of x.
    """
    x = np.asarray(x)
    check_axes("normalize", axis, x.shape, several=False)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, norm.dtype.type(1), norm)


def pad_sequences(sequences: Iterable[Any], maxlen: int | None = None,
                  dtype: DType = "int32", padding: str = "pre", truncating: str = "pre",
                  value: float = 0.0) -> Array:  # fmt: skip
    """Sequences of different lengths as the rows of one array.

    Args:
        sequences: N sequences; their elements may themselves be arrays of one shape S.
        maxlen: length T of every row; None means that of the longest sequence.
        dtype: dtype of the result; elements are cast to it.
        padding: "pre" or "post": where `value` fills up a shorter sequence.
        truncating: "pre" or "post": the end at which a longer one is cut.
        value: what to fill up with.

    Returns:
        Array (N, T, *S).

    Raises:
        ValueError: an argument outside these, an item that isn't a sequence, elements whose
            shape differs (with the number of the sequence).
    """
    for name, option in (("padding", padding), ("truncating", truncating)):
        if option not in ("pre", "post"):
            raise ValueError(f'{name} must be "pre" or "post", received {option!r}')
    if not hasattr(sequences, "__len__"):
        raise ValueError("sequences must be a list of sequences, received "
                         f"{type(sequences).__name__}")  # fmt: skip
    for n, sequence in enumerate(sequences):
        if isinstance(sequence, (str, bytes)) or not hasattr(sequence, "__getitem__"):
            raise ValueError(f"sequence {n} must be a list or an array, received {sequence!r}")
    if maxlen is None:
        if not len(sequences):
            raise ValueError("maxlen can't be found from an empty list of sequences: name it")
        maxlen = max(len(sequence) for sequence in sequences)
    elif not is_integer(maxlen, 1):
        raise ValueError(f"maxlen must be a positive integer, received {maxlen!r}")
    if isinstance(value, str) and np.dtype(dtype).kind not in "OU":
        raise ValueError(f"value={value!r} is no {dtype}: pass dtype=object for strings")
    inner = next((np.shape(s)[1:] for s in sequences if len(s)), ())
    x = np.full((len(sequences), maxlen, *inner), value, dtype)
    for n, sequence in enumerate(sequences):
        if not len(sequence):
            continue
        kept = sequence[-maxlen:] if truncating == "pre" else sequence[:maxlen]
        try:
            kept = np.asarray(kept, dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"sequence {n} can't become {dtype}: {error}; pass dtype=object for "
                             "strings") from None  # fmt: skip
        if kept.shape[1:] != inner:
            raise ValueError(f"the elements of sequence {n} have shape {kept.shape[1:]}, those "
                             f"before have shape {inner}")  # fmt: skip
        place = slice(-len(kept), None) if padding == "pre" else slice(len(kept))
        x[n, place] = kept
    return x


class _Scaler(Configurable):
    """Base of the scalers: checks and dtypes.

    A subclass measures x in `_fit`, and maps an array in place in `_forward` and `_backward`.
    """

    own_checks = frozenset({"axis"})

    def __init__(self, axis: int | tuple[int, ...] = 0) -> None:
        if axis is not None and (isinstance(axis, bool) or axis != 0):
            raise ValueError("axis must be 0 (per feature) or None (over everything), received "
                             f"{axis!r}")  # fmt: skip
        self.axis = axis

    def _check(self, x):
        x = np.asarray(x)
        if x.dtype.kind not in "biuf":
            raise ValueError(f"x must hold real numbers, received an array of dtype {x.dtype}")
        if x.ndim == 0:
            raise ValueError("x must be an array of rows, received a single number")
        if x.dtype.kind == "f":
            # A sum is finite only if all of its terms are: no mask is made in the usual case.
            with np.errstate(all="ignore"):
                suspect = not np.isfinite(x.sum(dtype=np.float64))
            if suspect and (rows := np.unique(np.argwhere(~np.isfinite(x))[:, 0])).size:
                shown = ", ".join(str(row) for row in rows[:5])
                more = f" and {rows.size - 5} more" if rows.size > 5 else ""
                raise ValueError(f"x holds NaN or infinity in row {shown}{more}")
        return x

    def _copied(self, x):
        """x, checked, in the dtype of the result."""
        if not hasattr(self, "n_samples_seen_"):
            raise ValueError(f"{type(self).__name__} is not fitted: call fit(x_train) first")
        x = self._check(x)
        if self.axis == 0 and x.shape[1:] != self._features:
            raise ValueError(f"x has features of shape {x.shape[1:]}, the scaler was fitted on "
                             f"{self._features}")  # fmt: skip
        return x.astype(np.result_type(x.dtype, np.float32))

    def fit(self, x: ArrayLike) -> Self:
        """Learn from the training set x (N, ...), and from nothing else; returns self."""
        x = self._check(x)
        if not x.size:
            raise ValueError(f"x must not be empty, received shape {x.shape}")
        self._fit(x)
        self._features, self.n_samples_seen_ = x.shape[1:], x.shape[0]
        return self

    def transform(self, x: ArrayLike) -> Array:
        """x (N, ...) scaled by what `fit` learned; dtype `result_type(x, float32)`."""
        y = self._copied(x)
        self._forward(y)
        return y

    def fit_transform(self, x: ArrayLike) -> Array:
        """`fit(x)`, then `transform(x)`."""
        return self.fit(x).transform(x)

    def inverse_transform(self, x: ArrayLike) -> Array:
        """The original values from scaled ones; dtype as for `transform`."""
        y = self._copied(x)
        self._backward(y)
        return y


class MinMaxScaler(_Scaler):
    """Maps the training set's range onto `feature_range`; names and results as in scikit-learn.

        y = low + (x - data_min_) / (data_max_ - data_min_) (high - low) = x scale_ + min_

    A feature that is constant in the training set maps to low.

    Args:
        feature_range: (low, high), low < high.
        axis: 0: each feature by itself; None: one range for all, as for the pixels of images.

    Results are float32 for float32, float16, 8- and 16-bit integers and bool, float64 for the
    others (NumPy's `result_type(x, float32)`); what `fit` learns is kept in float64.

    Attributes after `fit`: data_min_, data_max_, data_range_, scale_, min_, n_samples_seen_.

    Raises:
        ValueError: no fit before, other features than in `fit`, NaN or infinity (with the
            rows), empty training data.
    """

    data_max_: Array
    data_min_: Array
    data_range_: Array
    min_: Array
    scale_: Array

    config_keys: tuple[str, ...] = ("feature_range", "axis")

    def __init__(self, feature_range: tuple[float, float] = (0, 1),
                 axis: int | tuple[int, ...] = 0) -> None:  # fmt: skip
        super().__init__(axis)
        low, high = (check_number("feature_range", bound) for bound in feature_range)
        if not low < high:
            raise ValueError(f"feature_range must be (low, high), low < high, received {low, high}")
        self.feature_range: tuple[float, float] = (low, high)

    def _fit(self, x):
        low, high = self.feature_range
        self.data_min_ = np.asarray(x.min(self.axis), np.float64)
        self.data_max_ = np.asarray(x.max(self.axis), np.float64)
        self.data_range_ = self.data_max_ - self.data_min_
        constant = self.data_range_ < 10 * np.finfo(np.float64).eps  # scikit-learn's rule
        self.scale_ = (high - low) / np.where(constant, 1.0, self.data_range_)
        self.min_ = low - self.data_min_ * self.scale_

    def _forward(self, y):
        y *= self.scale_
        y += self.min_

    def _backward(self, y):
        y -= self.min_
        y /= self.scale_


class StandardScaler(_Scaler):
    """Mean 0 and variance 1 on the training set; names and results as in scikit-learn.

        y = (x - mean_) / scale_,   scale_ = √var_,   var_ = Σ(x - mean_)²/N

    A feature that is constant in the training set maps to 0.

    Args:
        axis: 0: each feature by itself; None: one mean and variance for all.

    Dtypes and errors: as for `MinMaxScaler`.

    Attributes after `fit`: mean_, var_, scale_, n_samples_seen_.
    """

    mean_: Array
    scale_: Array
    var_: Array

    config_keys: tuple[str, ...] = ("axis",)

    def _fit(self, x):
        N = x.shape[0] if self.axis == 0 else x.size
        self.mean_ = np.asarray(x.mean(self.axis, dtype=np.float64))
        self.var_ = np.asarray(x.var(self.axis, dtype=np.float64))
        # What rounding can leave of a constant feature's variance (scikit-learn's bound).
        eps = np.finfo(np.float64).eps
        constant = self.var_ <= N * eps * self.var_ + (N * self.mean_ * eps) ** 2
        self.scale_ = np.where(constant, 1.0, np.sqrt(self.var_))

    def _forward(self, y):
        y -= self.mean_
        y /= self.scale_

    def _backward(self, y):
        y *= self.scale_
        y += self.mean_


__getattr__ = _absent(__name__)
