"""ModelCheckpoint's options and names of files, beside Keras's own: same files, same weights."""

import pathlib
import tempfile
import warnings

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet import layers

RANDOM = np.random.RandomState(2)
X = RANDOM.normal(size=(24, 3)).astype("f4")
Y = (X @ RANDOM.normal(size=(3, 1)) + 0.3 * RANDOM.normal(size=(24, 1))).astype("f4")
START = RANDOM.normal(size=(3, 1)).astype("f4")

OPTIONS = {
    "a file per epoch": ("w-{epoch:02d}-{val_loss:.2f}-{mae:.1f}.weights.h5",
                         {"save_weights_only": True}),
    "the last one": ("m.keras", {}),
    "as Keras 2 wrote them": ("model-{epoch}.h5", {}),
    "the best": ("{epoch:03d}.keras", {"save_best_only": True}),
    "the largest": ("{epoch}-{val_mae:.1f}.keras",
                    {"save_best_only": True, "monitor": "val_mae", "mode": "max"}),
    "auto goes down for a loss": ("{epoch}.keras", {"save_best_only": True, "monitor": "loss"}),
    "better than this": ("{epoch}.keras", {"save_best_only": True, "monitor": "val_loss",
                                           "initial_value_threshold": 1.0}),
    "every five batches": ("e{epoch}b{batch:02d}.keras", {"save_freq": 5}),
    "the best of every two batches": ("{epoch}-{batch}-{loss:.1f}.weights.h5", {
        "save_freq": 2, "save_best_only": True, "save_weights_only": True, "monitor": "loss",
    }),
    "in a folder to be made": ("a/{epoch}/m.keras", {"verbose": 1}),
}  # fmt: skip


def files(k, name, folder):
    """path -> the kernel in it, of all that a run of four epochs leaves behind."""
    template, options = OPTIONS[name]
    model = k.Sequential([k.layers.Input((3,)), k.layers.Dense(1, use_bias=False)])
    model.set_weights([START])
    model.compile(k.optimizers.SGD(0.8), "mse", metrics=["mae"])
    if k is not tinynet:
        model.run_eagerly = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if k is not tinynet else "error")
        checkpoint = k.callbacks.ModelCheckpoint(folder / template, **options)
        model.fit(X, Y, batch_size=8, epochs=4, shuffle=False, verbose=0,
                  validation_data=(X + 0.2, Y), callbacks=[checkpoint])  # fmt: skip
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        model.load_weights(path)
        found[path.relative_to(folder).as_posix()] = model.get_weights()[0]
    return found


@keras_case
def keras_checkpoints(keras, name):
    with tempfile.TemporaryDirectory() as folder:
        return files(keras, name, pathlib.Path(folder))


@pytest.mark.parametrize("name", OPTIONS)
def test_the_same_files_as_keras(tmp_path, name):
    expected = keras_checkpoints(name)
    ours = files(tinynet, name, tmp_path)
    assert set(ours) == set(expected)
    for path, kernel in ours.items():
        np.testing.assert_allclose(kernel, expected[path], rtol=0, atol=1e-5)


def test_which_epochs(tmp_path):
    """The losses go up and down (5.6, 0.3, 1.8, 0.9), so that the options differ."""
    expected = {"the best": ["001.keras", "002.keras"], "better than this": ["2.keras"],
                "every five batches": ["e2b02.keras", "e4b01.keras"]}  # fmt: skip
    for name, paths in expected.items():
        (tmp_path / name).mkdir()
        assert list(files(tinynet, name, tmp_path / name)) == paths


def test_of_two_models_by_name_and_what_fits(tmp_path):
    """by_name and skip_mismatch together, in a graph with a model inside."""

    def build(units):
        x = layers.Input((3,))
        inner = tinynet.Sequential([layers.Input((3,)), layers.Dense(2, name="in")], name="inner")
        h = layers.Add(name="sum")([inner(x), layers.Dense(2, name="side")(x)])
        return tinynet.Model(x, layers.Dense(units, name="out")(h))

    model, other = build(2), build(4)
    for suffix in (".weights.h5", ".h5", ".keras", ".npz", ".safetensors"):
        path = tmp_path / f"w{suffix}"
        (model.save if suffix == ".keras" else model.save_weights)(path)
        for by_name in (False, True):
            for w in other.weights:
                w.assign(np.full(w.shape, 7.0))
            with pytest.raises(ValueError, match=r"shape \(2, 2\).*shape \(2, 4\)"):
                other.load_weights(path, by_name=by_name)
            assert all((w == 7).all() for w in other.get_weights())
            with pytest.warns(UserWarning, match="left out"):
                other.load_weights(path, by_name=by_name, skip_mismatch=True)
            for p, q in zip(model.get_weights()[:-2], other.get_weights()[:-2], strict=True):
                np.testing.assert_array_equal(p, q)
            assert all((w == 7).all() for w in other.get_weights()[-2:])
