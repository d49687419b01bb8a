"""The rarer activations against live Keras; glu and sparsemax; every name of Keras's registry."""

import json

import numpy as np
import pytest
from oracle import jax_computes_in, keras_case
from test_activations import TOLERANCE, grid

import tinynet
from tinynet import activations, layers

KINKS = (0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, 0.25)
CASES = [
    ("relu6", {}), ("celu", {}), ("celu", {"alpha": 0.5}), ("squareplus", {}),
    ("squareplus", {"b": 0.3}), ("soft_shrink", {}), ("soft_shrink", {"threshold": 0.25}),
    ("hard_shrink", {}), ("hard_shrink", {"threshold": 0.25}), ("sparse_plus", {}),
    ("hard_tanh", {}), ("tanh_shrink", {}), ("threshold", {"threshold": 0.25, "default_value": -7}),
    ("log_sigmoid", {}), ("sparse_sigmoid", {}), ("hard_silu", {}), ("hard_swish", {}),
]  # fmt: skip


@keras_case
def keras_activation_names(keras):
    return {"names": json.dumps(sorted(keras.src.activations.ALL_OBJECTS_DICT, key=str))}


def test_every_name_that_keras_knows_is_known():
    names = [n for n in json.loads(str(keras_activation_names()["names"])) if n != "threshold"]
    assert len(names) > 25
    for name in names:
        assert activations.get(name) is getattr(activations, name)


@keras_case
def keras_rare(keras, name, options, dtype):
    import jax

    f = getattr(keras.activations, name, None) or getattr(keras.ops, name)
    with jax_computes_in(dtype):
        x = jax.numpy.asarray(grid(name, dtype))
        y, reverse = jax.vjp(lambda x: f(x, **json.loads(options)), x)
        return {"y": y, "slope": reverse(jax.numpy.ones_like(y))[0]}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_values_and_slopes_are_those_of_keras(name, options, dtype):
    expected = keras_rare(name, json.dumps(options), dtype)
    f, x = getattr(activations, name), grid(name, dtype)
    y, slope = f(x, **options), f.gradient(x, np.ones_like(x), **options)
    assert y.dtype == slope.dtype == dtype
    tolerance = dict(TOLERANCE[str(expected["y"].dtype)])
    if name == "squareplus":  # of x << 0 Keras's formula cancels: x + |x|
        near = x > -30
        x, y, slope = x[near], y[near], slope[near]
        expected = {k: v[near] for k, v in expected.items()}
        tolerance["atol"] *= 20
    np.testing.assert_allclose(y, expected["y"], **tolerance)
    smooth = ~np.isin(x, KINKS)
    np.testing.assert_allclose(slope[smooth], expected["slope"][smooth], **tolerance)
    assert np.isfinite(slope).all()


@keras_case
def keras_rowwise_options(keras, name, shape, axis):
    import jax

    f = getattr(keras.activations, name)
    random = np.random.Generator(np.random.PCG64(1))
    x = random.normal(size=shape).astype("float32")
    y, reverse = jax.vjp(lambda x: f(x, axis=axis), x)
    dy = random.normal(size=y.shape).astype("float32")
    return {"x": x, "dy": dy, "y": y, "dx": reverse(jax.numpy.asarray(dy))[0]}


@pytest.mark.parametrize(("shape", "axis"), [((4, 6), -1), ((2, 4, 6), 1), ((2, 4, 6), -1)])
def test_glu_is_that_of_keras(shape, axis):
    expected = keras_rowwise_options("glu", shape, axis)
    f = activations.glu
    np.testing.assert_allclose(f(expected["x"], axis=axis), expected["y"], rtol=1e-5, atol=1e-6)
    got = f.gradient(expected["x"], expected["dy"], axis=axis)
    np.testing.assert_allclose(got, expected["dx"], rtol=1e-5, atol=1e-6)


def test_sparsemax_by_hand():
    # of (1, 0.5, -1) two stay: tau = (1.5 - 1) / 2
    np.testing.assert_allclose(activations.sparsemax([[1.0, 0.5, -1.0]]), [[0.75, 0.25, 0.0]])


@keras_case
def keras_sparsemax(keras):
    x = np.array([[3.0, 1, 0], [-1, 0.5, -2]], "float32")  # a single entry stays in each row
    return {"x": x, "y": keras.activations.sparsemax(x)}


def test_sparsemax_is_that_of_keras_where_keras_finds_the_simplex():
    # Keras 3.15 adds up too much for its threshold as soon as two entries stay
    expected = keras_sparsemax()
    np.testing.assert_allclose(activations.sparsemax(expected["x"]), expected["y"])


@pytest.mark.parametrize("axis", [-1, 1])
def test_sparsemax_is_the_nearest_point_of_the_simplex(axis):
    """What is left after the projection p of x: x - p is equal where p > 0, and less elsewhere."""
    x = np.random.Generator(np.random.PCG64(2)).normal(size=(5, 4, 6))
    x, p = (np.moveaxis(a, axis, -1) for a in (x, activations.sparsemax(x, axis=axis)))
    np.testing.assert_allclose(p.sum(axis=-1), 1)
    assert (p >= 0).all()
    tau = np.where(p > 0, x - p, -np.inf).max(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.where(p > 0, x - p, tau), np.broadcast_to(tau, x.shape))
    assert (x[p == 0] <= np.broadcast_to(tau, x.shape)[p == 0]).all()
    f = activations.sparsemax.with_options(axis=axis)
    tinynet.gradcheck(layers.Activation(f, dtype="float64"), x)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_gradients_by_finite_differences(name, options):
    f = getattr(activations, name).with_options(**options)
    x = np.random.Generator(np.random.PCG64(5)).normal(0, 2, (6, 5))
    tinynet.gradcheck(layers.Activation(f, dtype="float64"), x)


def test_glu_halves_the_axis_wherever_it_stands():
    x = np.ones((2, 3), "float32")
    dense = layers.Dense(8, "glu")
    assert dense(x).shape == (2, 4)
    assert dense.compute_output_shape((None, 3)) == (None, 4)
    model = tinynet.Sequential([layers.Input((3,)), dense, layers.Dense(1)])
    assert model.layers[1].kernel.shape == (4, 1)
    with pytest.raises(ValueError, match="can't be split in halves"):
        layers.Activation("glu")(x)
    with pytest.raises(ValueError, match="axis 5 does not exist"):
        activations.glu(x, axis=5)


def test_threshold_needs_its_options():
    with pytest.raises(TypeError, match="threshold needs threshold and default_value"):
        layers.Activation("threshold")
    with pytest.raises(TypeError, match="needs default_value"):
        activations.threshold([1.0], 0.5)
    np.testing.assert_array_equal(activations.threshold([1.0, 0.2], 0.5, -1), [1, -1])
