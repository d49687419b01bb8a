"""Layers of one's own: `call`, `add_weight`, `add_loss`, a layer as an activation."""

import json

import numpy as np
import pytest
from layer_checks import close, numbers
from layer_models import T, both_devices, targets
from oracle import keras_case

import tinynet
from tinynet import Sequential, activations, layers
from tinynet.layers import Dense, Input, Layer


class Linear(Layer):
    """As one writes it for Keras, with a backward added."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="glorot_uniform", trainable=True,
            name="w", regularizer="l2",
        )  # fmt: skip
        self.b = self.add_weight(shape=self.units, initializer="zeros", name="b")

    def call(self, inputs):
        self.saved = inputs
        return inputs @ self.w + self.b

    def backward(self, dy):
        x = self.recall()
        self.w.grad[...] = x.T @ dy
        self.b.grad[...] = dy.sum(axis=0)
        return dy @ self.w.value.T

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Noisy(Layer):
    def call(self, inputs, training=False):
        self.seen = training
        return inputs + 100 if training else inputs

    def backward(self, dy):
        return dy


class Forgotten(Layer):
    def call(self, inputs):
        return inputs**2


def test_a_layer_with_call_trains_like_dense():
    def outcome(make):
        tinynet.utils.set_random_seed(1)
        model = Sequential([Input((T,)), make(4), Dense(3, "softmax")])
        assert model.output_shape == (None, 3)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(numbers((8, T), 1), targets(), verbose=0, epochs=3)
        return model.get_weights()

    expected = outcome(lambda units: Dense(units, kernel_regularizer="l2"))
    for got, value in zip(outcome(Linear), expected, strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)
    assert Linear(4)(np.ones((2, 3))).shape == (2, 4)
    assert Linear(4).compute_output_shape((None, 3)) == (None, 3)  # not built: not known
    again = layers.deserialize(layers.serialize(Linear(4)), {"Linear": Linear})
    assert again.units == 4
    tinynet.gradcheck(Linear(4, dtype="float64"), numbers((5, T), 1, "float64"))


def test_call_is_told_about_training():
    layer = Noisy()
    assert layer([[1.0]], training=True) == 101
    assert layer([[1.0]]) == 1
    assert layer.seen is False


@both_devices
def test_a_layer_without_backward_predicts_but_does_not_train(device):
    model = Sequential([Input((T,)), Dense(2), Forgotten(name="mine"), Dense(3)])
    model.compile("sgd", "mse", device=device)
    x = numbers((4, T), 1)
    assert model.predict(x, verbose=0).shape == (4, 3)
    before = model.get_weights()
    with pytest.raises(NotImplementedError, match=r"'mine' \(Forgotten\) needs a backward\(dy\)"):
        model.fit(x, np.zeros((4, 3)), verbose=0)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    below = Sequential([Input((T,)), Forgotten(), Dense(3)])  # nothing to learn below Dense
    below.compile("sgd", "mse", device=device)
    below.fit(x, np.zeros((4, 3)), verbose=0)
    with pytest.raises(NotImplementedError, match="needs a forward"):
        Layer()(x)


def test_add_weight_and_add_loss():
    layer = Layer()
    assert layer.add_weight().shape == ()
    assert layer.add_weight(shape=3).shape == (3,)
    assert not layer.add_weight((2,), "ones", trainable=False, dtype="float32").trainable
    with pytest.raises(ValueError, match="a weight has its layer's dtype"):
        layer.add_weight((2,), dtype="float64")
    with pytest.raises(NotImplementedError, match="add_loss is not supported"):
        layer.add_loss(1.0)


def test_a_layer_as_activation():
    x = numbers((3, T), 1)
    by_layer = Dense(2, layers.LeakyReLU(0.5), kernel_initializer="ones")
    by_name = Dense(2, activations.leaky_relu.with_options(negative_slope=0.5),
                    kernel_initializer="ones")  # fmt: skip
    np.testing.assert_array_equal(by_layer(x), by_name(x))
    with pytest.raises(TypeError, match="can't be an activation"):
        Dense(2, layers.PReLU())


@keras_case
def keras_reads_activation(keras, text):
    layer = keras.layers.deserialize(json.loads(text))
    layer.build((None, T))
    layer.set_weights([numbers((T, 2), 1), numbers((2,), 2)])
    return {"y": layer(numbers((5, T), 3)), "text": json.dumps(keras.layers.serialize(layer))}


@pytest.mark.parametrize(
    "f",
    [
        activations.leaky_relu.with_options(negative_slope=0.5),
        activations.relu.with_options(max_value=1.0, threshold=0.25),
        activations.elu.with_options(alpha=0.5),
    ],
    ids=lambda f: f.name,
)
def test_an_activation_with_options_goes_to_keras_and_back(f):
    layer = Dense(2, f, name="d")
    expected = keras_reads_activation(json.dumps(layers.serialize(layer)))
    x = numbers((5, T), 3)
    layer(x)
    values = [numbers((T, 2), 1), numbers((2,), 2)]
    for one in (layer, layers.deserialize(json.loads(str(expected["text"])))):
        one(x)
        one.set_weights(values)
        close(one(x), expected["y"])
        assert one.activation.options == f.options


def test_a_forward_without_training_computes_the_same_in_both():
    class Doubled(Layer):
        def forward(self, x):
            """Twice x."""
            return 2 * x

        def backward(self, dy):
            return 2 * dy

    class Quadrupled(Doubled):
        def forward(self, x, training=True):
            return super().forward(super().forward(x), training)

    x = np.arange(6.0, dtype="float32").reshape(2, 3)
    for training in (False, True):
        np.testing.assert_array_equal(Doubled()(x, training=training), 2 * x)
        np.testing.assert_array_equal(Quadrupled()(x, training=training), 4 * x)
    assert Doubled.forward.__doc__ == "Twice x."
    for device in ("reference", "cpu"):
        model = Sequential([Input((3,)), Doubled(), Dense(1, kernel_initializer="ones")])
        model.compile("sgd", "mse", device=device)
        model.fit(x, [[0.0], [0.0]], batch_size=2, verbose=0)
        # by hand: d = 2 x, y = (6, 24), dW = d^T (2 y / 2), W = 1 - 0.01 dW
        np.testing.assert_allclose(
            model.layers[-1].kernel.numpy(), 1 - 0.01 * (2 * x.T @ [[6.0], [24.0]]), rtol=1e-6
        )
