"""Embedding, and what padding (`mask_zero`) does to the layers above."""

import numpy as np
import pytest
from layer_checks import close, numbers
from layer_models import D, T, V, both_devices, ids
from oracle import keras_case

import tinynet
from tinynet import Sequential, layers
from tinynet.layers import Dense, Embedding, GlobalAveragePooling1D, Input


@keras_case
def keras_embedding(keras):
    import jax

    layer = keras.layers.Embedding(V, D)
    layer.build((None, T))
    layer.set_weights([numbers((V, D), 1)])

    def forward(w):
        return layer.stateless_call([w], [], ids())[0]

    y, reverse = jax.vjp(forward, layer.trainable_variables[0].value)
    return {"y": y, "dW": reverse(jax.numpy.asarray(numbers((8, T, D), 2)))[0]}


def test_embedding_is_that_of_keras():
    expected = keras_embedding()
    layer = Embedding(V, D, weights=numbers((V, D), 1))
    for x in (ids(), ids().astype("uint8"), ids().tolist()):
        close(layer(x), expected["y"])
    layer.backward(numbers((8, T, D), 2))
    close(layer.embeddings.grad, expected["dW"])
    assert layer.compute_output_shape((None, 7)) == (None, 7, D)
    assert layer.count_params() == V * D


@both_devices
@pytest.mark.parametrize("bad", [-1, V, 2.5])
def test_an_id_that_does_not_exist_is_named(bad, device):
    x = ids().astype("float64")
    x[5, 1] = bad
    model = Sequential([Input((T,)), Embedding(V, D), layers.Flatten(), Dense(3)])
    model.compile("sgd", "mse", device=device)
    before = model.get_weights()
    message = rf"x: layer 'embedding.*expects ids in \[0, 6\), received {bad}.* row 5, position 1"
    y = np.zeros((8, 3))
    for call in (lambda: model.fit(x, y, verbose=0), lambda: model.predict(x),
                 lambda: model.evaluate(x, y, verbose=0), lambda: model(x)):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()
    for w, again in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(w, again)
    with pytest.raises(ValueError, match="validation x: layer"):
        model.fit(ids(), np.zeros((8, 3)), validation_data=(x, np.zeros((8, 3))), verbose=0)


def test_ids_behind_layers_that_only_reshape_are_checked_too():
    model = Sequential([Input((2, 3)), layers.Flatten(), Embedding(V, D), layers.Flatten()])
    with pytest.raises(ValueError, match="received 9 in row 0, position 1, 2"):
        model.predict([[[0, 1, 2], [3, 4, 9]]])


def test_embedding_says_what_is_wrong():
    for options, message in (
        ({"input_dim": 0, "output_dim": 2}, "input_dim must be an int >= 1"),
        ({"input_dim": 2, "output_dim": True}, "output_dim must be an int >= 1"),
        ({"input_dim": 2**24 + 1, "output_dim": 1}, r"float32 holds integers.*float64"),
        ({"input_dim": 2, "output_dim": 2, "weights": np.ones((3, 2))}, r"expected shape \(2, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            Embedding(**options)


def test_ids_up_to_the_limit_of_float32_are_exact():
    layer = Embedding(2**24, 1, "zeros")
    layer(np.zeros((1, 1)))
    layer.embeddings.value[-2:, 0] = 1, 2
    np.testing.assert_array_equal(layer([[2**24 - 1, 2**24 - 2]]).ravel(), [2, 1])


@both_devices
def test_a_row_of_padding_gives_zeros_and_padding_does_not_count(device):
    model = Sequential([Input((T,)), Embedding(V, D, mask_zero=True), GlobalAveragePooling1D()])
    model.compile("sgd", "mse", device=device)
    E = model.get_weights()[0]
    got = model.predict([[0, 0, 0], [0, 2, 0], [1, 0, 3]], verbose=0)
    np.testing.assert_allclose(got, [0 * E[0], E[2], (E[1] + E[3]) / 2], rtol=1e-6)


BETWEEN = {
    "Dense": {"units": 2}, "Dropout": {"rate": 0.5}, "GaussianNoise": {"stddev": 0.5},
    "GaussianDropout": {"rate": 0.5}, "AlphaDropout": {"rate": 0.5},
    "ActivityRegularization": {"l1": 0.1}, "LayerNormalization": {}, "RMSNormalization": {},
    "UnitNormalization": {}, "BatchNormalization": {}, "Rescaling": {"scale": 2.0},
    "Normalization": {"mean": 1.0, "variance": 4.0}, "Identity": {}, "ReLU": {}, "LeakyReLU": {},
    "PReLU": {}, "ELU": {}, "Activation": {"activation": "softmax"}, "Reshape":
    {"target_shape": [6, 2]}, "Permute": {"dims": [2, 1]},
}  # fmt: skip


def after_padding(k, name):
    model = k.Sequential([
        k.Input((T,)), k.layers.Embedding(V, D, mask_zero=True),
        getattr(k.layers, name)(**BETWEEN[name]), k.layers.GlobalAveragePooling1D(),
    ])  # fmt: skip
    model.set_weights([0.2 + abs(numbers(w.shape, i)) for i, w in enumerate(model.get_weights())])
    return {"y": model.predict(ids() * (ids() > 1), verbose=0)}


@keras_case
def keras_after_padding(keras, name):
    return after_padding(keras, name)


@pytest.mark.parametrize("name", BETWEEN)
def test_padding_passes_the_layers_that_it_passes_in_keras(name):
    close(after_padding(tinynet, name)["y"], keras_after_padding(name)["y"])


@both_devices
def test_padding_that_reaches_the_loss_or_batch_statistics_is_refused(device):
    model = Sequential([Input((T,)), Embedding(V, D, mask_zero=True), Dense(2)])
    model.compile("sgd", "mse", device=device)
    before = model.get_weights()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"mask_zero=True.*reaches the loss"):
            call(ids(), np.zeros((8, T, 2)), verbose=0)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    assert model.predict(ids(), verbose=0).shape == (8, T, 2)
    model = Sequential([Input((T,)), Embedding(V, D, mask_zero=True), Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", device=device)  # from the logits
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"mask_zero=True.*reaches the loss"):
            call(ids(), np.zeros((8, T)), verbose=0)
    model = Sequential([Input((T,)), Embedding(V, D, mask_zero=True), layers.BatchNormalization(),
                        GlobalAveragePooling1D()])  # fmt: skip
    model.compile("sgd", "mse", device=device)
    with pytest.raises(ValueError, match="batch statistics that leave out padding"):
        model.fit(ids(), np.zeros((8, D)), verbose=0)
    model = Sequential([Input((T,)), Embedding(V, D, mask_zero=True), layers.Softmax()])
    with pytest.raises(ValueError, match="a softmax that leaves out padding"):
        model.predict(ids(), verbose=0)


@both_devices
def test_layers_below_an_embedding_get_zeros(device):
    stack = [Dense(T, "relu", bias_initializer="ones", kernel_initializer="zeros"),
             Embedding(V, D), layers.Flatten(), Dense(2)]  # fmt: skip
    model = Sequential([Input((T,)), *stack])
    model.compile("sgd", "mse", device=device)
    model.fit(ids(), np.ones((8, 2)), verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], 0)
