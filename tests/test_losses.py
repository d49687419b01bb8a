"""Losses: values and gradients against Keras, against formulas by hand, and what they refuse.

The formulas by hand accept complex numbers, so that their derivatives are exact to the last digit:
f'(x) = Im f(x + ih) / h (Squire and Trapp 1998).
"""

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import keras_case

import tinynet
from tinynet import losses
from tinynet.layers import Dense
from tinynet.models import Sequential

SPARSE, CATEGORICAL, BINARY = (
    "SparseCategoricalCrossentropy",
    "CategoricalCrossentropy",
    "BinaryCrossentropy",
)
BINARY_FOCAL, CATEGORICAL_FOCAL = "BinaryFocalCrossentropy", "CategoricalFocalCrossentropy"
COSINE, KL = "CosineSimilarity", "KLDivergence"
SHARES = (SPARSE, CATEGORICAL, BINARY, KL, BINARY_FOCAL, CATEGORICAL_FOCAL)  # of probabilities
NOT_OF_ONE = (SPARSE, CATEGORICAL, CATEGORICAL_FOCAL, COSINE)  # a row of one output says nothing
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none")

# (class, options): options are pairs, because their repr is the key of a recording
LOSSES = [
    *((SPARSE, (("from_logits", z),)) for z in (False, True)),
    *(
        (name, (("from_logits", z), ("label_smoothing", s)))
        for name in (CATEGORICAL, BINARY)
        for z in (False, True)
        for s in (0.0, 0.2)
    ),
    ("MeanSquaredError", ()),
    ("MeanAbsoluteError", ()),
    ("Huber", ()),
    ("Huber", (("delta", 0.4),)),
    ("MeanAbsolutePercentageError", ()),
    ("MeanSquaredLogarithmicError", ()),
    ("LogCosh", ()),
    (COSINE, ()),
    ("Hinge", ()),
    ("SquaredHinge", ()),
    ("CategoricalHinge", ()),
    (KL, ()),
    ("Poisson", ()),
    (BINARY_FOCAL, ()),
    (BINARY_FOCAL, (("apply_class_balancing", True), ("gamma", 0.5), ("alpha", 0.7))),
    (BINARY_FOCAL, (("from_logits", True), ("gamma", 1.0), ("label_smoothing", 0.2))),
    (CATEGORICAL_FOCAL, ()),
    (CATEGORICAL_FOCAL, (("gamma", 0.5), ("alpha", 0.7), ("label_smoothing", 0.2))),
    (CATEGORICAL_FOCAL, (("from_logits", True), ("gamma", 3.0))),
]
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


# -------------------------------------------------------------------- what may be handed in


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        np.int64,
        np.uint8,
        np.int8,
        np.uint64,
        np.float32,
        lambda y: np.array(y)[:, None],
        lambda y: np.array(y, "float64")[:, None],
        lambda y: [[label] for label in y],
    ],
)
def test_class_ids_of_any_kind(convert):
    y, p = [2, 0, 1], np.array([[0.2, 0.3, 0.5], [0.7, 0.1, 0.2], [0.1, 0.6, 0.3]])
    y = convert(y) if not isinstance(convert, type) or convert in (list, tuple) else np.array(
        y, convert
    )  # fmt: skip
    loss = losses.SparseCategoricalCrossentropy()
    assert loss(y, p) == pytest.approx(-np.log([0.5, 0.7, 0.6]).mean(), rel=1e-12)
    assert loss.gradient(y, p)[0, 2] == pytest.approx((0.5 - 1) / 0.5 / 3)  # rows sum to 1


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64, list])
@pytest.mark.parametrize("column", [False, True])
def test_yes_and_no_of_any_kind(dtype, column):
    y, p = [True, False, True], np.array([[0.25], [0.5], [0.5]])
    y = [[v] for v in y] if column else y
    y = y if dtype is list else np.array(y, dtype)
    assert losses.BinaryCrossentropy()(y, p) == pytest.approx(4 / 3 * np.log(2))
    assert losses.BinaryCrossentropy(label_smoothing=0.5)(y, p) == pytest.approx(
        (-(0.75 * np.log(0.25) + 0.25 * np.log(0.75)) + 2 * np.log(2)) / 3
    )


def test_targets_are_left_untouched():
    y, w = np.array([[1.0, 0.0]]), np.array([2.0])
    p = np.array([[0.5, 0.25]])
    for name in ("binary_crossentropy", "categorical_crossentropy", "mse"):
        loss = losses.get(name)
        loss(y, p, w)
        loss.gradient(y, p, w)
    assert y.tolist() == [[1.0, 0.0]]
    assert p.tolist() == [[0.5, 0.25]]
    assert w.tolist() == [2.0]


def test_one_dimensional_predictions_are_rows():
    y, p, w = [1.0, 2.0, 3.0], [1.5, 2.0, 5.0], [1.0, 1.0, 0.5]
    loss = losses.MeanSquaredError("none")
    assert loss(y, p).tolist() == [0.25, 0.0, 4.0]
    assert losses.MeanSquaredError()(y, p, w) == pytest.approx(2.25 / 3)
    assert losses.MeanSquaredError("sum").gradient(y, p).tolist() == [1.0, 0.0, 4.0]
    assert losses.MeanSquaredError()(np.array(y)[:, None], p) == pytest.approx(4.25 / 3)


def test_predictions_that_are_no_floats_count_in_float32():
    assert losses.MeanSquaredError().gradient([1, 2], [3, 2]).dtype == np.float32
    assert losses.MeanSquaredError()([1, 2], np.array([3, 2], "float16")) == 2.0


def test_weights_of_a_column_or_of_every_position():
    y, p = np.zeros((2, 3, 1)), np.array([[[1.0], [2], [3]], [[1], [1], [1]]])
    loss = losses.MeanSquaredError("none")
    np.testing.assert_array_equal(loss(y, p, [2, 3]), [[2, 8, 18], [3, 3, 3]])
    np.testing.assert_array_equal(loss(y, p, [[2], [3]]), [[2, 8, 18], [3, 3, 3]])
    each = [[1, 0, 1], [0, 0, 5]]
    np.testing.assert_array_equal(loss(y, p, each), [[1, 0, 9], [0, 0, 5]])
    np.testing.assert_array_equal(loss(y, p, np.array(each)[..., None]), [[1, 0, 9], [0, 0, 5]])


# ------------------------------------------------------------------------------------- refusals

P = np.full((4, 3), 1 / 3)


def refuses(loss, y, *parts, p=P, error=ValueError, **options):
    with pytest.raises(error) as caught:
        losses.get(loss)(y, p, **options)
    for part in parts:
        assert part in str(caught.value), str(caught.value)
    with pytest.raises(error):
        losses.get(loss).gradient(y, p, **options)


@pytest.mark.parametrize(
    ("y", "row", "value"),
    [
        ([0, 1, 3, 5], "row 2", "3"),
        ([0, -1, 2, 1], "row 1", "-1"),
        ([0.0, 1.0, 2.0, 0.5], "row 3", "0.5"),
        (np.array([0, 255, 1, 2], np.uint8), "row 1", "255"),
        (np.array([[0], [1], [2], [7]]), "row 3", "7"),
    ],
)
def test_class_ids_out_of_range(y, row, value):
    refuses("sparse_categorical_crossentropy", y, row, f"class id {value}", "[0, 3)", "3 outputs")


def test_the_row_is_named_in_sequences_too():
    p = np.full((2, 2, 3), 1 / 3)
    refuses("sparse_categorical_crossentropy", [[0, 1], [2, 9]], "row 1", "9", "[0, 3)", p=p)


def test_one_hot_rows_where_ids_are_expected():
    refuses(
        *("sparse_categorical_crossentropy", np.eye(3)[[0, 1, 2, 0]]),
        *("('N',)", "('N', 3)", "use categorical_crossentropy"),
    )


@pytest.mark.parametrize("y", [[0, 1, 2, 0], [[0], [1], [2], [0]]])
def test_ids_where_one_hot_rows_are_expected(y):
    refuses(
        *("categorical_crossentropy", y),
        *("('N', 3)", "sparse_categorical_crossentropy", "to_categorical(y, 3)"),
    )


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse", "binary_crossentropy"])
def test_targets_of_another_width(loss):
    refuses(loss, np.zeros((4, 2)), "('N', 3)", "('N', 2)")
    refuses(loss, np.zeros((4, 3, 2)), "('N', 3)", "('N', 3, 2)")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse", "mae", "huber", "bce"])
def test_targets_that_are_not_finite(loss, bad):
    y = np.full((4, 3), 0.5)
    y[2, 1] = bad
    refuses(loss, y, "row 2", str(bad), "(2, 1)", "1 of 4 rows")


def test_ids_that_are_not_finite():
    refuses("sparse_categorical_crossentropy", [0.0, np.nan, 1.0, np.nan], "row 1", "nan", "2 of 4")


@pytest.mark.parametrize(("bad", "shown"), [(2.0, "2.0"), (-0.25, "-0.25"), (7, "7")])
def test_binary_targets_outside_0_and_1(bad, shown):
    y = np.zeros((4, 3), np.asarray(bad).dtype)
    y[3, 0] = bad
    refuses("binary_crossentropy", y, "row 3", shown, "[0, 1]")


def test_lengths_that_differ():
    refuses("mse", np.zeros((3, 3)), "y_true has 3 rows", "y_pred 4")
    refuses("sparse_categorical_crossentropy", [0, 1, 2, 0, 1], "5 rows", "4")
    refuses("mse", 1.0, "4 rows", "single number")


def test_predictions_without_rows():
    refuses("mse", [1.0], "N >= 1", "()", p=2.0)
    refuses("mse", np.zeros((0, 3)), "N >= 1", "(0, 3)", p=np.zeros((0, 3)))


@pytest.mark.parametrize("shape", [(3,), (1,), (4, 2), (4, 3), (4, 1, 2), (5, 1), ()])
def test_weights_of_another_shape(shape):
    shown = str(shape if shape[-1:] != (1,) or len(shape) == 1 else shape[:-1])
    w = np.ones(shape)
    refuses("mse", np.zeros((4, 3)), "sample_weight", "(4,)", shown, sample_weight=w)


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_targets_that_are_no_numbers(loss):
    refuses(loss, ["a", "b", "c", "d"], "numbers" if loss == "mse" else "ids", error=TypeError)
    refuses(loss, np.array([None] * 4), "object", error=TypeError)


def test_options_out_of_range():
    for bad in (-0.1, 1.5):
        for name in (CATEGORICAL, BINARY):
            with pytest.raises(ValueError, match=re.escape(f"[0, 1], received {bad}")):
                getattr(losses, name)(label_smoothing=bad)
    for bad in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"delta must be > 0, received {bad}"):
            losses.Huber(bad)
    with pytest.raises(ValueError, match=r"sum_over_batch_size.*received 'average'"):
        losses.MeanSquaredError("average")


@pytest.mark.parametrize("name", [name for name, _ in LOSSES])
def test_backward_before_forward(name):
    with pytest.raises(RuntimeError, match=rf"{name}: backward\(\) was called before forward"):
        getattr(losses, name)().backward()


# --------------------------------------------------------------------------- a loss of one's own


class Quartic(losses.Loss):
    """l_i = mean_c (p - y)^4."""

    def forward(self, y, p, w, logits=False):
        e = p - y
        self.dp = w[:, None] * 4 * e**3 / p.shape[-1]
        return w * (e**4).mean(axis=-1)


def test_a_loss_of_ones_own():
    loss = Quartic()
    assert loss([[0.0, 0.0]], [[1.0, 2.0]]) == 8.5
    assert loss.gradient([[0.0, 0.0]], [[1.0, 2.0]]).tolist() == [[2.0, 16.0]]
    assert Quartic(reduction="sum")([0, 0], [1, 2], [1, 3]) == 49.0
    model = Sequential([Dense(1, use_bias=False, kernel_initializer="ones", input_shape=(1,))])
    model.compile(tinynet.optimizers.SGD(0.1), Quartic())
    history = model.fit(np.ones((4, 1)), np.zeros((4, 1)), verbose=0, batch_size=4)
    assert history.history["loss"] == [1.0]
    np.testing.assert_allclose(model.get_weights()[0], [[0.6]], rtol=1e-6)


def test_the_base_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="Loss needs forward"):
        losses.Loss()([1.0], [1.0])
