"""What models of many layers cost: work that grows with them, counted in calls of functions."""

import gc
import io
import sys

import numpy as np
import pytest

import tinynet
from tinynet import layers, models

X = np.zeros((12, 4), "float32")
BOUND = 0.2  # a look at all layers for each of them is 0.5; HDF5 files have them in eights


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


def several(outputs):
    x = tinynet.Input((4,))
    model = tinynet.Model(x, [layers.Dense(4)(x) for _ in range(outputs)])
    model.compile("adam", "mse", metrics=[["mae"]] * outputs, device="cpu")
    return model


def joined(inputs):
    given = [tinynet.Input((4,)) for _ in range(inputs)]
    model = tinynet.Model(given, layers.Dense(2)(layers.Concatenate()(given)))
    model.compile("adam", "mse", device="cpu")
    return model


def measured(metrics):
    model = stack(1)
    model.compile("adam", "mse", metrics=["mae"] * metrics, device="cpu")
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
    "outputs": (int, lambda n: several(n).fit(X, [X] * n, verbose=0)),
    "inputs": (int, lambda n: joined(n).predict([X] * n, verbose=0)),
    "metrics": (int, lambda n: measured(n).fit(X, X, verbose=0)),
    "a layer's name": (stack, lambda m: m.get_layer(m.layers[-1].name)),
}  # fmt: skip


def calls(function, *args):
    """How many functions are called, generators' turns among them."""
    count, before = [0], sys.getprofile()

    def seen(frame, event, arg):
        count[0] += event in ("call", "c_call")

    gc.collect()
    gc.disable()  # what it finds at some time or other may be called
    sys.setprofile(seen)
    try:
        function(*args)
    finally:
        sys.setprofile(before)
        gc.enable()
    return count[0]


def curvature(work, make, sizes=(16, 32, 64)):
    """q of calls = p + l n + q n^2, for these numbers of layers n."""
    calls(work, make(sizes[0]))  # what is imported, and compiled, once
    (a, b, c), (k, m, n) = sizes, (calls(work, make(size)) for size in sizes)
    return ((n - m) / (c - b) - (m - k) / (b - a)) / (c - a)


@pytest.mark.parametrize("name", WORK)
def test_work_grows_no_faster_than_layers(name):
    make, work = WORK[name]
    assert curvature(work, make) < BOUND


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

    assert curvature(work, stack) < BOUND


def test_thousands_of_layers_train():
    made = stack(2000)
    history = made.fit(X, X, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert made.explain_execution() == "recorded once and replayed"


@pytest.mark.parametrize("below", [0, 1])
@pytest.mark.parametrize("declared", [True, False])
def test_a_layer_that_cannot_be_built_is_not_added(declared, below):
    """The model goes on as if it had not been tried."""
    first = [layers.Input((4,))] if declared else []
    model = tinynet.Sequential([*first, *dense(below)])
    bad = layers.Permute((2, 1), **({} if declared or below else {"input_shape": (4,)}))
    if not declared and below:
        model.build((None, 4))
    with pytest.raises(ValueError, match=r"[Pp]ermute"):
        model.add(bad)
    assert len(model.layers) == below
    assert not bad.built
    model.add(layers.Dense(3))
    model.compile("adam", "mse", device="reference")
    assert model.predict(X, verbose=0).shape == (12, 3)
