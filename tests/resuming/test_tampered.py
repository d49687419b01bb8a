"""Snapshots and backups that were changed and sealed again: a ValueError, and all is as before."""

import json
import random

import numpy as np
import pytest
from crashed_runs import FIT, Crash, build, crashed, every

import tinynet
from tinynet.callbacks import BackupAndRestore, EarlyStopping
from tinynet.core.state import pack, unpack
from tinynet.saving import state_files

OTHERS = [None, True, -1, 10**9, 2**70, 0.5, float("nan"), "x", [], {}, (), np.zeros(3), [1, "a"]]


def leaves(value, path=()):
    """The paths to everything inside a state."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, (list, tuple)):
        for i in range(min(len(value), 4)):
            yield from leaves(value[i], (*path, i))


def changed(value, path, rng):
    """A copy of a state with something else at a path, or without it."""
    if not path:
        return rng.choice(OTHERS)
    first, *rest = path
    if isinstance(value, dict):
        if not rest and rng.random() < 0.3:
            return {key: v for key, v in value.items() if key != first}
        return {**value, first: changed(value[first], rest, rng)}
    parts = list(value)
    if not rest and rng.random() < 0.3:
        del parts[first]
    else:
        parts[first] = changed(parts[first], rest, rng)
    return type(value)(parts)


def tampered(path, rng):
    """Change a file at one place, with a valid seal; returns where."""
    header, arrays = state_files.read(path)
    state = unpack(header["state"], [arrays[str(i)] for i in range(len(arrays))])
    where = rng.choice(list(leaves(state))[1:])
    packed = []
    header["state"] = pack(changed(state, where, rng), packed)
    header.pop("format")
    json.dumps(header)
    state_files.write(path, header, packed)
    return where


def everything(model):
    optimizer = model.optimizer
    moments = {k: str(v) for k, v in optimizer.state.items()}
    counters = [getattr(model, name) for name in model.counters]
    return ([w.tobytes() for w in model.get_weights()], moments, optimizer.iterations, counters,
            optimizer.learning_rate, str(tinynet.random.get_state()))  # fmt: skip


def prepared():
    model = build()
    model.predict(FIT["x"][:2], verbose=0)
    model._prepare(FIT["y"].shape)
    model.order()  # draws the seed of the shuffles
    return model


def attempt(model, callbacks):
    """Go on; whether it was refused, having left everything as it was."""
    before = everything(model)
    try:
        model.fit(**FIT, callbacks=callbacks)
    except ValueError as refusal:
        error = refusal
    else:
        return False
    assert "npz" in str(error)
    assert everything(model) == before
    return True


@pytest.mark.parametrize("kind", ["snapshot", "backup"])
def test_tampered_states(tmp_path, kind):
    rng, refused, count = random.Random(4), 0, 60
    if kind == "snapshot":
        crashed(tmp_path, callbacks=[every(tmp_path), Crash(17), EarlyStopping("loss", patience=9)])
        (path,) = [p for p in tmp_path.glob("*.npz") if p.name == "snapshot-a.npz"]
        (tmp_path / "snapshot-b.npz").unlink()
    else:
        backup = BackupAndRestore(tmp_path, save_freq=5)
        with pytest.raises(RuntimeError, match="crash"):
            build().fit(**FIT, callbacks=[backup, Crash(17)])
        path = tmp_path / "backup.npz"
    good = path.read_bytes()
    for number in range(count):
        for other in tmp_path.glob("*"):
            if other.name != "lock":
                other.unlink()
        path.write_bytes(good)
        where = tampered(path, rng)
        callbacks = [every(tmp_path, 1000), Crash(10**9), EarlyStopping("loss", patience=9)]
        if kind == "backup":
            callbacks = [BackupAndRestore(tmp_path, delete_checkpoint=False), Crash(10**9)]
        try:
            refused += attempt(prepared(), callbacks)
        except Exception as error:
            raise AssertionError(f"number {number}: {where}: {error!r}") from error
    assert refused > count / 2
