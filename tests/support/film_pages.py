"""Films of small models, and what is embedded in their pages."""

import base64
import json
import re
import zlib

import numpy as np

import tinynet as keras
from tinynet import layers

RANDOM = np.random.default_rng(3)
PLANE = RANDOM.normal(size=(40, 2)).astype("float32")
IDS = (PLANE[:, 0] > 0) + 2 * (PLANE[:, 1] > 0.3)
WIDE = RANDOM.normal(size=(40, 5)).astype("float32")
PICTURES = RANDOM.random((40, 8, 8)).astype("float32")


def classifier(shape=(2,), classes=4, *extra, seed=1, device="reference", **options):
    """A compiled net shape-6-classes, the same one for a seed."""
    keras.utils.set_random_seed(seed)
    flat = [layers.Flatten(name="flat")] if len(shape) > 1 else []
    model = keras.Sequential([
        layers.Input(shape), *flat, layers.Dense(6, "tanh", name="first"),
        *extra, layers.Dense(classes, "softmax", name="last"),
    ], name="net")  # fmt: skip
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy",
                  metrics=["accuracy"], device=device, **options)  # fmt: skip
    return model


def regressor(features, outputs=1, activation="linear", loss="mse", **options):
    keras.utils.set_random_seed(2)
    model = keras.Sequential([
        layers.Input((features,)), layers.Dense(6, "tanh", name="first"),
        layers.Dense(outputs, activation, name="last"),
    ], name="net")  # fmt: skip
    model.compile(keras.optimizers.SGD(0.05), loss, **{"device": "reference", **options})
    return model


def filmed(model, x, y, folder, **options):
    """The data of the page that filming a fit writes."""
    options = {"epochs": 3, "batch_size": 8, "verbose": 0, **options}
    return data_of(keras.microscope.film(model, x, y, folder / "film.html", **options))


def embedded(html):
    """What is embedded in a film's page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(found[1])


def data_of(path):
    """The same of a file."""
    return embedded(path.read_text("utf-8"))


def numbers(text, dtype):
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<"))


def own_parts(frame):
    """The parts of a frame's moment that differ from those of others."""
    return json.loads(zlib.decompress(base64.b64decode(frame["moment"])))
