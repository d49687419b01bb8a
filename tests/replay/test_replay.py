"""Recorded steps, replayed by the device, against the same steps made one by one: every layer, loss
and optimizer, batch sizes, threads, kinds of data.
"""

import itertools
import os

import numpy as np
import pytest
import replay_runs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from replay_runs import C, D, N, agree, data, labels, maker, run, small

import tinynet
from tinynet import activations, losses, optimizers
from tinynet.kernels.cpu import gemm
from tinynet.kernels.cpu.machine import program, threads
from tinynet.layers import (
    ELU,
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    PReLU,
    ReLU,
    Softmax,
)
from tinynet.optimizers import schedules
from tinynet.utils import to_categorical

pytestmark = pytest.mark.usefixtures("two_threads")


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
    without = replay_runs.run(maker(lambda: small()), data(), labels())
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


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("way", ["rows", "parts", "columns"])
@pytest.mark.parametrize("kind", ["dense", "batchnorm"])
def test_all_ways_to_split_a_step(kind, way, threads, monkeypatch):
    """By rows of the batch, of each W, or columns: whatever the rule says of the model's size."""
    rule = lambda rows, weights, threads: way == "rows" and rows >= threads  # noqa: E731
    monkeypatch.setattr(program, "splits_rows", rule)
    monkeypatch.setattr(program, "WIDE", 0 if way == "columns" else 1 << 40)
    for batch_size in (24, 270):
        test_batch_sizes_and_threads(kind, batch_size, threads, monkeypatch)


def test_a_small_step_takes_one_thread(monkeypatch):
    """Another one would take longer to wake; the numbers are the same. BLAS keeps its threads where
    no product is left to it.
    """
    limited, from_ = [], 8000 * 20
    monkeypatch.undo()
    monkeypatch.setattr(gemm, "LIMITED_FROM", from_)
    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")
    monkeypatch.setattr(threads._Limit, "__enter__", lambda self: limited.append(self))
    monkeypatch.setattr(threads._Limit, "__exit__", lambda *_: None)
    make = maker(small)
    for batch_size, expected in ((80, 1), (8000, 2)):
        model = make(device="cpu")
        model.fit(data(8000), labels(8000), batch_size=batch_size, epochs=1, verbose=0)
        used = {program.machine.threads for _, program in model.execution.programs.values()}
        assert used == {expected}
        assert bool(limited) == (batch_size * model.count_params() >= from_)
    agree(make, data(), labels())


@pytest.mark.parametrize("more", [0, 1])
def test_blas_is_limited_by_all_rows_of_a_batch(more, monkeypatch):
    """Not by its samples: a Dense layer multiplies each of their rows."""
    limited = []
    monkeypatch.setattr(threads._Limit, "__enter__", lambda self: limited.append(self))
    monkeypatch.setattr(threads._Limit, "__exit__", lambda *_: None)
    monkeypatch.setattr(gemm, "LIMITED_FROM", 16 * 128 * (8 * 4 + 4) + more)
    model = tinynet.Sequential([Dense(4, input_shape=(128, 8))])
    model.compile(device="cpu")
    model.predict(np.ones((16, 128, 8), np.float32), batch_size=16, verbose=0)
    assert bool(limited) == (more == 0)


def test_wide_layers_are_split_by_columns(two_threads, monkeypatch):
    """But the first, whose inputs' zeros may be left out, and none that rows split."""
    monkeypatch.setattr(program, "WIDE", 0)
    layers = lambda: [Dense(17), Dense(1), Dense(9), Dense(C, activation="softmax")]  # noqa: E731
    agree(maker(layers), data(), labels(), batch_size=5)
    model = maker(layers)(device="cpu")
    model.fit(data(), labels(), batch_size=5, epochs=1, verbose=0)
    for _, recorded in model.execution.programs.values():
        names = recorded.machine.names
        assert sum(name.startswith("linear_part") for name in names) == 1
        assert names.count("linear_columns") == 3
    monkeypatch.setattr(program, "splits_rows", lambda *_: True)
    model = maker(layers)(device="cpu")
    model.fit(data(), labels(), batch_size=5, epochs=1, verbose=0)
    for _, recorded in model.execution.programs.values():
        assert "linear_columns" not in recorded.machine.names


@pytest.mark.parametrize(
    ("widths", "by_weights_at", "by_rows_at"),  # the faster way, as measured on two threads
    [((20, 64, 64, 2), 8, 32), ((784, 128, 10), 32, 64), ((784, 300, 200, 100, 10), 128, 256),
     ((784, 512, 512, 10), 128, 512), ((784, 1024, 1024, 1024, 10), 256, 1024),
     ((784, 2048, 2048, 10), 512, 2048)],
)  # fmt: skip
def test_large_models_are_split_by_their_weights(widths, by_weights_at, by_rows_at):
    weights = sum((a + 1) * b for a, b in itertools.pairwise(widths))
    assert not program.splits_rows(by_weights_at, weights, 2)
    assert program.splits_rows(by_rows_at, weights, 2)
    assert not program.splits_rows(7 * 16, weights, 16)  # too few rows for each thread


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
    # statistics of one row leave rounding noise alone, of which Adam makes a step of full size
    one_row = batch_size == 1 or rows % batch_size == 1
    assume(not (one_row and any(one.startswith("batchnorm") for one in stack)))
    # by targets of 0 steps of length 100, which saturate tanh: its slope is rounding noise, too; so
    # is what is left of a normalized batch's slopes of 1e7 when their means are taken away
    assume((name, optimizer) != ("mape", "sgd, not clipped"))
    assume(name != "mape" or not any(one.startswith("batchnorm") for one in stack))
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
