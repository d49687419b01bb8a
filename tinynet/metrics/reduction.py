"""Sums and means over batches, exact however the rows are cut into batches; and the mean of a
function of one's own.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_axes
from ..configs.naming import snake_case
from ..losses.checks import same_rank
from .base import Metric, deserialize, functions, register, serialize
from .shapes import pair, spread

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, Config, DType


def _weighted(values, weights, reduce):
    """Return values and weights of one shape; axes that the weights lack are reduced."""
    weights = np.asarray(weights, np.float64)
    if values.shape == weights.shape:
        return values, weights
    values, weights = same_rank(values, weights)
    if values.ndim > weights.ndim:
        values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)), dtype=np.float64)
    return values, spread(weights, values.shape)


def _per_row(values):
    """Return the sum of each row in float64, (N,)."""
    if values.ndim == 1:
        return values.astype(np.float64, copy=False)
    axes = tuple(range(1, values.ndim))
    return np.atleast_1d(values.sum(axis=axes, dtype=np.float64))


def add_in_order(variable, rows):
    """Add some numbers to a variable one after the other.

    So the sum has the same bits however the rows are cut into batches; NumPy's `sum` of all rows
    would add them pairwise.
    """
    start = variable.value.reshape(1)
    variable.value[...] = np.add.accumulate(np.concatenate([start, rows]))[-1]


@register()
class Sum(Metric):
    """Weighted sum of the numbers it is given: `update_state(values, sample_weight)`."""

    adds_in_order = True

    def __init__(self, name: str = "sum", dtype: DType | None = None) -> None:
        super().__init__(dtype, name)
        self._add_sums((), "total")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike = None) -> None:
        values = np.asarray(values)
        if sample_weight is not None:
            values, weights = _weighted(values, sample_weight, np.sum)
            values = values * weights
        add_in_order(self.total, _per_row(values))

    def result(self) -> Any:
        return float(self.total)


@register()
class Mean(Metric):
    """Weighted mean of the numbers it is given: `update_state(values, sample_weight)`.

        total += sum_i w_i v_i,      count += sum_i w_i,      result = total / count

    v_i is the mean over all axes of row i, so that every row counts once. Before the first row the
    result is 0.
    """

    adds_in_order = True

    def __init__(self, name: str = "mean", dtype: DType | None = None) -> None:
        super().__init__(dtype, name)
        self._add_sums((), "total", "count")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike = None) -> None:
        values = np.asarray(values)
        weights = None
        if sample_weight is not None:
            values, weights = _weighted(values, sample_weight, np.mean)
            values = values * weights
        per_row = max(math.prod(values.shape[1:]), 1)
        add_in_order(self.total, _per_row(values) / per_row)
        if weights is None:
            self.count.value += values.size / per_row
        else:
            add_in_order(self.count, _per_row(weights) / per_row)

    def result(self) -> Any:
        total, count = float(self.total), float(self.count)
        return total / count if count else 0.0


class MeanMetric(Mean):
    """The mean of `values(y_true, y_pred)`, an array with one entry or more per row.

    A class names the function (or the loss) whose values it averages with `of`; `config_keys` hold
    that function's options.
    """

    of: Any

    axis = -1  # of the classes, or of the mean

    def __init_subclass__(cls, of: Any = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if of is not None:
            cls.of = staticmethod(of)

    def __init__(self, name: str | None = None, dtype: DType | None = None) -> None:
        super().__init__(name, dtype)

    @property
    def counts_rows(self) -> bool:
        return self.axis == -1  # along axis 0 every batch has a value of its own

    def own_options(self) -> dict[str, Any]:
        """Return the options of what is averaged: the config without name and dtype."""
        return {k: getattr(self, k) for k in self.config_keys if k not in ("name", "dtype")}

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        return self.of(y_true, y_pred, **self.own_options())

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        if y_true.ndim and y_pred.ndim and len(y_true) != len(y_pred):
            raise ValueError("y_true and y_pred must have the same number of rows, received "
                             f"shapes {y_true.shape} and {y_pred.shape}")  # fmt: skip
        values = np.asarray(self.values(y_true, y_pred))
        rows = np.shape(sample_weight)[:1]
        if rows and rows == y_pred.shape[:1] != values.shape[:1]:
            raise ValueError(f"{self.name}: expected a value for each of {rows[0]} rows, which "
                             f"have weights of their own; received values of shape {values.shape}. "
                             'Without weights it belongs into "metrics"')  # fmt: skip
        super().update_state(values, sample_weight)


class LossMetric(MeanMetric):
    """The mean of a loss, an instance of the class `of`.

    Targets are not checked as those of a loss that trains: every row that has a value is counted.
    """

    higher_is_better = False

    def loss(self) -> Any:
        """Return the loss with this metric's options, which it checks."""
        return _loss(self.of, tuple(o for o in self.own_options().items() if o[0] != "axis"))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> None:  # fmt: skip
        y_pred = np.asarray(y_pred)
        if y_pred.ndim == 1 and not self.of.whole_rows:
            y_pred = y_pred[:, None]  # N rows of one output, not one row
        super().update_state(y_true, y_pred, sample_weight)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        if self.axis != -1:
            check_axes(self.name, self.axis, p.shape, several=False)
            y, p = np.moveaxis(y, self.axis, -1), np.moveaxis(p, self.axis, -1)
        return loss_values(self.loss(), y, p)


@functools.lru_cache
def _loss(loss_type, options):
    loss = loss_type(**dict(options), reduction="none")
    loss.wants_gradient = False
    return loss


def loss_values(loss, y, p):
    """Return a loss's values (N, ...) for targets and predictions (N, ..., C), unweighted."""
    rows = p.reshape(-1, p.shape[-1])  # (R, C)
    y, w = loss.as_rows(y, p.shape, p.dtype, None)
    with np.errstate(divide="ignore", invalid="ignore"):  # a row of zeros has no distribution
        return loss.forward(y, rows, w).reshape(p.shape[:-1])


@register()
class MeanMetricWrapper(MeanMetric):
    """The mean of fn(y_true, y_pred, **options), a function that returns one value per row.

    A function that returns one number for its batch counts once per batch, however many rows that
    has, as in Keras.
    """

    options: dict[str, Any]

    config_keys: tuple[str, ...] = ("name", "dtype")  # see `get_config`
    any_keywords = True

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: DType | None = None,
                 **options: Any) -> None:  # fmt: skip
        if not callable(fn):
            raise TypeError(f"MeanMetricWrapper: fn must be a function, received {fn!r}")
        super().__init__(snake_case(type(self).__name__) if name is None else name, dtype)
        self.fn, self.options = fn, options

    @property
    def counts_rows(self) -> bool:
        """Whether fn is one of tinynet's: only they are known to look at each row by itself."""
        known = functions.get(getattr(self.fn, "__name__", None)) is self.fn
        return known and self.options.get("axis", -1) == -1

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        return self.fn(y_true, y_pred, **self.options)

    def get_config(self) -> Config:
        return {**super().get_config(), "fn": serialize(self.fn), **self.options}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        fn = config["fn"]
        return cls(**{**config, "fn": deserialize(fn) if isinstance(fn, dict) else fn})

    def __repr__(self) -> str:
        return f"<MeanMetricWrapper name={self.name!r} fn={self.fn!r}>"


def object_name(obj) -> str:
    """Return an object's name in logs: its `name`, else `__name__` or class in snake case."""
    own = getattr(obj, "name", None)
    return own or snake_case(getattr(obj, "__name__", None) or type(obj).__name__)
