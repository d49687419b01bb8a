"""Rows of a model that takes several inputs: a list, tuple or dict of arrays with N rows each."""

import math

import numpy as np

from .arrays import as_rows
from .sparse import SparseRows


class SeveralRows:
    """The rows of several inputs: `parts`, as `as_rows` makes them, in the model's order."""

    ndim = 2

    def __init__(self, parts):
        self.parts = parts
        self.shape = (len(parts[0]), sum(math.prod(part.shape[1:]) for part in parts))
        self.dtype = np.result_type(*(part.dtype for part in parts))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return SeveralRows([part[rows] for part in self.parts])

    def dense(self, dtype):
        """Return all inputs side by side, (N, sum of their sizes)."""
        out, first = np.empty(self.shape, dtype), 0
        for part in self.parts:
            rows = part.dense(dtype) if isinstance(part, SparseRows) else part
            rows = rows.reshape(len(self), -1)
            out[:, first : first + rows.shape[1]] = rows
            first += rows.shape[1]
        return out


def as_inputs(names, x, where):
    """Return what the user gave as x, as rows; `SeveralRows` where a model has several inputs.

    Args:
        names: of the model's inputs; None where x is one array, as for Sequential.
        x: an array; or a list, tuple (in the order of the inputs) or dict (by name) of arrays.

    Raises:
        ValueError: another number of inputs, or of rows; a name that is missing.
    """
    if names is None or isinstance(x, SeveralRows):
        return as_rows(x, where)
    if isinstance(x, dict):
        if any(name not in x for name in names):
            raise ValueError(f"{where}: expected the inputs {names}, received {sorted(x)}")
        x = [x[name] for name in names]
    elif not isinstance(x, (list, tuple)) or (len(names) == 1 and not _is_list_of_one(x)):
        if len(names) == 1:
            return as_rows(x, where)
        raise ValueError(f"{where}: expected a list of {len(names)} arrays, for the inputs "
                         f"{names}, received {type(x).__name__}")  # fmt: skip
    if len(x) != len(names):
        raise ValueError(f"{where}: expected {len(names)} arrays, for the inputs {names}, received "
                         f"{len(x)}")  # fmt: skip
    parts = [as_rows(a, f"{where}[{name!r}]") for name, a in zip(names, x, strict=True)]
    if len({len(part) for part in parts}) > 1:
        counts = ", ".join(f"{name}: {len(p)}" for name, p in zip(names, parts, strict=True))
        raise ValueError(f"{where}: the inputs differ in their number of rows ({counts})")
    return SeveralRows(parts) if len(parts) > 1 else parts[0]


def _is_list_of_one(x):
    """Return whether x is a list with the array of the only input, rather than its one row."""
    return len(x) == 1 and hasattr(x[0], "ndim") and x[0].ndim > 1
