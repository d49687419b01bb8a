"""What a user may hand over as an array, as a NumPy array; copied only where there is no other way.

Arrays keep their dtype and layout (a uint8 image stays uint8): rows are cast batch by batch.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import numpy as np

from .objects import NUMBERS, from_pandas, numbers_of, words_as_numbers
from .sparse import SparseRows, is_sparse

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, DType

FEW = 4096  # numbers of which a temporary costs less than to have warnings ignored
READ_AT_ONCE = 1 << 26  # bytes of a mapped file that are read and checked before the first step


def as_rows(data, where):
    """Return `data` as rows to be numbered: an ndarray, or SparseRows for SciPy's matrices."""
    if isinstance(data, SparseRows) or hasattr(data, "parts"):
        return data
    return SparseRows.of(data, where) if is_sparse(data) else as_array(data, where)


def as_array(data, where):
    """Return `data` as an array with rows, or raise an error that says what is wrong with it."""
    array = _converted(data, where)
    if array.dtype.kind == "O" and array.ndim:
        array = numbers_of(array, where)
    if array.dtype.kind not in NUMBERS:
        hint = ""
        if callable(data):
            hint = "; call it, if it is a function that makes batches"
        elif isinstance(data, dict):
            hint = "; take the array out of it, by its name"
        elif array.dtype.kind in "US":
            hint = words_as_numbers(where)
        raise TypeError(f"{where}: expected numbers, received {type(data).__name__} of dtype "
                        f"{array.dtype}{hint}")  # fmt: skip
    if array.ndim == 0:
        raise ValueError(f"{where}: expected an array with rows, received a single number")
    if len(array) == 0:
        raise ValueError(f"{where}: expected at least one row, received shape {array.shape}")
    return array


def _converted(data, where):
    if type(data) is np.ndarray:
        return data
    kind = type(data).__name__
    if is_sparse(data):
        raise TypeError(f"{where}: a {kind} is taken for x only; use {where.split()[-1]}.toarray()")
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "to_numpy"):
        return from_pandas(data, where)
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        row = np.argwhere(np.ma.getmaskarray(data))[0][0]
        raise ValueError(f"{where}: row {row} holds a masked value; fill it first")
    try:
        if hasattr(data, "detach") and hasattr(data, "cpu"):  # a torch tensor, wherever it is
            data = data.detach().cpu().numpy()
        elif hasattr(data, "__dlpack__") and not hasattr(data, "__array__"):
            data = np.from_dlpack(data)
        return np.asarray(data)
    except ValueError as error:
        raise ValueError(f"{where}: expected rows "
                         f"of the same length, received {kind}: {error}") from None  # fmt: skip
    except (TypeError, RuntimeError, BufferError) as error:
        raise TypeError(f"{where}: {kind} can't be read as an array: {error}") from None


def check_finite(array: ArrayLike, where: str, rows: Any = None, dtype: DType | None = None) -> Any:
    """Raise with the row of the first NaN or infinity.

    Args:
        array: of numbers, or SparseRows.
        where: what to call it in messages.
        rows: the numbers of its rows, as an index array or a slice; None: 0, 1, ...
        dtype: what they will be cast to; None: they stay as they are.
    """
    sparse = isinstance(array, SparseRows)
    values = array.own()[1] if sparse else array
    if values.dtype.kind != "f" or values.size == 0:
        return
    dtype = None if dtype is None or np.dtype(dtype).itemsize >= values.itemsize else dtype
    wide = np.float32 if values.itemsize == 2 else dtype  # float16 ends at 65504
    if wide is None and values.size <= FEW and np.isfinite(values).all():
        return
    with np.errstate(over="ignore", invalid="ignore"):
        # one pass without a temporary; only failures look closer
        if np.isfinite(values.sum(dtype=wide)):
            return
        bad = ~np.isfinite(values if dtype is None else values.astype(dtype))
    places = array.entries()[bad] if sparse else np.argwhere(bad)  # (K, axes)
    if not len(places):
        return
    row = row_number(rows, int(places[0][0]))
    raise ValueError(f"{where}: row {row} holds {values[bad][0]} (at index "
                     f"{(row, *map(int, places[0][1:]))}); {len(np.unique(places[:, 0]))} of "
                     f"{len(array)} "
                     f"rows are not finite{'' if dtype is None else f' in {dtype}'}")  # fmt: skip


def row_number(rows, k):
    """Return the number of the k-th of some rows."""
    if rows is None:
        return k
    return (rows.start or 0) + k if isinstance(rows, slice) else int(rows[k])


def is_mapped(array):
    """Return whether an array is (part of) a large file that was mapped into memory."""
    if not isinstance(array, np.ndarray) or array.nbytes <= READ_AT_ONCE:
        return False
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


class MappedRows:
    """Rows of a mapped file, which may be larger than memory: read and checked as they are needed.

    Args:
        array: (N, ...).
        check: function of (some of its rows, their numbers) that returns them as they are wanted,
            or raises.
        row_shape: of a row as wanted.
    """

    in_pieces = True  # they may be more than memory holds

    def __init__(self, array, check, row_shape):
        self.array, self.check = array, check
        self.shape, self.ndim = (len(array), *row_shape), 1 + len(row_shape)
        self.dtype = array.dtype

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        return self.check(np.asarray(self.array[rows]), rows)
