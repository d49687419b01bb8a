"""What is drawn outside of training steps: anew for each call and each batch, and reproducibly."""

import numpy as np
import pytest

import tinynet
from tinynet import Model, Sequential, layers
from tinynet.layers import AlphaDropout, Dense, Dropout, GaussianDropout, GaussianNoise, Input

NOISES = [lambda: Dropout(0.5), lambda: AlphaDropout(0.5), lambda: GaussianNoise(0.5),
          lambda: GaussianDropout(0.5)]  # fmt: skip
DEVICES = ["reference", "cpu"]
X = np.ones((24, 6), "float32")


def in_graph(noise, device, seed=3):
    """A model in which the noise is asked for in every mode."""
    tinynet.utils.set_random_seed(seed)
    x = Input((6,))
    model = Model(x, Dense(5)(noise()(Dense(7)(x), training=True)))
    model.compile("sgd", "mse", device=device)
    return model


def different(arrays):
    return len({a.tobytes() for a in arrays}) == len(arrays)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("noise", NOISES)
def test_twenty_calls_in_training_mode_draw_twenty_times(noise, device):
    results = []
    for _ in range(2):
        tinynet.utils.set_random_seed(3)
        model = Sequential([Input((6,)), Dense(7), noise(), Dense(5)])
        model.compile("sgd", "mse", device=device)
        drawn = [model(X, training=True) for _ in range(20)]
        drawn += [model.layers[1](X, training=True) for _ in range(20)]
        assert different(drawn)
        assert not different([model(X), model(X)])
        results.append(drawn)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("noise", NOISES)
def test_each_batch_of_predict_draws_its_own_on_every_device(noise):
    results = []
    for device in DEVICES:
        model = in_graph(noise, device)
        passes = [model.predict(X, batch_size=8, verbose=0) for _ in range(3)]
        passes.append(np.concatenate([model.predict_on_batch(X[:8]) for _ in range(3)]))
        batches = [part for rows in passes for part in np.split(rows, 3)]
        assert different(batches)
        losses = [model.evaluate(X, X[:, :5], batch_size=8, verbose=0) for _ in range(3)]
        assert len(set(losses)) == 3
        results.append([*batches, losses])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_training_does_not_see_what_calls_have_drawn(device):
    quiet, busy = in_graph(NOISES[0], device), in_graph(NOISES[0], device)
    busy.predict(X, verbose=0)
    busy(X, training=True)
    for model in (quiet, busy):
        model.fit(X, X[:, :5], batch_size=8, shuffle=False, epochs=2, verbose=0)
    for a, b in zip(quiet.get_weights(), busy.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_state_says_how_much_was_drawn():
    one, other = in_graph(NOISES[0], "cpu"), in_graph(NOISES[0], "cpu")
    one.predict(X, batch_size=8, verbose=0)
    other.set_state(one.get_state())
    np.testing.assert_array_equal(one.predict(X, verbose=0), other.predict(X, verbose=0))


def test_gradcheck_of_a_layer_in_a_model_keeps_its_mask():
    layer = layers.Dropout(0.5, dtype="float64")
    model = Sequential([Input((6,), dtype="float64"), Dense(6, dtype="float64"), layer])
    model(np.ones((2, 6)))
    tinynet.gradcheck(layer, np.ones((3, 6)))
