"""Constraints: values against Keras, names and configs, in layers, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

import tinynet
from tinynet import Sequential, constraints, layers
from tinynet.core.parameters import Parameter

CASES = [
    ("MaxNorm", ()), ("MaxNorm", (0.7, 1)), ("MaxNorm", (0.7, -1)), ("MaxNorm", (1.5, (0, 1))),
    ("MaxNorm", (0.0,)), ("UnitNorm", ()), ("UnitNorm", (1,)), ("NonNeg", ()), ("MinMaxNorm", ()),
    ("MinMaxNorm", (0.5, 0.9)), ("MinMaxNorm", (0.5, 0.9, 0.3, 1)),
    ("MinMaxNorm", (2, 3, 0.0, (0, 1))),
]  # fmt: skip


def weights():
    w = np.random.default_rng(3).normal(size=(5, 4)).astype("float32")
    w[:, 1] = 0
    w[2] *= 5
    return w


def build(module, name, arguments):
    return getattr(module, name)(*[list(a) if isinstance(a, tuple) else a for a in arguments])


@keras_case
def keras_constrained(keras, name, arguments):
    return {"w": build(keras.constraints, name, arguments)(weights())}


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_values_are_those_of_keras(name, arguments, device):
    expected = keras_constrained(name, arguments)["w"]
    constraint, w = build(constraints, name, arguments), weights()
    np.testing.assert_allclose(constraint(w), expected, rtol=2e-6, atol=1e-7)
    np.testing.assert_array_equal(w, weights())
    constraints.apply(constraint, tinynet.core.devices.load_ops(device), w)
    np.testing.assert_allclose(w, expected, rtol=2e-6, atol=1e-7)


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    high=st.floats(0.1, 3),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_norms_end_in_their_bounds_on_both_devices(shape, high, share, seed, data):
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1).map(sorted))
    w = np.random.default_rng(seed).normal(size=shape) + 0.1
    constraint = constraints.MinMaxNorm(share * high, high, axis=axes)
    before = np.sqrt((w**2).sum(axis=tuple(axes)))
    least = share * high * before / (before + 1e-7)  # Keras divides by so much more
    for device in ("reference", "cpu"):
        got = w.copy()
        constraints.apply(constraint, tinynet.core.devices.load_ops(device), got)
        norms = np.sqrt((got**2).sum(axis=tuple(axes)))
        assert (norms <= high * (1 + 1e-12)).all()
        assert (norms >= least * (1 - 1e-12)).all()
        np.testing.assert_allclose(got, constraint(w), rtol=1e-12)


def test_by_hand():
    w = np.array([[3.0, 0.3], [4.0, 0.4]])
    np.testing.assert_allclose(constraints.MaxNorm(1)(w), [[0.6, 0.3], [0.8, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(constraints.UnitNorm()(w), [[0.6, 0.6], [0.8, 0.8]], rtol=1e-6)
    half = constraints.MinMaxNorm(1, 2, 0.5)(w)  # half way from 5 to 2, and from 0.5 to 1
    np.testing.assert_allclose(half, [[2.1, 0.45], [2.8, 0.6]], rtol=1e-6)
    np.testing.assert_array_equal(constraints.NonNeg()(-w), 0 * w)
    np.testing.assert_array_equal(constraints.Constraint()(w), w)


@keras_case
def keras_constraint_config(keras, name, arguments):
    module = keras.constraints
    return {"json": json.dumps(module.serialize(build(module, name, arguments)))}


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_configs_are_those_of_keras(name, arguments):
    constraint = build(constraints, name, arguments)
    config = constraints.serialize(constraint)
    assert config == json.loads(str(keras_constraint_config(name, arguments)["json"]))
    again = constraints.deserialize(config)
    assert type(again) is type(constraint)
    assert again.get_config() == constraint.get_config()


class Rounded(constraints.Constraint):
    """One of the user's own."""

    def __call__(self, w):
        return np.round(w, 1)


def test_get():
    assert constraints.get(None) is None
    assert constraints.get("max_norm").max_value == 2
    assert type(constraints.get("UnitNorm")) is constraints.UnitNorm
    assert type(constraints.get(constraints.NonNeg)) is constraints.NonNeg
    ready = constraints.max_norm(3)
    assert constraints.get(ready) is ready
    assert constraints.get(np.abs) is np.abs  # any function
    found = constraints.deserialize(constraints.serialize(Rounded()), {"Rounded": Rounded})
    assert type(found) is Rounded
    with pytest.raises(ValueError, match="did you mean 'max_norm'"):
        constraints.get("maxnrm")
    with pytest.raises(TypeError, match=r"constraint must be .* received 3"):
        constraints.get(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda c: c.MaxNorm(-1), "max_value must be .* >= 0, received -1"),
        (lambda c: c.MaxNorm("2"), "max_value .* '2'"),
        (lambda c: c.MaxNorm(2, axis=0.5), "axis must be an int or a list of ints, received 0.5"),
        (lambda c: c.UnitNorm([]), r"axis must be .* received \[\]"),
        (lambda c: c.UnitNorm(axis=True), "axis must be .* received True"),
        (lambda c: c.MinMaxNorm(2, 1), "max_value must be .* >= 2, received 1"),
        (lambda c: c.MinMaxNorm(rate=-1), "rate must be .* >= 0, received -1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make(constraints)


def test_a_norm_constraint_without_limits_says_what_it_must_define():
    class Unlimited(constraints.UnitNorm):
        limits = constraints.UnitNorm.__base__.limits

    ops, w = tinynet.core.devices.load_ops("reference"), weights()
    for use in (lambda: Unlimited()(w), lambda: constraints.apply(Unlimited(), ops, w)):
        with pytest.raises(NotImplementedError, match=r"Unlimited must define limits\(\), which "
                           r"returns \(low, high, rate\)"):  # fmt: skip
            use()
    np.testing.assert_array_equal(w, weights())


def test_in_layers():
    dense = layers.Dense(3, kernel_constraint="max_norm", bias_constraint=constraints.NonNeg())
    norm = layers.BatchNormalization(beta_constraint="unit_norm", gamma_constraint="non_neg")
    prelu = layers.PReLU(alpha_constraint=constraints.MinMaxNorm(0.1, 0.5))
    Sequential([layers.Input((2,)), dense, norm, prelu])
    for parameter, kind in (
        (dense.kernel, constraints.MaxNorm), (dense.bias, constraints.NonNeg),
        (norm.beta, constraints.UnitNorm), (norm.gamma, constraints.NonNeg),
        (norm.moving_mean, type(None)), (prelu.alpha, constraints.MinMaxNorm),
    ):  # fmt: skip
        assert type(parameter.constraint) is kind
    for layer in (dense, norm, prelu):
        config = json.loads(json.dumps(layers.serialize(layer)))
        again = layers.deserialize(config)
        assert layers.serialize(again) == config
    assert config["config"]["alpha_constraint"]["config"]["max_value"] == 0.5


def test_in_a_layer_of_ones_own():
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight((input_shape[-1],), "ones", constraint="non_neg")

        def forward(self, x, training=False):
            self.saved = x
            return x * self.factor.value

        def backward(self, dy):
            self.factor.grad[...] = (dy * self.recall()).sum(axis=0)
            return dy * self.factor.value

    layer, x = Scale(), np.ones((3, 2), "f4")
    model = Sequential([layers.Input((2,)), layer])
    model.compile(tinynet.optimizers.SGD(1.0), "mse")
    model.train_on_batch(x, x * [-4.0, 3.0])
    np.testing.assert_array_equal(layer.factor, [0, 3])  # without it -4 and 3


@keras_case
def keras_constrained_layer(keras):
    layer = keras.layers.Dense(3, kernel_constraint=keras.constraints.MaxNorm(0.5, [0, 1]))
    return {"json": json.dumps(layer.get_config()["kernel_constraint"])}


def test_a_layer_reads_what_keras_wrote():
    constraint = json.loads(str(keras_constrained_layer()["json"]))
    layer = layers.Dense(3, kernel_constraint=constraint)
    assert layer.kernel_constraint.get_config() == {"max_value": 0.5, "axis": [0, 1]}


def test_what_a_layer_refuses():
    layer = layers.Dense(3, bias_constraint=constraints.MaxNorm(axis=1))
    with pytest.raises(
        ValueError, match=r"dense.*/bias: MaxNorm\(.*axis 1 does not exist in shape \(3,\)"
    ):
        Sequential([layers.Input((2,)), layer])
    with pytest.raises(ValueError, match="unknown constraint 'small'"):
        layers.Dense(3, kernel_constraint="small")
    p = Parameter(np.ones(3), constraint=lambda w: w[:1])
    with pytest.raises(ValueError, match=r"expected a weight of shape \(3,\), received \(1,\)"):
        tinynet.optimizers.SGD().apply([np.ones(3)], [p])
