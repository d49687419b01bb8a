"""Small data and models for the tests of `fit`, built with Keras (k) or with tinynet."""

import numpy as np

from tinynet import layers

random = np.random.default_rng(11)
X = random.normal(size=(50, 5)).astype("float32")
IDS = (X[:, 0] * 2 + X[:, 1]).round().astype(int) % 3
ONE_HOT = np.eye(3, dtype="float32")[IDS]
BINARY = (X[:, 0] + X[:, 2] > 0).astype("float32")
REAL = np.stack([X[:, 0] - X[:, 1], X[:, 2] ** 2], axis=1).astype("float32")
WEIGHTS = random.uniform(0.2, 2, 50).astype("float32")
VX = random.normal(size=(20, 5)).astype("float32")
VIDS = (VX[:, 0] * 2 + VX[:, 1]).round().astype(int) % 3
VONE_HOT = np.eye(3, dtype="float32")[VIDS]
VWEIGHTS = random.uniform(0.2, 2, 20).astype("float32")


# Models, the same text for both libraries: k is keras or tinynet.
def classifier(k, classes=3):
    L = k.layers
    return k.Sequential([
        L.Input((5,)), L.Dense(6, activation="relu"), L.Dense(classes, activation="softmax")
    ])  # fmt: skip


def binary(k):
    L = k.layers
    return k.Sequential([
        L.Input((5,)), L.Dense(4, activation="tanh"), L.Dense(1, activation="sigmoid")
    ])  # fmt: skip


def normalized(k):
    L, r = k.layers, k.regularizers
    return k.Sequential([
        L.Input((5,)),
        L.Dense(6, kernel_regularizer=r.L2(0.01), bias_regularizer=r.L1(0.02)),
        L.BatchNormalization(momentum=0.8, gamma_regularizer=r.L1L2(0.01, 0.01)),
        L.Activation("elu"),
        L.Dense(3, activation="softmax"),
    ])  # fmt: skip


def regression(k):
    L = k.layers
    return k.Sequential([L.Input((5,)), L.Dense(7, activation="gelu"), L.Dense(2)])


def inject(model, seed=5):
    """The same weights into either library's model."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        arrays = []
        for w in layer.get_weights():
            arrays.append(random.uniform(0.2, 0.9, w.shape) * (1 if w.ndim == 1 else 0.5))
            if w.ndim == 2:
                arrays[-1] *= random.choice([-1, 1], w.shape)
        layer.set_weights([a.astype("float32") for a in arrays])
    return model


SPARSE = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}


def same(a, b):
    for v, w in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


class Rows(layers.Layer):
    """Hands its input on and keeps what it saw."""

    def __init__(self, **options):
        super().__init__(**options)
        self.trained, self.tested, self.batches = [], [], []

    def forward(self, x, training=False):
        (self.trained if training else self.tested).extend(x[:, 0].tolist())
        if training:
            self.batches.append(x[:, 0].tolist())
        return x

    def backward(self, dy):
        return dy
