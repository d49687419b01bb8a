"""One layer against Keras: its outputs, gradients and states; its config, there and back."""

import json

import numpy as np
import pytest
from oracle import keras_case

from tinynet import layers
from tinynet.configs import naming


def numbers(shape, seed, dtype="float32"):
    """Odd multiples of 0.05, so never on a kink at a multiple of 0.1."""
    random = np.random.Generator(np.random.PCG64(seed))
    return (np.round(random.normal(0, 1.5, shape), 1) + 0.05).astype(dtype)


def weight_values(shapes):
    """Weights to inject; a small positive one is also good for a variance."""
    return [np.abs(numbers(shape, 10 + i)) + 0.1 for i, shape in enumerate(shapes)]


def close(actual, expected, rtol=1e-5):
    """Equal within rtol of each value, or of a tenth of the largest (sums that cancel)."""
    scale = np.abs(expected).max(initial=0)
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=0.1 * rtol * scale)


@keras_case
def keras_layer(keras, name, options, shape, training, frozen):
    import jax

    layer = getattr(keras.layers, name)(**json.loads(options))
    layer.build((None, *shape[1:]))
    layer.set_weights(weight_values([w.shape for w in layer.weights]))
    layer.trainable = not frozen
    mode = {"training": training} if name in ("BatchNormalization", "Dropout") else {}
    state = [v.value for v in layer.non_trainable_variables]

    def forward(x, trained):
        return layer.stateless_call(trained, state, x, **mode)

    trained = [v.value for v in layer.trainable_variables]
    y, reverse, state_after = jax.vjp(forward, numbers(shape, 1), trained, has_aux=True)
    dx, gradients = reverse(jax.numpy.asarray(numbers(y.shape, 2)))
    after = [*trained, *state_after] if not frozen else state_after
    return {
        "y": y,
        "dx": dx,
        "weights": json.dumps([[v.name, list(v.shape)] for v in layer.weights]),
        "output_shape": np.array(layer.compute_output_shape(shape)),
        **{f"gradient{i}": g for i, g in enumerate(gradients)},
        **{f"after{i}": a for i, a in enumerate(after)},
    }


def case_id(case):
    name, options, shape, training, frozen = case
    words = [name, *(f"{k}={v}" for k, v in options.items()), "x".join(map(str, shape))]
    return "-".join(words + ["train"] * training + ["frozen"] * frozen)


def check_layer(case):
    name, options, shape, training, frozen = case
    expected = keras_layer(name, json.dumps(options), shape, training, frozen)
    layer = getattr(layers, name)(**options)
    assert not layer.built
    assert layer.weights == []
    x = numbers(shape, 1)
    layer(x)  # builds
    described = json.loads(str(expected["weights"]))
    assert [[w.name, list(w.shape)] for w in layer.weights] == described
    assert layer.count_params() == sum(int(np.prod(s)) for _, s in described)
    values = weight_values([tuple(s) for _, s in described])
    layer.set_weights(values)
    layer.trainable = not frozen

    y = layer(x, training=training)
    assert y.dtype == np.float32
    assert layer.output_shape == (None, *expected["output_shape"][1:])
    assert layer.compute_output_shape(shape) == tuple(expected["output_shape"])
    close(y, expected["y"])
    for p in layer.trainable_weights:
        p.grad[...] = np.nan  # a gradient is written, not added to
    close(layer.backward(numbers(y.shape, 2)), expected["dx"])
    assert len(layer.trainable_weights) == sum(key.startswith("gradient") for key in expected)
    for i, p in enumerate(layer.trainable_weights):
        close(p.grad, expected[f"gradient{i}"])
    if frozen:
        assert all(p.grad is None for p in layer.weights)
    for p, before in zip(layer.trainable_weights, values, strict=False):
        np.testing.assert_array_equal(p, before)
    for i, p in enumerate(layer.weights):
        close(p.numpy(), expected[f"after{i}"])


class Mixed(layers.Layer):
    """Its weights are not made in the order trainable, then not."""

    def build(self, input_shape):
        for name, trainable in [("a", True), ("count", False), ("b", True)]:
            setattr(self, name, self.add_weight((2,), "zeros", name, trainable))


@keras_case
def keras_layer_config(keras, name, options):
    keras.backend.clear_session()
    return {"json": json.dumps(getattr(keras.layers, name)(**json.loads(options)).get_config())}


@keras_case
def keras_reads_layer(keras, text):
    layer = keras.layers.deserialize(json.loads(text))
    return {"json": json.dumps({"class": type(layer).__name__, **layer.get_config()})}


def check_configs(name, options):
    naming.reset_names()
    layer = getattr(layers, name)(**options, trainable=False)
    config = json.loads(json.dumps(layer.get_config()))
    theirs = json.loads(str(keras_layer_config(name, json.dumps(options))["json"]))
    assert set(config) <= set(theirs)
    for key in set(config) - {"dtype", "trainable"}:
        assert same_config(config[key], theirs[key]), key
    left_out = {k: v for k, v in theirs.items() if k not in config}  # what tinynet has not: all off
    off = (None, False, "channels_last", 0.99)
    assert all(v in off for v in left_out.values())

    for again in (
        type(layer).from_config(config),
        layers.deserialize(json.loads(json.dumps(layers.serialize(layer)))),
        layers.get(layers.serialize(layer)),
    ):
        assert type(again) is type(layer)
        assert json.loads(json.dumps(again.get_config())) == config
        assert not again.built


def same_config(ours, theirs):
    """Equal, apart from keys of nested configs that only Keras has."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(same_config(v, theirs[k]) for k, v in ours.items() if k in theirs)
    if isinstance(ours, float):
        return ours == pytest.approx(theirs)
    return ours == theirs


def check_that_keras_reads(name, options):
    layer = getattr(layers, name)(**options, name="mine")
    config = json.loads(json.dumps(layer.get_config()))
    read = json.loads(str(keras_reads_layer(json.dumps(layers.serialize(layer)))["json"]))
    assert read["class"] == name
    for key in set(config) - {"dtype"}:
        assert same_config(config[key], read[key]), key
