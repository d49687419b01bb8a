"""Models of the rarer layers: whole trainings against Keras, replay, finite differences."""

import numpy as np
import pytest
from layer_checks import numbers
from layer_models import RANDOM, D, T, V, both_devices, ids, targets
from oracle import keras_case

import tinynet
from tinynet import Sequential, activations, layers, optimizers
from tinynet.layers import Dense, Embedding, GlobalAveragePooling1D, Input

RECORDED = "recorded once and replayed"


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


@both_devices
def test_a_model_without_any_matrix_product_learns(device):
    model = Sequential([Embedding(V, 3, input_length=T), GlobalAveragePooling1D()])
    assert model.output_shape == (None, 3)
    model.compile(optimizers.SGD(5.0), "mse", device=device)
    history = model.fit(ids(), np.eye(3)[targets()], epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
