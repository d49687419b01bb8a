"""Keras on JAX, and tinynet, which has its names: one text for both."""

import os

import numpy as np

from . import PREDICTED_AT_ONCE

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")


class LikeKeras:
    options = {}  # noqa: RUF012  of `compile`
    reads_csr = True

    def __init__(self, case, x, y):
        keras = self.package()
        keras.config.set_floatx(case.dtype)
        if case.data == "csr" and not self.reads_csr:
            x = x.toarray()
        self.case, self.x, self.y = case, x, y
        self.model = model = self.build(keras, case)
        losses = {"classes": "sparse_categorical_crossentropy", "binary": "binary_crossentropy",
                  "mse": "mse"}  # fmt: skip
        rules = {
            "adam": lambda: keras.optimizers.Adam(0.001),
            "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
            "rmsprop": lambda: keras.optimizers.RMSprop(0.001),
        }
        model.compile(rules[case.optimizer](), losses[case.loss], **self.options)

    def build(self, keras, case):
        layers, (D, *hidden, C) = keras.layers, case.widths
        if case.data == "several":
            inputs = [keras.Input((D // 3,)) for _ in range(3)]
            h = layers.Concatenate()(inputs)
        else:
            inputs = h = keras.Input((D,))
        for units in hidden:
            h = layers.Dense(units, activation="relu")(h)
            h = layers.BatchNormalization()(h) if case.norm else h
            h = layers.Dropout(case.dropout)(h) if case.dropout else h
        ends = {"classes": "softmax", "binary": "sigmoid", "mse": None}
        return keras.Model(inputs, layers.Dense(C, activation=ends[case.loss])(h))

    def load(self, weights):
        self.model.set_weights(weights)

    def fit(self, epochs, shuffle=True):
        found = self.model.fit(self.x, self.y, batch_size=self.case.batch, epochs=epochs,
                               shuffle=shuffle, verbose=0)  # fmt: skip
        return found.history["loss"]

    def predict(self):
        return self.model.predict(self.x, batch_size=PREDICTED_AT_ONCE, verbose=0)

    def one(self, row):
        return np.asarray(self.model.predict_on_batch(row))

    @staticmethod
    def unable(case):
        return None


class Tinynet(LikeKeras):
    options = {"device": "cpu"}  # noqa: RUF012

    @staticmethod
    def package():
        import tinynet

        return tinynet


class Reference(Tinynet):
    options = {"device": "reference"}  # noqa: RUF012


class KerasOnJax(LikeKeras):
    reads_csr = False

    def __init__(self, case, x, y):
        import jax

        jax.config.update("jax_enable_x64", case.dtype == "float64")  # else it computes in float32
        super().__init__(case, x, y)

    @staticmethod
    def package():
        import keras

        return keras
