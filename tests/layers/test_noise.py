"""Noise layers: their moments, and what a draw depends on; Normalization adapts to data."""

import json

import numpy as np
import pytest
from layer_checks import close, numbers
from layer_models import RANDOM, both_devices
from oracle import keras_case

import tinynet
from tinynet import Sequential, layers
from tinynet.layers import Dense, Input

# -------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize("name", ["GaussianNoise", "GaussianDropout", "AlphaDropout"])
def test_noise_has_the_moments_that_keras_gives_it(name):
    x = np.random.Generator(np.random.PCG64(1)).normal(size=(400, 500))
    layer, n = RANDOM[name](), x.size
    y = layer(x, training=True)
    if name == "AlphaDropout":  # keeps mean 0 and variance 1
        assert abs(y.mean()) < 5 / np.sqrt(n)
        assert abs(y.var() - 1) < 10 / np.sqrt(n)
        low = -1.6732632423543772 * 1.0507009873554805  # by hand: what a dropped entry becomes
        a = (0.7 * (1 + 0.3 * low**2)) ** -0.5
        dropped = np.isclose(y, a * low * (1 - 0.3), atol=1e-6).mean()
        assert abs(dropped - 0.3) < 5 * np.sqrt(0.21 / n)
    else:
        noise = y - x if name == "GaussianNoise" else (y / x - 1)[np.abs(x) > 0.01]
        sd = 0.5 if name == "GaussianNoise" else np.sqrt(0.3 / 0.7)
        z = (noise / sd).ravel()
        assert abs(z.mean()) < 5 / np.sqrt(z.size)
        assert abs(z.var() - 1) < 10 / np.sqrt(z.size)
        for q, share in ((-1.959964, 0.025), (-0.67449, 0.25), (0.0, 0.5), (1.281552, 0.9)):
            assert abs((z < q).mean() - share) < 5 * np.sqrt(share * (1 - share) / z.size)
    assert np.abs(np.corrcoef(y[:, 0], y[:, 1])[0, 1]) < 0.25


@pytest.mark.parametrize("name", RANDOM)
def test_noise_depends_on_seed_step_and_row_alone(name):
    x = np.ones((6, 5), "float32")
    a, b = RANDOM[name](), RANDOM[name]()
    first, second = a(x, training=True), a(x, training=True)
    np.testing.assert_array_equal(first, b(x, training=True))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(a(x), x)  # nothing outside training
    split = RANDOM[name]()
    split.context.first_row = 4
    np.testing.assert_array_equal(first[4:], split(x[4:], training=True))
    other = type(a).from_config({**a.get_config(), "seed": 4})
    assert not np.array_equal(first, other(x, training=True))


def test_noise_says_what_is_wrong():
    for make in (
        lambda: layers.GaussianNoise(1.5), lambda: layers.GaussianDropout(-0.1),
        lambda: layers.AlphaDropout("0.5"), lambda: layers.GaussianDropout(1.0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"must be (in \[0, 1\]|below 1), received"):
            make()


# ------------------------------------------------------------------------------ normalization


@keras_case
def keras_adapted(keras, axis):
    layer = keras.layers.Normalization(axis=json.loads(axis))
    layer.adapt(numbers((6, 3, 4), 1))
    weights = {f"weight{i}": w for i, w in enumerate(layer.get_weights())}
    return {"y": layer(numbers((2, 3, 4), 2)), **weights}


@keras_case
def keras_mean_and_variance(keras, axis, given_):
    return mean_and_variance(keras, axis, given_)


def mean_and_variance(k, axis, given_):
    options = {"mean": 1.5, "variance": 4.0} if given_ else {}
    layer = k.layers.Normalization(axis=json.loads(axis), **options)
    assert layer.mean is None
    if not given_:
        layer.adapt(numbers((6, 3, 4), 1))
    x = numbers((2, 3, 4), 2)
    y = layer(x)
    close((x - np.array(layer.mean)) / np.sqrt(np.array(layer.variance)), y)
    return {"mean": np.array(layer.mean), "variance": np.array(layer.variance)}


@pytest.mark.parametrize("given_", [False, True])
@pytest.mark.parametrize("axis", ["-1", "1", "[1, 2]", "null"])
def test_mean_and_variance_broadcast_against_inputs(axis, given_):
    expected = keras_mean_and_variance(axis, given_)
    for name, value in mean_and_variance(tinynet, axis, given_).items():
        assert value.shape == expected[name].shape
        close(value, expected[name])


@pytest.mark.parametrize("axis", ["-1", "1", "[1, 2]", "null"])
def test_adapt_measures_what_keras_measures(axis):
    expected = keras_adapted(axis)
    data = numbers((6, 3, 4), 1)
    for given_ in (data, [data[:2], data[2:]], ((part, None) for part in (data[:5], data[5:]))):
        layer = layers.Normalization(axis=json.loads(axis))
        layer.adapt(given_)
        close(layer(numbers((2, 3, 4), 2)), expected["y"])
        for i, w in enumerate(layer.get_weights()):
            close(w, expected[f"weight{i}"])
        back = layers.Normalization(axis=json.loads(axis), invert=True)
        back.adapt(data)
        close(back(layer(data)), data)


@both_devices
@pytest.mark.parametrize("invert", [True, False])
def test_a_model_uses_what_was_adapted_or_loaded_last(device, invert):
    data = numbers((8, 2), 1)
    layer = layers.Normalization(invert=invert)
    model = Sequential([Input((2,)), layer, Dense(1)])
    model.compile("sgd", "mse", device=device)
    for scale in (1, 3):
        layer.adapt(scale * data)
        got = model.predict(data, verbose=0)
        close(got, layer(data) @ model.layers[-1].kernel.numpy())
    weights = layer.get_weights()
    layer.set_weights([weights[0] + 1, weights[1] * 4, weights[2]])
    assert not np.allclose(got, model.predict(data, verbose=0))
    close(model.predict(data, verbose=0), layer(data) @ model.layers[-1].kernel.numpy())
