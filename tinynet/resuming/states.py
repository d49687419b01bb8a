"""The state of a training run, collected between two steps, and put back."""

import random as python_random

import numpy as np

from .. import random
from .values import pack, unpack


def collect(model, callbacks, sources, logs, unkept):
    """(header, arrays): everything that the rest of the run depends on.

    Args:
        callbacks: of the run, with History.
        sources: of the training and the validation data, or None.
        logs: of the last epoch.
        unkept: function of (who, error), called for what can't be written.
    """
    optimizer, arrays, extra = model.optimizer, {}, []
    host = model.context.ops.to_host
    weights = [p.numpy().ravel() for p in model.parameters]
    arrays["weights"] = np.concatenate(weights) if weights else np.zeros(0, "float32")
    vectors = _vectors(optimizer)
    for name, vector in vectors.items():
        arrays[f"optimizer/{name}"] = np.array(host(vector))
    header = {
        "steps_taken": model.steps_taken,
        "passes_taken": model.passes_taken,
        "shuffle_seed": model.shuffle_seed,
        "optimizer": {
            "step_number": optimizer.step_number,
            "rate": None if optimizer.schedule is not None else optimizer.learning_rate,
            "average_in_weights": optimizer.average_in_weights,
        },
        "keys": [list(k) for k in _keys(model).values()],
        "generators": pack(_generators(model), extra),
        "loss": pack(model.loss_tracker.get_state(), extra),
        "logs": pack(logs, extra),
        "metrics": [],
        "callbacks": [],
        "sources": [],
    }
    for _, metric, _ in model.compiled_metrics.items:
        header["metrics"].append(_packed(metric, extra, unkept))
    for callback in callbacks:
        header["callbacks"].append(_packed(callback, extra, unkept))
    for source in sources:
        batches = getattr(source, "batches", None)
        kept = hasattr(batches, "get_state") and hasattr(batches, "set_state")
        header["sources"].append(_packed(batches, extra, unkept) if kept else None)
    for i, array in enumerate(extra):
        arrays[f"state/{i}"] = array
    return header, arrays


def check(model, header, arrays):
    """Raise ValueError unless all this can be put back; before anything is changed."""
    expected = {"weights": sum(p.size for p in model.parameters)}
    for name, vector in _vectors(model.optimizer).items():
        expected[f"optimizer/{name}"] = vector.size
    for name, size in expected.items():
        if name not in arrays or arrays[name].shape != (size,):
            shape = arrays[name].shape if name in arrays else "nothing"
            raise ValueError(f"{name}: expected {size} numbers, found {shape}")
    extra = small_arrays(arrays)
    for name in ("generators", "loss", "logs", "metrics", "callbacks", "sources"):
        unpack(header[name], extra)
    for name in ("steps_taken", "passes_taken", "shuffle_seed"):
        if type(header[name]) is not int:
            raise ValueError(f"{name} is {header[name]!r}")
    if len(header["keys"]) != len(_keys(model)):
        raise ValueError("another number of layers with random numbers")


def restore(model, callbacks, sources, header, arrays):
    """Put back what `collect` returned."""
    optimizer, extra, start = model.optimizer, small_arrays(arrays), 0
    for p in model.parameters:
        p.assign(arrays["weights"][start : start + p.size].reshape(p.shape))
        start += p.size
    kept = header["optimizer"]
    if kept["rate"] is not None and optimizer.schedule is None:
        optimizer.learning_rate = kept["rate"]
    optimizer.step_number = kept["step_number"]
    for name, vector in _vectors(optimizer).items():
        vector[...] = optimizer.ops.from_host(arrays[f"optimizer/{name}"])
    optimizer.average_in_weights = kept["average_in_weights"]
    for leaf, key in zip(_keys(model), header["keys"], strict=True):
        if leaf.key != tuple(key):  # a change would be a reason to record the step anew
            leaf.key = tuple(key)
    model.steps_taken, model.passes_taken = header["steps_taken"], header["passes_taken"]
    model.loss_tracker.set_state(unpack(header["loss"], extra))
    for (_, metric, _), state in zip(model.compiled_metrics.items, header["metrics"], strict=True):
        _give(metric, state, extra)
    for callback, state in zip(callbacks, header["callbacks"], strict=True):
        _give(callback, state, extra)
    for source, state in zip(sources, header["sources"], strict=True):
        _give(getattr(source, "batches", None), state, extra)
    _set_generators(model, unpack(header["generators"], extra))


def _packed(owner, extra, unkept):
    """The state of something that has `get_state`; None where there is none."""
    try:
        return pack(owner.get_state(), extra)
    except TypeError as error:
        unkept(owner, error)
        return None


def _give(owner, state, extra):
    state = unpack(state, extra)
    if state is not None:
        owner.set_state(state)


def small_arrays(arrays):
    """Those that `pack` has put aside, in order."""
    return [arrays[name] for name in arrays if name.startswith("state/")]


def _vectors(optimizer):
    """name -> flat vector of everything the optimizer keeps."""
    found = {"average": optimizer.average, "total": optimizer.total, **optimizer.state}
    return {name: vector for name, vector in found.items() if vector is not None}


def _keys(model):
    """leaf -> key of its counter-based random numbers."""
    return {
        leaf: leaf.key for leaf in model.leaves()
        if isinstance(getattr(leaf, "key", None), tuple)
    }  # fmt: skip


def _own_generators(model):
    """NumPy's generators that layers hold, in order."""
    return [
        value for leaf in model.leaves() for value in vars(leaf).values()
        if isinstance(value, np.random.Generator)
    ]  # fmt: skip


def _generators(model):
    """All random streams: ours, Python's, NumPy's, and those that layers hold."""
    return {
        "root": random.get_state(),
        "python": python_random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002  users draw from it
        "layers": [one.bit_generator.state for one in _own_generators(model)],
    }


def _set_generators(model, states):
    random.set_state(states["root"])
    python_random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    for one, state in zip(_own_generators(model), states["layers"], strict=True):
        one.bit_generator.state = state
