"""Activations against live Keras: values, derivatives, options; and the rules for one's own."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import jax_computes_in, keras_case

import tinynet
from tinynet import activations

KINKS = {0.0, -3.0, 3.0, 1.0, 2.0}
SMALL = (0.0, 1e-3, -1e-3, 0.5, -0.5, *KINKS)
GRID = tuple(sorted({*(round(0.37 * i, 2) for i in range(-54, 55)), 20.0, -20.0, *SMALL}))
LARGE = (-1e6, -1e4, -100.0, 100.0, 1e4, 1e6)

CASES = [
    ("linear", {}), ("relu", {}), ("sigmoid", {}), ("tanh", {}), ("selu", {}), ("softplus", {}),
    ("softsign", {}), ("silu", {}), ("swish", {}), ("exponential", {}), ("hard_sigmoid", {}),
    ("mish", {}), ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.05}), ("elu", {}),
    ("elu", {"alpha": 0.3}), ("gelu", {}), ("gelu", {"approximate": True}),
    ("relu", {"negative_slope": 0.1}), ("relu", {"max_value": 2.0}), ("relu", {"threshold": 1.0}),
    ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 1.0}),
    ("relu", {"negative_slope": 0.1, "threshold": -1.0}),
]  # fmt: skip
TOLERANCE = {"float32": {"rtol": 1e-5, "atol": 3e-6}, "float64": {"rtol": 1e-10, "atol": 1e-12}}


def grid(name, dtype):
    largest = 80 if name == "exponential" else math.inf  # e^100 truly overflows float32
    return np.array([v for v in GRID + LARGE if v <= largest], dtype)


def off_the_kinks(x):
    return np.array([v not in KINKS for v in x])


@keras_case
def keras_activation(keras, name, options, dtype):
    import jax

    f = getattr(keras.activations, name)
    with jax_computes_in(dtype):
        x = jax.numpy.asarray(grid(name, dtype))
        y, reverse = jax.vjp(lambda x: f(x, **json.loads(options)), x)
        return {"y": y, "slope": reverse(jax.numpy.ones_like(y))[0]}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_values_and_slopes_are_those_of_keras(name, options, dtype):
    expected = keras_activation(name, json.dumps(options), dtype)
    tolerance = TOLERANCE[str(expected["y"].dtype)]  # Keras's tanh is float32 throughout
    f, x = getattr(activations, name), grid(name, dtype)
    before = x.copy()
    y = f(x, **options)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected["y"], **tolerance)
    slope = f.gradient(x, np.ones_like(x), **options)
    assert slope.dtype == dtype
    smooth = off_the_kinks(x)
    np.testing.assert_allclose(slope[smooth], expected["slope"][smooth], **tolerance)
    scaled = f.gradient(x, np.full_like(x, -3), **options)
    np.testing.assert_allclose(scaled, -3 * slope, rtol=1e-6)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", ["relu", "elu", "selu", "softsign", "hard_sigmoid"])
def test_the_slope_at_zero_is_that_of_keras(name):
    expected = keras_activation(name, "{}", "float64")["slope"][grid(name, "float64") == 0]
    slope = getattr(activations, name).gradient(np.zeros(1), np.ones(1))
    np.testing.assert_allclose(slope, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "x", "slope"),
    [
        ("relu", {}, 0, 0),
        ("leaky_relu", {"negative_slope": 0.3}, 0, 0.3),  # Keras: 0.3 on TensorFlow, 1 on JAX
        ("elu", {"alpha": 0.7}, 0, 0.7),
        ("relu", {"negative_slope": 0.1, "threshold": 1.0}, 1, 0.1),
        ("relu", {"max_value": 2.0}, 2, 0),
        ("hard_sigmoid", {}, 3, 0),
        ("hard_sigmoid", {}, -3, 0),
    ],
)
def test_the_slope_at_a_kink(name, options, x, slope):
    f = getattr(activations, name)
    assert f.gradient([float(x)], [1.0], **options) == pytest.approx([slope])


# ---------------------------------------------------------------------- softmax and log_softmax

ROWS = {
    "matrix": ((1.0, -2.0, 0.5), (0.0, 0.0, 0.0), (-30.0, 20.0, 19.0)),
    "vector": (1.0, -2.0, 0.5),
    "cube": (((1.0, 2.0), (-3.0, 0.5)), ((0.0, 7.0), (1.0, 1.0)), ((2.0, -1.0), (0.5, 0.0))),
}


@keras_case
def keras_rowwise(keras, name, which, axis, dtype):
    import jax

    with jax_computes_in(dtype):
        x = jax.numpy.asarray(np.array(ROWS[which], dtype))
        y, reverse = jax.vjp(lambda x: getattr(keras.activations, name)(x, axis=axis), x)
        return {"y": y, "dx": reverse(jax.numpy.asarray(upstream(x.shape, dtype)))[0]}


def upstream(shape, dtype):
    return np.cos(np.arange(np.prod(shape), dtype=dtype)).reshape(shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("which", "axis"),
    [("vector", -1), ("vector", 0), ("matrix", -1), ("matrix", 1), ("matrix", 0), ("cube", -1),
     ("cube", 1), ("cube", 0), ("cube", -2)],
)  # fmt: skip
def test_rowwise_values_and_gradients_are_those_of_keras(name, which, axis, dtype):
    expected = keras_rowwise(name, which, axis, dtype)
    f, x = getattr(activations, name), np.array(ROWS[which], dtype)
    y = f(x, axis=axis)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected["y"], **TOLERANCE[dtype])
    dx = f.gradient(x, upstream(x.shape, dtype), axis=axis)
    np.testing.assert_allclose(dx, expected["dx"], **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_of_large_numbers(dtype):
    x = np.array([[1e6, 0, -1e6], [1e4, 1e4, -1e4], [-1e6, -1e6, -1e6]], dtype)
    expected = [[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(activations.softmax(x), expected, rtol=1e-6)
    log = activations.log_softmax(x)
    np.testing.assert_allclose(log[0], [0, -1e6, -2e6], rtol=1e-6)
    np.testing.assert_allclose(log[2], [-math.log(3)] * 3, rtol=1e-6)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6))
def test_softmax_is_a_distribution_that_ignores_a_shift(row):
    x = np.array(row)
    p = activations.softmax(x)
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(activations.softmax(x + 3), p, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(np.exp(activations.log_softmax(x)), p, rtol=1e-9, atol=1e-300)


# ----------------------------------------------------------------------------- calling, configs


@pytest.mark.parametrize("x", [2, [1, -2], np.array([1, 2], "uint8"), np.ones((2, 0))], ids=str)
def test_any_array_like_of_any_shape(x):
    y = activations.relu(x)
    assert y.shape == np.shape(x)
    assert y.dtype == (np.float64 if isinstance(x, np.ndarray) and x.dtype == "f8" else np.float32)


def test_options_by_position_and_name():
    assert activations.leaky_relu(-1.0, 0.5) == -0.5
    assert activations.relu(-1.0, 0.5) == -0.5
    assert activations.relu(5.0, 0.0, 3.0) == 3
    with pytest.raises(TypeError, match=r"relu has no option 'alpha'; it has .*negative_slope"):
        activations.relu(1.0, alpha=1)
    with pytest.raises(TypeError, match="tanh has no option 'axis'; it has none"):
        activations.tanh(1.0, axis=1)
    with pytest.raises(TypeError, match="elu takes 1 options, received 2"):
        activations.elu(1.0, 1.0, 2.0)
    assert activations.leaky_relu.options == {"negative_slope": 0.2}  # unchanged by the calls


def test_get():
    assert activations.get(None) is activations.linear
    assert activations.get("relu") is activations.relu
    assert activations.get("swish") is activations.silu
    assert activations.get("LogSoftmax") is activations.log_softmax
    assert activations.get(activations.tanh) is activations.tanh
    for wrong, near in [("rleu", "relu"), ("sigmod", "sigmoid"), ("softmx", "softmax")]:
        with pytest.raises(ValueError, match=f"unknown activation '{wrong}'; .* '{near}'"):
            activations.get(wrong)
    with pytest.raises(TypeError, match=r"activation must be a name.*received 3 of type int"):
        activations.get(3)
    for function in (np.tanh, lambda x: x):
        with pytest.raises(TypeError, match=r"has no backward: subclass .*Activation and write"):
            activations.get(function)


@keras_case
def keras_serialized_activation(keras, name):
    f = getattr(keras.activations, name)
    return {"name": np.array(keras.activations.serialize(f))}


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES} | {"softmax", "log_softmax"}))
def test_serialized_names_are_those_of_keras(name):
    f = getattr(activations, name)
    assert activations.serialize(f) == str(keras_serialized_activation(name)["name"])
    assert activations.deserialize(activations.serialize(f)) is f


@pytest.mark.parametrize(("name", "options"), [*CASES, ("softmax", {"axis": 1})], ids=str)
def test_options_survive_the_round_trip(name, options):
    f = getattr(activations, name).with_options(**options)
    again = activations.get(json.loads(json.dumps(activations.serialize(f))))
    assert type(again) is type(f)
    assert (again.name, again.options) == (f.name, f.options)
    x = np.array([[-1.5, 0.7], [2.5, -0.1]])
    np.testing.assert_array_equal(again(x), getattr(activations, name)(x, **options))


def test_deserialize():
    assert activations.deserialize(None) is activations.linear
    assert activations.deserialize("tanh") is activations.tanh
    with pytest.raises(ValueError, match="unknown activation 'cube'"):
        activations.deserialize({"class_name": "cube", "config": {}})


def test_repr():
    assert repr(activations.tanh) == "<activation tanh>"
    assert repr(activations.elu.with_options(alpha=2)) == "<activation elu, alpha=2>"


# ------------------------------------------------------------------------------------ one's own


class Cube(activations.Activation):
    def forward(self, ops, x, *, y):
        y[...] = x**3

    def backward(self, ops, x, y, dy, *, dx):
        dx[...] = dy * 3 * x**2


def test_an_activation_of_ones_own():
    cube = Cube()
    np.testing.assert_array_equal(cube([[2.0, -1.0]]), [[8, -1]])
    np.testing.assert_array_equal(cube.gradient([[2.0, -1.0]], [[1.0, 2.0]]), [[12, 6]])
    assert activations.get(cube) is cube
    assert type(activations.get(Cube)) is Cube
    assert repr(cube) == "<activation Cube>"
    for build in (
        lambda: tinynet.layers.Dense(3, activation=cube, dtype="float64"),
        lambda: tinynet.layers.Activation(cube, dtype="float64"),
    ):
        layer = build()
        x = np.array([[0.3, -0.5, 1.1], [0.7, 0.2, -0.9]])
        y = layer(x)
        z = x if layer.weights == [] else x @ layer.kernel.numpy()
        np.testing.assert_allclose(y, z**3, rtol=1e-12)
        tinynet.gradcheck(layer, x)
    config = json.loads(json.dumps(activations.serialize(cube)))
    assert type(activations.deserialize(config, custom_objects={"Cube": Cube})) is Cube
    model = tinynet.Sequential([tinynet.layers.Dense(2, activation=cube, input_dim=3)])
    model.compile("sgd", "mse")
    history = model.fit(np.ones((4, 3)), np.ones((4, 2)), epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_an_activation_without_forward_or_backward_says_so():
    half = type("Half", (activations.Activation,), {})()
    with pytest.raises(NotImplementedError, match=r"Half needs forward\(ops, x, \*, y\)"):
        half([1.0])
    with pytest.raises(NotImplementedError, match=r"Half needs backward\(ops, x, y, dy"):
        half.backward(None, 1, 1, 1, dx=1)


def test_softmax_along_another_axis_leaves_its_input_alone():
    x = np.array([[[1.0], [2.0]]])  # (1, 2, 1): moving the axis is no copy here
    e = np.exp([1.0, 2.0])
    np.testing.assert_allclose(activations.softmax(x, axis=1)[0, :, 0], e / e.sum(), rtol=1e-12)
    np.testing.assert_array_equal(x, [[[1.0], [2.0]]])
