"""An optimizer's counters and moments in Keras's order and under Keras's names.

We keep one flat vector per moment, Keras one array per weight: first `iteration`, then
`learning_rate` (unless a schedule gives it), then the moments, those of one group interleaved:
m and v of the first weight, m and v of the second.
"""

import copy
import math

import numpy as np

# Class -> groups of (our name of the moment, Keras's); what is None in the optimizer is left out.
ORDER = {
    "SGD": [[("m", "momentum")]],
    "Adam": [[("m", "momentum"), ("v", "velocity")], [("v_max", "velocity_hat")]],
    "RMSprop": [[("v", "velocity")], [("m", "momentum")], [("a", "average_gradient")]],
}
SHARED = [[("average", "average")], [("total", "gradient_accumulator")]]  # before the moments
# How Keras 2 spells them, in its own files' names of arrays.
KERAS_2 = {
    "iteration": ("iteration", "iter"),
    "learning_rate": ("learning_rate",),
    "momentum": ("m", "momentum"),
    "velocity": ("v", "velocity", "rms"),
    "velocity_hat": ("vhat", "velocity_hat"),
    "average_gradient": ("average_gradient", "mg"),
}


class AnotherOptimizer(ValueError):
    """The state in a file has other arrays than the model's optimizer."""


def order_of(optimizer, vectors):
    """Groups of (our name, Keras's name) of the vectors there are."""
    own = next((ORDER[c.__name__] for c in type(optimizer).__mro__ if c.__name__ in ORDER), [])
    order = [*SHARED, *own]
    known = {key for group in order for key, _ in group}
    order += [[(key, key)] for key in vectors if key not in known]  # a user's own rule
    groups = [[(key, name) for key, name in group if key in vectors] for group in order]
    return [group for group in groups if group]


def built(model):
    """The model's optimizer, or a copy with fresh moments if it has none for these weights yet."""
    optimizer, parameters = model.optimizer, model.trainable_weights
    if optimizer.parameters == parameters:
        return optimizer
    return copy.copy(optimizer).build(parameters, model.context.ops)


def vectors_of(optimizer):
    """Our name -> flat vector of everything with an entry per weight."""
    found = {key: getattr(optimizer, key, None) for group in SHARED for key, _ in group}
    return {k: v for k, v in {**found, **optimizer.state}.items() if v is not None}


def places(optimizer):
    """What there is to store, in Keras's order.

    Returns:
        List of (Keras's name, parameter or None, our name, slice of our vector, shape).
    """
    count = "step_number" if hasattr(optimizer, "step_number") else "iterations"
    found = [("iteration", None, count, None, ())]
    if optimizer._schedule is None:
        found.append(("learning_rate", None, "learning_rate", None, ()))
    for group in order_of(optimizer, vectors_of(optimizer)):
        start = dict.fromkeys((key for key, _ in group), 0)
        for p in optimizer.parameters:
            for key, name in group:
                place = slice(start[key], start[key] + p.size)
                start[key] = place.stop
                found.append((name, p, key, place, p.shape))
    return found


def arrays(model):
    """(name, array) of everything that the optimizer of a model remembers, in Keras's order.

    The learning rate is written in float64, so that it comes back as it was; Keras rounds it.
    """
    optimizer = built(model)
    if hasattr(optimizer, "variables"):  # it knows Keras's order itself
        return [(v.path, _counted(v.name, v.numpy())) for v in optimizer.variables]
    flat = {key: np.asarray(optimizer.ops.to_host(v)) for key, v in vectors_of(optimizer).items()}
    result = []
    for name, p, key, place, shape in places(optimizer):
        if p is not None:
            array = flat[key][place].reshape(shape)
        elif name == "learning_rate":
            array = np.array(optimizer.learning_rate, "float64")
        else:
            array = _counted(name, np.array(getattr(optimizer, key)))
        result.append((variable_name(optimizer, model, name, p), array))
    return result


def _counted(name, array):
    """Counters in Keras's int32, where they fit."""
    small = name == "iteration" and array < 2**31
    return array.astype("int32") if small else array


def variable_name(optimizer, model, name, parameter):
    """Keras's path of an optimizer's variable: "adam/sequential_dense_kernel_momentum"."""
    if parameter is None:
        return f"{optimizer.name}/{name}"
    path = f"{model.name}/{parameter.path}".replace("/", "_")
    return f"{optimizer.name}/{path}_{name}"


def restore(model, entries):
    """A function that gives the optimizer the state in `entries`, after all of it was checked.

    Args:
        entries: (where, shape, read) in Keras's order.

    Raises:
        AnotherOptimizer: another number of arrays, or a shape that differs.
    """
    optimizer, trial = model.optimizer, built(model)
    if hasattr(optimizer, "variables"):
        return _restore_variables(model, entries)
    wanted = places(trial)
    if len(entries) != len(wanted):
        raise AnotherOptimizer(
            f"it holds {len(entries)} arrays of an optimizer's state, {optimizer.name} has "
            f"{len(wanted)} ({', '.join(name for name, *_ in wanted[:4])}, ...)"
        )
    found = []
    for place, (where, shape, read) in zip(wanted, entries, strict=True):
        name, p, _, _, expected = place
        if tuple(shape) != expected:
            raise AnotherOptimizer(
                f"{where}, {name}: expected shape {expected}, found {tuple(shape)}"
            )
        array = read()
        if p is None:
            _check_scalar(where, name, array)
        found.append((place, array))

    def give():
        optimizer.build(model.trainable_weights, model.context.ops)
        vectors = vectors_of(optimizer)
        for (name, p, key, part, _), array in found:
            if p is not None:
                flat = np.asarray(array, p.dtype).ravel()
                vectors[key][part] = optimizer.ops.from_host(flat)
            elif name == "iteration":
                setattr(optimizer, key, int(array))
            # Keras knows 0.01 as the float32 0.0099999998: keep ours where it is the same
            elif np.float32(optimizer.learning_rate) != array:
                optimizer.learning_rate = float(array)

    return give


def _restore_variables(model, entries):
    """The same for an optimizer with `variables`, each with name, shape and assign."""

    def fill(optimizer):
        optimizer.build(model.trainable_weights, model.context.ops)
        for v, array in zip(optimizer.variables, found, strict=True):
            same = v.name == "learning_rate" and np.float32(optimizer.learning_rate) == array
            if not same:
                v.assign(array)

    found, trial = [], copy.copy(model.optimizer)
    wanted = trial.build(model.trainable_weights, model.context.ops).variables
    if len(entries) != len(wanted):
        raise AnotherOptimizer(
            f"it holds {len(entries)} arrays of an optimizer's state, {trial.name} has "
            f"{len(wanted)} ({', '.join(v.name for v in wanted[:4])}, ...)"
        )
    for v, (where, shape, read) in zip(wanted, entries, strict=True):
        if tuple(shape) != tuple(v.shape):
            raise AnotherOptimizer(f"{where}, {v.name}: expected {v.shape}, found {tuple(shape)}")
        found.append(read())
        if v.name in ("iteration", "learning_rate"):
            _check_scalar(where, v.name, found[-1])
    fill(trial)  # raises where a value is none, before the model's optimizer has changed
    return lambda: fill(model.optimizer)


def _check_scalar(where, name, array):
    value = array.item()
    whole = name != "iteration" or array.dtype.kind in "iu"
    if not (whole and math.isfinite(value) and 0 <= value < 2**62):
        raise ValueError(f"{where}: {name} can't be {value!r}")


def in_keras_order(model, names, entries):
    """Entries of a Keras 2 file, found by their names, in the order of Keras 3.

    Keras 2 writes "Adam/m/dense/kernel:0" or, before 2.11, "Adam/dense/kernel/m:0".
    """
    by_name = {}
    for name, entry in zip(names, entries, strict=True):
        by_name["/".join(name.split("/")[1:] if "/" in name else [name]).split(":")[0]] = entry
    found = []
    for name, p, *_ in places(built(model)):
        spellings = KERAS_2.get(name, (name,))
        paths = [(s,) if p is None else (f"{s}/{p.path}", f"{p.path}/{s}") for s in spellings]
        candidates = [path for both in paths for path in both]
        entry = next((by_name[c] for c in candidates if c in by_name), None)
        if entry is None and name == "learning_rate":  # Keras 2 keeps it in the config only
            rate = np.array(model.optimizer.learning_rate)
            entry = (name, (), lambda rate=rate: rate)
        if entry is None:
            where = "" if p is None else f" of {p.path}"
            raise ValueError(f"the optimizer's {name}{where} is not in the file")
        found.append(entry)
    return found
