"""Checks of constructor arguments that several layers share."""

import numbers


def positive_int(layer, name, value):
    """`value` as an int >= 1, or an error that names layer and argument."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"layer {layer.name!r}: {name} must be an int >= 1, received {value!r}")
    return int(value)


def fraction(layer, name, value):
    """`value` as a float in [0, 1]."""
    ok = isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 <= value <= 1
    if not ok:
        raise ValueError(f"layer {layer.name!r}: {name} must be in [0, 1], received {value!r}")
    return float(value)


def axes_of(layer, axis, shape):
    """`axis`, an int or a list of ints, as sorted axes of `shape`, all of them behind the rows."""
    given = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    rank = len(shape)
    for a in given:
        if not -rank <= a < rank:
            raise ValueError(
                f"layer {layer.name!r}: axis {a} does not exist in input of shape {tuple(shape)}"
            )
    found = sorted({a % rank for a in given})
    if 0 in found:
        raise ValueError(
            f"layer {layer.name!r}: axis {axis} holds axis 0, the rows of a batch, which stay apart"
        )
    for a in found:
        if shape[a] is None:
            raise ValueError(
                f"layer {layer.name!r}: axis {a} must have a known size, received {tuple(shape)}"
            )
    return found
