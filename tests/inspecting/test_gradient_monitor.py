"""GradientMonitor: its numbers are those of a real step, and nobody notices that it looked."""

import numpy as np
import pytest
import scipy.sparse

import tinynet as keras
from tinynet import layers, optimizers
from tinynet.callbacks import GradientMonitor
from tinynet.inspecting import observing
from tinynet.inspecting.untouched import untouched

RANDOM = np.random.default_rng(5)
X = RANDOM.standard_normal((96, 6)).astype("float32")
Y = RANDOM.integers(0, 3, 96)
RULES = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum, clipped": lambda: optimizers.SGD(0.1, momentum=0.9, clipnorm=0.1),
    "adam, decay": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "nadam": lambda: optimizers.Nadam(0.01),
    "adafactor": lambda: optimizers.Adafactor(0.01),
    "schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 5, 0.5)),
    "average": lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=3),
}


def stack(*extra):
    return keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, "relu", name="hidden", kernel_regularizer="l2"),
            *extra,
            layers.Dense(3, "softmax", name="output"),
        ]
    )


def compiled(model, rule="sgd"):
    model.compile(RULES[rule](), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "average"])
def test_update_ratios_are_those_of_the_next_step(rule):
    model = compiled(stack(), rule)
    monitor = GradientMonitor(X, Y, rows=96)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[monitor])
    before = {p.path: p.numpy() for p in model.weights}
    gradients = model.gradients(X, Y)
    model.train_on_batch(X, Y)
    for p in model.weights:
        norm = np.linalg.norm(gradients[p.path])
        assert monitor.history[f"gradient_norm/{p.path}"][-1] == pytest.approx(norm, rel=1e-5)
        step = np.linalg.norm(p.numpy().astype("float64") - before[p.path])
        ratio = step / np.linalg.norm(before[p.path])
        assert monitor.history[f"update_ratio/{p.path}"][-1] == pytest.approx(ratio, rel=1e-2)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("accumulate", [None, 2])
def test_training_is_the_same_to_the_last_bit(rule, accumulate):
    def train(callbacks):
        keras.utils.set_random_seed(1)
        model = stack(layers.BatchNormalization(), layers.Dropout(0.3), layers.GaussianNoise(0.1))
        model = compiled(model, rule)
        model.optimizer.gradient_accumulation_steps = accumulate
        history = model.fit(X, Y, 10, epochs=3, verbose=0, callbacks=callbacks,
                            validation_split=0.2)  # fmt: skip
        return model, history.history

    plain, plain_history = train([])
    watched, watched_history = train([GradientMonitor(X, Y, rows=20)])
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(plain.optimizer.arrays(), watched.optimizer.arrays(), strict=True):
        assert a.tolist() == b.tolist()
    assert plain.explain_execution() == watched.explain_execution()
    names = list(watched_history)
    assert names[: len(plain_history)] == list(plain_history)  # ours come after them
    assert all(watched_history[name] == values for name, values in plain_history.items())
    assert {name.split("/")[0] for name in names[len(plain_history) :]} == {
        "gradient_norm", "update_ratio", "dead_units"
    }  # fmt: skip


def test_dead_units_are_counted():
    model = compiled(stack())
    hidden = model.get_layer("hidden")
    bias = np.zeros(8, "float32")
    bias[[1, 4, 5]] = -1000
    hidden.bias.assign(bias)
    outputs, dead = observing.layer_outputs(model, X)
    assert np.flatnonzero(dead["hidden"]).tolist() == [1, 4, 5]
    assert "output" not in dead  # softmax is not entry by entry
    np.testing.assert_allclose(outputs["output"], model.predict(X, verbose=0), rtol=1e-6)
    kernel = hidden.kernel.numpy()
    np.testing.assert_allclose(outputs["hidden"], np.maximum(X @ kernel + bias, 0), atol=1e-5)
    monitor = GradientMonitor(X, Y)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[monitor])
    assert monitor.history["dead_units/hidden"] == [3 / 8, 3 / 8]


@pytest.mark.parametrize(("activation", "dead"), [
    ("relu6", [True, True]), ("tanh", [False, False]), ("leaky_relu", [False, False]),
    ("hard_sigmoid", [True, True]), ("linear", None),
])  # fmt: skip
def test_dead_is_what_has_no_slope(activation, dead):
    layer = layers.Dense(2, activation, name="it")
    model = keras.Sequential([layers.Input((1,)), layer])
    layer.set_weights([np.ones((1, 2)), np.array([-7.0, 7.0])])  # z in -8..-6 and in 6..8
    _, found = observing.layer_outputs(model, np.linspace(-0.9, 0.9, 5)[:, None])
    assert found.get("it", np.array(None)).tolist() == dead


def test_histograms_hold_every_entry():
    model = compiled(stack())
    monitor = GradientMonitor(X, Y, rows=96, bins=7)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[monitor])
    assert list(monitor.histograms["outputs"]) == ["hidden", "output"]
    for path, gradient in model.gradients(X, Y).items():
        kept = monitor.histograms["gradients"][path]
        assert len(kept) == 3
        counts, edges = np.histogram(gradient[gradient != 0], 7)
        np.testing.assert_array_equal(kept[-1].counts, counts)
        np.testing.assert_allclose(kept[-1].edges, edges, rtol=1e-4, atol=1e-7)
        assert kept[-1].zeros + kept[-1].counts.sum() == kept[-1].total == gradient.size
    hidden = monitor.histograms["outputs"]["hidden"][-1]
    assert hidden.zeros == (observing.layer_outputs(model, X)[0]["hidden"] == 0).sum() > 0
    without = GradientMonitor(X, Y, bins=0)
    model.fit(X, Y, verbose=0, callbacks=[without])
    assert without.histograms == {"gradients": {}, "outputs": {}}


def test_functional_with_a_shared_layer_and_two_inputs():
    a, b = layers.Input((6,), name="a"), layers.Input((6,), name="b")
    shared = layers.Dense(4, "relu", name="shared")
    outputs = layers.Dense(3, "softmax", name="top")(layers.Add()([shared(a), shared(b)]))
    model = compiled(keras.Model([a, b], outputs))
    monitor = GradientMonitor({"a": X, "b": X[::-1]}, Y, rows=40)
    history = model.fit({"a": X, "b": X[::-1]}, Y, epochs=2, verbose=0, callbacks=[monitor]).history
    assert len(history["gradient_norm/shared/kernel"]) == 2
    assert history["dead_units/shared"][0] <= 1
    assert not any("forward" in vars(layer) for layer in model.leaves())


def test_sparse_rows():
    model = compiled(stack())
    x = scipy.sparse.csr_matrix(np.where(X > 0.5, X, 0))
    sparse, dense = GradientMonitor(x, Y, rows=30), GradientMonitor(x.toarray(), Y, rows=30)
    model.fit(x, Y, verbose=0, callbacks=[sparse, dense])
    for name, values in sparse.history.items():
        assert dense.history[name] == pytest.approx(values, rel=1e-5)


def test_sample_is_fixed_by_its_seed():
    x, y, weight = observing.sample(X, Y, np.arange(96), rows=10, seed=3)
    np.testing.assert_array_equal(X[weight], x)
    np.testing.assert_array_equal(Y[weight], y)
    assert len(set(weight)) == 10
    again = observing.sample(X, Y, np.arange(96), rows=10, seed=3)
    np.testing.assert_array_equal(again[2], weight)
    assert (observing.sample(X, Y, np.arange(96), rows=10, seed=4)[2] != weight).any()
    assert observing.sample(X, Y, rows=96)[0] is X


def test_rows_of_anything_that_fit_takes():
    rows = np.array([3, 1])
    np.testing.assert_array_equal(observing.take(X.tolist(), rows), X[rows].astype("float64"))
    np.testing.assert_array_equal(observing.take(Y.tolist(), rows), Y[rows])
    several = observing.take({"a": X, "b": [X, X]}, rows)
    np.testing.assert_array_equal(several["b"][1], X[rows])


def test_rows_of_a_table():
    table = pytest.importorskip("pandas").DataFrame(X)
    taken = observing.take(table, np.array([3, 1]))
    np.testing.assert_array_equal(taken.to_numpy(), X[[3, 1]])


def test_unchanged_even_after_an_error():
    model = compiled(stack(), "adam, decay")
    model.fit(X, Y, verbose=0)
    weights, arrays = model.get_weights(), [a.copy() for a in model.optimizer.arrays()]
    taken, rate = model.optimizer.step_number, model.optimizer.learning_rate

    def fails():
        with untouched(model):
            model.fit(X, Y, verbose=0)
            model.optimizer.learning_rate = 7.0
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(arrays, model.optimizer.arrays(), strict=True):
        assert a.tolist() == b.tolist()
    assert (model.optimizer.step_number, model.optimizer.learning_rate) == (taken, rate)


def test_bad_arguments():
    with pytest.raises(ValueError, match="rows must be an int >= 1, received 0"):
        GradientMonitor(X, Y, rows=0)
    with pytest.raises(ValueError, match="needs data to look at"):
        GradientMonitor(X, None)
