"""What a notebook shows of models and histories."""

import base64
import re

import numpy as np

import tinynet as keras
from tinynet import layers
from tinynet.callbacks import GradientMonitor, History

X = np.random.default_rng(0).standard_normal((40, 3))
Y = np.arange(40) % 2


def build():
    model = keras.Sequential(
        [layers.Input((3,)), layers.Dense(4, "relu", name="a<b>"), layers.Dense(2, name="top")]
    )
    model.get_layer("top").trainable = False
    return model


def cells(html):
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_model():
    model = build()
    html = model._repr_html_()
    assert cells(html) == [
        ["Layer (type)", "Output Shape", "Param #", "Trainable"],
        ["a&lt;b&gt; (Dense)", "(None, 4)", "16", "Y"],
        ["top (Dense)", "(None, 2)", "10", "N"],
    ]
    assert "26 parameters (104.00 B), 16 trainable (64.00 B)" in html
    assert "compiled" not in html
    model.compile("adam", "mse", device="reference")
    assert "compiled: adam, mean_squared_error, device reference" in model._repr_html_()


def test_model_that_is_not_built():
    html = keras.Sequential([layers.Dense(4, name="d")])._repr_html_()
    assert cells(html)[1] == ["d (Dense)", "?", "0 (unbuilt)", "-"]
    assert "parameters" not in html


def test_history():
    model = build()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[GradientMonitor(X, Y)])
    history.history["loss"], history.history["accuracy"] = [0.5, 0.75], [0.25, 0.5]
    html = history._repr_html_()
    assert cells(html) == [
        ["", "first", "best", "last"],
        ["loss", "0.5", "0.5 (epoch 1)", "0.75"],
        ["accuracy", "0.25", "0.5 (epoch 2)", "0.5"],
    ]
    assert "of 2 epochs" in html
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', html)[1]
    assert base64.b64decode(picture)[:4] == b"\x89PNG"


def test_history_without_epochs_and_validated_now_and_then():
    assert History()._repr_html_() == "<b>History</b>: no epoch yet"
    history = History()
    history.history, history.epoch = {"loss": [1.0, 0.5], "val_loss": [np.nan]}, [3, 4]
    html = history._repr_html_()
    assert "<img" not in html  # which epoch was validated, nobody knows
    assert cells(html)[1:] == [
        ["loss", "1", "0.5 (epoch 5)", "0.5"], ["val_loss", "nan", "-", "nan"]
    ]  # fmt: skip
