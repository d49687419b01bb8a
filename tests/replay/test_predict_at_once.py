"""predict puts small batches together and cuts large ones: the outputs are those of each batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as keras
from tinynet.kernels import cpu

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4000, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    layers = keras.layers
    made = keras.Sequential([
        layers.Input((6,)), layers.Dense(9, activation="tanh"), layers.BatchNormalization(),
        layers.Dropout(0.5), layers.Dense(4, activation="softmax"),
    ])  # fmt: skip
    made.compile("sgd", "mse")
    made.fit(X[:64], RNG.random((64, 4)), epochs=1, verbose=0)
    return made


def by_hand(model, x):
    """The outputs in float64, from the weights alone."""
    W, b, gamma, beta, mean, var, V, c = (w.astype(np.float64) for w in model.get_weights())
    h = (np.tanh(x @ W + b) - mean) / np.sqrt(var + 1e-3) * gamma + beta
    z = np.exp(h @ V + c)
    return z / z.sum(axis=1, keepdims=True)


@given(st.integers(1, 4000), st.integers(1, 4500), st.integers(1, 600))
@settings(max_examples=60, deadline=None)
def test_any_number_of_rows_in_batches_of_any_size(model, rows, batch, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "rows_at_once", lambda: most)
        y = model.predict(X[:rows], batch_size=batch, verbose=0)
    np.testing.assert_allclose(y, by_hand(model, X[:rows]), rtol=1e-4, atol=1e-6)
    model.execution.programs.clear()  # of so many sizes


def steps_of(model, x, batch):
    """Rows of the steps that were recorded for predicting x twice."""
    model.execution.programs.clear()
    for _ in range(2):
        model.predict(x, batch_size=batch, verbose=0)
    return sorted({key[1] for key in model.execution.programs if key[0] == "predict"})


@pytest.mark.parametrize(
    ("rows", "batch", "steps"),
    [
        (4000, 4000, [500]),  # cut, without a rest
        (3989, 3989, [405, 512]),  # a prime number: with a rest
        (700, 700, [700]),  # not worth a cut
        (2560, 640, [640]),
        (40, 40, [40]),
        (1, 1, [1]),
    ],
)
def test_large_batches_are_cut_and_small_ones_stay(model, monkeypatch, rows, batch, steps):
    monkeypatch.setattr(cpu, "rows_at_once", lambda: 512)
    assert steps_of(model, X[:rows], batch) == steps


def test_small_batches_are_put_together(model, monkeypatch):
    monkeypatch.setattr(cpu, "rows_at_once", lambda: 512)
    steps = steps_of(model, X[:1024], 32)
    assert steps[-1] == 512  # and, while the time of a step is unknown, fewer
    assert all(rows % 32 == 0 for rows in steps)


def test_no_more_memory_than_is_kept_anyway(model, monkeypatch):
    monkeypatch.setattr(cpu, "rows_at_once", lambda: 512)
    monkeypatch.setattr(type(model.execution), "MOST_BYTES", 32 * 4 * 40 * 4)
    assert steps_of(model, X[:1024], 32)[-1] <= 256


def test_steps_that_draw_are_those_of_the_batches(monkeypatch):
    """Masks are of a batch: other batches would have other masks."""
    monkeypatch.setattr(cpu, "rows_at_once", lambda: 512)

    def outputs(eagerly):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((6,))
        model = keras.Model(inputs, keras.layers.Dropout(0.5)(inputs, training=True))
        model.compile("sgd", "mse", run_eagerly=eagerly)
        return [model.predict(X[:96], batch_size=16, verbose=0) for _ in range(2)]

    np.testing.assert_array_equal(outputs(False), outputs(True))


def test_batches_whose_rows_belong_together_stay(monkeypatch):
    """Of a normalization by the batch's own mean and variance; it also moves its statistics."""
    monkeypatch.setattr(cpu, "rows_at_once", lambda: 512)
    inputs = keras.Input((6,))
    normalization = keras.layers.BatchNormalization(momentum=0.5, epsilon=1e-6)
    model = keras.Model(inputs, normalization(inputs, training=True))
    model.compile("sgd", "mse")
    for rows, batch in ((96, 16), (2000, 2000)):
        x, mean = X[:rows].astype(float), normalization.moving_mean.numpy().astype(float)
        y = model.predict(X[:rows], batch_size=batch, verbose=0)
        parts = x.reshape(-1, batch, 6)
        expected = (parts - parts.mean(axis=1, keepdims=True)) / parts.std(axis=1, keepdims=True)
        np.testing.assert_allclose(y, expected.reshape(rows, 6), atol=1e-3)
        for part in parts:
            mean = 0.5 * mean + 0.5 * part.mean(axis=0)
        np.testing.assert_allclose(normalization.moving_mean.numpy(), mean, atol=1e-5)


def test_rows_that_are_copied_are_counted_for_all_parts(model, monkeypatch):
    """By the bytes of a step a call's batches are limited."""
    monkeypatch.setattr(cpu, "rows_at_once", lambda: 512)
    monkeypatch.setattr(type(model.execution), "length", lambda self: 1000)
    x = X[: 33 * 32].astype(np.float16)
    model.predict(x, batch_size=32, verbose=0)
    assert model.execution.copied == 32 * 6 * 4


def test_a_call_counts_its_batches_however_they_are_computed(model, monkeypatch):
    counts = []
    for most in (16, 512):
        monkeypatch.setattr(cpu, "rows_at_once", lambda most=most: most)
        before = model.step_context.calls
        model.predict(X[:160], batch_size=16, verbose=0)
        counts.append(model.step_context.calls - before)
    assert counts == [10, 10]


def test_several_outputs(monkeypatch):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, [keras.layers.Dense(3)(inputs), keras.layers.Dense(2)(inputs)])
    W, b, V, c = model.get_weights()
    for most in (16, 64, 512):
        monkeypatch.setattr(cpu, "rows_at_once", lambda most=most: most)
        first, second = model.predict(X[:300], batch_size=100, verbose=0)
        np.testing.assert_allclose(first, X[:300] @ W + b, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(second, X[:300] @ V + c, rtol=1e-4, atol=1e-5)
