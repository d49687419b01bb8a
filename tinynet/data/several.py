"""Rows of a model with several inputs or outputs: lists, tuples or dicts of arrays of N rows."""

import math

import numpy as np

from ..core.graph import is_list_of_arrays
from .arrays import as_array, as_rows
from .sparse import SparseRows

OPEN = ()  # the names of the inputs of a model that is yet to be built


class SeveralRows:
    """The rows of several inputs, or the targets or weights of several outputs.

    Attributes:
        parts: as `as_rows` makes them, in the model's order; None where an output has none.
        names: of the parts, for a model that is yet to be built; None where they have none.
    """

    ndim = 2

    def __init__(self, parts, names=None):
        self.parts, self.names = parts, names
        self.given = [part for part in parts if part is not None]

    @property
    def shape(self):
        """(N, entries of a row in all parts)"""
        return (len(self), sum(math.prod(part.shape[1:]) for part in self.given))

    @property
    def dtype(self):
        return np.result_type(*(part.dtype for part in self.given))

    def __len__(self):
        return len(self.given[0])

    def __getitem__(self, rows):
        return SeveralRows([None if part is None else part[rows] for part in self.parts],
                           self.names)  # fmt: skip

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
        names: of the model's inputs; None where x is one array, as for Sequential; OPEN where the
            model takes what it is given first.
        x: an array; or a list, tuple (in the order of the inputs) or dict (by name) of arrays.

    Raises:
        ValueError: another number of inputs, or of rows; a name that is missing.
    """
    if names is None or isinstance(x, SeveralRows):
        return as_rows(x, where)
    if names is OPEN:
        return _as_given(x, where)
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
    return _of_equal_length(parts, names, where, "inputs") if len(parts) > 1 else parts[0]


def _as_given(x, where):
    """Return what the user gave as x: SeveralRows of a dict, or of a list or tuple of arrays."""
    if isinstance(x, dict):
        names = sorted(x)
        given = {name: x[name] for name in names}
    elif is_list_of_arrays(x):
        names, given = None, dict(enumerate(x))
    else:
        return as_rows(x, where)
    parts = [as_rows(a, f"{where}[{key!r}]") for key, a in given.items()]
    rows = _of_equal_length(parts, given, where, "inputs")
    rows.names = names
    return rows


def as_targets(outputs, y, rows, where):
    """Return what the user gave as y, as rows; `SeveralRows` where a model has several outputs.

    Args:
        outputs: (name, whether it has a loss) of each output; None where there is one, unnamed.
        y: an array; or a list, tuple (in the order of the outputs) or dict (by name) of arrays.
            Outputs without a loss may be None, or be left out.
        rows: N, of x.

    Raises:
        ValueError: another number of targets, or of rows; a name that no output has.
    """
    if isinstance(y, SeveralRows):
        return y
    names = [name for name, _ in outputs or ()]
    if isinstance(y, dict) and names:
        y = in_order(names, y, where)
    if len(names) < 2:
        of_one = isinstance(y, (list, tuple)) and len(y) == 1 and np.ndim(y[0]) > 0
        if of_one and len(y[0]) == rows and (rows > 1 or np.ndim(y[0]) > 1):
            (y,) = y
        return as_array(y, where)
    given = list(y) if isinstance(y, (list, tuple)) else [y]
    trained = [k for k, (_, has_loss) in enumerate(outputs) if has_loss]
    if len(given) == len(trained) < len(names):
        given = [given[trained.index(k)] if k in trained else None for k in range(len(names))]
    for k, part in enumerate(given := in_order(names, given, where)):
        if part is None and k in trained:
            raise ValueError(f"{where}: the output {names[k]!r} has a loss, but no targets")
    return _rows_of_each(names, given, where, "targets")


def as_weights(outputs, weight, where):
    """Return sample weights as rows; a model with several outputs has `SeveralRows` of them.

    Args:
        weight: None; an array for all outputs; or a list or dict of them, None for weights of 1.
    """
    names = [name for name, _ in outputs or ()]
    if len(names) == 1 and isinstance(weight, dict):
        (weight,) = in_order(names, weight, where)
    if weight is None or len(names) < 2 or isinstance(weight, SeveralRows):
        return weight
    several = isinstance(weight, (list, tuple)) and any(w is None or np.ndim(w) for w in weight)
    if several or isinstance(weight, dict):
        weight = in_order(names, weight, where)
    else:
        weight = [weight] * len(names)
    none = all(w is None for w in weight)
    return None if none else _rows_of_each(names, weight, where, "weights")


def in_order(names, given, what):
    """Return the entries of a list or dict, what a model's outputs are given, one per output.

    Args:
        names: of the outputs.
        given: a list or tuple with an entry for each; or a dict by name, whose missing entries are
            None.
        what: how to call it in messages.
    """
    if isinstance(given, dict):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"{what}: there is no output {unknown[0]!r}; there are {names}")
        return [given.get(name) for name in names]
    if len(given) != len(names):
        raise ValueError(f"{what}: expected {len(names)} entries, for the outputs {names}, "
                         f"received {len(given)}")  # fmt: skip
    return list(given)


def _rows_of_each(names, given, where, what):
    parts = [None if part is None else as_array(part, f"{where}[{name!r}]")
             for name, part in zip(names, given, strict=True)]  # fmt: skip
    return _of_equal_length(parts, names, where, what)


def _of_equal_length(parts, names, where, what):
    """Return SeveralRows of parts that have N rows each."""
    lengths = {name: len(p) for name, p in zip(names, parts, strict=True) if p is not None}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ValueError(f"{where}: the {what} differ in their number of rows ({counts})")
    return SeveralRows(parts)


def _is_list_of_one(x):
    """Return whether x is a list with the array of the only input, rather than its one row."""
    return len(x) == 1 and hasattr(x[0], "ndim") and x[0].ndim > 1
