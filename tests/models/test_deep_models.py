"""What deep models cost: twice the layers, twice the work, counted in calls of functions."""

import io
import sys

import numpy as np
import pytest

import tinynet
from tinynet import layers, models

X = np.zeros((12, 4), "float32")
FEW = 40  # layers, and twice as many


def stack(depth, device="cpu"):
    model = tinynet.Sequential([layers.Input((4,)), *dense(depth)])
    model.compile("adam", "mse", metrics=["mae"], device=device)
    return model


def dense(depth):
    return [layers.Dense(4, "relu") for _ in range(depth)]


def functional(depth, join=lambda h, below: h):
    x = h = tinynet.Input((4,))
    below = [x]
    for layer in dense(depth):
        h = join(layer(h), below)
        below.append(h)
    return tinynet.Model(x, h)


class Stack(tinynet.Model):
    def __init__(self, depth):
        super().__init__()
        self.stack = dense(depth)

    def call(self, x):
        for layer in self.stack:
            x = layer(x)
        return x


def own(depth):
    model = Stack(depth)
    model.compile("adam", "mse", device="cpu")
    return model


# name -> (what is made beforehand for a number of layers, what is counted)
WORK = {
    "Sequential": (int, stack),
    "Sequential without an Input": (int, lambda n: tinynet.Sequential(dense(n)).build((None, 4))),
    "functional": (int, functional),
    "functional, every layer added to the one before": (
        int, lambda n: functional(n, lambda h, below: layers.Add()([h, below[-1]]))),
    "subclassed": (int, lambda n: own(n).fit(X, X, verbose=0)),
    "add": (stack, lambda m: m.add(layers.Dense(3))),
    "pop": (stack, lambda m: m.pop()),
    "nested": (stack, lambda m: tinynet.Sequential([layers.Input((4,)), m, *dense(2)])),
    "first fit": (stack, lambda m: m.fit(X, X, batch_size=5, validation_split=0.3, verbose=0)),
    "first fit, reference": (
        lambda n: stack(n, "reference"), lambda m: m.fit(X, X, batch_size=5, verbose=0)),
    "first fit, few rows": (stack, lambda m: m.fit(X[:2], X[:2], verbose=0)),
    "predict": (stack, lambda m: m.predict(X, verbose=0)),
    "evaluate": (stack, lambda m: m.evaluate(X, X, verbose=0)),
    "weights": (stack, lambda m: m.set_weights(m.get_weights())),
    "freezing": (stack, lambda m: setattr(m, "trainable", False)),
    "json": (stack, lambda m: models.model_from_json(m.to_json())),
    "json, functional": (functional, lambda m: models.model_from_json(m.to_json())),
    "clone": (functional, models.clone_model),
    "summary": (functional, lambda m: m.summary(print_fn=io.StringIO().write)),
    "a layer's name": (stack, lambda m: m.get_layer(m.layers[-1].name)),
}  # fmt: skip


def calls(function, *args):
    """How many functions, generators' turns among them, are called."""
    count, before = [0], sys.getprofile()

    def seen(frame, event, arg):
        count[0] += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        function(*args)
    finally:
        sys.setprofile(before)
    return count[0]


@pytest.mark.parametrize("name", WORK)
def test_twice_the_layers_are_twice_the_work(name):
    make, work = WORK[name]
    calls(work, make(FEW))  # what is imported, and compiled, once
    few, many = (calls(work, make(depth)) for depth in (FEW, 2 * FEW))
    assert many < 2.3 * few


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5", ".npz"])
def test_files_too(suffix, tmp_path):
    def work(model):
        path = tmp_path / f"m{suffix}"
        if suffix in (".keras", ".h5"):
            model.save(path)
            models.load_model(path)
        else:
            model.save_weights(path)
            model.load_weights(path)

    calls(work, stack(2))
    few, many = (calls(work, stack(depth)) for depth in (FEW, 2 * FEW))
    assert many < 2.3 * few


def test_thousands_of_layers_train():
    made = stack(2000)
    history = made.fit(X, X, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert made.explain_execution() == "recorded once and replayed"
