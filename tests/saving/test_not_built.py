"""A model that is not built has no weights in its file; layers that have some are not forgotten."""

import numpy as np
import pytest

import tinynet as keras
from tinynet import layers

X = np.random.default_rng(0).normal(size=(6, 4))
KINDS = {
    "dense": lambda: layers.Dense(4),
    "batch": layers.BatchNormalization,
    "stack": lambda: keras.Sequential([layers.Dense(4, "relu"), layers.BatchNormalization()]),
    "stack in stack": lambda: keras.Sequential([keras.Sequential([layers.PReLU()]),
                                                layers.Dense(4)]),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_trained_in_another_model_are_not_lost(kind, place, suffix, tmp_path):
    path, shared = tmp_path / f"m{suffix}", KINDS[kind]()
    model = keras.Sequential([layers.Dense(4), shared, layers.Dense(2)][1 - place :])
    model.save(path)  # without weights
    before = path.read_bytes()
    other = keras.Sequential([layers.Input((4,)), shared, layers.Dense(2)])
    other.compile("sgd", "mse")
    other.fit(X, X[:, :2], verbose=0)
    with pytest.raises(ValueError, match="is not built, so its file would hold no weights, but"):
        model.save(path)
    assert path.read_bytes() == before
    model.build((None, 4))
    model.save(path)
    again = keras.models.load_model(path, compile=False)
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    assert all(map(np.array_equal, again.layers[place].get_weights(), shared.get_weights()))


def test_without_weights_it_is_saved_as_before(tmp_path):
    model = keras.Sequential([layers.Dense(4), layers.ReLU()])
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert not again.built
    assert again.predict(X, verbose=0).shape == (6, 4)
