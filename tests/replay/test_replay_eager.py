"""What can't be recorded runs eagerly, with the same numbers, and says why."""

import numpy as np
import pytest
from replay_runs import C, D, N, agree, data, labels, maker, small

import tinynet
from tinynet import Sequential, activations, losses, optimizers, regularizers
from tinynet.layers import Dense, Flatten, Input, Layer
from tinynet.utils import to_categorical

pytestmark = pytest.mark.usefixtures("two_threads")


class Doubled(Layer):
    def forward(self, x, training=False):
        return 2 * x

    def backward(self, dy):
        return 2 * dy


class Cube(activations.Activation):
    def forward(self, ops, x, *, y):
        y[...] = x**3

    def backward(self, ops, x, y, dy, *, dx):
        dx[...] = 3 * x * x * dy


class Fourth(losses.Loss):
    def forward(self, y, p, w, logits=False):
        self.dp = 4 * w[:, None] * (p - y) ** 3
        return w * ((p - y) ** 4).sum(axis=1)


class Signs(optimizers.Optimizer):
    def update(self, w, g, lr):
        w -= lr * np.sign(g)


class Lasso(regularizers.Regularizer):
    def __call__(self, w):
        return 0.1 * np.abs(w).sum()

    def gradient(self, w):
        return 0.1 * np.sign(w)


class Negated(Sequential):
    def forward(self, x, training=False, logits=False):
        return -super().forward(x, training, logits)

    def backward(self, dy, logits=False):
        return super().backward(-dy, logits)


OWN = {
    "Doubled": ({"layers": lambda: [Dense(4), Doubled(name="twice"), Dense(C)]}, "twice"),
    "Cube": ({"layers": lambda: [Dense(4, activation=Cube()), Dense(C)]}, "Cube"),
    "Fourth": ({"loss": Fourth}, "Fourth"),
    "Signs": ({"optimizer": lambda: Signs(0.01)}, "Signs"),
    "Lasso": ({"layers": lambda: [Dense(4, kernel_regularizer=Lasso()), Dense(C)]}, "Lasso"),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_what_cannot_be_recorded_runs_eagerly_with_the_same_numbers(name):
    options, reason = OWN[name]
    options = {"layers": lambda: [Dense(4), Dense(C)], "loss": "mse", "metrics": ["mae"], **options}
    make, shape = maker(**options), options.get("shape", (D,))
    agree(make, data(N, shape), to_categorical(labels(), C), recorded=False)
    model = make(device="cpu")
    model.fit(data(N, shape), to_categorical(labels(), C), verbose=0)
    assert model.explain_execution().startswith("eagerly; train: ")
    assert reason in model.explain_execution()


def test_a_model_class_of_ones_own_runs_eagerly():
    def outputs(device):
        tinynet.utils.set_random_seed(1)
        model = Negated([Input((D,)), *small(last=None)])
        model.compile("sgd", "mse", device=device)
        model.fit(data(), to_categorical(labels(), C), verbose=0)
        return model.predict(data(), verbose=0), model

    got, model = outputs("cpu")
    np.testing.assert_allclose(got, outputs("reference")[0], rtol=1e-4, atol=1e-5)
    assert "Negated" in model.explain_execution()


def test_explain_execution_of_the_eager_ways():
    model = maker(small)(device="cpu", run_eagerly=True)
    model.fit(data(), labels(), verbose=0)
    assert model.explain_execution() == "eagerly; train: compile(run_eagerly=True)"
    model = maker(small)(device="reference")
    model.fit(data(), labels(), verbose=0)
    assert "reference" in model.explain_execution()


def test_a_layer_that_hands_its_input_on():
    agree(maker(lambda: [Flatten()], "mse", metrics=[]), data(), data(), recorded=False)
