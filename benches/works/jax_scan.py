"""JAX, hand-written: an epoch is one compiled `scan` over its steps, Adam by Keras's rule."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
from engines.base import BETA_1, BETA_2, EPSILON, LEARNING_RATE

from . import PREDICTED_AT_ONCE


class Jax:
    def __init__(self, case, x, y):
        self.case = case
        self.x, self.y = jnp.asarray(x), jnp.asarray(y if case.loss == "mse" else y.astype("int32"))
        self.random = np.random.default_rng(0)
        self.forward = jax.jit(self.out)
        self.steps = jax.jit(self.scan, donate_argnums=0)

    def load(self, weights):
        w = [jnp.asarray(a) for a in weights]
        self.state = (w, [jnp.zeros_like(a) for a in w], [jnp.zeros_like(a) for a in w], 0)

    def logits(self, w, x):
        for W, b in zip(w[:-2:2], w[1:-2:2], strict=True):
            x = jax.nn.relu(x @ W + b)
        return x @ w[-2] + w[-1]

    def out(self, w, x):
        z = self.logits(w, x)
        return jax.nn.softmax(z) if self.case.loss == "classes" else z

    def loss(self, w, x, y):
        z = self.logits(w, x)
        if self.case.loss == "mse":
            return jnp.mean((z - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))

    def scan(self, state, x, y, order):
        def step(state, rows):
            w, m, v, t = state
            loss, g = jax.value_and_grad(self.loss)(w, x[rows], y[rows])
            t = t + 1
            rate = LEARNING_RATE * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
            m = [a + (1 - BETA_1) * (d - a) for a, d in zip(m, g, strict=True)]
            v = [a + (1 - BETA_2) * (d * d - a) for a, d in zip(v, g, strict=True)]
            w = [a - rate * b / (jnp.sqrt(c) + EPSILON) for a, b, c in zip(w, m, v, strict=True)]
            return (w, m, v, t), loss

        return jax.lax.scan(step, state, order)

    def fit(self, epochs, shuffle=True):
        N, batch, losses = len(self.x), self.case.batch, []
        for _ in range(epochs):
            order = self.random.permutation(N) if shuffle else np.arange(N)
            full, total = N - N % batch, 0.0
            for rows in (order[:full].reshape(-1, batch), order[None, full:]):
                if rows.size:
                    self.state, found = self.steps(self.state, self.x, self.y, rows)
                    total += float(found.sum()) * rows.shape[1]
            losses.append(total / N)
        return losses

    def predict(self):
        parts = range(0, len(self.x), PREDICTED_AT_ONCE)
        return np.concatenate(
            [self.forward(self.state[0], self.x[i : i + PREDICTED_AT_ONCE]) for i in parts]
        )

    def one(self, row):
        return np.asarray(self.forward(self.state[0], row))

    @staticmethod
    def unable(case):
        if case.norm or case.dropout or case.optimizer != "adam" or case.loss == "binary":
            return "written for Adam and Dense layers alone"
        if case.data == "several" or case.dtype != "float32":
            return "written for one float32 input"
        return None
