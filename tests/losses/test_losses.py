"""Losses: values and gradients against Keras, and against formulas by hand.

The formulas by hand accept complex numbers, so that their derivatives are exact to the last digit:
f'(x) = Im f(x + ih) / h (Squire and Trapp 1998).
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from loss_cases import (
    BINARY,
    BINARY_FOCAL,
    CATEGORICAL,
    CATEGORICAL_FOCAL,
    COSINE,
    KL,
    LOSSES,
    SPARSE,
)
from oracle import keras_case

from tinynet import losses
from tinynet.layers import Dense
from tinynet.models import Sequential

SHARES = (SPARSE, CATEGORICAL, BINARY, KL, BINARY_FOCAL, CATEGORICAL_FOCAL)  # of probabilities
NOT_OF_ONE = (SPARSE, CATEGORICAL, CATEGORICAL_FOCAL, COSINE)  # a row of one output says nothing
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none")
SHAPES = [(5, 4), (5, 1), (3, 2, 4)]  # of the output
CASES = [
    (name, options, shape)
    for name, options in LOSSES
    for shape in SHAPES
    # one class alone is certain: nothing to learn, and Keras warns
    if not (shape[-1] == 1 and name in NOT_OF_ONE)
]


def data(name, options, shape):
    """Targets, predictions and weights that fit a loss; rows of probabilities do not sum to 1."""
    rng = np.random.default_rng([len(name), *shape])
    if name == "Poisson":
        p = rng.uniform(0.1, 3, shape)
    elif dict(options).get("from_logits") or name not in SHARES:
        p = rng.normal(0, 1.5, shape)
    else:
        p = rng.uniform(0.02, 0.95, shape)
    if name == SPARSE:
        y = rng.integers(0, shape[-1], shape[:-1])
    elif name == "Poisson":
        y = rng.poisson(1.5, shape)
    elif "inge" in name and name != "CategoricalHinge":
        y = rng.choice([-1, 1], shape)
    elif name in (CATEGORICAL, CATEGORICAL_FOCAL, "CategoricalHinge", KL):
        y = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
        y.reshape(-1, shape[-1])[::2] = np.eye(shape[-1])[min(1, shape[-1] - 1)]
    elif name in (BINARY, BINARY_FOCAL):
        y = rng.integers(0, 2, shape)
    else:
        y = rng.normal(size=shape)
    if shape[-1] == 1 and name != SPARSE:
        y = y[..., 0]  # (N,) for an output of (N, 1)
    weights = rng.uniform(0.2, 2.0, shape[:-1])
    return y.astype("float32"), p.astype("float32"), weights.astype("float32")


@keras_case
def keras_losses(keras, name, options, shape):
    """For every reduction, with and without weights: the value, and its gradient by jax.grad."""
    import jax

    y, p, weights = data(name, options, shape)

    @jax.jit
    def everything(p):
        values, grads = [], []
        for reduction in REDUCTIONS:
            loss = getattr(keras.losses, name)(reduction=reduction, **dict(options))
            for w in (None, weights):
                values.append(loss(y, p, w).ravel())
                grads.append(jax.grad(lambda p, loss=loss, w=w: loss(y, p, w).sum())(p))
        return jax.numpy.concatenate(values), jax.numpy.stack(grads)

    values, grads = everything(p)
    return {"values": values, "gradients": grads}


@pytest.mark.parametrize(("name", "options", "shape"), CASES)
def test_values_and_gradients_are_those_of_keras(name, options, shape):
    y, p, weights = data(name, options, shape)
    values, grads = [], []
    for reduction in REDUCTIONS:
        loss = getattr(losses, name)(reduction=reduction, **dict(options))
        for w in (None, weights):
            values.append(np.ravel(loss(y, p, w)))
            grads.append(loss.gradient(y, p, w))
            assert grads[-1].dtype == np.float32
    expected = keras_losses(name, options, shape)
    np.testing.assert_allclose(np.concatenate(values), expected["values"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(grads, expected["gradients"], rtol=1e-5, atol=2e-7)


# ------------------------------------------------------------------- formulas by hand, float64


def by_hand(name, options, y, p):
    """Values of each row, for real or complex p (..., C)."""
    options = dict(options)
    smoothing, C = options.get("label_smoothing", 0), p.shape[-1]
    if name == SPARSE:
        y = np.eye(C)[y.astype(int)]
    elif y.ndim < p.ndim:
        y = y[..., None]
    alpha, gamma = options.get("alpha", 0.25), options.get("gamma", 2.0)
    if name in (SPARSE, CATEGORICAL, CATEGORICAL_FOCAL):
        q = np.exp(p) if options.get("from_logits") else p
        q = q / q.sum(axis=-1, keepdims=True)
        factor = alpha * (1 - q) ** gamma if name == CATEGORICAL_FOCAL else 1
        return -(factor * (y * (1 - smoothing) + smoothing / C) * np.log(q)).sum(axis=-1)
    if name in (BINARY, BINARY_FOCAL):
        q = 1 / (1 + np.exp(-p)) if options.get("from_logits") else p
        y = y * (1 - smoothing) + smoothing / 2
        factor = (1 - (y * q + (1 - y) * (1 - q))) ** gamma if name == BINARY_FOCAL else 1
        if options.get("apply_class_balancing"):
            factor = factor * (y * alpha + (1 - y) * (1 - alpha))
        return -(factor * (y * np.log(q) + (1 - y) * np.log(1 - q))).mean(axis=-1)
    if name == "CategoricalHinge":
        others = (1 - y) * p
        strongest = others.real.argmax(axis=-1)[..., None]
        value = 1 + np.take_along_axis(others, strongest, -1)[..., 0] - (y * p).sum(axis=-1)
        return value * (value.real > 0)
    if name == COSINE:
        size = np.sqrt((p * p).sum(axis=-1)) * np.sqrt((y * y).sum(axis=-1))
        return -(p * y).sum(axis=-1) / np.where(size == 0, 1, size)
    if name == KL:
        y = np.maximum(y, 1e-7)
        return (y * np.log(y / p)).sum(axis=-1)
    e, sign, raised = p - y, np.where(y == 0, -1, y), np.where(p.real > 1e-7, p, 1e-7)
    margin = (1 - sign * p) * (1 - sign * p.real > 0)
    size = e * np.sign(e.real)
    delta = options.get("delta", 1.0)
    return {
        "MeanSquaredError": e * e,
        "MeanAbsoluteError": size,
        "Huber": np.where(e.real**2 <= delta**2, e * e / 2, delta * size - delta**2 / 2),
        "MeanAbsolutePercentageError": 100 * size / np.maximum(abs(y), 1e-7),
        "MeanSquaredLogarithmicError": (np.log(1 + raised) - np.log(1 + np.maximum(y, 1e-7))) ** 2,
        "LogCosh": np.log(np.cosh(e)),
        "Hinge": margin,
        "SquaredHinge": margin * margin,
        "Poisson": p - y * np.log(np.where(p.real > 0, p, 1) + 1e-7),
    }[name].mean(axis=-1)


def share(reduction, w):
    """What each row's value is multiplied by."""
    if reduction in ("sum_over_batch_size", "mean"):
        return w / w.size
    return w / w.sum() if reduction == "mean_with_sample_weight" else w


def derivative(f, x, h=1e-30):
    """df/dx of a number f(x), entry by entry, by the complex step."""
    dx = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += 1j * h
        dx[place] = f(moved).imag / h
    return dx


@pytest.mark.parametrize(("name", "options", "shape"), CASES)
def test_float64_agrees_with_the_formula(name, options, shape):
    y, p, weights = (a.astype("float64") for a in data(name, options, shape))
    for reduction in REDUCTIONS:
        loss = getattr(losses, name)(reduction=reduction, **dict(options))
        for given_weights in (None, weights):
            w = share(reduction, np.ones(shape[:-1]) if given_weights is None else weights)
            terms = w * by_hand(name, options, y, p)
            expected = terms if reduction == "none" else terms.sum()
            np.testing.assert_allclose(loss(y, p, given_weights), expected, rtol=1e-10)
            dp = derivative(lambda p, w=w: (w * by_hand(name, options, y, p)).sum(), p)
            found = loss.gradient(y, p, given_weights)
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, dp, rtol=1e-10, atol=1e-14)
            assert np.abs(dp).max() > 1e-3


@given(
    case=st.sampled_from(LOSSES),
    lead=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    C=st.integers(1, 5),
    seed=st.integers(0, 9),
    reduction=st.sampled_from(REDUCTIONS),
)
def test_any_shape(case, lead, C, seed, reduction):
    (name, options), rng = case, np.random.default_rng(seed)
    assume(C > 1 or name not in NOT_OF_ONE)  # one class: q = 1, and all there is is the clip
    p = rng.uniform(0.1, 0.9, (*lead, C))
    y = rng.integers(0, 2, (*lead, C)).astype(float)
    if name == SPARSE:
        y = rng.integers(0, C, lead)
    w = rng.uniform(0.5, 2, lead[0])  # one weight for all positions of a row
    loss = getattr(losses, name)(reduction=reduction, **dict(options))
    spread = np.broadcast_to(w.reshape(-1, *(1,) * (len(lead) - 1)), lead)

    def total(p):
        return (share(reduction, spread) * by_hand(name, options, y, p)).sum()

    np.testing.assert_allclose(np.sum(loss(y, p, w)), total(p), rtol=1e-9, atol=2e-6)
    dp = derivative(total, p)
    clips = name in (SPARSE, CATEGORICAL) and C == 1  # the only class has p = 1: clipped
    np.testing.assert_allclose(loss.gradient(y, p, w), 0 if clips else dp, rtol=1e-8, atol=1e-8)
    if reduction == "none":
        assert loss(y, p, w).shape == tuple(lead)


@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_a_batch_is_the_sum_of_its_parts(name, options):
    y, p, w = data(name, options, (5, 4))
    loss = getattr(losses, name)(reduction="sum", **dict(options))
    parts = [loss(y[a:b], p[a:b], w[a:b]) for a, b in ((0, 1), (1, 4), (4, 5))]
    assert loss(y, p, w) == pytest.approx(sum(parts), rel=1e-6)


@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_the_number_of_rows_enters_once(name, options):
    """k copies of a row have the loss of one; their gradients add up to the gradient of one."""
    y, p, _ = data(name, options, (5, 4))
    y, p = y[:1], p[:1].astype("float64")
    many = [np.repeat(a, 7, axis=0) for a in (y, p)]
    for reduction, factor in (("sum_over_batch_size", 1), ("sum", 7)):
        loss = getattr(losses, name)(reduction=reduction, **dict(options))
        assert loss(*many) == pytest.approx(factor * loss(y, p), rel=1e-12)
        one, all_rows = loss.gradient(y, p), loss.gradient(*many)
        np.testing.assert_allclose(all_rows.sum(axis=0), factor * one[0], rtol=1e-12)
        np.testing.assert_allclose(all_rows[3], one[0] * factor / 7, rtol=1e-12)


def test_values_worked_by_hand():
    assert losses.MeanSquaredError()([[1.0, 2.0], [3.0, 4.0]], [[1.0, 4.0], [0.0, 4.0]]) == 3.25
    assert losses.MeanAbsoluteError()([[1.0, 2.0]], [[2.0, 5.0]]) == 2.0
    assert losses.Huber()([[0.0, 0.0]], [[0.5, 3.0]]) == (0.125 + 2.5) / 2
    sparse = losses.SparseCategoricalCrossentropy()
    assert sparse([1, 0], [[0.5, 0.5], [0.25, 0.75]]) == pytest.approx(1.5 * np.log(2))
    assert losses.BinaryCrossentropy()([1, 0], [[0.25], [0.5]]) == pytest.approx(1.5 * np.log(2))
    loss = losses.MeanSquaredError()  # 2 (p - y) / N, with C = 1
    np.testing.assert_array_equal(loss.gradient([[1.0], [5.0]], [[2.0], [1.0]]), [[1.0], [-4.0]])
    # weights multiply; the divisor is the number of values, or the sum of the weights
    y, p, w = [0.0, 0.0], [[1.0], [2.0]], [3.0, 0.5]
    assert losses.MeanSquaredError()(y, p, w) == 2.5
    assert losses.MeanSquaredError("sum")(y, p, w) == 5.0
    assert losses.MeanSquaredError("mean_with_sample_weight")(y, p, w) == pytest.approx(5 / 3.5)
    assert losses.MeanSquaredError("none")(y, p, w).tolist() == [3.0, 2.0]
    assert losses.MeanSquaredError("mean_with_sample_weight")(y, p, [0.0, 0.0]) == 0.0


# ----------------------------------------------------------------------------- saturated outputs

SATURATED = [
    (SPARSE, [0, 1, 2], [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0]]),
    (CATEGORICAL, [[1, 0, 0], [0, 1, 0], [0.5, 0, 0.5]], [[1, 0, 0], [1, 0, 0], [1, 1, 0]]),
    (BINARY, [[0, 1, 0], [1, 0, 1]], [[0, 1, 1], [0, 0, 0.5]]),
]


@keras_case
def keras_saturated(keras, number):
    import jax

    name, y, p = SATURATED[number]
    y, p = np.array(y, "float32"), np.array(p, "float32")
    loss = getattr(keras.losses, name)(reduction="none")
    return {"values": loss(y, p), "gradient": jax.grad(lambda p: loss(y, p).sum())(p)}


@pytest.mark.parametrize("number", range(3))
def test_saturated_probabilities_are_clipped_as_in_keras(number):
    name, y, p = SATURATED[number]
    p, expected = np.array(p, "float32"), keras_saturated(number)
    loss = getattr(losses, name)(reduction="none")
    np.testing.assert_allclose(loss(y, p), expected["values"], rtol=1e-5)
    np.testing.assert_allclose(loss.gradient(y, p), expected["gradient"], rtol=1e-5)


def test_floor_ceiling_and_no_gradient_where_clipped():
    p = np.array([[1, 0], [1, 0]], "float32")
    for loss, y in (
        (losses.SparseCategoricalCrossentropy(reduction="none"), [0, 1]),
        (losses.CategoricalCrossentropy(reduction="none"), [[1, 0], [0, 1]]),
        (losses.BinaryCrossentropy(reduction="none"), [[1, 0], [0, 1]]),
    ):
        floor, ceiling = loss(y, p)
        # 1 - 1e-7 is 1 - 1.19e-7 in float32; the binary loss has p = 0, clipped to 1e-7, too
        expected = 1.192e-7 if loss.logits_of == "softmax" else (1.192e-7 + 1e-7) / 2
        assert floor == pytest.approx(expected, rel=1e-3)
        assert ceiling == pytest.approx(16.118, abs=0.2)  # -log 1e-7; one side of 1 - 1e-7 rounds
        np.testing.assert_array_equal(loss.gradient(y, p), 0)
        double = loss(y, p.astype("float64"))
        np.testing.assert_allclose(double, [-np.log1p(-1e-7), -np.log(1e-7)], rtol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_from_logits_nothing_saturates(dtype):
    z = np.array([[1000, -1000], [-1000, 1000]], dtype)
    one_hot = [[0, 1], [0, 1]]  # the first row is as wrong as can be, the second right
    for loss, y in (
        (losses.SparseCategoricalCrossentropy(True, reduction="none"), [1, 1]),
        (losses.CategoricalCrossentropy(True, reduction="none"), one_hot),
    ):
        np.testing.assert_array_equal(loss(y, z), [2000, 0])
        np.testing.assert_array_equal(loss.gradient(y, z), [[1, -1], [0, 0]])
        np.testing.assert_array_equal(loss.probabilities, [[1, 0], [0, 1]])
    binary = losses.BinaryCrossentropy(True, reduction="none")
    np.testing.assert_array_equal(binary(one_hot, z), [1000, 0])
    np.testing.assert_array_equal(binary.gradient(one_hot, z), [[0.5, -0.5], [0, 0]])
    np.testing.assert_array_equal(binary.probabilities, [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("activation", "loss", "y"),
    [
        ("softmax", "sparse_categorical_crossentropy", [1]),
        ("softmax", "categorical_crossentropy", [[0, 1]]),
        ("sigmoid", "binary_crossentropy", [[0, 1]]),
    ],
)
def test_a_model_fuses_its_last_activation_with_the_loss(activation, loss, y):
    """A saturated output still learns: dz/dbias = p - y although p is exactly 0 and 1."""
    model = Sequential([Dense(2, activation=activation, input_shape=(2,))])
    model.compile("sgd", loss)
    model.set_weights([np.diag([500.0, 500.0]), np.zeros(2)])
    grads = model.gradients(np.array([[1.0, -1.0]]), np.array(y))
    (bias,) = (g for path, g in grads.items() if path.endswith("bias"))
    np.testing.assert_allclose(bias, np.array([1, -1]) / (2 if activation == "sigmoid" else 1))
    assert model.evaluate(np.array([[1.0, -1.0]]), np.array(y), verbose=0) == pytest.approx(
        500 if activation == "sigmoid" else 1000
    )
