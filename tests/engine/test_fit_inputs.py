"""Inputs and targets of any kind and shape, as Keras takes them."""

import numpy as np
import pytest
from fit_models import BINARY, IDS, SPARSE, VIDS, VX, WEIGHTS, X, binary, classifier, inject
from oracle import keras_case

import tinynet
from tinynet import Sequential, layers

# --------------------------------------------------------------------------- kinds of input


@pytest.mark.parametrize("kind", ["uint8", "float64", "int64", "list", "fortran", "strided"])
def test_inputs_of_any_kind(kind):
    numbers = (np.arange(50 * 5).reshape(50, 5) * 37 % 11).astype("float32")
    given = {
        "list": numbers.tolist(),
        "fortran": np.asfortranarray(numbers),
        "strided": np.repeat(numbers, 2, axis=1)[:, ::2],
    }.get(kind)
    given = numbers.astype(kind) if given is None else given
    y = IDS.tolist() if kind == "list" else IDS
    models = [inject(classifier(tinynet)) for _ in range(2)]
    for model, x in zip(models, (numbers, given), strict=True):
        model.compile(tinynet.optimizers.SGD(0.01), **SPARSE)
        model.fit(x, y, epochs=2, batch_size=16, shuffle=kind != "fortran", verbose=0,
                  validation_split=0.2)  # fmt: skip
        model.shuffle_seed = None
        tinynet.utils.set_random_seed(0)
    tolerance = {"rtol": 1e-5, "atol": 1e-6}
    if kind != "fortran":
        models[1].set_weights(models[0].get_weights())  # their orders differed
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)
    np.testing.assert_allclose(
        models[0].predict(numbers, verbose=0), models[1].predict(given, verbose=0), **tolerance
    )


@pytest.mark.parametrize("y", [IDS[:, None], IDS.astype("float32"), IDS.astype("uint8")])
def test_targets_of_any_kind(y):
    results = []
    for target in (IDS, y):
        model = inject(classifier(tinynet))
        model.compile("sgd", **SPARSE)
        history = model.fit(X, target, shuffle=False, verbose=0, validation_data=(VX, VIDS))
        results.append(history.history)
    assert results[0] == results[1]


def test_binary_targets_as_rows_or_columns():
    results = []
    for y in (BINARY, BINARY[:, None], BINARY.astype(bool), BINARY.astype(int)):
        model = inject(binary(tinynet))
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        results.append(model.fit(X, y, shuffle=False, verbose=0).history)
    assert all(result == results[0] for result in results[1:])


def test_a_model_without_a_declared_input_learns_it_from_the_data():
    model = Sequential([layers.Dense(4, activation="relu"), layers.Dense(3, activation="softmax")])
    model.compile("adam", metrics="accuracy", loss="sparse_categorical_crossentropy")
    assert not model.built
    history = model.fit(X, IDS, verbose=0)
    assert list(history.history) == ["loss", "accuracy"]
    assert [w.shape for w in model.get_weights()] == [(5, 4), (4,), (4, 3), (3,)]
    with pytest.raises(ValueError, match=r"rows of shape \(5,\), received \(4,\)"):
        model.predict(X[:, :4], verbose=0)


def test_rows_of_several_axes():
    x, y = X[:48].reshape(16, 3, 5), IDS[:48].reshape(16, 3)
    w = WEIGHTS[:48].reshape(16, 3)
    flat, deep = inject(classifier(tinynet)), Sequential([
        layers.Input((3, 5)), layers.Dense(6, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    deep.set_weights(flat.get_weights())
    for model in (flat, deep):
        model.compile("sgd", **SPARSE)
    one = flat.fit(X[:48], IDS[:48], sample_weight=WEIGHTS[:48], batch_size=12, shuffle=False,
                   verbose=0).history  # fmt: skip
    two = deep.fit(x, y, sample_weight=w, batch_size=4, shuffle=False, verbose=0).history
    for key in one:
        assert one[key] == pytest.approx(two[key], rel=1e-5)
    for a, b in zip(flat.get_weights(), deep.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_float64_models():
    tinynet.config.set_floatx("float64")
    try:
        model = inject(classifier(tinynet))
    finally:
        tinynet.config.set_floatx("float32")
    model.compile("adam", **SPARSE)
    model.fit(X, IDS, verbose=0)
    assert model.predict(X, verbose=0).dtype == np.float64
    assert all(w.dtype == np.float64 for w in model.get_weights())


# ------------------------------------------------------- what the generated cases brought to light


def one_column(k, x):
    """A straight line from inputs whose last axis is missing or left over."""
    model = inject(k.Sequential([k.layers.Input((1,)), k.layers.Dense(1)]))
    model.compile(k.optimizers.SGD(0.1), "mse")
    history = model.fit(x, 2 * x, epochs=2, verbose=0, shuffle=False, validation_split=0.2).history
    loss = model.evaluate(x, 2 * x, verbose=0)
    batch = model.predict_on_batch(x)
    return {**history, "evaluate": loss, "predict": model.predict(x, verbose=0), "batch": batch}


@keras_case
def keras_one_column(keras, rank):
    return one_column(
        keras, np.linspace(-1, 1, 10, dtype="float32").reshape(10, *(1,) * (rank - 1))
    )


@pytest.mark.parametrize("rank", [1, 2])
def test_x_may_lack_its_last_axis_of_one(rank):
    x = np.linspace(-1, 1, 10, dtype="float32").reshape(10, *(1,) * (rank - 1))
    ours, expected = one_column(tinynet, x), keras_one_column(rank)
    assert set(ours) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_x_may_have_a_last_axis_of_one_left_over():
    model = inject(Sequential([layers.Input((5,)), layers.Dense(2)]))
    predictions = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict(X[..., None], verbose=0), predictions)
    np.testing.assert_allclose(predictions, model(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model(X[..., None]), model(X))
