"""What the result of a run depends on, and in what two of them differ.

Not in it: epochs (a run may be made longer), verbose, device and threads (they change the last bits
only), and where callbacks write their files.
"""

import contextlib
import hashlib
import inspect
import json
import os
import re
import zlib

import numpy as np

from ..core.graph import each
from ..data import MappedRows, SeveralRows, SparseRows

SAMPLED = 64  # rows of a data set that are compared first
AT_ONCE = 1 << 22  # bytes
FREE = {"verbose", "filepath", "filename", "backup_dir", "log_dir", "folder", "seconds", "batches"}


def of_run(model, callbacks, train, validation, arguments):
    """Return the fingerprint: a dict of dicts of plain values, as they come out of a file."""
    found = _plain({
        "model": _of_model(model),
        "compile": {
            "optimizer": model.optimizer,
            "loss": model.loss,
            "metrics": model.metrics_given,
            "weighted metrics": model.weighted_metrics_given,
        },
        "fit": arguments,
        "callbacks": [_of_callback(one) for one in callbacks],
        "training data": _of_source(train),
        "validation data": None if validation is None else _of_source(validation),
    })  # fmt: skip
    options = found["compile"]["optimizer"]["config"] or {}
    options.pop("name", None)
    if model.optimizer.schedule is None:  # callbacks change it while the model is trained
        options["learning_rate"] = model.optimizer.first_rate
    return json.loads(json.dumps(found))


def _of_model(model):
    """Return layers and their options; names count only as far as they connect."""
    names = {}

    def renamed(value, key=None):
        """Return `value` with names by their order; automatic ones count on from model to model."""
        connection = isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
        if connection or (key == "name" and isinstance(value, str)):
            name = value[0] if connection else value
            number = names.setdefault(name, f"name {len(names)}")
            return [number, *value[1:]] if connection else number
        if isinstance(value, dict):
            return {key: renamed(v, key) for key, v in value.items()}
        return [renamed(v) for v in value] if isinstance(value, list) else value

    config = _plain(model)["config"] or [type(part) for part in model.parts()]
    weights = [[p.path.rsplit("/")[-1], p.shape, p.dtype, p.trainable] for p in model.parameters]
    return {"config": renamed(config), "weights": weights}


def _of_callback(callback):
    """Return a callback's class; of tinynet's own also the options."""
    kind = type(callback)
    found = {"class": kind.__name__}
    if kind.__module__.partition(".")[0] == "tinynet":
        for name in inspect.signature(kind).parameters:
            value = getattr(callback, name, None)
            if name not in FREE and isinstance(value, (bool, int, float, str)):
                found[name] = value
    return found


def _of_source(source):
    """Return shapes, dtypes, some rows and a checksum; of a Stream what can be known."""
    data = getattr(source, "data", None)
    if data is None:
        first = source.waiting  # the first batch, if it was looked at
        shape = None if first is None else [first.x.shape[1:], each(_row, first.target_shape)]
        found = {"kind": source.kind, "batches": source.steps, "rows of the first": shape}
        dealt = {"batches of a PyDataset in a step (one from each rank)": source.together}
        return dealt | found if source.pydataset else found
    return {
        name: None if rows is None else _of_rows(rows)
        for name, rows in (("x", data.x), ("y", data.y), ("sample_weight", data.sample_weight))
    }


def _row(shape):
    return None if shape is None else shape[1:]


def _of_rows(rows):
    """Return what is compared of an array: of a mapped file some rows, its size and its time."""
    if isinstance(rows, SeveralRows):
        return [None if part is None else _of_rows(part) for part in rows.parts]
    some = np.unique(np.linspace(0, len(rows) - 1, SAMPLED).astype(np.int64))
    digest = hashlib.blake2b(digest_size=16)
    for array in _arrays(rows[some]):
        digest.update(np.ascontiguousarray(array).tobytes())
    mapped = isinstance(rows, MappedRows)
    return {
        "shape": rows.shape,
        "dtype": str(getattr(rows, "dtype", "")),
        f"{SAMPLED} rows": digest.hexdigest(),
        **(_of_file(rows.array) if mapped else {"checksum": f"{checksum(*_arrays(rows)):08x}"}),
    }


def _arrays(rows):
    return (rows.starts, *rows.own()) if isinstance(rows, SparseRows) else (rows,)


def checksum(*arrays):
    """Return the CRC-32 of arrays, end to end; a second for each GB or so."""
    crc = 0
    for array in arrays:
        array = array if array.ndim else array[None]
        at_once = max(1, AT_ONCE // max(1, array[:1].nbytes))
        for first in range(0, len(array), at_once):  # a part that is not contiguous is copied
            crc = zlib.crc32(np.ascontiguousarray(array[first : first + at_once]).data, crc)
    return crc


def _of_file(array):
    """Return size and time of the file that an array is mapped from, where NumPy knows it."""
    while array is not None and getattr(array, "filename", None) is None:
        array = getattr(array, "base", None)
    if array is None:
        return {}
    found = os.stat(array.filename)
    return {"file's size": found.st_size, "file's time": found.st_mtime_ns}


def _plain(value):
    """Return `value` in the types of JSON: parts by class and config, others by name or as text."""
    if isinstance(value, dict):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "get_config") and not isinstance(value, type):
        with contextlib.suppress(Exception):  # a part of the user's may have none
            return {"class": type(value).__name__, "config": _plain(value.get_config())}
        return {"class": type(value).__name__, "config": None}
    if hasattr(value, "__name__"):
        return value.__name__
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))


def difference(before, now, where=""):
    """Return in words where two fingerprints first differ; None if they are equal."""
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(f"{where} {k}".strip(), before.get(k), now.get(k)) for k in {**before, **now}]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(before, now, strict=True))]
    elif before == now or (before != before and now != now):
        return None
    else:
        return f"{where} was {_short(before)}, is now {_short(now)}"
    return next(filter(None, (difference(a, b, name) for name, a, b in pairs)), None)


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
