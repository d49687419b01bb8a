"""What Keras's guides and its own tests ask of layers and models, beside the arithmetic."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import keras_case

import tinynet
from tinynet import layers

X = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
Y = X[:, :1] * 2
START = [np.linspace(-1, 1, 12).reshape(4, 3), np.zeros(3), np.linspace(-1, 1, 3)[:, None],
         np.full(1, 0.5)]  # fmt: skip


def penalized(keras):
    model = keras.Sequential(
        [keras.Input((4,)),
         keras.layers.Dense(3, kernel_regularizer="l1", activity_regularizer="l2"),
         keras.layers.ActivityRegularization(l1=0.1),
         keras.layers.Dense(1, bias_regularizer=keras.regularizers.L1L2(0.1, 0.2))]
    )  # fmt: skip
    model.set_weights(weights=START)
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def read(keras):
    """What a model says of itself after some calls."""
    model = penalized(keras)
    before = model.compiled, keras.Sequential([keras.layers.Dense(1)]).compiled
    y = model(inputs=X)
    found = {"compiled": before, "losses": model.losses, "layer": model.layers[0].losses,
             "loss": model.compute_loss(X, Y, y, np.arange(6.0))}  # fmt: skip
    model.evaluate(X, Y, verbose=0)
    found |= model.get_metrics_result()
    found["last"] = model.layers[-1].losses
    return {name: np.array(value) for name, value in found.items()}


@keras_case
def keras_protocol(keras):
    return read(keras)


def test_losses_and_results_are_those_of_keras():
    expected, got = keras_protocol(), read(tinynet)
    assert got.keys() == expected.keys()
    for name, value in got.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_losses_of_replayed_steps_are_finite_and_those_of_the_weights_are_current(device):
    model = penalized(tinynet)
    model.compile("sgd", "mse", device=device)
    model.fit(X, Y, epochs=2, verbose=0)
    kernel, bias = model.layers[0].kernel.numpy(), model.layers[-1].bias.numpy()
    own = [0.01 * abs(kernel).sum(), 0.1 * abs(bias).sum() + 0.2 * (bias**2).sum()]
    np.testing.assert_allclose(model.losses[-2:], own, rtol=1e-5)


def test_names_of_a_layer():
    layer = layers.Dense(2, name="d", dtype="float64", activation="relu")
    assert (layer.path, layer.compute_dtype, layer.variable_dtype) == ("d", "float64", "float64")
    assert layer.input_spec is None
    layer.activation = None
    layer.build((None, 4))
    np.testing.assert_allclose(layer(inputs=X), X @ layer.kernel, rtol=1e-6)
    assert layer.get_config()["activation"] == "linear"
    with pytest.raises(ValueError, match="expected 2 arrays"):
        layer.set_weights(weights=[np.ones(2)])


def test_an_activation_taken_away_changes_what_a_recorded_model_does():
    model = tinynet.Sequential([layers.Input((4,)), layers.Dense(3, "sigmoid"), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.predict(X, verbose=0)
    model.layers[0].activation = None
    W, b, V, c = model.get_weights()
    np.testing.assert_allclose(model.predict(X, verbose=0), (X @ W + b) @ V + c, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        ({"ndim": 2}, (3, 4, 5), "2 axes"),
        ({"min_ndim": 3}, (3, 4), "at least 3 axes"),
        ({"max_ndim": 2}, (3, 4, 5), "at most 2 axes"),
        ({"axes": {-1: 5}}, (3, 4), "size 5 on axis -1"),
        ({"shape": (None, 5)}, (3, 4), "shape"),
        ({"shape": (None, 4)}, (3, 4), None),
        ({"shape": (None, 4), "allow_last_axis_squeeze": True}, (3, 4, 1), None),
        ({"min_ndim": 2, "axes": {-1: 4}}, (3, 7, 4), None),
    ],
)
def test_input_spec(spec, shape, message):
    class Same(layers.Layer):
        def __init__(self):
            super().__init__()
            self.input_spec = layers.InputSpec(**spec)

        def forward(self, x, training=False):
            return x

    if message is None:
        assert Same()(np.ones(shape)).shape == shape
        return
    with pytest.raises(ValueError, match=f"expected input with {message}"):
        Same()(np.ones(shape))
    with pytest.raises(ValueError, match=f"expected input with {message}"):
        Same()(tinynet.Input(shape[1:]))


def test_input_spec_of_axes_that_are_not_there():
    with pytest.raises(ValueError, match="no axis 2 among 2"):
        layers.InputSpec(ndim=2, axes={2: 3})
    with pytest.raises(TypeError, match="dict with integers"):
        layers.InputSpec(axes={"a": 3})


# -------------------------------------------------------------------------- hooks and flags


class Hooks(tinynet.callbacks.Callback):
    """Notes every hook for batches; sets `flag` at the hook named `at`."""

    def __init__(self, flag=None, at=None):
        super().__init__()
        self.seen, self.flag, self.at = [], flag, at

    def note(self, name, batch):
        self.seen.append((name, batch))
        if (name, batch) == self.at:
            setattr(self.model, self.flag, True)

    def on_train_batch_begin(self, batch, logs=None):
        self.note("train begin", batch)

    def on_train_batch_end(self, batch, logs=None):
        self.note("train end", batch)

    def on_test_batch_begin(self, batch, logs=None):
        self.note("test begin", batch)

    def on_test_batch_end(self, batch, logs=None):
        self.note("test end", batch)

    def on_predict_batch_end(self, batch, logs=None):
        self.note("predict end", batch)


def model_for_hooks(**options):
    model = tinynet.Sequential([layers.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", **options)
    return model


def groups(kind, batches, together):
    """By hand: begin at 0, n, 2n, ...; end after each n, and after the last batch."""
    hooks = []
    for first in range(0, batches, together):
        last = min(first + together, batches) - 1
        hooks += [(f"{kind} begin", first), (f"{kind} end", last)]
    return hooks


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 23), batch=st.integers(1, 4), together=st.integers(1, 6),
       device=st.sampled_from(["reference", "cpu"]), stream=st.booleans())  # fmt: skip
def test_hooks_are_called_around_groups_of_batches(rows, batch, together, device, stream):
    x = np.arange(4.0 * rows).reshape(rows, 4) / rows
    parts = [(x[i : i + batch], x[i : i + batch, :1]) for i in range(0, rows, batch)]
    hooks, count = Hooks(), len(parts)
    results = []
    for steps, callbacks in ((together, [hooks]), (1, None)):
        tinynet.utils.set_random_seed(1)
        model = model_for_hooks(steps_per_execution=steps, device=device)
        data = (iter(parts),) if stream else (x, x[:, :1])
        options = {} if stream else {"batch_size": batch, "shuffle": False}
        model.fit(*data, verbose=0, callbacks=callbacks, **options)
        results.append(model.get_weights()[0])
    assert hooks.seen == groups("train", count, together)
    np.testing.assert_array_equal(*results)
    hooks.seen.clear()
    model.steps_per_execution = together
    model.evaluate(x, x[:, :1], batch_size=batch, verbose=0, callbacks=[hooks])
    assert hooks.seen == groups("test", count, together)


@pytest.mark.parametrize("together", [0, 1.5, "auto", True])
def test_steps_per_execution_is_a_number(together):
    with pytest.raises(ValueError, match="steps_per_execution must be"):
        model_for_hooks(steps_per_execution=together)


def test_a_hook_ends_evaluate_and_predict_and_the_next_call_is_whole():
    model = model_for_hooks()
    for _ in range(2):
        hooks = Hooks("stop_predicting", ("predict end", 1))
        assert len(model.predict(X, batch_size=2, verbose=0, callbacks=[hooks])) == 4
        hooks = Hooks("stop_evaluating", ("test end", 0))
        loss = model.evaluate(X, Y, batch_size=2, verbose=0, callbacks=[hooks])
        assert loss == pytest.approx(np.mean((model(X[:2]) - Y[:2]) ** 2), rel=1e-5)
        assert hooks.seen == [("test begin", 0), ("test end", 0)]
    hooks = Hooks("stop_evaluating", ("test end", 0))
    model.fit(X, Y, batch_size=2, epochs=2, verbose=0, validation_data=(X, Y), callbacks=[hooks])
    assert [h for h in hooks.seen if h[0] == "test end"] == [("test end", 0)] * 2
    assert len(model.predict(X, batch_size=2, verbose=0)) == 6


@pytest.mark.parametrize("loss", [["mse"], ("mse",), {"out": "mse"}, [tinynet.losses.mse],
                                  {"out": tinynet.losses.MeanSquaredError()}])  # fmt: skip
def test_a_list_or_dict_of_the_one_loss(loss):
    model = tinynet.Sequential([layers.Input((4,)), layers.Dense(1, name="out")])
    model.compile("sgd", loss)
    expected = np.mean((model(X) - Y) ** 2)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_early_stopping_on_a_metric_of_one_value():
    model = tinynet.Sequential([layers.Input((4,)), layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=[tinynet.metrics.F1Score(threshold=0.5)])
    stop = tinynet.callbacks.EarlyStopping("f1_score", mode="max", patience=1)
    history = model.fit(X, Y > 0, epochs=50, verbose=0, callbacks=[stop])
    assert len(history.history["f1_score"]) < 50
    assert isinstance(stop.best, float)


# ------------------------------------------------------- Normalization over more axes than adapted


AXES = [(-1, (6, 3), (6, 5, 3)), (1, (6, 3), (2, 5, 3)), (None, (6, 3), (2, 5, 3)),
        ((1, 2), (6, 4, 3), (2, 5, 4, 3)), (-1, (6, 2, 3), (2, 1, 3))]  # fmt: skip


def scaled(keras, axis, adapted, called):
    random = np.random.default_rng(0)
    layer = keras.layers.Normalization(axis=axis)
    layer.adapt(random.normal(size=adapted).astype(np.float32))
    return {"y": layer(random.normal(size=called).astype(np.float32))}


@keras_case
def keras_normalized_axes(keras, axis, adapted, called):
    return scaled(keras, axis, adapted, called)


@pytest.mark.parametrize(("axis", "adapted", "called"), AXES)
def test_normalization_of_more_axes_than_it_was_adapted_to(axis, adapted, called):
    expected = keras_normalized_axes(axis, adapted, called)["y"]
    np.testing.assert_allclose(scaled(tinynet, axis, adapted, called)["y"], expected, atol=2e-6)


def test_normalization_of_fewer_axes_is_refused():
    layer = layers.Normalization()
    layer.adapt(np.ones((6, 2, 3)))
    with pytest.raises(ValueError, match="expected input of shape"):
        layer(np.ones((6, 3)))


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own
def test_steps_per_execution_is_written_as_in_keras():
    def written(library):
        model = library.Sequential([library.layers.Input((2,)), library.layers.Dense(1)])
        model.compile("sgd", "mse", steps_per_execution=3)
        config = model.get_compile_config()
        model.compile_from_config(config)
        return config["steps_per_execution"], model.steps_per_execution

    assert written(tinynet) == written(keras) == (3, 3)
