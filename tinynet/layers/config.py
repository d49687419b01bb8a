"""Layers written as for Keras, with `call`: their arguments and their output shape."""

import functools
import inspect

import numpy as np


@functools.cache
def takes_training(cls):
    """Whether the class's `call` has an argument `training`."""
    parameters = inspect.signature(cls.call).parameters
    return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def own_shape(layer, input_shape):
    """Return the output shape of a layer that does not define `compute_output_shape`.

    A layer with `forward` keeps the shape. One with `call`, once it is built, is called on two rows
    of zeros, since Keras, too, finds the shape so.
    """
    shape = tuple(input_shape)
    if not hasattr(layer, "call") or not layer.built:
        return shape
    found = _tried(layer, shape, 2)
    if None in shape[1:]:  # an axis that differs for other lengths is open
        other = _tried(layer, shape, 3)
        found = [a if a == b else None for a, b in zip(found, other, strict=True)]
    return (shape[0], *found)


def _tried(layer, shape, length):
    """Return the shape of a row of output for rows of zeros, whose open axes have this length."""
    saved = layer.saved
    try:
        row = [length if size is None else size for size in shape[1:]]
        y = layer.forward(np.zeros((2, *row), layer.dtype), training=False)
    finally:
        layer.saved = saved
    if np.ndim(y) == 0 or len(y) != 2:
        raise layer.invalid(
            f"expected one row of output for each of 2 rows, received shape {np.shape(y)}"
        )
    return np.shape(y)[1:]
