"""split_dataset: arrays cut in two, with the names and the order of Keras."""

from __future__ import annotations

import numbers
import random
from typing import TYPE_CHECKING

import numpy as np

from ..random import draw_seed
from .arrays import as_rows
from .dataset import same_length

if TYPE_CHECKING:
    from typing import Any


def split_dataset(dataset: Any, left_size: float | None = None, right_size: float | None = None,
                  shuffle: bool = False, seed: int | None = None,
                  preferred_backend: str | None = None) -> tuple[Any, Any]:  # fmt: skip
    """Cut arrays into a left and a right part, along their rows.

    Args:
        dataset: an array (N, ...), or a tuple, list or dict of arrays with N rows each.
        left_size, right_size: number of rows, or a share of N in (0, 1); None: what the other
            leaves.
        shuffle: in an order drawn with `seed`, the one that Keras draws.
        seed: an int; None: a fresh one.
        preferred_backend: accepted as in Keras; there are arrays alone.

    Returns:
        (left, right), each made like `dataset`, to be handed to `fit`; without shuffling they are
        views. (Keras returns its backend's data sets of single rows.)

    Raises:
        TypeError, ValueError: sizes out of range, or rows that do not match.
    """
    if isinstance(dataset, dict):
        named = {str(name): as_rows(array, str(name)) for name, array in dataset.items()}
    elif isinstance(dataset, (tuple, list)) and not _is_rows(dataset):
        named = {f"dataset[{i}]": as_rows(a, f"dataset[{i}]") for i, a in enumerate(dataset)}
    else:
        named = {"dataset": as_rows(dataset, "dataset")}
    if not named:
        raise ValueError("dataset: expected at least one array, received none")
    first, *others = named.items()
    for name, array in others:
        same_length(first[1], array, first[0], name)
    rows = len(first[1])
    left, right = _sizes(left_size, right_size, rows)
    order = None
    if shuffle:
        order = list(range(rows))
        random.Random(draw_seed() if seed is None else seed).shuffle(order)
        order = np.array(order)
    parts = []
    for part in (slice(0, left), slice(rows - right, rows)):
        taken = [array[part if order is None else order[part]] for array in named.values()]
        if isinstance(dataset, dict):
            parts.append(dict(zip(dataset, taken, strict=True)))
        elif "dataset" in named:
            parts.append(taken[0])
        else:
            parts.append(type(dataset)(taken) if type(dataset) in (tuple, list) else tuple(taken))
    return tuple(parts)


def _is_rows(data):
    """Return whether a list holds numbers (or rows of numbers) instead of arrays."""
    while isinstance(data, (list, tuple)) and len(data):
        data = data[0]
    return isinstance(data, numbers.Number)


def _sizes(left_size, right_size, rows):
    """Return both sizes as numbers of rows; together at most all."""
    if left_size is None and right_size is None:
        raise ValueError("split_dataset needs left_size or right_size")
    counts = []
    for name, size in (("left_size", left_size), ("right_size", right_size)):
        if size is None:
            counts.append(None)
            continue
        if isinstance(size, bool) or not isinstance(size, numbers.Real):
            raise TypeError(f"{name} must be an int or a float, received {size!r}")
        whole = isinstance(size, numbers.Integral)
        if not 0 < size < (rows if whole else 1):
            bound = f"an int in [1, {rows})" if whole else "a float in (0, 1)"
            raise ValueError(f"{name} must be {bound}, received {size!r}")
        counts.append(int(size) if whole else round(size * rows))
    left, right = counts
    left = rows - right if left is None else left
    right = rows - left if right is None else right
    if 0 in (left, right):
        raise ValueError(f"left_size={left_size!r} and right_size={right_size!r} of {rows} rows "
                         "leave one side without any")  # fmt: skip
    if left + right > rows:
        raise ValueError(f"left_size and right_size are {left} and {right} rows together, there "
                         f"are {rows}")  # fmt: skip
    return left, right
