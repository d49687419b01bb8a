"""Looking at a model without disturbing it: what its layers give, what a step would change.

All of this computes on the model's own device with the model's own arrays; afterwards training goes
on as if nothing had been asked, to the last bit.
"""

from __future__ import annotations

import collections
import contextlib
from typing import TYPE_CHECKING

import numpy as np

from .. import activations
from ..core.locks import locked
from ..layers import Activation, Dense
from ..random import generator
from .listen import copied, replaced
from .untouched import untouched

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike

# counts (bins,) over edges (bins + 1,) of the entries that are not 0; how many are 0; all of them
Histogram = collections.namedtuple("Histogram", "counts edges zeros total")


def sample(x, y, sample_weight=None, *, rows=256, seed=0):
    """Return random rows of the data, the same ones for a seed: (x, y, sample_weight)."""
    if len(y) <= rows:
        return x, y, sample_weight
    chosen = np.sort(generator(seed).choice(len(y), rows, replace=False))
    return take(x, chosen), take(y, chosen), take(sample_weight, chosen)


def take(data: ArrayLike, rows: Any) -> Any:
    """Return some rows of what `fit` takes: arrays, tables, sparse matrices, several inputs."""
    if data is None:
        return None
    if isinstance(data, dict):
        return {name: take(part, rows) for name, part in data.items()}
    if isinstance(data, (list, tuple)) and hasattr(data[0], "shape") and np.ndim(data[0]):
        return [take(part, rows) for part in data]
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    if hasattr(data, "tocsr"):
        return data.tocsr()[rows]
    return (data if hasattr(data, "shape") else np.asarray(data))[rows]


def histogram(values, bins=60) -> Histogram:
    """Return how values are spread; zeros, which a ReLU makes many of, are not in the bins."""
    values = np.ravel(values)
    finite = values[np.isfinite(values) & (values != 0)]
    counts, edges = np.histogram(finite, bins) if finite.size else ([0], [0.0, 1.0])
    zeros = int(np.count_nonzero(values == 0))
    return Histogram(np.asarray(counts), np.asarray(edges), zeros, values.size)


def step_changes(model, x, y, sample_weight=None):
    """Compute what one training step on these rows would do, and leave the model as it is.

    Returns:
        (loss, gradients, changes): dicts of path -> array; a change is what the optimizer, with its
        present moments, would add to the parameter (clipping and weight decay included).
    """
    with locked(model):
        loss, gradients = model.loss_and_gradients(x, y, sample_weight)
        before = {p.path: p.numpy() for p in model.trainable_weights}
        with untouched(model):
            model.update()
            changes = {p.path: p.numpy() - before[p.path] for p in model.trainable_weights}
    return loss, gradients, changes


def vital_signs(model, x, y, sample_weight=None):
    """Measure how large a step's gradients and changes are, and which units are dead.

    Returns:
        (signs, gradients, outputs): name -> number, as GradientMonitor explains them:
        gradient_norm/PATH, update_ratio/PATH, dead_units/LAYER; and what `step_changes` and
        `layer_outputs` return.
    """
    outputs, dead = layer_outputs(model, x)
    weights = {p.path: _norm(p.numpy()) for p in model.trainable_weights}
    _, gradients, changes = step_changes(model, x, y, sample_weight)
    signs = {f"gradient_norm/{path}": _norm(g) for path, g in gradients.items()}
    for path, change in changes.items():  # a bias of zeros has no ratio yet
        ratio = _norm(change) / weights[path] if weights[path] else float("nan")
        signs[f"update_ratio/{path}"] = ratio
    signs |= {f"dead_units/{name}": float(units.mean()) for name, units in dead.items()}
    return signs, gradients, outputs


def _norm(array):
    return float(np.linalg.norm(np.asarray(array, np.float64).ravel()))


def layer_outputs(model, x):
    """Compute what every layer gives for the rows of x, as `predict` does.

    Returns:
        (outputs, dead): layer's name -> array (N, ...); layer's name -> which units (H,) have an
        activation whose slope is 0 in every row, so that nothing can move them any more.
    """
    data = model.dataset(x)
    model._prepare_execution()
    outputs, slopes = collections.defaultdict(list), collections.defaultdict(list)

    def recording(layer, forward):
        def record(x, training=False):
            y = forward(x, training=training)
            outputs[layer.name].append(copied(y, model.context.ops.to_host))
            flat = _is_flat(layer)
            if flat is not None:
                slopes[layer.name].append(flat)
            return y

        return record

    with locked(model), contextlib.ExitStack() as stack:
        for layer in model.leaves():
            stack.enter_context(replaced(layer, forward=recording(layer, layer.forward)))
            stack.callback(layer.__dict__.update, saved=None)
        model.begin_step()
        model.forward(model.input_rows(data.x, slice(None)), training=False)
    return (
        {name: np.concatenate(parts) for name, parts in outputs.items()},
        {name: np.all(parts, axis=0) for name, parts in slopes.items()},
    )


def _is_flat(layer):
    """Return which units (H,) have slope 0 in all rows of the last forward; None: not defined."""
    if not isinstance(layer, (Dense, Activation)) or layer.activation is activations.linear:
        return None
    if not isinstance(layer.activation, activations.Elementwise):
        return None
    z, y = layer.saved[-2:]
    ones, slope = layer.ops.zeros(y.shape, y.dtype), layer.ops.zeros(y.shape, y.dtype)
    ones += 1
    layer.activation.backward(layer.ops, z, y, ones, dx=slope)
    slope = layer.ops.to_host(slope)
    return ~slope.reshape(-1, slope.shape[-1]).any(axis=0)
