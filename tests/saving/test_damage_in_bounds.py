"""Damaged files of every kind: the right content or a refusal, in 2 s and 500 MB, enforced.

`pytest -m slow tests/saving/test_damage_in_bounds.py` makes 2,000 of each instead of 100.
"""

import gzip
import json
import random
import warnings
import zipfile

import damage_bounds
import format_models as given
import numpy as np
import pytest
from damage_bounds import bounds, damaged, misconfigured, repacked
from test_format_matrix import keras_matrix_files

import tinynet
from tinynet import models
from tinynet.callbacks import Snapshot
from tinynet.datasets import _arrays, imdb, mnist
from tinynet.resuming import files

# kind of file -> (file's name, network)
MODELS = {"m.keras": "graph", "m.h5": "graph", "w.weights.h5": "graph", "w.h5": "normalizations",
          "w.npz": "graph", "w.safetensors": "normalizations"}  # fmt: skip
SEALED = ("m.keras", "m.h5", "w.weights.h5")  # with the optimizer's state
SETS = ["idx", "mnist.npz", "imdb.npz"]


def state(model):
    """Everything that a file could change."""
    optimizer = model.optimizer
    moments = {k: v.tobytes() for k, v in optimizer.state.items() if v is not None}
    return [w.tobytes() for w in model.get_weights()], moments, optimizer.iterations


def attempt(read, *arguments):
    """(None, what `read` returns), or (what it says against the file, None); no other errors."""
    try:
        with bounds(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # overflow in numbers that nobody wrote
            return None, read(*arguments)
    except (ValueError, OSError) as error:
        refused = cause = error
    while cause is not None:  # `saving.refusing` would make a ValueError of that, too
        assert not isinstance(cause, MemoryError), f"it asked for too much: {refused}"
        cause = cause.__cause__
    return str(refused), None


def test_the_bounds_hold():
    """What this file relies on: time, memory, and a MemoryError that was dressed up."""

    def forever():
        while True:
            pass

    def large():
        with tinynet.saving.atomic.refusing("x", "no"):
            np.ones(200 << 20)

    with pytest.raises(damage_bounds.TooLong), bounds(0.1):
        forever()
    if damage_bounds.sys.platform.startswith("linux"):
        with pytest.raises(AssertionError, match="too much"):
            attempt(large)
    assert attempt(len, [1, 2]) == (None, 2)


# --------------------------------------------------------------------- models and their weights


@pytest.fixture(scope="module")
def good():
    """Trained models, by network."""
    return {net: given.make(tinynet, net, "adam") for net in set(MODELS.values())}


def check(good, tmp_path, name, damages, count, seed):
    """Damage a file `count` times; load it into a model, or as one."""
    model, path, rng = good[MODELS[name]], tmp_path / name, random.Random(seed)
    whole = name.startswith("m.")
    (model.save if whole else model.save_weights)(path)
    data, right = path.read_bytes(), state(model)
    target = given.make(tinynet, MODELS[name], "adam", 0)
    blank, refused = state(target), 0
    for i in range(count):
        path.write_bytes(rng.choice(damages)(data, rng))
        message, loaded = attempt(models.load_model if whole else target.load_weights, path)
        if message is not None:
            refused += 1
            assert str(path) in message
            assert state(target) == blank, f"number {i}"
            continue
        found = state(loaded if whole else target)
        assert found == right if name in SEALED else found[0] == right[0], f"number {i}"
        if not whole:
            target = given.make(tinynet, MODELS[name], "adam", 0)
            assert state(target) == blank
    assert refused > count / 4


def damages_of(name):
    return [damaged, repacked] if name in ("m.keras", "w.npz") else [damaged]


@pytest.mark.parametrize("name", MODELS)
def test_damaged_models(good, tmp_path, name):
    check(good, tmp_path, name, damages_of(name), 100, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_many_damaged_models(good, tmp_path, name):
    check(good, tmp_path, name, damages_of(name), 2000, seed=2)


def test_two_arrays_that_changed_their_names(tmp_path):
    """Of one shape, each with its own right checksum."""

    def build():
        return tinynet.Sequential([
            tinynet.layers.Input((2,)), tinynet.layers.Dense(2), tinynet.layers.Dense(2)
        ])  # fmt: skip

    path, model = tmp_path / "w.npz", build()
    build().save_weights(path)
    with zipfile.ZipFile(path) as archive:
        members, comment = [(n, archive.read(n)) for n in archive.namelist()], archive.comment
    (one, first), (other, second) = members[0], members[2]
    members[0], members[2] = (one, second), (other, first)
    before = [w.tobytes() for w in model.get_weights()]
    for told in (comment, b""):
        with zipfile.ZipFile(path, "w") as archive:
            archive.comment = told
            for name, content in members:
                archive.writestr(name, content)
        if told:
            with pytest.raises(ValueError, match="changed places or names"):
                model.load_weights(path)
            assert [w.tobytes() for w in model.get_weights()] == before
    model.load_weights(path)  # without the comment it is somebody else's, and believed


# --------------------------------------------------------------------- configs with wrong values


def check_configs(good, tmp_path, count, seed):
    path, rng, refused = tmp_path / "m.keras", random.Random(seed), 0
    model = good["graph"]
    model.save(path)
    data = path.read_bytes()
    for _ in range(count):
        path.write_bytes(misconfigured(data, rng))
        message, _ = attempt(models.load_model, path)
        assert message is None or str(path) in message
        refused += message is not None
    assert count / 4 < refused < count


def test_configs_with_wrong_values(good, tmp_path):
    check_configs(good, tmp_path, 150, seed=3)


@pytest.mark.slow
def test_many_configs_with_wrong_values(good, tmp_path):
    check_configs(good, tmp_path, 2000, seed=4)


# --------------------------------------------------------------------------- what Keras has written


def check_theirs(tmp_path, suffix, count, seed):
    """HDF5 by Keras has no checksums: a number may differ, but nothing may break."""
    path, rng, refused = tmp_path / f"m{suffix}", random.Random(seed), 0
    data = keras_matrix_files("plain", "adam")[suffix].tobytes()
    target = given.make(tinynet, "plain", "adam", 0)
    blank = state(target)
    for _ in range(count):
        path.write_bytes(damaged(data, rng))
        whole = suffix != ".weights.h5"
        message, _ = attempt(models.load_model if whole else target.load_weights, path)
        if message is not None:
            refused += 1
            assert str(path) in message
            assert state(target) == blank
        elif not whole:
            target = given.make(tinynet, "plain", "adam", 0)
    assert refused > count / 10


@pytest.mark.parametrize("suffix", given.FORMATS)
def test_damaged_files_of_keras(tmp_path, suffix):
    check_theirs(tmp_path, suffix, 100, seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", given.FORMATS)
def test_many_damaged_files_of_keras(tmp_path, suffix):
    check_theirs(tmp_path, suffix, 2000, seed=6)


# ---------------------------------------------------------------------------------- snapshots


def check_snapshots(tmp_path, count, seed):
    model = given.make(tinynet, "graph", "adam", 0)
    x, y = given.data("graph")
    model.fit(x, y, verbose=0, callbacks=[Snapshot(tmp_path / "run", None, 1)])
    data = (tmp_path / "run" / files.NAMES[0]).read_bytes()
    path, rng, refused = tmp_path / "s.npz", random.Random(seed), 0
    path.write_bytes(data)
    header, arrays = files.read(path)
    for i in range(count):
        path.write_bytes(rng.choice([damaged, repacked])(data, rng))
        message, found = attempt(files.read, path)
        if message is not None:
            refused += 1
            assert str(path) in message
            continue
        assert found[0] == header, f"number {i}"
        assert {k: v.tobytes() for k, v in found[1].items()} == {
            k: v.tobytes() for k, v in arrays.items()
        }, f"number {i}"
    assert refused > count / 4


def test_damaged_snapshots(tmp_path):
    check_snapshots(tmp_path, 100, seed=7)


@pytest.mark.slow
def test_many_damaged_snapshots(tmp_path):
    check_snapshots(tmp_path, 2000, seed=8)


# ----------------------------------------------------------------------------------- data sets


def tiny_mnist():
    """Three images to train on, two to test."""
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (5, 28, 28), "u1"), np.array([3, 0, 9, 1, 2], "u1")
    return {"x_train": x[:3], "y_train": y[:3], "x_test": x[3:], "y_test": y[3:]}


def write_imdb(path):
    """Four reviews to train on, four to test."""
    rows = np.empty(4, object)
    rows[:] = [[1, 14, 22], [1, 300], [70_000, 5], [2]]
    labels = np.array([0, 1, 1, 0])
    np.savez(path, x_train=rows, y_train=labels, x_test=rows[::-1], y_test=labels)
    return path


def made(kind, folder):
    """A file of this kind, and what reads it."""
    if kind == "idx":
        path = folder / "x.gz"
        header = np.array([0x803, 3, 28, 28], ">u4").tobytes()
        path.write_bytes(gzip.compress(header + tiny_mnist()["x_train"].tobytes()))
        return path, lambda: [_arrays.read_idx(path, (3, 28, 28), 256)]
    if kind == "imdb.npz":
        path = write_imdb(folder / kind)

        def read():
            (x, y), (x_test, y_test) = imdb.load_data(str(path))
            return [*map(np.array, [*x, *x_test]), y, y_test]

        return path, read
    path = folder / kind
    np.savez(path, **tiny_mnist())
    return path, lambda: list(sum(mnist.load_data(str(path)), ()))


def check_sets(kind, folder, monkeypatch, count, seed):
    monkeypatch.setattr(mnist, "TRAIN", 3)
    monkeypatch.setattr(mnist, "TEST", 2)
    monkeypatch.setattr(imdb, "COUNT", 4)
    path, read = made(kind, folder)
    data, right, rng, refused = path.read_bytes(), read(), random.Random(seed), 0
    for i in range(count):
        path.write_bytes(damaged(data, rng))
        message, found = attempt(read)
        if message is not None:
            refused += 1
            assert path.name in message
            continue
        assert [a.tobytes() for a in found] == [a.tobytes() for a in right], f"number {i}"
    assert refused > count / 4


@pytest.mark.parametrize("kind", SETS)
def test_damaged_data_sets(tmp_path, monkeypatch, kind):
    check_sets(kind, tmp_path, monkeypatch, 100, seed=9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SETS)
def test_many_damaged_data_sets(tmp_path, monkeypatch, kind):
    check_sets(kind, tmp_path, monkeypatch, 2000, seed=10)


# --------------------------------------------------- small files that unfold to large structures

UNFOLD = {
    "lists": b"[" + b"{}," * 20_000_000 + b"{}]",
    "nested": b'{"a":' + b"[" * 30_000_000,
    "a value": b'{"a":[' + b"[]," * 20_000_000 + b"1]}",
}


@pytest.mark.parametrize("kind", UNFOLD)
def test_a_config_that_unfolds(good, tmp_path, kind):
    path = tmp_path / "m.keras"
    good["graph"].save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, UNFOLD[kind] if name == "config.json" else content)
    assert path.stat().st_size < 1e6
    message, _ = attempt(models.load_model, path)
    assert "characters, at most" in message
    assert len(message) < 3000


def many_layers(count, entry):
    return {"name": "s", "build_input_shape": [None, 1], "layers": [entry] * count}


def backwards(count):
    """A graph that is listed from its end."""
    layers = [{"class_name": "InputLayer", "name": "0", "inbound_nodes": [],
               "config": {"name": "0", "batch_shape": [None, 1]}}]  # fmt: skip
    layers += [{"class_name": "Identity", "name": str(i), "config": {"name": str(i)},
                "inbound_nodes": [[[str(i - 1), 0, 0, {}]]]}
               for i in range(count - 1, 0, -1)]  # fmt: skip
    return {"name": "s", "layers": layers, "input_layers": ["0", 0, 0],
            "output_layers": [str(count - 1), 0, 0]}  # fmt: skip


LARGE = {
    "Sequential": lambda n: many_layers(n, {"class_name": "Dense", "config": {"units": 1}}),
    "Functional": backwards,
}


@pytest.mark.parametrize("name", LARGE)
def test_many_layers(name):
    """What is small enough to be read is read in time; what is not is neither read nor written."""
    config = {"class_name": name, "config": LARGE[name](990)}
    message, model = attempt(models.model_from_json, json.dumps(config))
    assert message is None
    assert len(model.layers) >= 990
    config = {"class_name": name, "config": LARGE[name](20_000)}
    message, _ = attempt(models.model_from_json, json.dumps(config))
    assert "layers than 2000 in one file" in message


def test_too_many_layers_are_not_written(tmp_path):
    stack = [tinynet.layers.Identity() for _ in range(2001)]
    model = tinynet.Sequential([tinynet.layers.Input((1,)), *stack])
    for name in ("m.keras", "m.h5"):
        with pytest.raises(ValueError, match="layers than 2000 in one file"):
            model.save(tmp_path / name)
    with pytest.raises(ValueError, match="layers than 2000 in one file"):
        model.to_json()
    assert list(tmp_path.iterdir()) == []
    model.save_weights(tmp_path / "w.weights.h5")


def test_many_metrics():
    config = json.loads(given.make(tinynet, "plain", "adam", 0).to_json())
    config["compile_config"]["metrics"] = ["mae"] * 500_000
    message, _ = attempt(models.model_from_json, json.dumps(config))
    assert "compiled with more than 20000 parts" in message


def test_a_header_that_unfolds(tmp_path):
    path, model = tmp_path / "w.safetensors", given.make(tinynet, "plain", "adam", 0)
    for size, said in ((2_000_000, "invalid JSON in header"), (20_000_000, "a header of 60")):
        header = b'{"x":[' + b"{}," * size + b"{}]}"
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        message, _ = attempt(model.load_weights, path)
        assert said in message
        assert len(message) < 3000


def test_data_that_unfold(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(imdb, "COUNT", 4)
    path = write_imdb(tmp_path / "imdb.npz")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head, end = members["x_train.npy"], members["x_train.npy"].index(b"\n") + 1
    for pickled in (b"\x80\x04" + b"]" * 20_000_000, b"\x80\x04" + b"]" * 60_000_000):
        members["x_train.npy"] = head[:end] + pickled
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        message, _ = attempt(imdb.load_data, str(path))
        assert "more than 5 lists" in message or "declares 600" in message
    (tmp_path / "imdb_word_index.json").write_bytes(b"[" + b"{}," * 10_000_000 + b"{}]")
    message, _ = attempt(imdb.get_word_index)
    assert "at most" in message
