"""Recorded steps, replayed by the device, against the same steps made one by one.

Three runs of a case, on `reference`, and on `cpu` eagerly and replayed, end with the same weights,
histories, measurements and predictions.
"""

import gc
import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

import tinynet
from tinynet import Sequential, activations, losses, optimizers, regularizers
from tinynet.callbacks import Callback
from tinynet.capture import Program
from tinynet.layers import (
    ELU,
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    LeakyReLU,
    PReLU,
    ReLU,
    Softmax,
)  # fmt: skip
from tinynet.optimizers import schedules
from tinynet.utils import to_categorical

D, C, N = 5, 3, 20
PRECISION = {
    "float32": {"rtol": 1e-4, "atol": 2e-6}, "float64": {"rtol": 1e-10, "atol": 1e-12}
}  # fmt: skip
RECORDED = "recorded once and replayed"


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")


def data(rows=N, shape=(D,), dtype="float64"):
    rng = np.random.Generator(np.random.PCG64(3))
    x = 3 * rng.normal(size=(rows, *shape))
    return (x > 0 if dtype == "bool" else abs(x) if dtype == "uint8" else x).astype(dtype)


def labels(rows=N, classes=C):
    return np.arange(rows) * 7 % 5 % classes


def run(make, x, y, *, device="cpu", eagerly=False, epochs=2, batch_size=8, weight=None,
        recorded=True):  # fmt: skip
    """Everything that a run leaves behind, as a dict of arrays; `make()` gives a compiled model."""
    tinynet.utils.set_random_seed(1)
    model = make(device=device, run_eagerly=eagerly)
    fit = {"batch_size": batch_size, "epochs": epochs, "verbose": 0, "sample_weight": weight}
    history = model.fit(x, y, validation_data=(x[:7], y[:7]), **fit)
    step = model.train_on_batch(x[:5], y[:5])
    measured = model.evaluate(x, y, batch_size=6, verbose=0, sample_weight=weight)
    outputs = model.predict(x, batch_size=7, verbose=0)
    if device == "cpu" and not eagerly and recorded:
        assert model.explain_execution() == RECORDED
        assert all(program is not None for _, program in model.execution.programs.values())
    result = {f"history of {k}": v for k, v in history.history.items()}
    result |= {f"{i}: {p.name}": p.numpy() for i, p in enumerate(model.weights)}
    return result | {"step": step, "measured": measured, "outputs": outputs}


def agree(make, x, y, dtype="float64", **options):
    """The three runs give the same numbers."""
    expected = run(make, x, y, device="reference", **options)
    assert np.isfinite(expected["outputs"]).all()
    for eagerly in (True, False):
        got = run(make, x, y, eagerly=eagerly, **options)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(
                got[name], value, **PRECISION[dtype], err_msg=f"{name}, eagerly={eagerly}"
            )
    return expected


def maker(layers, loss="sparse_categorical_crossentropy", optimizer="adam", shape=(D,),
          dtype="float64", metrics=("accuracy",)):  # fmt: skip
    """A function that builds and compiles; `layers`, and the others at will, are functions."""

    def make(**options):
        model = Sequential([Input(shape), *layers()])
        rule = optimizer() if callable(optimizer) else optimizer
        made = loss() if callable(loss) else loss
        model.compile(rule, made, metrics=list(metrics), **options)
        return model

    def in_dtype(**options):
        before = tinynet.config.floatx()
        tinynet.config.set_floatx(dtype)
        try:
            return make(**options)
        finally:
            tinynet.config.set_floatx(before)

    return in_dtype


def small(activation="relu", last="softmax"):
    return [Dense(4, activation=activation), Dense(C, activation=last)]


# ----------------------------------------------------------------------------------- each layer

LAYERS = {
    "batchnorm": lambda: BatchNormalization(momentum=0.8),
    "batchnorm, plain": lambda: BatchNormalization(center=False, scale=False),
    "batchnorm, gamma": lambda: BatchNormalization(center=False, gamma_regularizer="l2"),
    "batchnorm, frozen": lambda: BatchNormalization(trainable=False),
    "dropout": lambda: Dropout(0.4, seed=3),
    "dropout 0": lambda: Dropout(0),
    "dropout 1": lambda: Dropout(1.0),
    "flatten": Flatten,
    "relu": ReLU,
    "relu 3": lambda: ReLU(negative_slope=0.1, max_value=1.5, threshold=0.2),
    "leaky": LeakyReLU,
    "elu": lambda: ELU(0.5),
    "prelu": lambda: PReLU(alpha_initializer="ones", alpha_regularizer="l1"),
    "softmax": Softmax,
    "dense": lambda: Dense(6, activation="tanh", use_bias=False),
    "dense, frozen": lambda: Dense(6, activation="tanh", trainable=False),
    "dense 1": lambda: Dense(1),
    "two": lambda: Dense(17, activation="gelu", kernel_regularizer="l1_l2", bias_regularizer="l2"),
} | {
    name: lambda name=name: Activation(name)
    for name, f in sorted(activations._registry.objects.items())
    if activations.REQUIRED not in f.options.values()
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_between_dense_ones(name, dtype):
    def layers():
        return [Dense(4), LAYERS[name](), Dense(C, activation="softmax")]

    # Adam would blow up what rounding leaves of the gradient of a bias below a normalization
    noisy = dtype == "float32" and name.startswith("batchnorm")
    rule = (lambda: optimizers.SGD(0.05)) if noisy else "adam"
    agree(maker(layers, optimizer=rule, dtype=dtype), data(), labels(), dtype)


@pytest.mark.parametrize("name", ["batchnorm", "dropout", "prelu", "relu", "flatten"])
def test_each_layer_first_and_last(name):
    agree(maker(lambda: [LAYERS[name](), *small()]), data(), labels())
    make = maker(lambda: [Dense(C), LAYERS[name]()], "mse", metrics=["mae"])
    agree(make, data(), to_categorical(labels(), C))


@pytest.mark.parametrize("first_frozen", [True, False])
def test_frozen_layers_below_and_above(first_frozen):
    def layers():
        stack = [Dense(4, activation="relu"), BatchNormalization(), Dense(4), Dense(C, "softmax")]
        for layer in stack[:2] if first_frozen else stack[2:]:
            layer.trainable = False
        return stack

    agree(maker(layers), data(), labels())


RANK_3 = {
    "prelu, shared": lambda: [
        Dense(4), PReLU("ones", shared_axes=[1]), Flatten(), Dense(C, "softmax")],
    "noise_shape": lambda: [
        Dense(4), Dropout(0.5, (None, 1, 4), seed=2), Flatten(), Dense(C, "softmax")],
    "one mask": lambda: [
        Dense(4), Dropout(0.5, (1, 2, 4), seed=2), Flatten(), Dense(C, "softmax")],
    "softmax(axis=1)": lambda: [Dense(4), Softmax(axis=1), Flatten(), Dense(C, "softmax")],
    "batchnorm(axis=1)": lambda: [BatchNormalization(axis=1), Flatten(), Dense(C, "softmax")],
    "dense": lambda: [Dense(4, activation="relu"), Flatten(), Dense(C, activation="softmax")],
    "batchnorm": lambda: [Dense(4), BatchNormalization(), Flatten(), Dense(C, "softmax")],
    "dropout": lambda: [Dense(4), Dropout(0.5, seed=1), PReLU(), Flatten(), Dense(C, "softmax")],
    "rowwise": lambda: [Dense(4, activation="log_softmax"), Flatten(), Dense(C, "softmax")],
}  # fmt: skip


@pytest.mark.parametrize("batch_size", [3, 300])
@pytest.mark.parametrize("name", RANK_3)
def test_inputs_of_rank_3(name, batch_size):
    rows = 310 if batch_size > 100 else N
    make = maker(RANK_3[name], shape=(2, D))
    agree(make, data(rows, (2, D)), labels(rows), batch_size=batch_size)


def test_outputs_of_rank_3():
    y = labels(2 * N).reshape(N, 2)
    agree(maker(small, shape=(2, D)), data(N, (2, D)), y)
    make = maker(lambda: small(last="tanh"), "mse", shape=(2, D), metrics=["mae"])
    agree(make, data(N, (2, D)), to_categorical(y, C))


# ------------------------------------------------------------------------- losses and optimizers

LOSSES = {
    "sparse": ("softmax", lambda **o: losses.SparseCategoricalCrossentropy(**o)),
    "sparse, not fused": ("sigmoid", lambda **o: losses.SparseCategoricalCrossentropy(**o)),
    "sparse, logits": (None, lambda **o: losses.SparseCategoricalCrossentropy(True, **o)),
    "categorical": ("softmax", lambda **o: losses.CategoricalCrossentropy(**o)),
    "smoothed": ("softmax", lambda **o: losses.CategoricalCrossentropy(label_smoothing=0.2, **o)),
    "categorical, not fused": ("sigmoid", lambda **o: losses.CategoricalCrossentropy(**o)),
    "categorical, logits": (None, lambda **o: losses.CategoricalCrossentropy(True, 0.1, **o)),
    "binary": ("sigmoid", lambda **o: losses.BinaryCrossentropy(**o)),
    "binary, not fused": ("softmax", lambda **o: losses.BinaryCrossentropy(False, 0.1, **o)),
    "binary, logits": (None, lambda **o: losses.BinaryCrossentropy(True, **o)),
    "mse": ("tanh", lambda **o: losses.MeanSquaredError(**o)),
    "mae": ("tanh", lambda **o: losses.MeanAbsoluteError(**o)),
    "huber": (None, lambda **o: losses.Huber(0.3, **o)),
    "sparse, ignoring": (
        "softmax", lambda **o: losses.SparseCategoricalCrossentropy(ignore_class=1, **o)
    ),
    "sparse, ignoring, not fused": (
        "sigmoid", lambda **o: losses.SparseCategoricalCrossentropy(False, 2, **o)
    ),
    "mape": ("tanh", lambda **o: losses.MeanAbsolutePercentageError(**o)),
    "msle": ("sigmoid", lambda **o: losses.MeanSquaredLogarithmicError(**o)),
    "log_cosh": (None, lambda **o: losses.LogCosh(**o)),
    "cosine_similarity": (None, lambda **o: losses.CosineSimilarity(**o)),
    "hinge": ("tanh", lambda **o: losses.Hinge(**o)),
    "squared_hinge": ("tanh", lambda **o: losses.SquaredHinge(**o)),
    "categorical_hinge": (None, lambda **o: losses.CategoricalHinge(**o)),
    "kl_divergence": ("softmax", lambda **o: losses.KLDivergence(**o)),
    "poisson": ("softplus", lambda **o: losses.Poisson(**o)),
    "binary focal": ("sigmoid", lambda **o: losses.BinaryFocalCrossentropy(True, **o)),
    "binary focal, logits": (
        None, lambda **o: losses.BinaryFocalCrossentropy(from_logits=True, gamma=1.5, **o)
    ),
    "categorical focal": (
        "softmax", lambda **o: losses.CategoricalFocalCrossentropy([0.3, 0.2, 0.5], **o)
    ),
    "categorical focal, logits": (
        None,
        lambda **o: losses.CategoricalFocalCrossentropy(
            from_logits=True, label_smoothing=0.1, gamma=0.5, **o
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("name", LOSSES)
def test_each_loss(name, reduction, weighted):
    last, loss = LOSSES[name]
    metrics = ["accuracy"] if name.startswith("sparse") else ["accuracy", "mae"]
    make = maker(lambda: small(last=last), lambda: loss(reduction=reduction), metrics=metrics)
    y = labels() if name.startswith("sparse") else to_categorical(labels(), C)
    # Not evenly spaced: such weights cancel in a bias's gradient but for rounding, and its sign
    # breaks a tie between that bias and the others' zero in CategoricalHinge.
    weight = np.linspace(0, 2, N) ** 1.5 if weighted else None
    agree(make, data(), y, weight=weight)


SMALL_STEPS = schedules.ExponentialDecay(0.05, 2, 0.7)
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(SMALL_STEPS, momentum=0.9, nesterov=True),
    "sgd, clipnorm": lambda: optimizers.SGD(0.1, clipnorm=0.01),
    "sgd, global_clipnorm": lambda: optimizers.SGD(0.1, global_clipnorm=0.02),
    "sgd, not clipped": lambda: optimizers.SGD(0.1, global_clipnorm=1e3),
    "sgd, clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.01),
    "sgd, decay": lambda: optimizers.SGD(0.1, weight_decay=0.3),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "rmsprop, centered": lambda: optimizers.RMSprop(0.01, centered=True),
    "rmsprop, momentum": lambda: optimizers.RMSprop(0.01, momentum=0.8, clipnorm=0.1),
    "rmsprop, both": lambda: optimizers.RMSprop(SMALL_STEPS, momentum=0.8, centered=True),
    "adam": lambda: optimizers.Adam(SMALL_STEPS),
    "amsgrad": lambda: optimizers.Adam(0.02, beta_1=0.7, beta_2=0.6, amsgrad=True),
    "adam, clipped": lambda: optimizers.Adam(0.02, global_clipnorm=0.01, epsilon=1e-3),
    "adamw": lambda: optimizers.AdamW(SMALL_STEPS, weight_decay=0.2),
}


@pytest.mark.parametrize("batch_size", [8, 300])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer(name, batch_size):
    rows = N if batch_size < 100 else 310
    make = maker(small, optimizer=OPTIMIZERS[name])
    agree(make, data(rows), labels(rows), batch_size=batch_size)


def test_weight_decay_with_exclusions():
    def make(**options):
        model = maker(
            lambda: [Dense(4, activation="relu"), BatchNormalization(), Dense(C, "softmax")],
            optimizer=lambda: optimizers.AdamW(0.05, weight_decay=0.5),
        )(**options)
        model.optimizer.exclude_from_weight_decay([model.layers[2].kernel], ["gamma", "bias"])
        return model

    with_exclusions = agree(make, data(), labels())
    without = run(maker(lambda: small()), data(), labels())
    assert with_exclusions["measured"] != without["measured"]


# ------------------------------------------------------------ batch sizes, threads, kinds of data


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 64, 130, 300])
@pytest.mark.parametrize("kind", ["dense", "batchnorm"])
def test_batch_sizes_and_threads(kind, batch_size, threads, monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", str(threads))
    rows = 2 * batch_size + batch_size // 3 + 7

    def layers():
        middle = [BatchNormalization()] if kind == "batchnorm" else []
        return [Dense(17, activation="relu"), *middle, Dense(1), Dense(C, activation="softmax")]

    weight = np.linspace(0.1, 2, rows)
    options = {"batch_size": batch_size, "epochs": 1, "weight": weight}
    agree(
        maker(layers, optimizer=lambda: optimizers.SGD(0.01)), data(rows), labels(rows), **options
    )


@pytest.mark.parametrize(
    "dtype", ["uint8", "bool", "int16", "int32", "int64", "float32", "float64"]
)
def test_kinds_of_input(dtype):
    x = data(dtype=dtype)
    agree(maker(small), x, labels())
    agree(maker(small), np.asfortranarray(x), labels().astype("uint8"))
    agree(maker(small), np.repeat(x, 2, axis=0)[::2], labels().astype(float))


@pytest.mark.parametrize("batch_size", [1, 3, 64, 300])
def test_inputs_that_are_mostly_zero(batch_size):
    x = data(310)
    x[np.abs(x) < 5] = 0
    assert 0 < np.count_nonzero(x) < x.size / 4
    x = np.tile(x, (1, 4))
    make = maker(small, shape=(4 * D,))
    agree(make, x, labels(310), batch_size=batch_size, epochs=1)


def test_one_and_the_same_model_on_dense_and_on_sparse_data():
    sparse = np.where(data() > 4, 1.0, 0.0)
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = maker(small)(device=device)
        for x in (data(), sparse, data(), sparse):
            model.fit(x, labels(), batch_size=8, verbose=0)
        results.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(*results, rtol=1e-10)


STACKABLE = set(LAYERS) - {"dropout 1", "exponential", "glu"}  # glu needs an even number
STACKS = st.lists(st.sampled_from(sorted(STACKABLE)), max_size=4)


@settings(max_examples=25)
@given(
    STACKS, st.sampled_from(sorted(LOSSES)), st.sampled_from(sorted(OPTIMIZERS)),
    st.sampled_from([1, 2, 3, 16, 130, 260]), st.integers(1, 3), st.booleans(),
)  # fmt: skip
def test_combinations(stack, name, optimizer, batch_size, threads, weighted):
    last, loss = LOSSES[name]
    rows = 11 if batch_size < 16 else batch_size + 9
    y = labels(rows) if name.startswith("sparse") else to_categorical(labels(rows), C)

    def layers():
        return [Dense(6), *(LAYERS[one]() for one in stack), Dense(C, activation=last)]

    before = os.environ["TINYNET_NUM_THREADS"]
    os.environ["TINYNET_NUM_THREADS"] = str(threads)
    try:
        make = maker(layers, loss, OPTIMIZERS[optimizer])
        weight = np.linspace(0.1, 2, rows) if weighted else None
        expected = run(make, data(rows), y, device="reference", epochs=1, batch_size=batch_size,
                       weight=weight)  # fmt: skip
        got = run(make, data(rows), y, epochs=1, batch_size=batch_size, weight=weight)
    finally:
        os.environ["TINYNET_NUM_THREADS"] = before
    for key, value in expected.items():  # a steep stack enlarges what rounding leaves
        np.testing.assert_allclose(got[key], value, rtol=1e-6, atol=1e-8, err_msg=key)


def test_dropout_masks_are_those_of_the_reference():
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = maker(
            lambda: [Dense(4, use_bias=False, kernel_initializer="ones"), Dropout(0.5, seed=2)],
            "mae", lambda: optimizers.SGD(1.0), metrics=(),
        )(device=device)  # fmt: skip
        model.fit(np.ones((N, D)), np.full((N, 4), 100.0), batch_size=1, shuffle=False, verbose=0)
        results.append(model.get_weights()[0])  # counts the entries that were kept
    np.testing.assert_array_equal(*results)


def test_the_same_seed_gives_the_same_bits():
    first, second = (run(maker(small, dtype="float32"), data(), labels()) for _ in range(2))
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value)


# ----------------------------------------------------------------------- what runs eagerly, and why


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


# ----------------------------------------------------------------------------- changes are noticed


def compile_again(model):
    rule = optimizers.SGD(0.3, momentum=0.5)
    model.compile(rule, losses.SparseCategoricalCrossentropy(), device=model.device,
                  metrics=["accuracy"])  # fmt: skip


def retrain_within_another_model(model):
    top = Dense(2, activation="softmax", dtype=model.dtype)
    other = Sequential([Input((D,)), *model.layers[:-1], top])
    other.compile("sgd", "sparse_categorical_crossentropy", device=model.device)
    other.fit(data(), labels(N, 2), verbose=0)


def exchange_top(model):
    model.pop()
    model.add(Dense(C, activation="softmax", name="top", dtype=model.dtype))


CHANGES = {
    "rate": lambda m: setattr(m.layers[1], "rate", 0.9),
    "no rate": lambda m: setattr(m.layers[1], "rate", 0.0),
    "activation": lambda m: setattr(m.layers[0], "activation", activations.tanh),
    "last activation": lambda m: setattr(m.layers[-1], "activation", activations.sigmoid),
    "momentum": lambda m: setattr(m.layers[2], "momentum", 0.1),
    "frozen": lambda m: setattr(m.layers[0], "trainable", False),
    "frozen normalization": lambda m: setattr(m.layers[2], "trainable", False),
    "all frozen": lambda m: setattr(m, "trainable", False),
    "clipnorm": lambda m: setattr(m.optimizer, "clipnorm", 0.001),
    "beta_1": lambda m: setattr(m.optimizer, "beta_1", 0.1),
    "rate of learning": lambda m: setattr(m.optimizer, "learning_rate", 0.5),
    "weight_decay": lambda m: setattr(m.optimizer, "weight_decay", 0.5),
    "exclusions": lambda m: m.optimizer.exclude_from_weight_decay(m.layers[0].weights),
    "penalty": lambda m: setattr(m.layers[0].kernel.regularizer, "l2", 0.5),
    "other penalty": lambda m: setattr(m.layers[0].kernel, "regularizer", regularizers.L1(0.3)),
    "no penalty": lambda m: setattr(m.layers[0].kernel, "regularizer", None),
    "compile": compile_again,
    "set_weights": lambda m: m.set_weights([w + 0.1 for w in m.get_weights()]),
    "pop, add": exchange_top,
    "shared": retrain_within_another_model,
    "smoothing": lambda m: setattr(m.loss, "from_logits", True),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_changes_between_fits_are_noticed(name):
    results = []
    for options in ({"device": "reference"}, {"device": "cpu"}):
        tinynet.utils.set_random_seed(1)
        model = maker(
            lambda: [Dense(6, "relu", kernel_regularizer=regularizers.L2(0.01)),
                     Dropout(0.3, seed=3), BatchNormalization(), Dense(C, "softmax", name="last")],
            optimizer=lambda: optimizers.AdamW(0.02, weight_decay=0.01),
        )(**options)  # fmt: skip
        logs = []
        for turn in range(3):
            fitted = model.fit(data(), labels(), batch_size=8, verbose=0)
            logs += [*fitted.history["loss"], *model.evaluate(data(), labels(), verbose=0)]
            logs += list(model.predict(data(), verbose=0).ravel())
            if turn == 0:
                CHANGES[name](model)
        results.append(np.concatenate([logs, *[w.ravel() for w in model.get_weights()]]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9, atol=1e-11)


def test_a_new_optimizer_at_the_old_ones_address_is_a_new_one():
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = maker(small)(device=device)
        for i in range(8):
            model.compile(optimizers.Adam(0.01, beta_1=i / 10), "sparse_categorical_crossentropy",
                          device=device)  # fmt: skip
            gc.collect()
            model.fit(data(), labels(), batch_size=8, verbose=0)
        results.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def test_loaded_weights_are_used(tmp_path):
    model = maker(small)(device="cpu")
    before = model.predict(data(), verbose=0)
    model.save_weights(tmp_path / "w.npz")
    model.fit(data(), labels(), epochs=3, verbose=0)
    assert not np.allclose(model.predict(data(), verbose=0), before)
    model.load_weights(tmp_path / "w.npz")
    np.testing.assert_array_equal(model.predict(data(), verbose=0), before)


def on(hook, action):
    """A callback with one hook."""
    callback = Callback()
    setattr(callback, hook, lambda *args: action(callback.model, *args))
    return callback


def test_a_learning_rate_set_by_a_callback_and_one_set_within_an_epoch():
    def rates(model, number, logs):
        model.optimizer.learning_rate = 0.1 / (1 + number)

    for hook in ("on_epoch_begin", "on_train_batch_end"):
        results = []
        for device in ("reference", "cpu"):
            tinynet.utils.set_random_seed(1)
            model = maker(small, optimizer=lambda: optimizers.SGD(0.3))(device=device)
            model.fit(data(), labels(), 4, 3, verbose=0, callbacks=[on(hook, rates)])
            results.append(model.predict(data(), verbose=0))
        np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end"])
def test_another_model_with_shared_layers_is_trained_within_a_callback(hook):
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model = maker(lambda: [*small(), Dense(C, "softmax")])(device=device)
        action = on(hook, lambda m, *args: retrain_within_another_model(m))
        model.fit(data(), labels(), 8, 2, verbose=0, callbacks=[action])
        model.fit(data(), labels(), 8, 2, verbose=0)
        results.append(model.predict(data(), verbose=0))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-8)


# ---------------------------------------------------------------------------------- robustness


def blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def fail(*args):
    raise KeyError("from a callback")


@pytest.mark.parametrize("hook", ["on_train_begin", "on_train_batch_end", "on_epoch_end", "none"])
def test_blas_has_its_threads_back(hook):
    before = blas_threads()
    assert before
    model = maker(small)(device="cpu")
    if hook == "none":
        model.fit(data(), labels(), verbose=0)
    else:
        with pytest.raises(KeyError, match="from a callback"):
            model.fit(data(), labels(), verbose=0, callbacks=[on(hook, fail)])
    assert blas_threads() == before
    model.predict(data(), verbose=0)
    assert blas_threads() == before


def test_batch_callbacks_see_every_batch_and_the_running_logs():
    seen = []
    for eagerly in (True, False):
        tinynet.utils.set_random_seed(1)
        rows = []
        model = maker(small)(device="cpu", run_eagerly=eagerly)

        def see(model, step, logs, rows=rows):
            rows.append((step, dict(logs)))

        hooks = [on("on_train_batch_begin", see), on("on_train_batch_end", see)]
        model.fit(data(), labels(), 3, 2, verbose=0, callbacks=hooks)
        seen.append(rows)
    steps = [i for i in range(7) for _ in "ab"] * 2
    assert [i for i, _ in seen[0]] == [i for i, _ in seen[1]] == steps
    for (_, eager), (_, replayed) in zip(*seen, strict=True):
        assert replayed == pytest.approx(eager, rel=1e-10)


def test_stop_training_after_a_batch_stops_at_once():
    model = maker(small)(device="cpu")
    model.fit(data(), labels(), 2, verbose=0)  # long stretches, were it not for the callback

    def stop(model, step, logs):
        model.stop_training = step == 3

    steps = model.steps_taken
    history = model.fit(
        data(), labels(), 2, 5, verbose=0, callbacks=[on("on_train_batch_end", stop)]
    )
    assert model.steps_taken == steps + 4
    assert len(history.history["loss"]) == 1


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_epoch_end"])
def test_an_interrupt_leaves_a_model_that_can_be_used(hook):
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model, epochs = maker(small)(device=device), []

        def interrupt(model, number, logs, epochs=epochs):
            epochs.append(number)
            if len(epochs) == (8 if hook == "on_train_batch_end" else 3):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            model.fit(data(), labels(), 8, 9, verbose=0, callbacks=[on(hook, interrupt)])
        assert len(model.history.history["loss"]) == 2
        model.fit(data(), labels(), 8, 2, verbose=0)
        results.append(model.predict(data(), verbose=0))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def trained(seed=1, device="cpu", epochs=3):
    tinynet.utils.set_random_seed(seed)
    model = maker(small)(device=device)
    options = {"epochs": epochs, "shuffle": False, "verbose": 0}
    return lambda: model.fit(data(), labels(), 8, **options) and model.get_weights()


def test_fit_in_other_threads():
    fits = [trained(seed, epochs=60) for seed in (1, 2)]
    results, before = {}, blas_threads()
    workers = [
        threading.Thread(target=lambda i=i: results.update({i: fits[i]()}))
        for i in range(len(fits))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    for i, seed in enumerate((1, 2)):
        for got, expected in zip(results[i], trained(seed, epochs=60)(), strict=True):
            np.testing.assert_array_equal(got, expected)
    assert blas_threads() == before


def _send_weights(pipe, epochs):
    pipe.send(trained(epochs=epochs)())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
def test_fit_after_a_fork():
    expected = trained()()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_send_weights, args=(there, 3))
    child.start()
    try:
        assert here.poll(60), "the child does not answer"
        for got, wanted in zip(here.recv(), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
        child.join(10)
        assert child.exitcode == 0
    finally:
        if child.is_alive():
            child.kill()


def test_many_fits_leave_nothing_behind():
    model = maker(small)(device="cpu")

    def programs_after(count):
        for i in range(count):
            model.fit(data(), labels(), 8 + i % 2, verbose=0)
            model.evaluate(data(), labels(), 8, verbose=0)
        gc.collect()
        return sum(type(one) is Program for one in gc.get_objects())

    first = programs_after(10)
    assert first > 0
    assert programs_after(200) == first
    program = next(p for _, p in model.execution.programs.values())
    count = len(model.execution.programs)
    model.fit(data(), labels(), 8, verbose=0)
    assert next(p for _, p in model.execution.programs.values()) is program
    assert len(model.execution.programs) == count


def test_programs_of_models_that_are_gone_are_gone():
    gc.collect()
    before = sum(type(one) is Program for one in gc.get_objects())
    for _ in range(5):
        trained()()
    gc.collect()
    assert sum(type(one) is Program for one in gc.get_objects()) == before


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_number_of_threads_that_is_none(value, monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", value)
    with pytest.raises(ValueError, match=f"TINYNET_NUM_THREADS must be an integer >= 1.*'{value}'"):
        trained()()


LOCATOR = "UserProvidedCacheLocator"
SCRIPT = """
import numpy as np
from tinynet import Sequential
from tinynet.layers import Dense, Input
model = Sequential([Input((2,)), Dense(1)])
model.compile("sgd", "mse", device="cpu")
model.fit(np.ones((4, 2), "float32"), np.ones(4), verbose=0)
print(model.explain_execution())
"""


def test_a_cache_folder_that_cannot_be_written():
    only = "UserProvidedCacheLocator"  # else Numba looks for another folder
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": "/proc/nope",
        "NUMBA_CACHE_LOCATOR_CLASSES": only,
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True,
                          env=environment, timeout=240)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith(RECORDED)


def test_an_interrupted_stretch_is_counted(monkeypatch):
    """Ctrl-C comes through when the compiled loop has ended: its steps have been made."""
    model = Sequential([Dense(3, input_shape=(4,))])
    model.compile("adam", "mse", device="cpu")
    x, y = np.ones((8, 4), "float32"), np.ones((8, 3), "float32")
    model.fit(x, y, batch_size=4, verbose=0)
    before = model.get_weights()
    program = model.execution.program("train", 4)
    finished = program.machine.run

    def interrupted(*args):
        finished(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(program.machine, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    assert (model.get_weights()[0] != before[0]).any()
    assert model.optimizer.iterations == model.steps_taken > 2
