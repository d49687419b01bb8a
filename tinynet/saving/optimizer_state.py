"""An optimizer's counters and moments in Keras's order and under Keras's names.

tinynet keeps one flat vector per moment, Keras one array per weight: first `iteration`, then
`learning_rate` (unless a schedule gives it), then the moments, those of one group interleaved:
m and v of the first weight, m and v of the second.
"""

import copy
import math

import numpy as np

# How Keras 2 spells them, in its own files' names of arrays.
KERAS_2 = {
    "iteration": ("iteration", "iter"),
    "learning_rate": ("learning_rate",),
    "momentum": ("m", "momentum"),
    "velocity": ("v", "velocity", "rms"),
    "velocity_hat": ("vhat", "velocity_hat"),
    "average_gradient": ("average_gradient", "mg"),
    "norm": ("u", "v"),
    "accumulated_grad": ("accumulated_grad", "accum_grad"),
    "accumulated_delta_var": ("accumulated_delta_var", "accum_var"),
}


class AnotherOptimizer(ValueError):
    """The state in a file has other arrays than the model's optimizer."""


def built(model):
    """Return the model's optimizer, or a copy for its weights where it is not built for them."""
    optimizer, parameters = model.optimizer, model.trainable_weights
    if optimizer.updates(parameters):
        return optimizer
    return copy.copy(optimizer).change_to(parameters, model, model.context.ops)


def arrays(model):
    """Return (name, array) of everything that the optimizer of a model remembers, in Keras's order.

    The learning rate is written in float64, so that it comes back as it was; Keras rounds it.
    """
    found = []
    for v in built(model).variables:
        path = v.path
        if v.parameter is not None:  # Keras: "adam/sequential_dense_kernel_momentum"
            path = f"{model.optimizer.name}/{model.name.replace('/', '_')}_{v.name}"
        array = v.numpy()
        if v.name == "iteration" and array < 2**31:
            array = array.astype("int32")  # as Keras counts
        found.append((path, array))
    return found


def restore(model, entries):
    """Check the state in `entries`; return a function that gives it to the optimizer.

    Args:
        entries: (where, shape, read) in Keras's order; read is None for what is not stored.

    Raises:
        AnotherOptimizer: another number of arrays, or a shape that differs.
    """

    def fill(optimizer):
        optimizer.build(model.trainable_weights, model.context.ops)
        for v, array in zip(optimizer.variables, found, strict=True):
            if array is None:  # it is not stored, nor needed
                continue
            same = v.name == "learning_rate" and np.float32(optimizer.learning_rate) == array
            if not same:
                v.assign(array)

    found, trial = [], copy.copy(model.optimizer)
    wanted = trial.build(model.trainable_weights, model.context.ops).variables
    if len(entries) != len(wanted):
        raise AnotherOptimizer(f"it holds {len(entries)} arrays of an optimizer's state, "
                               f"{trial.name} has {len(wanted)} "
                               f"({', '.join(v.name for v in wanted[:4])}, ...)")  # fmt: skip
    for v, (where, shape, read) in zip(wanted, entries, strict=True):
        if tuple(shape) != tuple(v.shape):
            raise AnotherOptimizer(f"{where}, {v.name}: expected {v.shape}, found {tuple(shape)}")
        found.append(None if read is None else read())
        if v.name in ("iteration", "learning_rate"):
            _check_scalar(where, v.name, found[-1])
    fill(trial)  # raises where a value is none, before the model's optimizer has changed
    return lambda: fill(model.optimizer)


def _check_scalar(where, name, array):
    value = array.item()
    possible = name != "iteration" or (array.dtype.kind in "iu" and value < 2**62)
    if not (possible and math.isfinite(value) and value >= 0):
        raise ValueError(f"{where}: {name} can't be {value!r}")


def in_keras_order(model, names, entries):
    """Return the entries of a Keras 2 file, found by their names, in the order of Keras 3.

    Keras 2 writes "Adam/m/dense/kernel:0" or, before 2.11, "Adam/dense/kernel/m:0".
    """
    by_name = {}
    for name, entry in zip(names, entries, strict=True):
        by_name["/".join(name.split("/")[1:] if "/" in name else [name]).split(":")[0]] = entry
    found = []
    for v in built(model).variables:
        name, p = v.kind, v.parameter
        spellings = KERAS_2.get(name, (name,))
        paths = [(s,) if p is None else (f"{s}/{p.path}", f"{p.path}/{s}") for s in spellings]
        candidates = [path for both in paths for path in both]
        entry = next((by_name[c] for c in candidates if c in by_name), None)
        if entry is None and name == "learning_rate":  # Keras 2 keeps it in the config only
            rate = np.array(model.optimizer.learning_rate)
            entry = (name, (), lambda rate=rate: rate)
        if entry is None and name in ("variable", "nothing"):  # what follows from the iteration
            entry = (name, v.shape, None)
        if entry is None:
            where = "" if p is None else f" of {p.path}"
            raise ValueError(f"the optimizer's {name}{where} is not in the file")
        found.append(entry)
    return found
