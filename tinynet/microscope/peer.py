"""The same step by Keras, where it is installed: the largest difference of each tensor.

Keras gets tinynet's weights, batch, dropout masks, moments and counters; its backend differentiates
and its optimizer updates.
"""

import importlib.util
import os
import warnings

import numpy as np

from .. import layers as our_layers
from .. import losses, optimizers
from .explain import kind

MOMENTS = {"m": "momentum", "v": "velocity", "v_max": "velocity_hat", "a": "average_gradient"}
BACKENDS = ("jax", "torch")


class NotComparable(Exception):
    """Why Keras can't take this step; shown on the page."""


def installed(*names) -> list:
    """Return which of these packages can be imported."""
    return [name for name in names if importlib.util.find_spec(name) is not None]


def compare(model, found) -> dict:
    """Return {"version", "backend", "loss", "rows": [{"what", "path", "ours", "difference"}]}.

    `ours` is the largest entry of tinynet's tensor, `difference` the largest absolute difference.

    Raises:
        NotComparable: says why.
    """
    keras = _load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, e.g. its __array__ under NumPy 2
        twin, fused = _twin(keras, found)
        loss_fn = _loss(keras, found, fused)
        optimizer = _optimizer(keras, model, found, twin)
        take = _step_of_jax if keras.backend.backend() == "jax" else _step_of_torch
        weight = None if found.sample_weight is None else np.asarray(found.sample_weight)
        loss, outputs, grads, after = take(twin, loss_fn, optimizer, found.x, found.y, weight)
    trained = [p for p in found.parameters.values() if p.gradient is not None]
    mine = found.loss.output.reshape(outputs.shape) if fused else found.outputs
    rows = [_row("outputs", "z" if fused else "y", mine, outputs)]
    rows += [_row("gradient", p.path, p.gradient, g) for p, g in zip(trained, grads, strict=True)]
    rows += [_row("after", p.path, p.after, w) for p, w in zip(trained, after, strict=True)]
    return {"version": keras.__version__, "backend": keras.backend.backend(), "loss": loss,
            "rows": rows}  # fmt: skip


def _load():
    """Import Keras, on one of the backends whose derivatives the comparison can take."""
    if not installed("keras"):
        raise NotComparable("Keras is not installed")
    if "KERAS_BACKEND" not in os.environ:
        if not installed(*BACKENDS):
            raise NotComparable("neither JAX nor PyTorch is installed for Keras to run on")
        os.environ["KERAS_BACKEND"] = installed(*BACKENDS)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras
    if keras.backend.backend() not in BACKENDS:
        raise NotComparable(f"Keras runs on {keras.backend.backend()} here; the comparison knows "
                            "jax and torch")  # fmt: skip
    return keras


def _row(what, path, ours, theirs):
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    difference = np.abs(ours - theirs.reshape(ours.shape)).max(initial=0)
    return {"what": what, "path": path, "ours": float(np.abs(ours).max(initial=0)),
            "difference": float(difference)}  # fmt: skip


def _twin(keras, found):
    """Return a Keras model with the weights, and whether it ends with the logits for the loss."""

    class Mask(keras.layers.Layer):
        def __init__(self, mask, **options):
            super().__init__(**options)
            self.mask = mask

        def call(self, x):
            return x * keras.ops.convert_to_tensor(self.mask, dtype=self.compute_dtype)

        def compute_output_shape(self, shape):
            return shape

    stack, fused = [keras.Input(batch_shape=found.x.shape, dtype=found.x.dtype.name)], False
    for call in found.layers:
        if isinstance(call.x, list) or isinstance(call.y, list):
            raise NotComparable(f"layer {call.name!r} has several inputs or outputs")
        config = our_layers.serialize(call.layer)
        if config["registered_name"] is not None or not config["module"].startswith("keras"):
            raise NotComparable(f"Keras does not know the layer {type(call.layer).__name__}")
        if kind(call.layer) == "dropout":
            if "mask" in call.parts:
                stack.append(Mask(call.parts["mask"], name=call.name, dtype=call.layer.dtype))
            continue
        if call.fused:
            fused = True
            if kind(call.layer) != "dense":
                continue  # a layer that is nothing but the activation
            config = {**config, "config": {**config["config"], "activation": "linear"}}
        try:
            stack.append(keras.layers.deserialize(config))
        except (TypeError, ValueError) as error:
            raise NotComparable(f"Keras refuses {call.name!r}: {error}") from error
    twin = keras.Sequential(stack)
    for theirs in twin.layers:
        call = next((c for c in found.layers if c.name == theirs.name), None)
        if call is not None and theirs.weights:
            theirs.set_weights([found.parameters[p.path].before for p in call.layer.weights])
            theirs.trainable = call.layer.trainable
    return twin, fused


def _loss(keras, found, fused):
    config = losses.serialize(found.loss.loss)
    if config["registered_name"] is not None:
        raise NotComparable(f"Keras does not know the loss {type(found.loss.loss).__name__}")
    if fused:
        config = {**config, "config": {**config["config"], "from_logits": True}}
    return keras.losses.deserialize(config)


def _optimizer(keras, model, found, twin):
    config = optimizers.serialize(model.optimizer)
    if config["registered_name"] is not None:
        raise NotComparable(f"Keras does not know the optimizer {type(model.optimizer).__name__}")
    optimizer = keras.optimizers.deserialize(config)
    if not isinstance(optimizer, keras.optimizers.Optimizer):  # the name, where it knows none
        raise NotComparable(f"Keras does not know the optimizer {type(model.optimizer).__name__}")
    optimizer.build(twin.trainable_variables)
    optimizer.iterations.assign(found.iteration)
    trained = [p for p in found.parameters.values() if p.gradient is not None]
    if [p.gradient.shape for p in trained] != [tuple(v.shape) for v in twin.trainable_variables]:
        raise NotComparable("Keras's weights come in another order")
    averages = getattr(optimizer, "_model_variables_moving_average", [])  # the step reads none
    assigned = {v.path for v in (optimizer.iterations, optimizer._learning_rate, *averages)}
    for name in trained[0].state_before if trained else ():
        theirs = [v for v in optimizer.variables if v.path.endswith("_" + MOMENTS.get(name, "?"))]
        if len(theirs) != len(trained):
            raise NotComparable(f"no place in Keras's optimizer for the moment {name!r}")
        for variable, p in zip(theirs, trained, strict=True):
            variable.assign(p.state_before[name])
            assigned.add(variable.path)
    others = [v for v in optimizer.variables if v.path not in assigned]
    if others and found.iteration:
        raise NotComparable(f"Keras's {type(model.optimizer).__name__} remembers more than moments")
    return optimizer


def _step_of_jax(twin, loss_fn, optimizer, x, y, weight):
    import jax

    def loss(trainable):
        frozen = [v.value for v in twin.non_trainable_variables]
        outputs, _, penalties = twin.stateless_call(
            trainable, frozen, x, training=True, return_losses=True
        )
        return loss_fn(y, outputs, weight) + sum(penalties), outputs

    before = [v.value for v in twin.trainable_variables]
    (value, outputs), grads = jax.value_and_grad(loss, has_aux=True)(before)
    state = [v.value for v in optimizer.variables]
    after, _ = optimizer.stateless_apply(state, grads, before)
    arrays = [[np.asarray(a) for a in each] for each in (grads, after)]
    return float(value), np.asarray(outputs), *arrays


def _step_of_torch(twin, loss_fn, optimizer, x, y, weight):
    import torch

    def host(tensor):
        return tensor.detach().cpu().numpy().copy()

    outputs = twin(torch.as_tensor(x), training=True)
    value = loss_fn(torch.as_tensor(y), outputs,
                    None if weight is None else torch.as_tensor(weight))  # fmt: skip
    value = value + sum(twin.losses)
    twin.zero_grad()
    value.backward()
    grads = [v.value.grad for v in twin.trainable_variables]
    kept = [host(g) for g in grads]
    with torch.no_grad():
        optimizer.apply(grads, twin.trainable_variables)
    return float(value), host(outputs), kept, [host(v.value) for v in twin.trainable_variables]
