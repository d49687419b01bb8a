"""State: what an object remembers and later results depend on; and how it is written to a file.

An object that has state says so by two methods. `get_state()` returns it as plain values: None,
bools, ints, floats (NaN, too), strings, NumPy's numbers and arrays, and lists, tuples and dicts of
those. `set_state(state)` puts it back, also in another process, into an object that was made alike.
An owner asks the parts that it holds: a model its layers, optimizer and metrics; a training its
model, data and callbacks. So no module lists what another one remembers.

`pack` writes such values as JSON and arrays, `unpack` returns them with the same types and bits. No
other type is written, so none is made when a file is read.
"""

import numpy as np

NUMBERS = "fiub"  # kinds of dtype


def pack(value, arrays):
    """Return `value` in a form for JSON; copies of its arrays are appended to the list `arrays`.

    Raises:
        TypeError: something that is no plain value; says what.
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
    for plain in (float, int):  # an optimizer's learning rate, for one
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"a {type(value).__name__} can't be kept in a snapshot")


def known_of(part):
    """Return the state of a part of tinynet's; None of a user's, which may become anything."""
    return part.get_state() if type(part).__module__.startswith("tinynet.") else None


def check_like(found, own, where, loose=False):
    """Raise a ValueError unless a state could be that of an object whose state is `own` now.

    None in `own` stands for what is not there yet; lists and dicts may have become longer or
    shorter; whole numbers count something. With `loose`, any number may stand for a number, and
    None for what is none.
    """
    if own is None or (found is None and loose and not isinstance(own, _NUMBER)):
        return
    kinds = (_BOOL, _NUMBER, *_OTHERS) if loose else (_BOOL, _WHOLE, _NUMBER, *_OTHERS)
    kind = next(kind for kind in kinds if isinstance(own, kind))
    fits = isinstance(found, kind) and isinstance(found, _BOOL) == (kind is _BOOL)
    if fits and kind is _WHOLE:
        fits = 0 <= found < 2**63
    elif fits and kind is np.ndarray:
        fits = found.shape == own.shape and found.dtype == own.dtype
    if not fits:
        raise ValueError(f"{where} is {str(found)[:80]}, expected something like {str(own)[:80]}")
    if kind is dict:
        for key in own.keys() & found.keys():
            check_like(found[key], own[key], f"{where} {key}", loose)
    elif kind in (list, tuple) and len(found) == len(own):
        for i, (entry, of_own) in enumerate(zip(found, own, strict=True)):
            check_like(entry, of_own, f"{where}[{i}]", loose)


_BOOL, _WHOLE, _NUMBER = bool | np.bool_, int | np.integer, int | float | np.number
_OTHERS = (str, np.ndarray, list, tuple, dict, object)


def unpack(value, arrays):
    """Return what `pack` was given."""
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
