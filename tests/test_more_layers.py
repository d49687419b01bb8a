"""Embedding, pooling, noise, row normalization, scaling, reshaping: against Keras, in models."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case
from test_layers import case_id, close, numbers
from test_layers import (
    test_configs_have_keras_keys_and_survive_the_round_trip as check_configs,
)
from test_layers import test_keras_reads_our_configs as check_that_keras_reads
from test_layers import (
    test_outputs_gradients_and_states_are_those_of_keras as check_layer,
)

import tinynet
from tinynet import Sequential, activations, initializers, layers, optimizers, regularizers
from tinynet.layers import Dense, Embedding, GlobalAveragePooling1D, Input, Layer

both_devices = pytest.mark.parametrize("device", ["reference", "cpu"])
RECORDED = "recorded once and replayed"
D, T, V = 4, 3, 6

# ------------------------------------------------------------------- one layer: values of Keras


def plain(name, shape=(4, 5), **options):
    return (name, options, shape, False, False)


CASES = [
    plain("GlobalAveragePooling1D", (2, 3, 4)),
    plain("GlobalAveragePooling1D", (2, 3, 4), keepdims=True),
    plain("GlobalAveragePooling1D", (2, 3, 4), data_format="channels_first"),
    plain("GlobalMaxPooling1D", (2, 5, 4)),
    plain("GlobalMaxPooling1D", (2, 5, 4), data_format="channels_first", keepdims=True),
    plain("LayerNormalization"),
    plain("LayerNormalization", center=False, epsilon=0.1),
    plain("LayerNormalization", scale=False),
    plain("LayerNormalization", (2, 3, 4), axis=[1, 2]),
    plain("LayerNormalization", (2, 3, 4), axis=1),
    plain("LayerNormalization", (2, 3, 4, 2), axis=[1, 3]),
    plain("RMSNormalization"),
    plain("RMSNormalization", (2, 3, 4), epsilon=0.1),
    plain("RMSNormalization", (2, 3, 4), axis=[1, 2]),
    plain("UnitNormalization"),
    plain("UnitNormalization", (2, 3, 4), axis=[1, 2]),
    plain("UnitNormalization", (2, 3, 4), axis=-2),
    plain("Rescaling", scale=0.5, offset=-1.0),
    plain("Rescaling", scale=[1.0, 2.0, 3.0, 4.0, 5.0], offset=0.5),
    plain("Rescaling", (2, 3, 2), scale=[[1.0], [2.0], [3.0]], offset=[0.5, 1.0]),
    plain("Normalization", mean=[1.0, 2, 3, 4, 5], variance=[1.0, 4, 0, 0.25, 9]),
    plain("Normalization", mean=2.0, variance=4.0, invert=True),
    plain("Normalization", (2, 3, 4), axis=1, mean=[1.0, 2, 3], variance=[4.0, 1, 9]),
    plain("Normalization", axis=None, mean=2.0, variance=4.0),
    plain("Reshape", (2, 12), target_shape=[3, 4]),
    plain("Reshape", (2, 3, 4), target_shape=[-1, 2]),
    plain("Permute", (2, 3, 4), dims=[2, 1]),
    plain("Permute", (2, 3, 4, 5), dims=[3, 1, 2]),
    plain("RepeatVector", n=3),
    plain("Identity"),
    plain("ActivityRegularization"),
    plain("Flatten", (2, 3, 4), data_format="channels_first"),
    plain("Softmax", (2, 3, 4), axis=[1, 2]),
    plain("Softmax", (2, 3, 4, 2), axis=[1, 3]),
    *(("GaussianNoise", {"stddev": s}, (4, 5), t, False) for s, t in ((0.0, True), (0.5, False))),
    *(("GaussianDropout", {"rate": r}, (4, 5), t, False) for r, t in ((0.0, True), (0.5, False))),
    *(("AlphaDropout", {"rate": r}, (4, 5), t, False) for r, t in ((0.0, True), (0.5, False))),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_outputs_gradients_and_states_are_those_of_keras(case):
    check_layer(case)


OPTIONS = [
    ("Embedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}),
    ("Embedding", {"input_dim": 7, "output_dim": 3, "embeddings_regularizer": "l2"}),
    ("GlobalAveragePooling1D", {"keepdims": True}),
    ("GlobalMaxPooling1D", {"data_format": "channels_first"}),
    ("GaussianNoise", {"stddev": 0.5, "seed": 3}),
    ("GaussianDropout", {"rate": 0.25}),
    ("AlphaDropout", {"rate": 0.25, "noise_shape": [2, 1]}),
    ("ActivityRegularization", {"l1": 0.5, "l2": 0.25}),
    ("Dense", {"units": 3, "activity_regularizer": "l1"}),
    ("LayerNormalization", {"axis": [1, 2], "gamma_regularizer": "l2", "epsilon": 0.5}),
    ("RMSNormalization", {"epsilon": 0.5}),
    ("UnitNormalization", {"axis": [1]}),
    ("Rescaling", {"scale": 0.5, "offset": 2.0}),
    ("Reshape", {"target_shape": [3, -1]}),
    ("Permute", {"dims": [2, 1]}),
    ("RepeatVector", {"n": 3}),
    ("Identity", {}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_configs(name, options):
    check_configs(name, options)
    check_that_keras_reads(name, options)


@keras_case
def keras_serialized_layer(keras, name, options):
    keras.backend.clear_session()
    layer = getattr(keras.layers, name)(**json.loads(options), name="theirs")
    return {"json": json.dumps(keras.layers.serialize(layer))}


THEIRS = [
    *OPTIONS,
    ("Normalization", {"mean": [1.0, 2.0], "variance": [4.0, 9.0], "invert": True}),
    ("Dense", {"units": 3, "activation": "hard_swish", "kernel_regularizer": "l1"}),
    ("BatchNormalization", {"momentum": 0.5}),
    ("Dropout", {"rate": 0.5, "seed": 4}),
    ("PReLU", {"shared_axes": [1]}),
    ("ReLU", {"max_value": 6.0}),
    ("Softmax", {"axis": 1}),
    ("InputLayer", {"shape": [3], "dtype": "int32"}),
    ("Flatten", {}),
]


@pytest.mark.parametrize(("name", "options"), THEIRS)
def test_configs_that_keras_wrote(name, options):
    config = json.loads(str(keras_serialized_layer(name, json.dumps(options))["json"]))
    layer = layers.deserialize(config)
    assert type(layer).__name__ == name
    assert layer.name == "theirs"
    ours = json.loads(json.dumps(layer.get_config()))
    for key, value in ours.items():
        if key != "dtype" and not isinstance(value, dict):
            assert value == config["config"][key], key


def test_an_option_of_keras_that_matters_is_refused():
    config = layers.Dense(2).get_config()
    with pytest.raises(ValueError, match="lora_rank=4 is not supported"):
        layers.Dense.from_config({**config, "lora_rank": 4})
    with pytest.raises(ValueError, match="renorm=True"):
        layers.BatchNormalization.from_config({"renorm": True})
    with pytest.raises(TypeError, match="bogus"):
        layers.Dense.from_config({**config, "bogus": 1})


class Eighth(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return np.full(shape, 0.125, dtype)


class Sum(regularizers.L1):
    pass


class Twice(activations.Activation):
    def forward(self, ops, x, *, y):
        y[...] = 2 * x

    def backward(self, ops, x, y, dy, *, dx):
        dx[...] = 2 * dy


def test_custom_objects_reach_what_a_layer_contains():
    layer = Dense(2, Twice(), kernel_initializer=Eighth(), kernel_regularizer=Sum(0.5))
    config = json.loads(json.dumps(layers.serialize(layer)))
    with pytest.raises(ValueError, match=r"Eighth|Twice|Sum"):
        layers.deserialize(config)
    known = {"Eighth": Eighth, "Sum": Sum, "Twice": Twice}
    again = layers.deserialize(config, known)
    assert (type(again.kernel_initializer), type(again.activation)) == (Eighth, Twice)
    assert type(again.kernel_regularizer) is Sum
    np.testing.assert_array_equal(again([[1.0, 1.0]]), [[0.5, 0.5]])
    model = Sequential([Input((2,)), layer])
    again = Sequential.from_config(json.loads(json.dumps(model.get_config())), known)
    assert type(again.layers[0].activation) is Twice


# --------------------------------------------------------------------- in models: steps of Keras


def targets(rows=8):
    return np.arange(rows) % 3


def ids(rows=8, steps=T):
    return (np.arange(rows * steps).reshape(rows, steps) * 5 + np.arange(rows)[:, None]) % V


STACKS = {
    "embedding": lambda k: [k.layers.Embedding(V, D), k.layers.Flatten()],
    "embedding, l2": lambda k: [
        k.layers.Embedding(V, D, embeddings_regularizer="l2"), k.layers.GlobalAveragePooling1D()],
    "embedding, masked": lambda k: [
        k.layers.Embedding(V, D, mask_zero=True), k.layers.Dense(4, "tanh"),
        k.layers.Dropout(0.0), k.layers.GlobalAveragePooling1D()],
    "embedding, frozen": lambda k: [
        k.layers.Embedding(V, D, trainable=False), k.layers.GlobalMaxPooling1D()],
    "embedding, penalized": lambda k: [
        k.layers.Embedding(V, D, activity_regularizer="l2"), k.layers.Flatten()],
    "max pooling": lambda k: [k.layers.Embedding(V, D), k.layers.GlobalMaxPooling1D()],
    "activity": lambda k: [
        k.layers.Dense(4, "tanh", activity_regularizer=k.regularizers.L1L2(0.1, 0.05)),
        k.layers.ActivityRegularization(0.02, 0.03)],
    "layer norm": lambda k: [
        k.layers.Dense(4), k.layers.LayerNormalization(gamma_regularizer="l2"),
        k.layers.Dense(4), k.layers.RMSNormalization(), k.layers.UnitNormalization()],
    "shapes": lambda k: [
        k.layers.Rescaling(0.5, 1.0), k.layers.Dense(6), k.layers.Reshape((3, -1)),
        k.layers.Permute((2, 1)), k.layers.Dense(2), k.layers.Flatten(), k.layers.RepeatVector(2),
        k.layers.Dense(3), k.layers.Identity(), k.layers.Flatten()],
    "normalization": lambda k: [
        k.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0]),
        k.layers.Dense(4, "relu"), k.layers.Normalization(mean=0.5, variance=4.0, invert=True)],
}  # fmt: skip


def build(k, name, last="softmax"):
    """The stack with a classifier on top; weights that both libraries can be given."""
    wide = "embedding" in name or "pooling" in name
    model = k.Sequential([k.Input((T,)), *STACKS[name](k), k.layers.Dense(3, last)])
    random = np.random.Generator(np.random.PCG64(7))
    model.set_weights([random.normal(0, 0.5, w.shape) for w in model.get_weights()])
    x = ids() if wide else random.normal(0, 1, (8, T)).astype("float32")
    return model, x


def trained(k, name, **options):
    # the loss takes logits: Keras on JAX would clip after a softmax
    model, x = build(k, name, last=None)
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(k.optimizers.SGD(0.5), loss, **options)
    fit = {"batch_size": 3, "epochs": 2, "shuffle": False, "verbose": 0}
    history = model.fit(x, targets(), **fit).history["loss"]
    result = {
        "history": history, "measured": model.evaluate(x, targets(), batch_size=5, verbose=0),
        "outputs": model.predict(x, verbose=0),
    }  # fmt: skip
    return model, result | {f"weight{i}": w for i, w in enumerate(model.get_weights())}


@keras_case
def keras_trained_stack(keras, name):
    return trained(keras, name)[1]


@both_devices
@pytest.mark.parametrize("name", STACKS)
def test_training_is_that_of_keras(name, device):
    expected = keras_trained_stack(name)
    model, got = trained(tinynet, name, device=device)
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=2e-4, atol=2e-5, err_msg=key)
    if device == "cpu":
        assert model.explain_execution() == RECORDED


RANDOM = {
    "GaussianNoise": lambda: layers.GaussianNoise(0.5, seed=3),
    "GaussianDropout": lambda: layers.GaussianDropout(0.3, seed=3),
    "AlphaDropout": lambda: layers.AlphaDropout(0.3, seed=3),
    "AlphaDropout, shared": lambda: layers.AlphaDropout(0.3, (None, 1), seed=3),
}
EVERY = {**{name: (lambda n=name: STACKS[n](tinynet)) for name in STACKS}, **{
    name: (lambda n=name: [Dense(5, "selu"), RANDOM[n]()]) for name in RANDOM
}, "activation glu": lambda: [Dense(6, "glu"), Dense(4, activations.threshold.with_options(
    threshold=0.1, default_value=-1.0))],
    "sparsemax": lambda: [Dense(6), layers.Softmax([1]), Dense(4, "sparsemax"), Dense(4, "celu")],
    "adapted": lambda: [layers.Normalization(), Dense(4)],
    "batchnorm(axis=1)": lambda: [layers.Reshape((3, 1)), Dense(4),
                                  layers.BatchNormalization(axis=1), layers.Flatten()],
}  # fmt: skip


def run(name, device, dtype, eagerly=False, rows=20, batch_size=8):
    before = tinynet.config.floatx()
    tinynet.config.set_floatx(dtype)
    tinynet.utils.set_random_seed(1)
    try:
        model = Sequential([Input((T,)), *EVERY[name](), Dense(3, "softmax")])
    finally:
        tinynet.config.set_floatx(before)
    wide = "embedding" in name or "pooling" in name
    x = ids(rows) if wide else np.random.Generator(np.random.PCG64(2)).normal(size=(rows, T))
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"],
                  device=device, run_eagerly=eagerly)  # fmt: skip
    y = targets(rows)
    history = model.fit(x, y, batch_size=batch_size, epochs=2, verbose=0, validation_split=0.2)
    if device == "cpu" and not eagerly:
        assert model.explain_execution() == RECORDED
    result = {f"history of {k}": v for k, v in history.history.items()}
    result |= {f"{i}: {p.name}": p.numpy() for i, p in enumerate(model.weights)}
    return result | {"outputs": model.predict(x, verbose=0)}


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("name", EVERY)
def test_the_replay_gives_the_eager_numbers(name, threads, monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", threads)
    expected = run(name, "reference", "float64")
    for eagerly in (True, False):
        got = run(name, "cpu", "float64", eagerly)
        for key, value in expected.items():
            np.testing.assert_allclose(got[key], value, rtol=1e-9, atol=1e-11, err_msg=key)


@pytest.mark.parametrize("name", ["embedding", "embedding, masked", "layer norm", "GaussianNoise"])
def test_large_batches_on_several_threads(name, monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "3")
    expected = run(name, "reference", "float32", rows=700, batch_size=300)
    got = run(name, "cpu", "float32", rows=700, batch_size=300)
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-4, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"adapted"}))
def test_gradients_by_finite_differences(name):
    tinynet.utils.set_random_seed(2)
    tinynet.config.set_floatx("float64")
    try:
        model = Sequential([Input((T,)), *EVERY[name](), Dense(3, "softmax")])
    finally:
        tinynet.config.set_floatx("float32")
    model.compile("sgd", "sparse_categorical_crossentropy")
    wide = "embedding" in name or "pooling" in name
    x = ids() if wide else numbers((8, T), 4, "float64")
    tinynet.gradcheck(model, x, targets(), tolerance=5e-6)  # of losses, which are larger


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.GlobalMaxPooling1D(dtype="float64"),
        lambda: GlobalAveragePooling1D(data_format="channels_first", dtype="float64"),
        lambda: layers.LayerNormalization(axis=[1], dtype="float64"),
        lambda: layers.UnitNormalization(axis=[1, 2], dtype="float64"),
        lambda: layers.RMSNormalization(dtype="float64"),
        lambda: layers.GaussianDropout(0.5, seed=1, dtype="float64"),
        lambda: layers.AlphaDropout(0.5, seed=1, dtype="float64"),
        lambda: layers.ActivityRegularization(0.3, 0.2, dtype="float64"),
        lambda: Dense(2, "tanh", activity_regularizer="l2", dtype="float64"),
        lambda: layers.Softmax([1, 2], dtype="float64"),
        lambda: layers.Activation(activations.glu.with_options(axis=2), dtype="float64"),
    ],
)
def test_gradients_of_single_layers(layer):
    x = np.random.Generator(np.random.PCG64(3)).normal(size=(3, 2, 4))
    tinynet.gradcheck(layer(), x)


# ---------------------------------------------------------------------------------- embedding


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


def test_layers_say_which_shape_does_not_fit():
    x = np.ones((2, 3, 4))
    for layer, message in (
        (layers.Reshape((5,)), "hold 12 numbers, which do not fill"),
        (layers.Reshape((5, -1)), "hold 12 numbers, which do not fill"),
        (layers.Permute((1,)), "needs input of 2 axes"),
        (layers.RepeatVector(2), r"expected input \(N, D\)"),
        (GlobalAveragePooling1D(keepdims=True), None),
        (layers.LayerNormalization(axis=3), "axis 3 does not exist"),
        (layers.LayerNormalization(axis=[0, 1]), "axis 0, the rows"),
        (layers.Rescaling([1.0, 2.0]), "scale of shape"),
        (layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 1.0]), "does not fit"),
        (Dense(3, "glu"), "halves"),
    ):
        if message is None:
            assert layer(x).shape == (2, 1, 4)
            continue
        with pytest.raises(ValueError, match=message):
            layer(x)
    with pytest.raises(ValueError, match="3 axes"):
        layers.GlobalMaxPooling1D()(x[0])
    for make in (
        lambda: layers.Reshape((-1, -1)), lambda: layers.Permute((1, 3)),
        lambda: layers.RepeatVector(0), lambda: layers.Flatten("last"),
        lambda: layers.Normalization(mean=1.0), lambda: layers.Normalization().adapt([]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"layer '"):
            make()


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), data=st.data())
def test_permute_is_transpose_and_its_backward_the_inverse(shape, data):
    dims = data.draw(st.permutations(range(1, len(shape) + 1)))
    x = np.random.Generator(np.random.PCG64(1)).normal(size=(2, *shape)).astype("float32")
    layer = layers.Permute(dims)
    y = layer(x)
    np.testing.assert_array_equal(y, x.transpose(0, *dims))
    np.testing.assert_array_equal(layer.backward(y), x)


# -------------------------------------------------------------------------- activity penalties


def test_an_activity_penalty_by_hand():
    layer = layers.ActivityRegularization(l1=0.5, l2=0.25)
    x = np.array([[1.0, -2.0], [0.0, 3.0]], "float32")
    np.testing.assert_array_equal(layer(x), x)
    # l1 (1 + 2 + 3) + l2 (1 + 4 + 9), by 2 rows
    assert layer.activity_losses.sum() == pytest.approx((0.5 * 6 + 0.25 * 14) / 2)
    dx = layer.backward(np.zeros_like(x))
    np.testing.assert_allclose(dx, [[0.5, -0.75], [0, 1.0]])


def test_a_changed_factor_is_noticed_by_a_recorded_step():
    model = Sequential([Input((T,)), Dense(2, activity_regularizer=regularizers.L2(0.5))])
    model.compile("sgd", "mse")
    x, y = numbers((4, T), 1), np.zeros((4, 2), "float32")
    first = model.evaluate(x, y, verbose=0)
    model.layers[0].activity_regularizer.l2 = 0.0
    loss = np.mean(model.predict(x, verbose=0) ** 2)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(loss)
    assert first > loss * 1.5


def test_an_activity_penalty_without_a_formula_is_refused():
    class Own(regularizers.Regularizer):
        def __call__(self, w):
            return 0.0

        def gradient(self, w):
            return w

    with pytest.raises(ValueError, match="activity_regularizer must be L1, L2 or L1L2"):
        Dense(2, activity_regularizer=Own())


@keras_case
def keras_softmax_over_two_axes(keras):
    import jax

    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Softmax([1, 2])])
    model.compile("sgd", "mse")
    x, y = jax.numpy.asarray(numbers((4, 2, 3), 1)), np.eye(3, dtype="float32")[[[0, 1]] * 4]
    return {"y": model.predict(x, verbose=0), "loss": keras.losses.CategoricalCrossentropy()(
        y, model(x))}  # fmt: skip


@both_devices
def test_a_softmax_over_several_axes_is_not_taken_for_the_one_of_the_loss(device):
    expected = keras_softmax_over_two_axes()
    model = Sequential([Input((2, 3)), layers.Softmax([1, 2])])
    model.compile("sgd", "categorical_crossentropy", device=device)
    x, y = numbers((4, 2, 3), 1), np.eye(3, dtype="float32")[[[0, 1]] * 4]
    close(model.predict(x, verbose=0), expected["y"])
    close(model.evaluate(x, y, verbose=0), expected["loss"])


# ------------------------------------------------------------------------------- ones own layer


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
        return inputs * 2


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


@both_devices
def test_a_model_without_any_matrix_product_learns(device):
    model = Sequential([Embedding(V, 3, input_length=T), GlobalAveragePooling1D()])
    assert model.output_shape == (None, 3)
    model.compile(optimizers.SGD(5.0), "mse", device=device)
    history = model.fit(ids(), np.eye(3)[targets()], epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
