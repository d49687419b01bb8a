"""scikit-learn: MLPClassifier.partial_fit, one pass over the rows of a stretch per call."""

import time
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

from .base import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Engine


class ScikitLearn(Engine):
    # Its own shuffle permutes exactly the rows it is given, so a stretch is the first rows of the
    # (already mixed) data. Its Adam is Keras's: epsilon beside the uncorrected root.
    settings = "partial_fit on the first rows, alpha=0, float32"

    def __init__(self, x, y):
        super().__init__(x, y)
        self.model = None

    def load(self, weights):
        if self.model is None:
            self.model = self.build(weights)
        self.model.coefs_ = [np.array(W) for W in weights[::2]]
        self.model.intercepts_ = [np.array(b) for b in weights[1::2]]
        parameters = self.model.coefs_ + self.model.intercepts_
        self.model._optimizer = AdamOptimizer(parameters, LEARNING_RATE, BETA_1, BETA_2, EPSILON)

    def build(self, weights):
        hidden = tuple(len(b) for b in weights[1:-1:2])
        model = MLPClassifier(
            hidden,
            alpha=0.0,
            learning_rate_init=LEARNING_RATE,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON,
            random_state=0,
        )
        # It makes its arrays at the first call only; `load` then puts ours in their place.
        classes = np.arange(len(weights[-1]))
        return model.partial_fit(self.x[:200], self.y[:200], classes=classes)

    def weights(self):
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [np.array(a) for pair in pairs for a in pair]

    def train(self, batch, steps, order=None):
        self.model.batch_size, self.model.shuffle = batch, order is None
        rows = slice(steps * batch) if order is None else order
        x, y = self.x[rows], self.y[rows]
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.partial_fit(x, y)
        return time.perf_counter() - start, float(self.model.loss_)
