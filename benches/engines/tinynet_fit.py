"""tinynet on one of its devices: `fit`, as a user calls it."""

import tinynet as keras
from tinynet.measuring.timing import timed_fit

from .base import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Engine


class TinynetFit(Engine):
    def __init__(self, x, y, device):
        super().__init__(x, y)
        self.settings = f'fit, compile(device="{device}")'
        self.device, self.model, self.said = device, None, 0

    def load(self, weights):
        if self.model is None:
            self.model = self.build(weights)
        self.model.set_weights(weights)
        optimizer = self.model.optimizer
        optimizer.iterations = 0
        for moments in optimizer.state.values():
            if moments is not None:
                moments[...] = 0

    def build(self, weights):
        biases = weights[1::2]
        model = keras.Sequential([keras.Input((len(weights[0]),))])
        for i, b in enumerate(biases):
            last = i == len(biases) - 1
            model.add(keras.layers.Dense(len(b), activation="softmax" if last else "relu"))
        adam = keras.optimizers.Adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON)
        model.compile(adam, "sparse_categorical_crossentropy", device=self.device)
        return model

    def weights(self):
        return self.model.get_weights()

    def train(self, batch, steps, order=None):
        x, y = (self.x, self.y) if order is None else (self.x[order], self.y[order])
        found = timed_fit(self.model, keras.callbacks.Callback, x, y, batch, steps, order is None)
        if self.device == "gpu":
            self.say_what_was_refused()
        return found

    def say_what_was_refused(self):
        """Print the products that cuBLASLt has no algorithm for: our own kernels make them."""
        from tinynet.kernels.gpu.card import runtime

        cublaslt = runtime.current().cublaslt
        while cublaslt is not None and len(cublaslt.refused) > self.said:
            product = list(cublaslt.refused)[self.said]
            print(f"cuBLASLt: {product}: {cublaslt.refused[product]}", flush=True)
            self.said += 1
