"""ModelCheckpoint's formats and keep_last, and files that survive a crash."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tinynet import layers, models
from tinynet.callbacks import ModelCheckpoint

X = np.random.default_rng(3).normal(size=(10, 2)).astype("float32")
Y = X[:, :1]


def build():
    model = models.Sequential([layers.Dense(1, input_shape=(2,))])
    model.compile("adam", "mse")
    return model


def fit(path, epochs=4, **options):
    model = build()
    model.fit(X, Y, epochs=epochs, verbose=0, validation_split=0.2,
              callbacks=[ModelCheckpoint(path, **options)])  # fmt: skip
    return model


@pytest.mark.parametrize(("name", "whole"), [
    ("best-model.h5", True), ("model.keras", True), ("m.hdf5", True), ("m.weights.h5", False),
    ("m.npz", False), ("m.safetensors", False),
])  # fmt: skip
def test_the_suffix_says_what_is_saved(tmp_path, name, whole):
    model = fit(tmp_path / name)
    if whole:
        loaded = models.load_model(tmp_path / name)
        assert loaded.optimizer.iterations == model.optimizer.iterations
    else:
        loaded = build()
        loaded.load_weights(tmp_path / name)
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert os.listdir(tmp_path) == [name]


def test_weights_alone_in_h5(tmp_path):
    fit(tmp_path / "model-weights.h5", save_weights_only=True)
    with pytest.raises(ValueError, match="no architecture"):
        models.load_model(tmp_path / "model-weights.h5")
    build().load_weights(tmp_path / "model-weights.h5")
    with pytest.raises(ValueError, match=r"\.keras holds a whole model"):
        ModelCheckpoint("m.keras", save_weights_only=True)


def test_keep_last_removes_our_older_files_only(tmp_path):
    folder = tmp_path / "made" / "for_it"
    folder.mkdir(parents=True)
    (folder / "00.keras").write_bytes(b"somebody else's")
    fit(folder / "{epoch:02d}.keras", epochs=5, keep_last=2)
    assert sorted(os.listdir(folder)) == ["00.keras", "04.keras", "05.keras"]
    fit(folder / "same.keras", keep_last=1)
    assert "same.keras" in os.listdir(folder)
    for wrong in (0, -1, 1.5, True, "all"):
        with pytest.raises(ValueError, match="keep_last must be"):
            ModelCheckpoint("m.keras", keep_last=wrong)


def test_a_missing_folder_is_made(tmp_path):
    fit(tmp_path / "a" / "b" / "{epoch}-{val_loss:.2f}-{loss:.2f}.weights.h5")
    assert len(os.listdir(tmp_path / "a" / "b")) == 4


def test_the_best_counts_only_once_it_is_on_disk(tmp_path, monkeypatch):
    model, checkpoint = build(), ModelCheckpoint(tmp_path / "m.keras", "loss", save_best_only=True)
    fsync = os.fsync

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        model.fit(X, Y, verbose=0, callbacks=[checkpoint])
    assert checkpoint.best is None
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(os, "fsync", fsync)
    model.fit(X, Y, verbose=0, callbacks=[checkpoint])
    assert checkpoint.best is not None


NAMES = ["m.keras", "m.h5", "m.weights.h5", "m.npz", "m.safetensors"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, name, call):
    path = tmp_path / name
    model = fit(path)
    old = path.read_bytes()

    def fail(*arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input/output"):
        (model.save if name in NAMES[:2] else model.save_weights)(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == [name]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_a_killed_process_leaves_a_whole_file(tmp_path, name):
    """The process dies in the middle of its second write; the first file is whole."""
    path = tmp_path / name
    save = "save" if name == "m.keras" else "save_weights"
    code = f"""
        import os, signal, tinynet
        model = tinynet.Sequential([tinynet.layers.Dense(1, input_shape=(2,))])
        model.{save}({str(path)!r})
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        model.layers[0].kernel.assign([[5.0], [5.0]])
        model.{save}({str(path)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    model = models.load_model(path) if name == "m.keras" else build()
    if name != "m.keras":
        model.load_weights(path)
    assert not (model.layers[0].kernel.value == 5).any()
    assert len(os.listdir(tmp_path)) == 2  # and what it was writing lies beside it, hidden
