"""Experiments on a model: their numbers are those of the same steps by hand, and nothing stays."""

import numpy as np
import pytest
import scipy.sparse

import tinynet as keras
from tinynet import layers, optimizers, probes
from tinynet.random import generator

RANDOM = np.random.default_rng(7)
X = RANDOM.standard_normal((64, 5)).astype("float32")
Y = RANDOM.integers(0, 3, 64)


def build(optimizer="adam", seed=2):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            layers.Input((5,)),
            layers.Dense(8, "relu"),
            layers.BatchNormalization(),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_range_is_a_training_with_a_growing_rate():
    result = probes.learning_rate_range(build(), X, Y, low=1e-4, high=1e-1, steps=7, batch_size=16,
                                        smoothing=0.5, seed=9)  # fmt: skip
    np.testing.assert_allclose(result.rates, 10 ** np.linspace(-4, -1, 7))
    model, random, losses = build(), generator(9), []
    for rate in result.rates:
        rows = random.integers(0, 64, 16)
        model.optimizer.learning_rate = rate
        losses.append(model.train_on_batch(X[rows], Y[rows])[0])
    np.testing.assert_allclose(result.losses, losses, rtol=1e-6)
    weights = 0.5 ** np.arange(7)[::-1]  # of the smoothed curve's last value
    assert result.smooth[-1] == pytest.approx(np.average(losses, weights=weights))
    assert result.steepest in result.rates


def test_nothing_stays():
    def train(probe):
        model = build()
        model.fit(X, Y, epochs=2, verbose=0)
        if probe:
            probes.learning_rate_range(model, X, Y, steps=20, high=100)
            probes.loss_surface(model, X, Y, points=3)
        model.fit(X, Y, epochs=2, verbose=0)
        return model

    plain, tried = train(False), train(True)
    for a, b in zip(plain.get_weights(), tried.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert tried.optimizer.learning_rate == pytest.approx(0.001)
    assert tried.steps_taken == plain.steps_taken == 8
    assert tried.history.history == plain.history.history


def test_range_before_the_first_fit():
    def train(probe):
        model = build()
        if probe:
            probes.learning_rate_range(model, X, Y, steps=5)
        model.fit(X, Y, verbose=0)
        return model.get_weights()

    for a, b in zip(train(False), train(True), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sparse_rows_lists_and_a_model_that_is_not_built():
    def build_later():
        keras.utils.set_random_seed(2)
        model = keras.Sequential([layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    options = {"steps": 5, "seed": 1}
    dense = probes.learning_rate_range(build_later(), X, Y, **options)
    sparse = probes.learning_rate_range(build_later(), scipy.sparse.csr_matrix(X), Y, **options)
    listed = probes.learning_rate_range(build_later(), X.tolist(), Y.tolist(), **options)
    np.testing.assert_allclose(sparse.losses, dense.losses, rtol=1e-5)
    np.testing.assert_allclose(listed.losses, dense.losses, rtol=1e-6)
    surface = probes.loss_surface(build_later(), scipy.sparse.csr_matrix(X), Y, points=3)
    again = probes.loss_surface(build_later(), X, Y, points=3)
    np.testing.assert_allclose(surface.losses, again.losses, rtol=1e-5)


def test_range_ends_when_the_loss_explodes():
    model = keras.Sequential([layers.Input((5,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    y = X @ np.arange(1.0, 6.0)[:, None]
    result = probes.learning_rate_range(model, X, y, low=1e-4, high=1e8, steps=100)
    assert len(result.rates) == len(result.losses) == len(result.smooth) < 60
    assert np.isfinite(result.losses).all()
    # a quadratic: SGD diverges above 2 / (largest eigenvalue of 2 X^T X / N)
    limit = 2 / np.linalg.eigvalsh(2 * X.T @ X / len(X)).max()
    assert 0.01 * limit < result.steepest < limit


def test_steepest_is_before_the_first_rise():
    rates = np.geomspace(1e-3, 1, 7)
    smooth = np.array([2.0, 1.95, 1.5, 1.0, 1.9, 0.2, 3.0])
    assert probes._steepest(rates, smooth) in (rates[2], rates[3])


@pytest.mark.parametrize(("options", "message"), [
    ({"low": 1.0, "high": 0.1}, "expected 0 < low < high, received low=1.0, high=0.1"),
    ({"steps": 2}, "steps must be at least 3, received 2"),
    ({"smoothing": 1.0}, r"smoothing must be in \[0, 1\), received 1.0"),
])  # fmt: skip
def test_bad_range(options, message):
    with pytest.raises(ValueError, match=message):
        probes.learning_rate_range(build(), X, Y, **options)


def test_a_schedule_is_refused():
    model = build(optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 5, 0.5)))
    with pytest.raises(ValueError, match="follows a schedule"):
        probes.learning_rate_range(model, X, Y)


def linear():
    model = keras.Sequential([layers.Input((5,)), layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    return model, X @ np.arange(1.0, 6.0)[:, None].astype("float32")


def test_surface_of_a_quadratic():
    model, y = linear()
    w = model.get_weights()[0]
    u, v = np.eye(5)[:, :1], np.eye(5)[:, 1:2]
    a, b, losses = probes.loss_surface(model, X, y, radius=2, points=5, directions=([u], [v]))
    np.testing.assert_allclose(a, [-2, -1, 0, 1, 2])
    by_hand = [[np.mean((X @ (w + i * u + j * v) - y) ** 2) for i in a] for j in b]
    np.testing.assert_allclose(losses, by_hand, rtol=1e-5)
    np.testing.assert_array_equal(model.get_weights()[0], w)


def test_random_directions_are_as_long_as_the_weights():
    model = build()
    loss = model.evaluate(X, Y, verbose=0)[0]
    surface = probes.loss_surface(model, X, Y, points=3, seed=4)
    assert surface.losses[1, 1] == pytest.approx(loss, rel=1e-6)
    again = probes.loss_surface(model, X, Y, points=3, seed=4)
    np.testing.assert_array_equal(surface.losses, again.losses)
    direction = probes._like(model.get_weights()[0], generator(0))
    lengths = [np.linalg.norm(a, axis=0) for a in (direction, model.get_weights()[0])]
    np.testing.assert_allclose(*lengths, rtol=1e-5)
    assert not probes._like(np.ones(3), generator(0)).any()


def test_bad_surface():
    model, y = linear()
    with pytest.raises(ValueError, match="points must be odd and at least 3, received 4"):
        probes.loss_surface(model, X, y, points=4)
    with pytest.raises(ValueError, match="radius must be above 0, received 0"):
        probes.loss_surface(model, X, y, radius=0)
    with pytest.raises(ValueError, match=r"shapes \[\(5, 1\)\], received \[\(2,\)\]"):
        probes.loss_surface(model, X, y, directions=([np.ones(2)], [np.ones(2)]))
