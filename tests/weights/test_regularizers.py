"""Weight penalties and their gradients, against Keras (JAX's gradient) and by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

from tinynet import regularizers

W = ((-1.5, 0.0, 2.0), (0.25, -3.0, 1.0))  # holds a zero: the kink of |w|
CASES = [
    ("L1", ()), ("L1", (0.3,)), ("L2", ()), ("L2", (0.3,)),
    ("L1L2", ()), ("L1L2", (0.2, 0.05)), ("L1L2", (0.0, 1)),
]  # fmt: skip


@keras_case
def keras_penalty(keras, name, args):
    import jax

    regularizer = getattr(keras.regularizers, name)(*args)
    w = jax.numpy.array(W, "float32")
    away_from_zero = jax.numpy.where(w == 0, 1.0, w)
    return {
        "penalty": float(regularizer(w)),
        "gradient": jax.grad(lambda w: regularizer(w))(away_from_zero),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "args"), CASES)
def test_penalty_and_gradient_are_those_of_keras(name, args, dtype):
    regularizer = getattr(regularizers, name)(*args)
    w = np.array(W, dtype)
    expected = keras_penalty(name, args)
    assert type(regularizer(w)) is float
    np.testing.assert_allclose(regularizer(w), expected["penalty"], rtol=1e-6)
    gradient = regularizer.gradient(w)
    assert gradient.dtype == dtype
    assert gradient.shape == w.shape
    assert gradient[0, 1] == 0  # the subgradient we choose at zero
    np.testing.assert_allclose(gradient[w != 0], expected["gradient"][w != 0], rtol=1e-6)


def test_values_by_hand():
    w = np.array([1.0, -2.0])
    assert regularizers.L1(0.1)(w) == pytest.approx(0.3)
    assert regularizers.L2(0.1)(w) == pytest.approx(0.5)  # no factor 1/2
    assert regularizers.L1L2(0.1, 0.1)(w) == pytest.approx(0.8)
    np.testing.assert_allclose(regularizers.L2(0.1).gradient(w), [0.2, -0.4])
    np.testing.assert_allclose(regularizers.L1L2(0.1, 0.2).gradient(w), [0.5, -0.9])
    assert (regularizers.L1(0.3).l1, regularizers.L1(0.3).l2) == (0.3, 0.0)
    assert (regularizers.L2(0.3).l1, regularizers.L2(0.3).l2) == (0.0, 0.3)


@given(
    l1=st.floats(0, 10), l2=st.floats(0, 10),
    w=st.lists(st.floats(-10, 10).filter(lambda v: abs(v) > 1e-3), min_size=1, max_size=6),
)  # fmt: skip
def test_gradient_is_the_slope_of_the_penalty(l1, l2, w):
    regularizer, w, h = regularizers.L1L2(l1, l2), np.array(w), 1e-4
    for i in range(w.size):
        step = h * (np.arange(w.size) == i)
        slope = (regularizer(w + step) - regularizer(w - step)) / (2 * h)
        assert regularizer.gradient(w)[i] == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_the_sum_is_kept_in_float64():
    w = np.full(300_000, 0.1, "float32")
    assert regularizers.L1(1.0)(w) == pytest.approx(300_000 * float(np.float32(0.1)), rel=1e-12)


def test_any_array_like_will_do():
    class Weight:
        def __array__(self, dtype=None, copy=None):
            return np.array([3.0, -4.0], "float32")

    assert regularizers.L2(1.0)(Weight()) == 25
    np.testing.assert_array_equal(regularizers.L1(2.0).gradient(Weight()), [2, -2])


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "0.1", None, True, [0.1]])
def test_bad_factors(bad):
    for build in (
        regularizers.L1,
        regularizers.L2,
        lambda f: regularizers.L1L2(l1=f),
        lambda f: regularizers.L1L2(l2=f),
    ):
        with pytest.raises(ValueError, match=r"l[12] must be a finite number >= 0, received"):
            build(bad)


@pytest.mark.parametrize(
    ("name", "cls", "factors"),
    [
        ("l1", "L1", (0.01, 0)),
        ("L1", "L1", (0.01, 0)),
        ("l2", "L2", (0, 0.01)),
        ("l1_l2", "L1L2", (0, 0)),
        ("L1L2", "L1L2", (0, 0)),
    ],
)
def test_get_by_name(name, cls, factors):
    found = regularizers.get(name)
    assert type(found) is getattr(regularizers, cls)
    assert (found.l1, found.l2) == factors


def test_get():
    assert regularizers.get(None) is None
    l2 = regularizers.l2(0.5)  # Keras's lower-case spelling
    assert regularizers.get(l2) is l2
    with pytest.raises(ValueError, match="unknown regularizer 'l3'"):
        regularizers.get("l3")
    with pytest.raises(ValueError, match=r"needs __call__\(w\) and gradient"):
        regularizers.get(lambda w: 0.0)


@keras_case
def keras_regularizer_config(keras, name, args):
    regularizer = getattr(keras.regularizers, name)(*args)
    return {"json": json.dumps(keras.regularizers.serialize(regularizer))}


@keras_case
def keras_reads_regularizer(keras, text):
    regularizer = keras.regularizers.get(json.loads(text))
    return {"penalty": float(regularizer(np.array(W, "float32")))}


@pytest.mark.parametrize(("name", "args"), CASES)
def test_configs_are_those_of_keras_and_travel_both_ways(name, args):
    regularizer = getattr(regularizers, name)(*args)
    config = regularizers.serialize(regularizer)
    theirs = json.loads(str(keras_regularizer_config(name, args)["json"]))
    assert theirs.pop("config") == pytest.approx(config["config"])  # Keras rounds l1 to float32
    assert theirs == {key: config[key] for key in theirs}
    again = regularizers.deserialize(json.loads(json.dumps(config)))
    assert type(again) is type(regularizer)
    assert again.get_config() == regularizer.get_config()
    assert keras_reads_regularizer(json.dumps(config))["penalty"] == pytest.approx(
        regularizer(W), rel=1e-6
    )


def test_a_regularizer_of_ones_own():
    class Bound(regularizers.Regularizer):
        """The largest |w|."""

        def __call__(self, w):
            return float(np.abs(w).max())

        def gradient(self, w):
            return np.sign(w) * (np.abs(w) == np.abs(w).max())

    own = Bound()
    assert regularizers.get(own) is own
    assert own(W) == 3
    for method in ("__call__", "gradient"):
        with pytest.raises(NotImplementedError, match=method):
            getattr(regularizers.Regularizer(), method)(W)
