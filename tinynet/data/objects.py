"""Columns and arrays of Python objects: as numbers where all are, else an error that names one."""

import decimal
import numbers

import numpy as np

NUMBERS = "fiub"  # kinds of dtype that count as numbers
COUNT = (numbers.Real, np.bool_, decimal.Decimal)  # objects that do


def numbers_of(array, where):
    """Return an array of objects as one of numbers, bool, int64 or float64.

    Raises:
        TypeError: an entry is no number; says which.
    """
    place = _other(array)
    if place is not None:
        raise TypeError(f"{where}: expected numbers, received an array of dtype object, "
                        f"{_told(array, place)}{_advice(array[place], where)}")  # fmt: skip
    found = np.array(array.tolist())
    return found if found.dtype.kind in NUMBERS else array.astype(np.float64)


def from_pandas(data, where):
    """Return a DataFrame or Series as an array.

    Raises:
        TypeError: a column holds something else than numbers; says which, and which entry.
    """
    dtypes = data.dtypes if data.ndim == 2 else [data.dtype]
    for k, dtype in enumerate(dtypes):
        if dtype.kind in NUMBERS or not len(data):
            continue
        column = data.iloc[:, k] if data.ndim == 2 else data
        values = np.asarray(column)
        objects = isinstance(dtype, np.dtype) and dtype.kind == "O"
        place = _other(values) if objects else (0,)
        if place is not None:
            name = "" if column.name is None else f"column {column.name!r} is "
            category = str(dtype) == "category"
            hint = words_as_numbers(where) if category else _advice(values[place], where)
            raise TypeError(f"{where}: {name}of dtype {dtype}, expected numbers; "
                            f"{_told(values, place)}{hint}")  # fmt: skip
    array = data.to_numpy()
    if array.dtype.kind not in NUMBERS:  # columns of several dtypes, or of pandas's own
        array = data.to_numpy(dtype=np.float64, na_value=np.nan)
    return array


def words_as_numbers(where):
    """Return how names become numbers: those of classes, where targets were asked for."""
    if where.endswith("y"):
        return "; names of classes become numbers by names, y = np.unique(y, return_inverse=True)"
    return ("; words and categories become numbers by layers.StringLookup, or as one-hot columns "
            "by pandas.get_dummies")  # fmt: skip


def _other(array):
    """Return the index of the first entry that is no number, or None."""
    values = array.ravel().tolist()
    fits = {kind for kind in set(map(type, values)) if issubclass(kind, COUNT)}
    first = next((k for k, value in enumerate(values) if type(value) not in fits), None)
    return None if first is None else tuple(map(int, np.unravel_index(first, array.shape)))


def _told(array, place):
    text = repr(array[place])
    text = text if len(text) <= 60 else f"{text[:60]} ..."
    return f"row {place[0]} holds {text}{f' (at index {place})' if len(place) > 1 else ''}"


def _advice(value, where):
    """Return what can be done about an entry that is no number."""
    if isinstance(value, str | bytes):
        return words_as_numbers(where)
    if isinstance(value, list | tuple | np.ndarray):
        return "; do all rows have the same length?"
    return "; convert it or leave it out"
