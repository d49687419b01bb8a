"""The same batch under other choices: initial weights, the hidden activation, the learning rate.

Each is a real step of the same model, changed for the moment and put back.
"""

import numpy as np

from .. import activations, initializers
from ..configs.attributes import Follows
from ..inspecting.listen import replaced
from ..inspecting.untouched import untouched
from ..layers import Activation, Dense
from .explain import activation_of, statistics
from .trace import run

INITIALIZERS = ("glorot_uniform", "he_normal", "lecun_normal", "random_normal", "zeros")
FACTORS = (0.1, 1.0, 10.0)


def what_if(model, batch, found, seed=0) -> dict:
    """Return {"initializers": [case], "activation": [case] or [], "rates": [case]}.

    A case is a dict: name, loss, and per layer with weights the sd of its output, the share of
    zeros in it, and the norm of its kernel's gradient. Rates have factor, rate and loss after.
    """
    return {
        "initializers": [_case("as it is", found), *_initializers(model, batch, seed)],
        "activation": _activation(model, batch, found),
        "rates": _rates(model, batch),
    }


def kernels_of(model):
    """Return the trainable weights of rank 2 or more: what an initializer is chosen for."""
    return [p for p in model.trainable_weights if p.ndim > 1]


def _initializers(model, batch, seed):
    cases = []
    for name in INITIALIZERS:
        with untouched(model):
            for k, p in enumerate(kernels_of(model)):
                p.assign(fresh(name, p.shape, p.dtype, seed + k))
            for p in model.trainable_weights:
                if p.name == "bias":
                    p.assign(np.zeros(p.shape, p.dtype))
            cases.append(_case(name, run(model, batch, update=False)))
    return cases


def fresh(name, shape, dtype, seed):
    """Return the weights that initializer `name` gives for this seed."""
    initializer = initializers.get(name)
    if hasattr(initializer, "seed"):
        initializer = type(initializer)(seed=seed)
    return np.asarray(initializer(tuple(shape), dtype=np.dtype(dtype).name))


def _activation(model, batch, found):
    """Return cases with sigmoid for relu in all hidden layers; or with relu, if none has it."""
    hidden = [call for call in found.layers[:-1] if activation_of(call) is not None
              and isinstance(call.layer, (Dense, Activation))]  # fmt: skip
    names = sorted({activation_of(call).name for call in hidden})
    if not names:
        return []
    other = activations.sigmoid if "relu" in names else activations.relu
    chosen = [c.layer for c in hidden if "relu" not in names or activation_of(c).name == "relu"]
    with untouched(model):
        for layer in chosen:
            rule = getattr(type(layer), "activation", None)
            if isinstance(rule, Follows):
                rule.pretend(layer, other)
            else:
                layer.activation = other
        case = _case(other.name, run(model, batch, update=False))
    was = "relu" if "relu" in names else ", ".join(names)
    return [_case(was, found), case]


def _rates(model, batch):
    optimizer, cases = model.optimizer, []
    for factor in FACTORS:
        with untouched(model):
            rate = type(optimizer).rate

            def scaled(step, factor=factor, rate=rate):
                return factor * rate(optimizer, step)

            with replaced(optimizer, rate=scaled):
                now = scaled(optimizer.iterations)
                before = run(model, batch).loss.before
            after = run(model, batch, update=False).loss.before
            cases.append({"factor": factor, "rate": now, "before": before, "after": after})
    return cases


def _case(name, found):
    layers = []
    for call in found.layers:
        kernel = next((found.parameters[p.path] for p in call.layer.trainable_weights
                       if p.ndim > 1), None)  # fmt: skip
        if kernel is None or kernel.gradient is None:
            continue
        y = statistics(call.y)
        layers.append({"name": call.name, "sd": y["sd"], "zeros": y["zeros"],
                       "gradient": statistics(kernel.gradient)["norm"]})  # fmt: skip
    return {"name": name, "loss": found.loss.before, "layers": layers}
