"""What the result of a run depends on, and in what two of them differ.

Not in it: epochs (a run may be made longer), verbose, device and threads (they change the last bits
only), and where callbacks write their files.
"""

import hashlib
import inspect
import json
import re

import numpy as np

from ..data import SeveralRows, SparseRows
from ..saving.config import compile_config, each, plain

SAMPLED = 64  # rows of a data set that are compared
FREE = {"verbose", "filepath", "filename", "backup_dir", "log_dir", "folder", "seconds", "batches"}


def of_run(model, callbacks, train, validation, arguments):
    """The fingerprint: a dict of dicts of plain values."""
    found = {
        "model": of_model(model),
        "compile": _of_compile(model),
        "fit": {name: _plain(value) for name, value in arguments.items()},
        "callbacks": [_of_callback(one) for one in callbacks],
        "training data": of_data(train),
        "validation data": None if validation is None else of_data(validation),
    }
    return json.loads(json.dumps(found))  # as it comes out of a file


def of_model(model):
    """Layers and their options; their names count only as far as they connect."""
    names = {}

    def renamed(value, key=None):
        """`value` with names by the order in which they come; automatic ones count on."""
        place = isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
        if place or (key == "name" and isinstance(value, str)):
            name = value[0] if place else value
            number = names.setdefault(name, f"name {len(names)}")
            return [number, *value[1:]] if place else number
        if isinstance(value, dict):
            return {key: renamed(v, key) for key, v in value.items()}
        return [renamed(v) for v in value] if isinstance(value, list) else value

    try:
        config = json.loads(json.dumps(model.get_config(), default=_plain))
    except (TypeError, NotImplementedError):  # a layer of the user's that has no config
        config = [type(part).__name__ for part in model.parts()]
    weights = [
        [p.path.rsplit("/")[-1], list(p.shape), str(p.dtype), p.trainable] for p in model.parameters
    ]
    return {"config": renamed(config), "weights": weights}


def _of_compile(model):
    config = each_or_name(model)
    optimizer = config["optimizer"]
    if isinstance(optimizer, dict):
        optimizer = {**optimizer, "config": dict(optimizer["config"])}
        optimizer["config"].pop("name", None)
        if model.optimizer.schedule is None:  # callbacks change it while the model is trained
            optimizer["config"]["learning_rate"] = model.optimizer.first_rate
    return {
        "optimizer": optimizer,
        "loss": config["loss"],
        "metrics": config["metrics"],
        "weighted metrics": config["weighted_metrics"],
    }


def each_or_name(model):
    """How the model was compiled; what has no config goes by its name."""
    try:
        return json.loads(json.dumps(compile_config(model), default=plain))
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return {
            "optimizer": type(model.optimizer).__name__,
            "loss": type(model.loss).__name__,
            "metrics": each(model.metrics_given, _name),
            "weighted_metrics": each(model.weighted_metrics_given, _name),
        }


def _name(thing):
    if isinstance(thing, str):
        return thing
    return getattr(thing, "name", None) or getattr(thing, "__name__", type(thing).__name__)


def _of_callback(callback):
    """Its class; of our own also the options."""
    kind = type(callback)
    found = {"class": kind.__name__}
    if kind.__module__.partition(".")[0] == "tinynet":
        for name in inspect.signature(kind).parameters:
            value = getattr(callback, name, None)
            if name not in FREE and isinstance(value, (bool, int, float, str)):
                found[name] = value
        # the value to beat changes while it trains
    return found


def of_data(source):
    """Shapes, dtypes and a digest of some rows; of sources of batches what can be known."""
    data = getattr(source, "data", None)
    if data is None:
        first = source.waiting  # the first batch, if it was looked at
        shape = None if first is None else [list(first.x.shape[1:]), list(first.y.shape[1:])]
        return {"kind": source.kind, "batches": source.steps, "rows of the first": shape}
    return {
        name: None if rows is None else _of_rows(rows)
        for name, rows in (("x", data.x), ("y", data.y), ("sample_weight", data.sample_weight))
    }


def _of_rows(rows):
    if isinstance(rows, SeveralRows):
        return [_of_rows(part) for part in rows.parts]
    some = np.unique(np.linspace(0, len(rows) - 1, SAMPLED).astype(np.int64))
    part, digest = rows[some], hashlib.blake2b(digest_size=16)
    arrays = (part.starts, *part.own()) if isinstance(part, SparseRows) else (part,)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return {
        "shape": list(rows.shape),
        "dtype": str(getattr(rows, "dtype", "")),
        f"{SAMPLED} rows": digest.hexdigest(),
    }


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))  # an address is another in every process


def difference(before, now, where=""):
    """The first place where two fingerprints differ, in words; None if there is none."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(k for k in now if k not in before)]:
            found = difference(before.get(key), now.get(key), f"{where} {key}".strip())
            if found:
                return found
        return None
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, (a, b) in enumerate(zip(before, now, strict=True)):
            found = difference(a, b, f"{where}[{i}]")
            if found:
                return found
        return None
    if before == now or (before != before and now != now):
        return None
    return f"{where} was {_short(before)}, is now {_short(now)}"


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
