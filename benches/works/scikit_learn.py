"""scikit-learn: `partial_fit` of an MLP, a pass over the rows per call."""

import warnings

import numpy as np
from engines.base import BETA_1, BETA_2, EPSILON, LEARNING_RATE
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer


class ScikitLearn:
    def __init__(self, case, x, y):
        self.case, self.x, self.y = case, x, y if y.shape == x.shape else y.ravel()
        kind = MLPRegressor if case.loss == "mse" else MLPClassifier
        self.model = kind(hidden_layer_sizes=case.widths[1:-1], alpha=0.0, batch_size=case.batch,
                          learning_rate_init=LEARNING_RATE, epsilon=EPSILON)  # fmt: skip
        if case.loss == "mse":
            self.model.partial_fit(x[:200], self.y[:200])
        else:
            self.model.partial_fit(x[:200], self.y[:200], classes=np.unique(self.y))

    def load(self, weights):
        self.model.coefs_ = [np.array(W) for W in weights[::2]]
        self.model.intercepts_ = [np.array(b) for b in weights[1::2]]
        parameters = self.model.coefs_ + self.model.intercepts_
        self.model._optimizer = AdamOptimizer(parameters, LEARNING_RATE, BETA_1, BETA_2, EPSILON)

    def fit(self, epochs, shuffle=True):
        losses, self.model.shuffle = [], shuffle
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(epochs):
                self.model.partial_fit(self.x, self.y)
                # its loss is half of the squares
                losses.append(self.model.loss_ * (2 if self.case.loss == "mse" else 1))
        return losses

    def predict(self):
        return self._out(self.x)

    def one(self, row):
        return self._out(row)

    def _out(self, x):
        out = (self.model.predict if self.case.loss == "mse" else self.model.predict_proba)(x)
        if self.case.loss == "binary":
            return out[:, 1:]
        return out.reshape(len(out), -1)

    @staticmethod
    def unable(case):
        if case.norm or case.dropout or case.optimizer != "adam" or case.data == "several":
            return "it has no such layers, rules or inputs"
        return None
