"""Keras on JAX: `model.fit` on arrays, compiled by XLA."""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras

from tinynet.measuring.timing import timed_fit

from .base import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Engine


class KerasOnJax(Engine):
    settings = "fit, jit_compile, largest steps_per_execution <= 32 that divides the steps"

    def __init__(self, x, y):
        super().__init__(x, y.astype("int32"))
        self.model, self.shape = None, None

    def load(self, weights):
        if self.model is None:
            self.model = self.build(weights)
        self.model.set_weights(weights)
        for variable in self.model.optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(keras.ops.zeros(variable.shape, variable.dtype))

    def build(self, weights):
        biases = weights[1::2]
        model = keras.Sequential([keras.Input((len(weights[0]),))])
        for b in biases[:-1]:
            model.add(keras.layers.Dense(len(b), activation="relu"))
        # Logits: the softmax then is part of the loss, which is faster and keeps its gradient.
        model.add(keras.layers.Dense(len(biases[-1])))
        model.compile(
            keras.optimizers.Adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=True,
            # More than 1 here makes Keras build its loop over steps, whose length is then read
            # anew at every call: `train` can set it without another compilation.
            steps_per_execution=2,
        )
        model.optimizer.build(model.trainable_variables)
        return model

    def weights(self):
        return self.model.get_weights()

    def train(self, batch, steps, order=None):
        self.model.steps_per_execution = steps_per_execution(steps)
        x, y = (self.x, self.y) if order is None else (self.x[order], self.y[order])
        return timed_fit(self.model, keras.callbacks.Callback, x, y, batch, steps, order is None)


def steps_per_execution(steps):
    """On JAX it is a loop in Python around the compiled step that saves the callbacks between."""
    return max(k for k in range(1, 33) if steps % k == 0)
