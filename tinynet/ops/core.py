"""Casting, loops, and writing into parts of arrays."""

from __future__ import annotations

import builtins
import itertools
from typing import TYPE_CHECKING

import numpy as np

from ..core.variable import Variable
from .arrays import convert_to_tensor, like_keras, narrow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike, DType, Shape
    from ..core.parameters import Parameter

__all__ = ["cast", "cond", "convert_to_numpy", "divide_no_nan", "dtype", "fori_loop", "get_item",
           "is_tensor", "map", "saturate_cast", "scan", "scatter", "scatter_update", "slice",
           "slice_update", "stop_gradient", "switch", "unstack", "vectorized_map",
           "while_loop"]  # fmt: skip


def cast(x: ArrayLike, dtype: DType) -> Array:
    """Return x in another dtype."""
    return np.asarray(x).astype("float32" if dtype == "float" else dtype)


def saturate_cast(x: ArrayLike, dtype: DType) -> Array:
    """Return x in another dtype; what is beyond its range becomes its least or largest number."""
    dtype = np.dtype(dtype)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return np.clip(np.asarray(x), limits.min, limits.max).astype(dtype)


def dtype(x: ArrayLike) -> Array:
    """Return the name of an array's dtype."""
    return np.asarray(x).dtype.name


def convert_to_numpy(x: ArrayLike) -> Array:
    """Return x as a NumPy array."""
    return np.asarray(x)


def is_tensor(x: ArrayLike) -> Array:
    """Return whether x is an array; a Variable is none."""
    return isinstance(x, (np.ndarray, np.generic))


def stop_gradient(variable: Parameter) -> Array:
    """Return x as it is: nothing here is differentiated."""
    return convert_to_tensor(variable)


def divide_no_nan(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return x1 / x2, 0 where x2 is 0."""
    x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
    zero = x2 == 0
    quotient = like_keras(np.divide)(x1, np.where(zero, np.ones((), x2.dtype), x2))
    return np.where(zero, np.zeros((), quotient.dtype), quotient)


def unstack(x: ArrayLike, num: int | None = None, axis: int | Sequence[int] = 0) -> Array:
    """Return the slices along an axis as a list."""
    return list(np.moveaxis(convert_to_tensor(x), axis, 0))


def get_item(x: ArrayLike, key: Any) -> Array:
    """Return x[key]."""
    return convert_to_tensor(x)[key]


def slice(inputs: Any, start_indices: ArrayLike, shape: Shape) -> Array:
    """Return the part of `shape` that begins at these indices; -1: to the end."""
    x = convert_to_tensor(inputs)
    ends = [n if s == -1 else i + s for i, s, n in zip(start_indices, shape, x.shape, strict=True)]
    return x[_slices(start_indices, ends)]


def slice_update(inputs: Any, start_indices: ArrayLike, updates: ArrayLike) -> Array:
    """Return a copy of the array in which `updates` stand where the indices begin."""
    x, updates = np.array(inputs), convert_to_tensor(updates)
    ends = [i + n for i, n in zip(start_indices, updates.shape, strict=True)]
    x[_slices(start_indices, ends)] = updates
    return x


def _slices(starts, ends):
    return tuple(builtins.slice(a, b) for a, b in zip(starts, ends, strict=True))


def scatter(indices: ArrayLike, values: ArrayLike, shape: Shape) -> Array:
    """Return an array of zeros to which the values (M, ...) are added at indices (M, axes)."""
    values, indices = convert_to_tensor(values), np.asarray(indices)
    x = np.zeros(shape, values.dtype)
    np.add.at(x, tuple(np.moveaxis(indices, -1, 0)), values)
    return x


def scatter_update(inputs: Any, indices: ArrayLike, updates: ArrayLike,
                   reduction: str | None = None) -> Array:  # fmt: skip
    """Return a copy in which updates (M, ...) stand at indices (M, axes), or are combined there.

    Args:
        reduction: None, "add", "mul", "max" or "min".
    """
    x, index = np.array(inputs), tuple(np.moveaxis(np.asarray(indices), -1, 0))
    ways = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
    if reduction is None:
        x[index] = updates
    elif reduction in ways:
        ways[reduction].at(x, index, np.asarray(updates))
    else:
        raise ValueError(f"scatter_update: reduction must be None or one of {list(ways)}, received "
                         f"{reduction!r}")  # fmt: skip
    return x


# ------------------------------------------------------------------------------------------ loops


def cond(pred: ArrayLike, true_fn: Callable[..., Any], false_fn: Callable[..., Any]) -> Array:
    """Return what one of two functions without arguments returns."""
    return true_fn() if pred else false_fn()


def switch(index: int, branches: Any, *operands: Any) -> Array:
    """Return what the function number `index` returns for the operands."""
    return branches[int(np.clip(index, 0, len(branches) - 1))](*operands)


def while_loop(cond: Callable[..., Any], body: Any, loop_vars: Any,
               maximum_iterations: int | None = None) -> Array:  # fmt: skip
    """Return loop_vars after `body` as often as `cond` holds for them."""
    several = isinstance(loop_vars, (list, tuple))
    values = tuple(loop_vars) if several else (loop_vars,)
    steps = itertools.count() if maximum_iterations is None else range(maximum_iterations)
    for _ in steps:
        if not cond(*values):
            break
        result = body(*values)
        values = tuple(result) if isinstance(result, (list, tuple)) else (result,)
    return type(loop_vars)(values) if several else values[0]


def fori_loop(lower: float, upper: float, body_fun: Callable[..., Any], init_val: Any) -> Array:
    """Return the value after body_fun(i, value) for i = lower, ..., upper - 1."""
    for i in range(int(lower), int(upper)):
        init_val = body_fun(i, init_val)
    return init_val


def map(f: Callable[..., Any], xs: ArrayLike) -> Array:
    """Return f(x) for each row of xs (an array, or a dict or list of them), stacked."""
    return scan(lambda carry, x: (carry, f(x)), None, xs)[1]


def vectorized_map(function: Callable[..., Any], elements: Any) -> Array:
    """Return function(x) for each row of the elements, stacked."""
    return map(function, elements)


def scan(f: Callable[..., Any], init: ArrayLike, xs: ArrayLike = None, length: int | None = None,
         reverse: bool = False, unroll: int = 1) -> tuple[Any, Any]:  # fmt: skip
    """Return the carry and the stacked outputs of (carry, output) = f(carry, row), row by row."""
    count = int(length) if xs is None else len(_leaves(xs)[0])
    order = range(count - 1, -1, -1) if reverse else range(count)
    outputs = [None] * count
    for i in order:
        init, outputs[i] = f(init, None if xs is None else _at(xs, i))
    return init, _stacked(outputs)


def _leaves(x):
    if isinstance(x, dict):
        x = list(x.values())
    return [leaf for part in x for leaf in _leaves(part)] if isinstance(x, (list, tuple)) else [x]


def _at(x, i):
    if isinstance(x, dict):
        return {key: _at(value, i) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(_at(part, i) for part in x)
    return x.array()[i] if isinstance(x, Variable) else x[i]


def _stacked(rows):
    first = rows[0] if rows else None
    if first is None:
        return None
    if isinstance(first, dict):
        return {key: _stacked([row[key] for row in rows]) for key in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_stacked(list(parts)) for parts in zip(*rows, strict=True))
    given = any(hasattr(row, "dtype") for row in rows)
    return np.stack(rows) if given else narrow(np.stack(rows))
