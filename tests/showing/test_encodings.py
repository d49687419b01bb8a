"""Consoles and files of other systems: text they can show, and files that are open."""

import contextlib
import io
import os
import time

import numpy as np
import pytest

import tinynet
from tinynet import layers
from tinynet.saving.atomic import atomic_write
from tinynet.showing.encoding import printable

ENCODINGS = ["cp1252", "cp949", "ascii", "latin-1", "cp437", "utf-8"]


def model_of_all_formulas():
    inner = tinynet.Sequential([layers.Input((4,)), layers.Dense(3, "tanh")], name="안쪽")
    model = tinynet.Sequential([
        layers.Input((2, 2)), layers.Flatten(name="été"), inner, layers.BatchNormalization(),
        layers.Dropout(0.3), layers.PReLU(), layers.Activation("softmax"),
        layers.LayerNormalization(), layers.Dense(2, "softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_printed_can_be_encoded(encoding):
    """On consoles that raise for what they can't show."""
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    with contextlib.redirect_stdout(console):
        model = model_of_all_formulas()
        x, y = np.random.default_rng(1).normal(size=(8, 2, 2)), np.arange(8) % 2
        model.summary(expand_nested=True, show_trainable=True)
        for loss, targets in (("crossentropy", y), ("mse", np.eye(2)[y])):
            metric = tinynet.metrics.MeanAbsoluteError(name="오차 π")
            model.compile("adam", loss, metrics=[metric], device="reference")
            if loss == "mse":
                model.fit(x, targets, verbose=1)
            print(model.trace(x, targets))
    console.flush()
    shown = console.buffer.getvalue().decode(encoding)
    assert "Total params" in shown
    assert ("dW = x^T dz" if encoding != "utf-8" else "dW = xᵀ dz") in shown


def test_what_has_no_words_of_our_own():
    ascii_stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert printable("é → ½ 층", ascii_stream) == "e -> 12 ?"
    assert printable("é → ½ 층", io.StringIO()) == "é → ½ 층"


@pytest.mark.parametrize("times", [1, 3, 50])
def test_windows_does_not_replace_a_file_that_is_open(tmp_path, monkeypatch, times):
    path, tries, waited, replace = tmp_path / "a", [], [], os.replace

    def sometimes(source, target):
        tries.append(source)
        if len(tries) <= times:
            raise PermissionError(13, "The process cannot access the file")
        replace(source, target)

    monkeypatch.setattr(os, "replace", sometimes)
    monkeypatch.setattr("tinynet.saving.atomic.WINDOWS", True)
    monkeypatch.setattr(time, "sleep", waited.append)
    path.write_bytes(b"old")

    def write():
        with atomic_write(path) as file:
            file.write(b"new")

    if times < 5:
        write()
        assert path.read_bytes() == b"new"
        assert len(waited) == times
    else:
        with pytest.raises(PermissionError):
            write()
        assert path.read_bytes() == b"old"
        assert sum(waited) < 2
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
