"""A model to be stored, its files, and what must hold when they are damaged."""

import io
import warnings
import zipfile

import numpy as np
import pytest

from tinynet import layers, models


def build(units=4):
    model = models.Sequential(
        [
            layers.Dense(units, input_shape=(3,), name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(1, name="last"),
        ],
        name="net",
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def trained():
    model = build()
    x = np.random.default_rng(0).normal(size=(8, 3))
    model.fit(x, x[:, :1], verbose=0)
    return model


def state(model):
    """Everything that a file of weights could change."""
    moments = {k: v.tobytes() for k, v in model.optimizer.state.items() if v is not None}
    return ([w.tobytes() for w in model.get_weights()], moments, model.optimizer.iterations,
            model.optimizer.learning_rate)  # fmt: skip


@pytest.fixture(scope="module")
def good():
    return trained()


WHOLE = ["m.keras", "m.h5"]
WEIGHTS = ["w.weights.h5", "w.h5", "w.npz", "w.safetensors"]


def write(model, path):
    (model.save if path.name in WHOLE else model.save_weights)(path)
    return path.read_bytes()


def refuses(path, *reasons, into=None):
    """Loading raises ValueError that names the file and the reasons."""
    model = into or build()
    before = state(model)
    load = models.load_model if path.name in WHOLE else model.load_weights
    with pytest.raises(ValueError, match=path.name) as caught:
        load(path)
    assert str(path) in str(caught.value)
    for reason in reasons:
        assert reason in str(caught.value)
    assert state(model) == before


def members(good, tmp_path):
    """name -> bytes of a good .keras."""
    with zipfile.ZipFile(io.BytesIO(write(good, tmp_path / "m.keras"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, contents, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        for name, data in contents:
            archive.writestr(name, data)
    return path
