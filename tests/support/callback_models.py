"""The model and the data that the tests of callbacks share."""

import numpy as np

import tinynet
from tinynet import layers

X = np.random.default_rng(3).normal(size=(10, 2)).astype("float32")
Y = (X[:, :1] * 2 - X[:, 1:]).astype("float32")


def regression(k=tinynet, rate=0.05, metrics=("mae",)):
    model = k.Sequential([k.layers.Input((2,)), k.layers.Dense(1)])
    model.set_weights([np.array([[0.5], [0.25]], "float32"), np.array([0.1], "float32")])
    model.compile(k.optimizers.SGD(rate), "mse", metrics=list(metrics))
    return model


class Spoil(layers.Layer):
    """Turns the third batch into infinities."""

    count = 0

    def forward(self, x, training=False):
        self.count += training
        return x * np.inf if training and self.count == 3 else x

    def backward(self, dy):
        return dy
