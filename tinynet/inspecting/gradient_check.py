"""`gradcheck`: is `backward` the derivative of `forward`?

Each entry v of an input or parameter is moved by h to both sides, in float64, and the quotient
(L(v + h) - L(v - h)) / 2h of L = sum(R * forward(x)) is compared with what `backward(R)` says. R is
random: with R = 1 a softmax has no gradient, and a wrong one passes. Where the slopes to the left
and right of v differ, v lies on a kink (ReLU at 0): there a gradient between the two is right.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

import numpy as np

from ..core.locks import exclusive
from ..losses import Loss
from ..random import generator

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike
    from ..layers.base import Layer
    from ..models import Model

H = 1e-5  # a central difference is wrong by about h^2 plus 1e-16 / h
GradientCheck = collections.namedtuple("GradientCheck", "errors kinks")


class GradientError(AssertionError):
    """A gradient that is not the derivative; names the array and the entry."""


@exclusive
def gradcheck(target: Layer | Model, x: ArrayLike, y: ArrayLike = None, *, training: bool = True,
              tolerance: float = 1e-6, entries: int = 200, seed: int = 0) -> Any:  # fmt: skip
    """Compare backward with central differences, for `entries` random entries of each array.

    Returns a GradientCheck: the largest relative error of each array, and the number of kinks.

    Args:
        target: a Layer; a compiled model, with targets y; or a Loss: x targets, y predictions.
        x: inputs (N, ...), a list of them for what takes several.
        training: the mode to check layers in; dropout keeps one mask.
        tolerance: largest relative error that passes; more raises a GradientError.
    """
    if (getattr(target, "dtype", None) or "float64") != "float64":
        raise ValueError(f'gradcheck needs float64: build {target!r} with dtype="float64"')
    random = generator(seed)
    several = isinstance(x, (list, tuple)) and hasattr(x[0], "dtype") and x[0].ndim > 0
    x = [_own(a) for a in x] if several else _own(x)
    other = _of_loss if isinstance(target, Loss) else _of_layer
    case = _of_model if hasattr(target, "loss_and_gradients") else other
    value, gradients, arrays = case(target, x, y, training, random)
    errors, kinks, middle = dict.fromkeys(arrays, 0.0), 0, value()
    for name, array in arrays.items():
        flat, gradient = array.reshape(-1), gradients[name].reshape(-1)
        rounding = 1e-15 * abs(middle) / H / tolerance  # what a difference can't tell from 0
        least = 1e-3 * np.abs(gradient).max(initial=0)
        least = max(least, rounding) or 1e-8  # smaller entries count as this
        for i in map(int, random.permutation(flat.size)[:entries]):
            low, high = _at(flat, i, -H, value), _at(flat, i, H, value)
            low, high = sorted([(middle - low) / H, (high - middle) / H])  # slopes on both sides
            numeric, bend = (low + high) / 2, 1e-3 * (high - low)
            error = abs(numeric - gradient[i]) / max(abs(numeric), abs(gradient[i]), least)
            kink = 1e3 * bend > max(least, 1e-3 * max(abs(low), abs(high)))
            if error > tolerance and kink and low - bend <= gradient[i] <= high + bend:
                kinks += 1
            elif not error <= tolerance:
                raise GradientError(f"{name}{[*map(int, np.unravel_index(i, array.shape))]}: "
                                    f"backward says {gradient[i]:.10g}, central difference "
                                    f"{numeric:.10g}: relative error {error:.1e}, tolerance "
                                    f"{tolerance:.0e}")  # fmt: skip
            else:
                errors[name] = max(errors[name], float(error))
    return GradientCheck(errors, kinks)


def _own(x):
    """Return a copy in float64; class ids stay integers."""
    x = np.asarray(x)
    return np.array(x, np.float64, order="C") if x.dtype.kind == "f" else x


def _at(flat, i, move, value):
    """Return value() with entry i moved; the entry is put back."""
    before, flat[i] = flat[i], flat[i] + move
    result, flat[i] = value(), before
    return result


def central_differences(value, array):
    """Return the slope of value() by each entry of a float64 array that it depends on."""
    flat = array.reshape(-1)
    sides = [(_at(flat, i, H, value), _at(flat, i, -H, value)) for i in range(flat.size)]
    return np.reshape([(high - low) / (2 * H) for high, low in sides], array.shape)


def _of_loss(loss, y, p, *_):
    p = np.array(p, np.float64)
    return lambda: np.sum(loss(y, p)), {"y_pred": loss.gradient(y, p)}, {"y_pred": p}


def _of_model(model, x, y, training, _):
    gradients = model.gradients(x, y, training=training)
    arrays = {p.path: p.value for p in model.trainable_weights}
    return lambda: model.loss_and_gradients(x, y, training=training)[0], gradients, arrays


def _of_layer(layer, x, _, training, random):
    inputs = {f"x[{i}]": a for i, a in enumerate(x)} if isinstance(x, list) else {"x": x}
    shapes = [(None, *a.shape[1:]) for a in inputs.values()]
    layer.build_once(shapes if isinstance(x, list) else shapes[0])
    drawn_with = layer.context.step, layer.context.calls
    frozen = [(p, p.numpy()) for p in layer.non_trainable_weights]

    def forward():
        layer.context.step, layer.context.calls = drawn_with  # keeps the dropout mask
        y = layer(x, training=training)
        [p.assign(before) for p, before in frozen]  # moving statistics
        return y

    R = random.standard_normal(forward().shape)
    needs_dx, vars(layer)["needs_dx"] = layer.needs_dx, True
    dx = layer.backward_pass(R)
    gradients = dict(zip(inputs, map(np.array, dx if isinstance(x, list) else [dx]), strict=True))
    vars(layer)["needs_dx"] = needs_dx
    arrays = {name: a for name, a in inputs.items() if a.dtype.kind == "f"}  # ids can't be moved
    for p in layer.trainable_weights:
        gradients[p.path], arrays[p.path] = p.grad.copy(), p.value

    def value():
        y = float((forward() * R).sum())
        penalty = getattr(layer, "activity_losses", None)  # its slope is in dx, too
        return y if penalty is None else y + float(penalty.sum())

    return value, gradients, arrays
