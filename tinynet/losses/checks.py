"""What targets must be: finite numbers, class ids in range, shares in [0, 1], classes in a row.

Each check runs once over a whole data set and names the first row that does not fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data import check_finite

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike


def check_class_ids(y: ArrayLike, classes: Any, where: str, ignore: Any = None) -> Array:
    """Return `y` as integers in [0, classes), or `ignore`; raise naming the first bad row."""
    if y.dtype.kind not in "fiub":
        raise TypeError(f"{where}: expected integer class ids, received dtype {y.dtype}")
    check_finite(y, where)
    flat = y.reshape(len(y), -1)
    wrong = (flat < 0) | (flat >= classes)
    if y.dtype.kind == "f":
        wrong |= flat != np.floor(flat)
    if ignore is not None:
        wrong &= flat != ignore
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        hint = ""
        if flat.min() == 1 and flat.max() == classes:
            hint = "; classes count from 0: y - 1"
        raise ValueError(f"{where}: row {row} has class id {flat[row, column]}, expected an "
                         "integer "
                         f"in [0, {classes}) for a model with {classes} outputs{hint}")  # fmt: skip
    return y if y.dtype.kind in "iu" else y.astype(np.int64)


def flatten_missing(y, output_shape):
    """Return what to say where the outputs have more axes than the targets speak of."""
    if y.ndim > 2 or len(output_shape) < 3:
        return ""
    return (f"; the outputs have shape {('N', *output_shape[1:])}: is a Flatten() missing before "
            "the first Dense?")  # fmt: skip


def check_shares(y, where, label):
    """Raise unless all of y lies in [0, 1]."""
    wrong = (y < 0) | (y > 1)
    if wrong.any():
        at = tuple(map(int, np.argwhere(wrong)[0]))
        from_one = "; classes count from 0: y - 1" if np.isin(y, (1, 2)).all() else ""
        raise ValueError(f"{where}: row {at[0]} holds {y[at]}, {label} expects targets in [0, 1]"
                         f"{from_one}")  # fmt: skip


def check_signs(y, where, label):
    """Raise unless y holds no 0 (-1 and 1), or nothing but 0 and 1, where 0 stands for -1."""
    zero = y == 0
    other = ~zero & (y != 1)
    if zero.any() and other.any():
        at, no = (tuple(map(int, np.argwhere(a)[0])) for a in (other, zero))
        raise ValueError(f"{where}: row {at[0]} holds {y[at]}, row {no[0]} holds {y[no]}: {label} "
                         "expects targets -1 and 1, or 0 and 1")  # fmt: skip


def same_rank(a, b):
    """Return arrays whose ranks differ by an axis of length 1 alike: (N,) beside (N, 1) as (N, 1),
    (N, T) beside (N, T, 1) makes that (N, T); anything else stays as it is.
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[..., None], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b
