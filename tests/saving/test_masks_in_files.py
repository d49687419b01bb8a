"""Functional models with padding: files that Keras wrote, with its operations for masks."""

import json
import zipfile

import keras
import numpy as np
import pytest

from tinynet import models

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # Keras's own
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5"),
]
L = keras.layers
IDS = np.array([[1, 2, 0, 0, 0], [3, 0, 4, 5, 6], [6, 0, 0, 0, 0]])
STEPS = np.random.default_rng(0).normal(size=(3, 5, 3)) * (IDS[..., None] != 0) + 2.0


def embedding():
    x = L.Input((5,))
    h = L.Dense(4, "tanh")(L.Embedding(7, 3, mask_zero=True)(x))
    return keras.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(h)))


def masking():
    x = L.Input((5, 3))
    h = L.Dense(4)(L.Masking(2.0)(x))
    return keras.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(h)))


def added():
    x = L.Input((5,))
    h = L.Embedding(7, 3, mask_zero=True)(x)
    return keras.Model(x, L.GlobalAveragePooling1D()(L.Add()([h, L.Dense(3)(h)])))


def inside():
    x, inner = L.Input((5,)), keras.Sequential([L.Input((5, 3)), L.Dense(2)], name="inner")
    h = inner(L.Embedding(7, 3, mask_zero=True)(x))
    return keras.Model(x, L.GlobalAveragePooling1D()(h))


def by_hand():
    """A mask that no layer marks."""
    x, steps = L.Input((5,)), L.Input((5, 3))
    return keras.Model(
        [x, steps], L.GlobalAveragePooling1D()(steps, mask=keras.ops.not_equal(x, 0))
    )


@pytest.mark.filterwarnings("ignore:Layer 'inner' .of type Sequential. was passed an input with")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("make", "x"), [(embedding, IDS), (masking, STEPS), (inside, IDS)])
def test_padding_is_left_out_as_in_keras(make, x, suffix, tmp_path):
    model, path = make(), tmp_path / f"m{suffix}"
    model.save(path)
    again = models.load_model(path)
    theirs = np.asarray(model(x))
    assert np.ptp(theirs) > 0.01
    np.testing.assert_allclose(again.predict(x, verbose=0), theirs, rtol=1e-4, atol=1e-6)
    again.save(tmp_path / "ours.keras")
    there = keras.saving.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(np.asarray(there(x)), theirs, rtol=1e-4, atol=1e-6)


def test_other_operations_are_refused(tmp_path):
    by_hand().save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"operation 'not_equal.*' \(NotEqual\) is not the mask"):
        models.load_model(tmp_path / "m.keras")
    for name in ("m.keras", "m.h5"):
        added().save(tmp_path / name)
        again = models.load_model(tmp_path / name)
        with pytest.raises(NotImplementedError, match="can't merge inputs with padding"):
            again.predict(IDS, verbose=0)
    x = L.Input((3,))
    keras.Model(x, L.Dense(2)(keras.ops.exp(x))).save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"operation 'exp.*' \(Exp\) is not the mask"):
        models.load_model(tmp_path / "m.keras")


def test_a_mask_of_another_value_is_refused(tmp_path):
    path = tmp_path / "m.keras"
    masking().save(path)
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    masks = [e for e in config["config"]["layers"] if e["class_name"] == "NotEqual"]
    masks[0]["inbound_nodes"][0]["args"][1] = 3.0
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(ValueError, match="is not the mask of an Embedding"):
        models.load_model(path)
