"""Bringing some axes of an input together as the columns of a matrix, and back."""

import math


def to_rows(layer, x, axes):
    """(N, ...) -> (R, D): `axes`, sorted and without 0, side by side in each row.

    Where they are the last ones this is a view.
    """
    rest = [a for a in range(x.ndim) if a not in axes]
    D = math.prod(x.shape[a] for a in axes)
    order = (*rest, *axes)
    if order != tuple(range(x.ndim)):
        moved = layer.empty(tuple(x.shape[a] for a in order))
        layer.ops.transpose(x, order, y=moved)
        x = moved
    return x.reshape(x.size // D, D)


def from_rows(layer, y, axes, shape):
    """What `to_rows` made of an array of `shape`, turned back."""
    rest = [a for a in range(len(shape)) if a not in axes]
    order = (*rest, *axes)
    y = y.reshape(tuple(shape[a] for a in order))
    if order == tuple(range(len(shape))):
        return y
    back = layer.empty(shape)
    layer.ops.transpose(y, tuple(order.index(a) for a in range(len(shape))), y=back)
    return back
