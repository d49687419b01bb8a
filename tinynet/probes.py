"""Experiments on a model that leave it as it was: which learning rate, how the loss lies around.

Both return numbers; `plotting.plot_learning_rates` and `plotting.plot_loss_surface` draw them.
"""

from __future__ import annotations

import collections
import math
from typing import TYPE_CHECKING

import numpy as np

from .inspecting.observing import take
from .inspecting.untouched import untouched
from .random import generator

if TYPE_CHECKING:
    from typing import Any

    from .configs.types import ArrayLike
    from .models import Model

LearningRates = collections.namedtuple("LearningRates", "rates losses smooth steepest")
LossSurface = collections.namedtuple("LossSurface", "a b losses")


def learning_rate_range(model: Model, x: ArrayLike, y: ArrayLike, *, low: float = 1e-6,
                        high: float = 10.0, steps: int = 100, batch_size: int = 32,
                        smoothing: float = 0.8, seed: int = 0) -> Any:  # fmt: skip
    """Train with a rate that grows from step to step, and write the losses down (Smith 2017).

    It ends early when the loss has become four times its smallest. Weights, moments and counters
    are put back. A good rate to begin with is `steepest`, where the loss falls fastest before it
    first rises, or a little less.

    Args:
        model: compiled, with a learning rate that is a number.
        x, y: training data, all of it at hand: arrays, sparse rows, several inputs.
        low, high: first and last rate; between them it grows by the same factor in each step.
        steps: at most so many.
        batch_size: rows per step, drawn at random.
        smoothing: of the curve that `steepest` is read from, in [0, 1); 0 for none.
        seed: of the batches.

    Returns:
        LearningRates: rates, losses and smooth (steps,), and steepest, a rate.

    Raises:
        ValueError: rates out of order, or a schedule that can't be replaced.
    """
    if not 0 < low < high:
        raise ValueError(f"expected 0 < low < high, received low={low!r}, high={high!r}")
    if steps < 3:
        raise ValueError(f"steps must be at least 3, received {steps!r}")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be in [0, 1), received {smoothing!r}")
    model._require_compiled("learning_rate_range")
    if model.optimizer.schedule is not None:
        raise ValueError("the optimizer follows a schedule; compile with a number to try rates")
    model.dataset(x, y)  # checks them, and builds the model if need be
    rates, random = np.geomspace(low, high, steps), generator(seed)
    losses, smooth, average = [], [], 0.0
    with untouched(model):
        for i, rate in enumerate(rates):
            rows = random.integers(0, len(y), min(batch_size, len(y)))
            model.optimizer.learning_rate = float(rate)
            logs = model.train_on_batch(take(x, rows), take(y, rows), return_dict=True)
            if not math.isfinite(logs["loss"]):
                break
            losses.append(float(logs["loss"]))
            average = smoothing * average + (1 - smoothing) * losses[-1]
            smooth.append(average / (1 - smoothing ** (i + 1)))
            if smooth[-1] > 4 * min(smooth):
                break
    if len(losses) < 3:
        raise ValueError(f"the loss is not finite after {len(losses)} steps: begin below {low:g}")
    rates, losses, smooth = rates[: len(losses)], np.array(losses), np.array(smooth)
    return LearningRates(rates, losses, smooth, _steepest(rates, smooth))


def _steepest(rates, smooth):
    """Return the rate where the loss falls fastest, before it rises for the first time."""
    fall = smooth[0] - smooth.min()
    halfway = int((smooth <= smooth[0] - fall / 2).argmax())
    risen = smooth > np.minimum.accumulate(smooth) + 0.15 * fall
    risen[: halfway + 1] = False  # before that it is noise
    lowest = int(smooth[: risen.argmax() if risen.any() else None].argmin())
    last = max(lowest + 1, 3)
    slopes = np.gradient(smooth[:last], np.log(rates[:last]))
    return float(rates[slopes.argmin()])


def loss_surface(model: Model, x: ArrayLike, y: ArrayLike, *, radius: float = 1.0, points: int = 21,
                 directions: Any = None, seed: int = 0) -> Any:  # fmt: skip
    """Measure the loss on a plane through the weights: L(w + a u + b v) (Li et al. 2018).

    u and v are random; each column of a matrix in them is as long as the column of the weights it
    is added to, so that a = 1 means the same for every layer. Vectors stay as they are.

    Args:
        model: compiled.
        x, y: data to measure on, all at once.
        radius: a and b run from -radius to radius.
        points: how many of each; odd, so that the weights themselves are among them.
        directions: (u, v), each a list of arrays like `model.trainable_weights`; None: random.
        seed: of random ones.

    Returns:
        LossSurface: a (points,), b (points,), losses (points, points) with a row for each b.

    Raises:
        ValueError: an even number of points, or directions that do not fit.
    """
    if points < 3 or points % 2 == 0:
        raise ValueError(f"points must be odd and at least 3, received {points!r}")
    if not radius > 0:
        raise ValueError(f"radius must be above 0, received {radius!r}")
    model._require_compiled("loss_surface")
    model.dataset(x, y)  # checks them, and builds the model if need be
    parameters = model.trainable_weights
    weights = [p.numpy() for p in parameters]
    if directions is None:
        random = generator(seed)
        directions = [[_like(w, random) for w in weights] for _ in range(2)]
    for direction in directions:
        shapes = [np.shape(d) for d in direction]
        if shapes != [w.shape for w in weights]:
            raise ValueError(f"directions must have shapes {[w.shape for w in weights]}, received "
                             f"{shapes}")  # fmt: skip
    u, v = directions
    steps = np.linspace(-radius, radius, points)
    losses = np.empty((points, points))
    with untouched(model):
        for (row, column), _ in np.ndenumerate(losses):
            for p, w, du, dv in zip(parameters, weights, u, v, strict=True):
                p.assign(w + steps[column] * du + steps[row] * dv)
            measured = model.evaluate(x, y, batch_size=len(y), verbose=0, return_dict=True)
            losses[row, column] = measured["loss"]
    return LossSurface(steps, steps.copy(), losses)


def _like(w, random):
    """Return a random direction, as long in each column as w; zeros for vectors."""
    if w.ndim < 2:
        return np.zeros_like(w)
    d = random.standard_normal(w.shape).astype(w.dtype)
    return d * (np.linalg.norm(w, axis=0) / np.linalg.norm(d, axis=0))
