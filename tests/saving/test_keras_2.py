"""Keras 2's `.h5`: graphs, more layers, every optimizer (how the file was made: make_more.py)."""

import functools
import pathlib

import numpy as np
import pytest
from oracle import live_keras

import tinynet
from tinynet import models

FILE = pathlib.Path(__file__).parent.parent / "fixtures" / "keras-2.15" / "more.npz"


@functools.cache
def recorded():
    with np.load(FILE) as archive:
        return dict(archive)


CASES = [name.removesuffix("/file") for name in recorded() if name.endswith("/file")]


# Their steps are not those of Keras 3, and what they depend on is not in the file: a product that
# Keras 2's Nadam updates once per variable instead of once per step; legacy Nadam's schedule.
OTHERWISE = ["nadam", "legacy_nadam"]


def listed(name, when):
    found = recorded()
    return [found[f"{name}/{when}/{i}"] for i in range(sum(
        key.startswith(f"{name}/{when}/") for key in found))]  # fmt: skip


def close(weights, expected, tolerance):
    for w, e in zip(weights, expected, strict=True):
        np.testing.assert_allclose(w, e, rtol=0, atol=tolerance)


def stored(tmp_path, name):
    """(path of Keras 2's file, inputs)."""
    path = tmp_path / "theirs.h5"
    path.write_bytes(recorded()[f"{name}/file"].tobytes())
    return path, recorded()["ids" if name.startswith("words") else "x"]


@pytest.mark.parametrize("name", CASES)
def test_predictions(tmp_path, name):
    path, x = stored(tmp_path, name)
    model = models.load_model(path, compile=False)
    assert model.optimizer is None
    close(model.get_weights(), listed(name, "before"), 0)
    close([model.predict(x, verbose=0)], [recorded()[f"{name}/predictions"]], 1e-6)


@pytest.mark.parametrize("name", [name for name in CASES if name not in OTHERWISE])
def test_we_go_on(tmp_path, name):
    path, x = stored(tmp_path, name)
    model = models.load_model(path)
    assert model.optimizer.iterations == 3
    model.fit(x, recorded()["y"], batch_size=8, shuffle=False, verbose=0)
    close(model.get_weights(), listed(name, "after"), 1e-5)
    assert list(model.history.history) == ["loss", "accuracy"]


def test_nadam_keeps_its_moments(tmp_path):
    path, x = stored(tmp_path, "nadam")
    model = models.load_model(path)
    assert model.optimizer.iterations == 3
    assert all(np.abs(model.optimizer.state[key]).max() > 0 for key in "mv")
    model.fit(x, recorded()["y"], batch_size=8, shuffle=False, verbose=0)
    close(model.get_weights(), listed("nadam", "after"), 1e-3)


def test_legacy_nadam_is_refused(tmp_path):
    path, _ = stored(tmp_path, "legacy_nadam")
    with pytest.raises(
        ValueError, match=r"theirs\.h5.*legacy Nadam with decay=0\.004.*compile=False"
    ):
        models.load_model(path)


def test_there_is_every_kind():
    assert len(CASES) == 24
    assert {"graph", "words", *OTHERWISE} <= set(CASES)


def connected(library, *last):
    """Model.from_config of connections as Keras 2 wrote them, and so in a .json of its own."""
    dense = [{"class_name": "Dense", "name": name, "config": {"units": 2, "name": name},
              "inbound_nodes": [[[reads, 0, 0, {}]]]} for name, reads in last]  # fmt: skip
    first = {
        "class_name": "InputLayer",
        "name": "x",
        "inbound_nodes": [],
        "config": {"batch_input_shape": [None, 3], "dtype": "float32", "name": "x"},
    }
    return library.Model.from_config({
        "name": "m", "layers": [first, *dense], "input_layers": [["x", 0, 0]],
        "output_layers": [[last[-1][0], 0, 0]],
    })  # fmt: skip


def test_a_config_of_a_functional_model_without_a_file():
    for library in (live_keras(), tinynet):
        model = connected(library, ("a", "x"), ("b", "a"))
        assert [layer.name for layer in model.layers] == ["x", "a", "b"]
        assert model.output_shape == (None, 2)
    with pytest.raises(ValueError, match="reads what no layer gives"):
        connected(tinynet, ("a", "b"), ("b", "a"))
