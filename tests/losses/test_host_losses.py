"""Dice, Tversky, Circle and generalized cross-entropy: Keras's values, gradients by differences."""

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet import losses

RNG = np.random.default_rng(5)
P = RNG.dirichlet(np.ones(3), 7)
ROWS = P / np.linalg.norm(P, axis=1, keepdims=True)
SHARES = RNG.uniform(size=(7, 3)).round()
IDS = np.array([0, 1, 1, 2, 0, 1, 7])  # the last one has no partner
WEIGHT = RNG.uniform(0.5, 2, 7)

CASES = {
    "dice": ("Dice", {}, SHARES, P),
    "dice by row": ("Dice", {"axis": -1}, SHARES, P),
    "tversky": ("Tversky", {"alpha": 0.3, "beta": 0.9}, SHARES, P),
    "tversky by row": ("Tversky", {"alpha": 0.3, "axis": 1, "reduction": "sum"}, SHARES, P),
    "circle": ("Circle", {"gamma": 5.0}, IDS, ROWS),
    "circle, steep": ("Circle", {"margin": 0.25}, IDS, ROWS),
    "circle with itself": ("Circle", {"gamma": 3.0, "remove_diagonal": False}, IDS, ROWS),
    "circle, sum": ("Circle", {"gamma": 3.0, "reduction": "sum"}, IDS, ROWS),
    "generalized": ("CategoricalGeneralizedCrossEntropy", {}, IDS % 3, P),
    "generalized, 0.1": ("CategoricalGeneralizedCrossEntropy", {"q": 0.1}, IDS % 3, P),
}


@keras_case
def keras_host_losses(keras, case):
    name, options, y, p = CASES[case]
    found = {}
    for weight in (None, WEIGHT):
        loss = getattr(keras.losses, name)(**options)
        found[str(weight is None)] = loss(y, p.astype("float32"), weight)
    return found


def made(case):
    name, options, y, p = CASES[case]
    return getattr(losses, name)(**options), y, p


@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_keras(case):
    loss, y, p = made(case)
    expected = keras_host_losses(case)
    for weight in (None, WEIGHT):
        np.testing.assert_allclose(loss(y, p, weight), expected[str(weight is None)], rtol=2e-5)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_those_of_differences(case, weighted):
    loss, y, p = made(case)
    weight, p, h = WEIGHT if weighted else None, p.copy(), 1e-6
    gradient, numeric = loss.gradient(y, p, weight), np.zeros_like(p)
    for i in np.ndindex(*p.shape):
        for sign in (1, -1):
            p[i] += sign * h
            numeric[i] += sign * loss(y, p, weight) / (2 * h)
            p[i] -= sign * h
    np.testing.assert_allclose(gradient, numeric, rtol=2e-6, atol=2e-8)


@pytest.mark.parametrize("case", ["dice", "tversky by row", "circle", "generalized"])
def test_models_train_with_them_and_say_how(case):
    loss, y, _ = made(case)
    tinynet.utils.set_random_seed(0)
    x = RNG.normal(size=(7, 4))
    model = tinynet.Sequential([tinynet.layers.Dense(3, "softmax", input_shape=(4,))])
    model.compile(tinynet.optimizers.SGD(0.05), loss)
    before = model.evaluate(x, y, verbose=0)
    assert before == pytest.approx(loss(y, model(x)), rel=1e-5)
    model.fit(x, y, epochs=30, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before
    assert f"({type(loss).__name__}) computes with NumPy" in model.explain_execution()
    again = losses.deserialize(losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert losses.get(loss.name).name == loss.name


def test_functions_give_values():
    np.testing.assert_allclose(losses.dice(SHARES, P), losses.Dice()(SHARES, P))
    rows = losses.dice(SHARES, P, axis=1)
    np.testing.assert_allclose(rows[2], losses.dice(SHARES[2], P[2]), rtol=1e-6)
    np.testing.assert_allclose(losses.tversky(SHARES, P), losses.Tversky()(SHARES, P))
    images = RNG.uniform(size=(2, 4, 3, 1))
    flat = losses.dice(images.reshape(2, -1), images.reshape(2, -1) ** 2, axis=1)
    np.testing.assert_allclose(losses.dice(images, images**2, axis=(1, 2, 3)), flat)
    values = losses.categorical_generalized_cross_entropy(IDS % 3, P, q=0.3)
    np.testing.assert_allclose(values, (1 - P[np.arange(7), IDS % 3] ** 0.3) / 0.3)


def test_generalized_cross_entropy_between_its_ends():
    ids = IDS % 3
    near_0 = losses.CategoricalGeneralizedCrossEntropy(q=1e-6)(ids, P)
    near_1 = losses.CategoricalGeneralizedCrossEntropy(q=1 - 1e-9)(ids, P)
    p = P[np.arange(7), ids]
    np.testing.assert_allclose([near_0, near_1], [-np.log(p).mean(), (1 - p).mean()], rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1), "q must be"),
        (lambda: losses.Tversky(alpha=-1), "alpha must be"),
        (lambda: losses.Circle(gamma=0), "gamma must be"),
        (lambda: losses.Dice(axis="a"), "axis must be"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy()([0, 3], P[:2]), "class id 3"),
        (lambda: losses.Circle()(SHARES, P), "class ids"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_sums_over_axes_that_rows_do_not_have_are_refused_before_training():
    model = tinynet.Sequential([tinynet.layers.Dense(3, input_shape=(2, 4))])
    model.compile("sgd", losses.Dice(axis=(1, 2)))
    with pytest.raises(ValueError, match=r"axis=\(1, 2\) for outputs"):
        model.fit(np.ones((2, 2, 4)), np.ones((2, 2, 3)), verbose=0)
