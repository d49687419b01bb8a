"""Models to be copied, and what a process does to one that was sent to it."""

import numpy as np

import tinynet
from tinynet import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 6)).astype("float32")
IDS = rng.integers(0, 3, 40)


class Drawing(layers.Layer):
    """Scales by a weight, and in training by a number that its own generator draws."""

    def __init__(self, **options):
        super().__init__(**options)
        self.random = np.random.default_rng(5)

    def build(self, input_shape):
        self.factor = self.add_weight((), "ones", name="factor")

    def forward(self, x, training=False):
        scale = np.float32(1 + self.random.normal() / 10 if training else 1)
        self.saved = x, scale
        return x * (self.factor.value * scale)

    def backward(self, dy):
        x, scale = self.recall()
        self.factor.grad[...] = (dy * x).sum() * scale
        return dy * (self.factor.value * scale)


class Classifier(tinynet.Sequential):
    """A subclass, without a config of its own, that counts its steps."""

    def __init__(self):
        super().__init__([layers.Dense(4, "relu"), layers.Dropout(0.5), layers.Dense(3, "softmax")])
        self.count = 0

    def train_step(self, x, y, w):
        self.count += 1
        super().train_step(x, y, w)


def sequential():
    return tinynet.Sequential([
        layers.Input((6,)), layers.Dense(5, "tanh", kernel_regularizer="l2"),
        layers.BatchNormalization(), layers.GaussianNoise(0.1), Drawing(), layers.Dropout(0.3),
        layers.Dense(4, kernel_constraint="max_norm"), layers.PReLU(),
        layers.Dense(3, "softmax", activity_regularizer="l2"),
    ])  # fmt: skip


def functional():
    x = layers.Input((6,))
    twice = layers.Dense(6, "tanh")
    inside = tinynet.Sequential([layers.Dense(4), layers.Dropout(0.2)])
    h = layers.Concatenate()([twice(twice(x)), inside(x)])
    return tinynet.Model(x, layers.Dense(3, "softmax")(h))


MODELS = {"sequential": sequential, "functional": functional, "subclass": Classifier}


def train(model, epochs=2):
    """Train a model; returns its History and weights."""
    history = model.fit(X, IDS, batch_size=16, epochs=epochs, verbose=0).history
    return history, model.get_weights()
