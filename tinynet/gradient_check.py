"""`gradcheck`: is `backward` the derivative of `forward`?

Each entry v of an input or parameter is moved by h to both sides, in float64:

    numeric = (L(v + h) - L(v - h)) / 2h,      L = sum(R * forward(x)), R random

and compared with what `backward(R)` says. R must be random: with R = 1 the gradients of a softmax
and of a batch normalization vanish, and a wrong one passes. Where the slopes on the two sides of v
differ, v lies on a kink (ReLU at 0): such entries are counted apart.
"""

import collections

import numpy as np

from .layers import Layer
from .losses import Loss

H = 1e-5  # the error of a central difference is near h^2, that of rounding near 1e-16 / h

# the largest relative error of each array, and how many entries lay on a kink
GradientCheck = collections.namedtuple("GradientCheck", "errors kinks")


class GradientError(AssertionError):
    """A gradient that is not the derivative; names the array and the entry."""


def gradcheck(target, x, y=None, *, training=True, tolerance=1e-6, entries=200, seed=0):
    """Compare backward with central differences, for `entries` random entries of each array.

    Args:
        target: a Layer; a compiled model; or a Loss, then x are targets and y predictions.
        x, y: inputs (N, ...) and, for a model, targets.
        training: the mode to check layers in; dropout keeps one mask.
        tolerance: largest relative error that passes.

    Returns:
        GradientCheck(errors, kinks).

    Raises:
        GradientError: an entry differs by more than the tolerance.
        ValueError: a layer or model that is not float64.
    """
    if getattr(target, "dtype", "float64") != "float64":
        raise ValueError(f'gradcheck needs float64: build {target!r} with dtype="float64"')
    random = np.random.Generator(np.random.Philox(key=[seed, 0]))
    x = np.array(x, np.float64) if np.asarray(x).dtype.kind == "f" else np.asarray(x)
    case = _of_loss if isinstance(target, Loss) else _of_model
    case = _of_layer if isinstance(target, Layer) else case
    value, gradients, arrays = case(target, x, y, training, random)
    errors, kinks, middle = dict.fromkeys(arrays, 0.0), 0, value()
    for name, array in arrays.items():
        flat, gradient = array.reshape(-1), gradients[name].reshape(-1)
        least = 1e-3 * np.abs(gradient).max(initial=0) or 1e-8  # smaller entries count as this
        for i in map(int, random.permutation(flat.size)[:entries]):
            left, right = _at(flat, i, -H, value), _at(flat, i, H, value)
            numeric = (right - left) / (2 * H)
            error = abs(numeric - gradient[i]) / max(abs(numeric), abs(gradient[i]), least)
            if error > tolerance and abs(right - 2 * middle + left) / H > least:
                kinks += 1
            elif not error <= tolerance:
                place = [int(k) for k in np.unravel_index(i, array.shape)]
                raise GradientError(
                    f"{name}{place}: backward says {gradient[i]:.10g}, central difference "
                    f"{numeric:.10g}: relative error {error:.1e}, tolerance {tolerance:.0e}"
                )
            else:
                errors[name] = max(errors[name], float(error))
    return GradientCheck(errors, kinks)


def _at(flat, i, move, value):
    """value() with entry i moved; the entry is put back."""
    before, flat[i] = flat[i], flat[i] + move
    try:
        return value()
    finally:
        flat[i] = before


def _of_loss(loss, y, p, *_):
    p = np.array(p, np.float64)
    return lambda: np.sum(loss(y, p)), {"y_pred": loss.gradient(y, p)}, {"y_pred": p}


def _of_model(model, x, y, training, _):
    gradients = model.gradients(x, y, training=training)
    arrays = {p.path: p.value for p in model.trainable_weights}
    return lambda: model.loss_and_gradients(x, y, training=training)[0], gradients, arrays


def _of_layer(layer, x, _, training, random):
    step = layer.context.step

    def forward():
        layer.context.step = step  # keeps the dropout mask
        return layer(x, training=training)

    R = random.standard_normal(forward().shape)
    needs_dx, layer.needs_dx = layer.needs_dx, True
    dx, layer.needs_dx = layer.backward(R), needs_dx
    gradients, arrays = ({"x": np.array(dx)}, {"x": x}) if x.dtype.kind == "f" else ({}, {})
    for p in layer.trainable_weights:
        gradients[p.path], arrays[p.path] = p.grad.copy(), p.value
    return lambda: float((forward() * R).sum()), gradients, arrays
