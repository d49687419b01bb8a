"""Bad input: an error before anything changes, that says where, what was expected, what came."""

import math

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, layers
from tinynet.callbacks import Callback

random = np.random.default_rng(1)
X = random.normal(size=(12, 4)).astype("float32")
IDS = np.arange(12) % 3
ONE_HOT = np.eye(3, dtype="float32")[IDS]
BINARY = (IDS > 0).astype("float32")
REAL = X[:, :2]


def changed(array, at, value):
    array = np.array(array, copy=True)
    array[at] = value
    return array


def model_for(loss, outputs, activation, **compile_with):
    model = Sequential([
        layers.Input((4,)), layers.Dense(5, activation="relu"), layers.BatchNormalization(),
        layers.Dropout(0.2), layers.Dense(outputs, activation=activation),
    ])  # fmt: skip
    model.compile("adam", loss, **compile_with)
    return model


def sparse(**options):
    return model_for("sparse_categorical_crossentropy", 3, "softmax", **options)


def categorical():
    return model_for("categorical_crossentropy", 3, "softmax")


def binary():
    return model_for("binary_crossentropy", 1, "sigmoid")


def regression():
    return model_for("mse", 2, None)


def trained(make):
    """A model in the middle of its life: with moments, moving statistics and a history."""
    model = make()
    y = {sparse: IDS, categorical: ONE_HOT, binary: BINARY, regression: REAL}[make]
    model.fit(X, y, verbose=0)
    return model


def state(model):
    """All that training changes, as bytes."""
    arrays = [*model.get_weights(), *(a for a in model.optimizer.state.values() if a is not None)]
    return (
        [a.tobytes() for a in arrays], model.optimizer.iterations, model.optimizer.learning_rate,
        model.steps_taken, model.passes_taken, id(model.history), repr(model.history.history),
        [layer.name for layer in model.layers],
    )  # fmt: skip


def refuses(model, call, error, message):
    """The call raises this error, and afterwards the model is what it was."""
    before = state(model)
    with pytest.raises(error, match=message):
        call(model)
    assert state(model) == before


# model, y, message
TARGETS = [
    (sparse, changed(IDS, 7, 3), r"y: row 7 .*\b3\b.*expected an integer in \[0, 3\)"),
    (sparse, changed(IDS, 2, -1), r"y: row 2 .*-1"),
    (sparse, changed(IDS.astype("float32"), 5, 0.5), r"y: row 5 .*0\.5"),
    (sparse, changed(IDS.astype("float32"), 5, math.nan), r"y: row 5 .*nan"),
    (sparse, ONE_HOT, r"y: .*\('N',\).*\('N', 3\).*(argmax|categorical_crossentropy)"),
    (categorical, IDS, r"y: .*\('N', 3\), received \('N',\).*sparse_categorical_crossentropy"),
    (categorical, IDS[:, None], r"y: .*\('N', 3\), received \('N', 1\).*to_categorical\(y, 3\)"),
    (categorical, ONE_HOT[:, :2], r"y: .*\('N', 3\), received \('N', 2\)"),
    (categorical, changed(ONE_HOT, (4, 1), math.inf), r"y: row 4 holds inf"),
    (binary, IDS, r"y: row 2 holds 2.*\[0, 1\]"),
    (binary, changed(BINARY, 9, -1), r"y: row 9 holds -1.*\[0, 1\]"),
    (binary, ONE_HOT, r"y: .*\('N', 1\), received \('N', 3\)"),
    (regression, REAL[:, :1], r"y: .*\('N', 2\), received \('N', 1\)"),
    (regression, changed(REAL, (11, 0), math.nan), r"y: row 11 holds nan.*1 of 12 rows"),
]


@pytest.mark.parametrize(("make", "y", "message"), TARGETS)
def test_targets(make, y, message):
    model = trained(make)
    for call in (
        lambda m: m.fit(X, y, verbose=0),
        lambda m: m.evaluate(X, y, verbose=0),
        lambda m: m.train_on_batch(X, y),
        lambda m: m.test_on_batch(X, y),
    ):
        refuses(model, call, ValueError, message)
    good = {sparse: IDS, categorical: ONE_HOT, binary: BINARY, regression: REAL}[make]
    refuses(
        model,
        lambda m: m.fit(X, good, validation_data=(X, y), verbose=0),
        ValueError,
        message.replace("y: ", "validation y: ", 1),
    )


INPUTS = [
    (X[:, :3], ValueError, r"x: .*rows of shape \(4,\), received \(3,\)"),
    (X[:, :, None] + [0, 1], ValueError, r"x: .*rows of shape \(4,\), received \(4, 2\)"),
    (X[:, 0], ValueError, r"x: .*rows of shape \(4,\), received \(\)"),
    (changed(X, (6, 2), math.nan), ValueError, r"x: row 6 holds nan .*1 of 12"),
    (changed(X, ([3, 8], 0), -math.inf), ValueError, r"x: row 3 holds -inf .*2 of 12 rows"),
    (X[:0], ValueError, r"x: expected at least one row, received shape \(0, 4\)"),
    ([], ValueError, r"x: expected at least one row, received shape \(0,\)"),
    (1.5, ValueError, r"x: .*single number"),
    (np.full((12, 4), "a"), TypeError, r"x: expected numbers, received ndarray of dtype <U1"),
    ([["a"] * 4] * 12, TypeError, r"x: expected numbers, received list of dtype <U1"),
    (
        changed(X.astype(object), (6, 2), "a"),
        TypeError,
        r"x: expected numbers, received an array of dtype object, row 6 holds 'a' .*\(6, 2\)",
    ),
    (X.astype(complex), TypeError, r"x: expected numbers, received .*complex"),
    ([[1.0, 2, 3, 4], [1.0, 2, 3]], ValueError, r"x: expected rows of the same length"),
    ({"a": 1}, TypeError, r"x: expected numbers, received dict"),
]


@pytest.mark.parametrize(("x", "error", "message"), INPUTS)
def test_inputs(x, error, message):
    model = trained(sparse)
    for call in (
        lambda m: m.fit(x, IDS, verbose=0),
        lambda m: m.evaluate(x, IDS, verbose=0),
        lambda m: m.train_on_batch(x, IDS),
        lambda m: m.predict(x, verbose=0),
        lambda m: m.predict_on_batch(x),
    ):
        refuses(model, call, error, message)
    refuses(
        model, lambda m: m.fit(X, IDS, validation_data=(x, IDS), verbose=0), error,
        f"validation {message}",
    )  # fmt: skip


FIT = [  # fit's arguments, message
    ({"x": X[:9]}, ValueError, "x has 9 rows, y has 12"),
    ({"y": IDS[:9]}, ValueError, "x has 12 rows, y has 9"),
    ({"x": None}, ValueError, "fit needs x and y"),
    ({"y": None}, ValueError, "fit needs x and y"),
    ({"y": np.array(list("abcabcabcabc"))}, TypeError, "y: expected numbers, received .*<U1"),
    ({"y": IDS[:0]}, ValueError, r"y: expected at least one row, received shape \(0,\)"),
    # weights
    ({"sample_weight": np.ones(5)}, ValueError, "x has 12 rows, sample_weight has 5"),
    ({"sample_weight": np.ones((12, 3))}, ValueError,
     r"sample_weight: expected shape .*N.*received \(12, 3\)"),
    ({"sample_weight": changed(np.ones(12), 4, math.nan)}, ValueError,
     "sample_weight: row 4 holds nan"),
    ({"sample_weight": ["a"] * 12}, TypeError, "sample_weight: expected numbers, .*<U1"),
    ({"sample_weight": 2.0}, ValueError, "sample_weight: .*single number"),
    ({"class_weight": {0: 1.0}, "sample_weight": np.ones(12)}, ValueError,
     "class_weight or sample_weight, not both"),
    ({"class_weight": [1, 2, 3]}, TypeError, r"class_weight: expected a dict.*\[1, 2, 3\]"),
    ({"class_weight": {0: math.nan}}, ValueError, "nan"),
    ({"class_weight": {7: 2.0}}, ValueError, "class_weight: there is no class 7 among 3"),
    ({"class_weight": {0: "heavy"}}, (TypeError, ValueError), "class_weight: .*'heavy'"),
    # validation
    ({"validation_data": (X, IDS[:5])}, ValueError, "validation x has 12 rows, validation y has 5"),
    ({"validation_data": (X, IDS, np.ones(3))}, ValueError, "validation sample_weight has 3"),
    ({"validation_data": (X, IDS, changed(np.ones(12), 3, math.inf))}, ValueError,
     "validation sample_weight: row 3 holds inf"),
    ({"validation_data": X}, ValueError, r"validation_data: expected \(x, y\) .* received ndarray"),
    ({"validation_data": (X,)}, ValueError, "validation_data: .* received tuple of 1"),
    ({"validation_data": (X, IDS, IDS, IDS)}, ValueError, "received tuple of 4"),
    ({"validation_data": (X[:0], IDS[:0])}, ValueError, "validation x: expected at least one row"),
    ({"validation_data": (X, None)}, ValueError, "validation_data"),
    ({"validation_split": 0.95}, ValueError,
     "validation_split=0.95 of 12 rows leaves 0 for training and 12 for validation"),
    ({"validation_split": 1.0}, ValueError, r"validation_split must be in \(0, 1\), received 1.0"),
    ({"validation_split": -0.2}, ValueError, r"validation_split .*\(0, 1\), received -0.2"),
    ({"validation_split": math.nan}, ValueError, "validation_split .* nan"),
    ({"validation_split": "some"}, (TypeError, ValueError), "validation_split .*'some'"),
    ({"validation_split": 0.5, "sample_weight": np.ones(7)}, ValueError, "sample_weight has 7"),
    ({"validation_split": 0.5, "y": changed(IDS, 10, 9)}, ValueError,
     r"validation \(from row 6\) y: row 4 .*9"),
    # numbers
    *(({name: wrong}, ValueError, f"{label} must be an integer >= {least}, received {wrong!r}")
      for name, label, least in (
          ("epochs", "epochs", 0), ("initial_epoch", "initial_epoch", 0),
          ("batch_size", "batch_size", 1), ("steps_per_epoch", "steps_per_epoch", 1),
          ("validation_freq", "validation_freq", 1))
      for wrong in (-1, 1.5, "3", True)),
    ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1, received 0"),
    ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch must be an integer >= 1, received 0"),
    ({"validation_freq": 0}, ValueError, "validation_freq must be an integer >= 1, received 0"),
    ({"validation_freq": [1, "b"]}, ValueError, "validation_freq .*'b'"),
    ({"validation_data": (X, IDS), "validation_steps": 0}, ValueError,
     "validation_steps must be an integer >= 1, received 0"),
    ({"validation_data": (X, IDS), "validation_batch_size": -4}, ValueError,
     "validation_batch_size must be an integer >= 1, received -4"),
    ({"epochs": None}, ValueError, "epochs must be .* None"),
    # choices
    ({"shuffle": "rows"}, ValueError, "shuffle must be True, False or \"batch\", received 'rows'"),
    ({"shuffle": None}, ValueError, "shuffle must be .* None"),
    ({"verbose": 3}, ValueError, 'verbose must be 0, 1, 2 or "auto", received 3'),
    ({"verbose": "loud"}, ValueError, "verbose must be .* 'loud'"),
    ({"callbacks": [print]}, TypeError, "expected Callback objects, received"),
    ({"callbacks": 3}, TypeError, "callbacks"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "error", "message"), FIT)
def test_arguments_of_fit(arguments, error, message):
    model = trained(sparse)
    given = {"x": X, "y": IDS, "verbose": 0, **arguments}
    refuses(model, lambda m: m.fit(**given), error, message)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1, received 0"),
    ({"steps": -1}, ValueError, "steps must be an integer >= 1, received -1"),
    ({"verbose": 7}, ValueError, "verbose must be"),
    ({"sample_weight": np.ones(3)}, ValueError, "sample_weight has 3"),
    ({"y": None}, ValueError, "evaluate needs x and y"),
])  # fmt: skip
def test_arguments_of_evaluate(arguments, error, message):
    model = trained(sparse)
    given = {"x": X, "y": IDS, "verbose": 0, **arguments}
    refuses(model, lambda m: m.evaluate(**given), error, message)


def test_arguments_of_predict():
    model = trained(sparse)
    for arguments in ({"batch_size": 2.5}, {"steps": 0}, {"verbose": "x"}):
        refuses(model, lambda m, a=arguments: m.predict(X, **a), ValueError, "must be")


def test_a_split_tells_where_its_rows_come_from():
    model = trained(sparse)
    for row, where in ((2, "x: row 2"), (9, r"validation \(from row 6\) x: row 3")):
        x = changed(X, (row, 1), math.nan)
        refuses(model, lambda m, x=x: m.fit(x, IDS, validation_split=0.5), ValueError, where)


def test_weights_of_a_wrong_shape_leave_the_moving_statistics_alone():
    """They must be found before the forward pass, which moves them."""
    model = trained(regression)
    for wrong in (np.ones((12, 2)), np.ones((12, 1, 1))):
        refuses(model, lambda m, w=wrong: m.train_on_batch(X, REAL, sample_weight=w), ValueError,
                "sample_weight: expected shape")  # fmt: skip


# ----------------------------------------------------------------------- order of the calls


def test_compile_comes_first():
    model = Sequential([layers.Input((4,)), layers.Dense(3)])
    before = model.get_weights()
    for call, name in (
        (lambda: model.fit(X, IDS), "fit"),
        (lambda: model.evaluate(X, IDS), "evaluate"),
        (lambda: model.train_on_batch(X, IDS), "train_on_batch"),
        (lambda: model.test_on_batch(X, IDS), "test_on_batch"),
    ):
        with pytest.raises(RuntimeError, match=rf"call compile\(.*\) before {name}"):
            call()
    model.compile("adam")
    with pytest.raises(RuntimeError, match=r"fit needs a loss: compile\(loss="):
        model.fit(X, IDS)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.predict(X, verbose=0).shape == (12, 3)  # needs neither


@pytest.mark.parametrize("make", [
    lambda: layers.Dense(2), lambda: layers.Dense(2, activation="relu"),
    lambda: layers.BatchNormalization(), lambda: layers.Dropout(0.5), lambda: layers.Flatten(),
    lambda: layers.Activation("tanh"), lambda: layers.PReLU(),
])  # fmt: skip
def test_backward_needs_forward(make):
    layer = make()
    layer.build_once((None, 2))
    with pytest.raises(RuntimeError, match=rf"{layer.name}'?: backward\(\) needs what forward\(\)"):
        layer.backward(np.ones((3, 2), "float32"))


def test_a_loss_needs_forward_too():
    with pytest.raises(RuntimeError, match=r"MeanSquaredError: backward\(\) .* before forward"):
        tinynet.losses.MeanSquaredError().backward()


def test_a_model_without_layers():
    model = Sequential(name="nothing")
    model.compile("sgd", "mse")
    for call in (lambda: model.fit(X, REAL), lambda: model.predict(X), lambda: model(X)):
        with pytest.raises(ValueError, match="nothing: add a layer first"):
            call()
    with pytest.raises(ValueError, match="no layers to pop"):
        model.pop()


# ------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"optimizer": "adamm"}, ValueError, "unknown optimizer 'adamm'; did you mean '[Aa]dam"),
    ({"optimizer": 3}, TypeError, "optimizer must be .* received 3"),
    ({"optimizer": None}, TypeError, "optimizer: expected .* received None"),
    ({"optimizer": tinynet.losses.MeanSquaredError()}, TypeError, "optimizer.* received"),
    ({"loss": "sparse_crossentropy"}, ValueError,
     "unknown loss 'sparse_crossentropy'; did you mean '.*crossentropy'"),
    ({"loss": "meansquarederor"}, ValueError, "did you mean '[Mm]ean_?[Ss]quared_?[Ee]rror'"),
    ({"loss": lambda y, p: 0.0}, TypeError, "loss: expected a name or a Loss, received"),
    ({"loss": tinynet.optimizers.SGD()}, TypeError, "loss.* received"),
    ({"loss": tinynet.losses.MeanSquaredError(reduction="none")}, ValueError, 'reduction "none"'),
    ({"metrics": ["acuracy"]}, ValueError, "unknown metric 'acuracy'; did you mean '[Aa]ccuracy'"),
    ({"metrics": ["accuracy", 5]}, TypeError, "metrics: expected .* received 5"),
    ({"weighted_metrics": ["maee"]}, ValueError, "unknown metric 'maee'; did you mean 'mae'"),
    ({"loss_weights": [1.0, 2.0]}, ValueError, "loss_weights"),
    ({"loss_weights": [float("nan")]}, ValueError, "loss_weights"),
    ({"device": "abacus"}, ValueError, "abacus"),
])  # fmt: skip
def test_arguments_of_compile(arguments, error, message):
    """The model goes on with what it was compiled with."""
    model = trained(sparse)
    parts = (model.optimizer, model.loss, model.compiled_metrics)
    given = {"optimizer": "sgd", "loss": "mse", **arguments}
    refuses(model, lambda m: m.compile(**given), error, message)
    assert (model.optimizer, model.loss, model.compiled_metrics) == parts
    model.fit(X, IDS, verbose=0)


def test_unknown_activations_initializers_and_regularizers():
    for make, message in (
        (lambda: layers.Dense(2, activation="rellu"),
         "unknown activation 'rellu'; did you mean 'relu'"),
        (lambda: layers.Activation("sofmax"),
         "unknown activation 'sofmax'; did you mean 'softmax'"),
        (lambda: layers.Dense(2, kernel_initializer="he_norml"),
         "unknown initializer 'he_norml'; did you mean '[Hh]e_?[Nn]ormal'"),
        (lambda: layers.Dense(2, kernel_regularizer="l3"), "unknown regularizer 'l3'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            make()


# ------------------------------------------------------------------------------------ layers


@pytest.mark.parametrize("wrong", [3, "dense", None, layers.Dense, Callback(), [layers.Dense(2)]])
def test_what_is_no_layer(wrong):
    model = trained(sparse)
    refuses(model, lambda m: m.add(wrong), TypeError, "expected a layer, received")
    with pytest.raises(TypeError, match="expected a layer, received"):
        Sequential([layers.Dense(2), wrong])


def test_layers_that_do_not_fit():
    model = trained(sparse)
    taken = model.layers[0].name
    refuses(model, lambda m: m.add(layers.Dense(2, name=taken)), ValueError,
            f"a layer named '{taken}' already; names must be unique")  # fmt: skip
    refuses(model, lambda m: m.add(layers.Dense(2, dtype="float64")), ValueError,
            "is float64, the others are float32")  # fmt: skip
    built = layers.Dense(2)
    built(np.ones((1, 7)))
    refuses(model, lambda m: m.add(built), ValueError, r"expected input .*7\).*received .*3\)")
    refuses(model, lambda m: m.add(layers.Input((3,))), ValueError, "an Input comes first")
    same = layers.Dense(4)
    with pytest.raises(ValueError, match="names must be unique"):
        Sequential([same, same])
    for units in (0, -2, 2.5, "3", None, True):
        with pytest.raises((ValueError, TypeError), match="units"):
            layers.Dense(units)


def test_a_refused_first_call_leaves_a_model_without_weights():
    """The shape of wrong data must not be what the model is built for."""

    def fresh():
        model = Sequential([layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    for x, y in ((changed(X, (1, 1), math.nan), IDS), (X, IDS[:4])):
        model = fresh()
        with pytest.raises(ValueError, match=r"nan|rows"):
            model.fit(x, y, verbose=0)
        assert not model.built
    model.fit(X[:, :2], IDS, verbose=0)
    assert model.input_shape == (None, 2)


def test_weights_that_do_not_fit():
    model = trained(sparse)
    weights = model.get_weights()
    refuses(model, lambda m: m.set_weights(weights[:-1]), ValueError, "expected 8 arrays.*7")
    wrong = [*weights[:-1], np.zeros(4)]
    refuses(model, lambda m: m.set_weights(wrong), ValueError, r"\(3,\).*\(4,\)")
