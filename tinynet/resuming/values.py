"""Python values as JSON and arrays, and back to the same types and bits.

What a callback or a generator remembers: None, bools, ints, floats (NaN, too), strings, NumPy's
numbers and arrays, lists, tuples and dicts of those. No other type is written, so none is made.
"""

import numpy as np

NUMBERS = "fiub"  # kinds of dtype


def pack(value, arrays):
    """`value` for json; its arrays are appended to the list `arrays`.

    Raises:
        TypeError: something that is none of these; says what.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in NUMBERS and value.itemsize <= 8:
        return {"number": value.item(), "dtype": value.dtype.str}
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS:
        arrays.append(value.copy())
        return {"array": len(arrays) - 1}
    if type(value) is list:
        return [pack(v, arrays) for v in value]
    if type(value) is tuple:
        return {"tuple": [pack(v, arrays) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[pack(k, arrays), pack(v, arrays)] for k, v in value.items()]}
    raise TypeError(f"a {type(value).__name__} can't be kept in a snapshot")


def unpack(value, arrays):
    """What `pack` was given."""
    if isinstance(value, list):
        return [unpack(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    if "number" in value:
        return np.dtype(value["dtype"]).type(value["number"])
    if "array" in value:
        return arrays[value["array"]].copy()
    if "tuple" in value:
        return tuple(unpack(v, arrays) for v in value["tuple"])
    return {unpack(k, arrays): unpack(v, arrays) for k, v in value["dict"]}
