"""The axes that a layer works along: checked, and laid side by side as columns and back."""

import math

from ..configs.checks import check_axes


def axes_of(layer, axis, shape):
    """`axis`, an int or a list of ints, as sorted axes of `shape`, all of them behind the rows."""
    check_axes(f"layer {layer.name!r}", axis, shape)
    given = axis if isinstance(axis, (list, tuple)) else [axis]
    found = sorted({a % len(shape) for a in given})
    if 0 in found:
        raise layer.invalid(f"axis {axis} is no feature axis of {tuple(shape)}: it holds "
                            "axis 0, the rows")  # fmt: skip
    for a in found:
        if shape[a] is None:
            raise layer.invalid(f"axis {a} must have a known size, received {tuple(shape)}")
    return found


def transposed(layer, x, order):
    """x with its axes in this order; x itself where they are."""
    if tuple(order) == tuple(range(x.ndim)):
        return x
    shape = tuple(x.shape[a] for a in order)
    return layer.result_of(layer.ops.transpose, x, tuple(order), shape=shape)


def to_rows(layer, x, axes):
    """(N, ...) -> (R, D): `axes`, sorted and without 0, side by side in each row.

    Where they are the last ones this is a view.
    """
    rest = [a for a in range(x.ndim) if a not in axes]
    D = math.prod(x.shape[a] for a in axes)
    x = transposed(layer, x, (*rest, *axes))
    return x.reshape(x.size // D, D)


def from_rows(layer, y, axes, shape):
    """Undo `to_rows`: (R, D) becomes an array of `shape`."""
    rest = [a for a in range(len(shape)) if a not in axes]
    order = (*rest, *axes)
    y = y.reshape(tuple(shape[a] for a in order))
    return transposed(layer, y, [order.index(a) for a in range(len(shape))])
