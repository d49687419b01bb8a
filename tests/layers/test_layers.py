"""The first layers and all their options against Keras: outputs, gradients, states."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_checks import case_id, check_layer, close, numbers
from oracle import keras_case

from tinynet import layers

ACTIVATIONS = [
    "linear", "relu", "sigmoid", "tanh", "softmax", "log_softmax", "leaky_relu", "elu", "selu",
    "softplus", "softsign", "silu", "gelu", "exponential", "hard_sigmoid", "mish",
]  # fmt: skip


def dense(shape, **options):
    return ("Dense", {"units": 3, **options}, shape, False, False)


def norm(shape, training=True, frozen=False, **options):
    return ("BatchNormalization", options, shape, training, frozen)


def plain(name, shape=(4, 5), **options):
    return (name, options, shape, False, False)


CASES = [
    *(dense((4, 5), activation=a) for a in ACTIVATIONS),
    dense((4, 5), use_bias=False),
    dense((2, 3, 5)),
    dense((2, 3, 2, 5), activation="tanh"),
    dense((2, 3, 5), activation="softmax", use_bias=False),
    dense((1, 1)),
    *(plain("Flatten", shape) for shape in [(4,), (4, 1), (4, 5), (2, 3, 4), (2, 3, 1, 2)]),
    norm((5, 3)),
    norm((5, 3), training=False),
    norm((5, 3), frozen=True),
    norm((5, 3), center=False, momentum=0.5, epsilon=0.1),
    norm((5, 3), scale=False),
    norm((5, 3), center=False, scale=False, training=False),
    norm((3, 2, 4)),
    norm((3, 2, 4), axis=1),
    norm((3, 2, 4), axis=-2, training=False),
    norm((2, 3, 2, 2), axis=2),
    *(plain("Activation", activation=a) for a in ACTIVATIONS),
    plain("ReLU"),
    plain("ReLU", max_value=1.0),
    plain("ReLU", negative_slope=0.25),
    plain("ReLU", negative_slope=0.25, max_value=1.0),
    plain("ReLU", threshold=0.5),
    plain("ReLU", negative_slope=0.25, max_value=1.5, threshold=0.5),
    plain("ReLU", max_value=0.5, threshold=1.0),
    plain("LeakyReLU"),
    plain("LeakyReLU", negative_slope=0.1),
    plain("ELU"),
    plain("ELU", alpha=0.5),
    plain("Softmax"),
    plain("Softmax", shape=(2, 3, 4)),
    plain("Softmax", shape=(2, 3, 4), axis=1),
    plain("Softmax", shape=(2, 3, 4), axis=-2),
    plain("PReLU"),
    plain("PReLU", shape=(2, 3, 4)),
    plain("PReLU", shape=(2, 3, 4), shared_axes=[1]),
    plain("PReLU", shape=(2, 3, 2, 4), shared_axes=[1, 2]),
    plain("PReLU", shape=(2, 3, 4), shared_axes=2),
    ("Dropout", {"rate": 0.3}, (4, 5), False, False),
    ("Dropout", {"rate": 0}, (4, 5), True, False),
    ("Dropout", {"rate": 1.0}, (4, 5), True, False),
]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_outputs_gradients_and_states_are_those_of_keras(case):
    check_layer(case)


@keras_case
def keras_moving_statistics(keras, steps):
    layer = keras.layers.BatchNormalization(momentum=0.8)
    for step in range(steps):
        layer(numbers((4 + step, 3), 20 + step), training=True)
    x = numbers((2, 3), 1)
    return {"mean": layer.moving_mean, "variance": layer.moving_variance, "y": layer(x)}


def test_moving_statistics_follow_several_steps():
    expected = keras_moving_statistics(4)
    layer = layers.BatchNormalization(momentum=0.8)
    for step in range(4):
        layer(numbers((4 + step, 3), 20 + step), training=True)
    close(layer.moving_mean.numpy(), expected["mean"])
    close(layer.moving_variance.numpy(), expected["variance"])
    close(layer(numbers((2, 3), 1)), expected["y"])


@given(
    lead=st.lists(st.integers(1, 4), min_size=1, max_size=3), D=st.integers(1, 6),
    units=st.integers(1, 5), use_bias=st.booleans(),
)  # fmt: skip
def test_dense_equals_its_formula_on_any_shape(lead, D, units, use_bias):
    layer = layers.Dense(units, use_bias=use_bias, dtype="float64", bias_initializer="ones")
    x = numbers((*lead, D), 3, "float64")
    y = layer(x)
    W, b = layer.kernel.numpy(), float(use_bias)
    np.testing.assert_allclose(y, np.einsum("...d,dh->...h", x, W) + b, rtol=1e-10, atol=1e-10)
    dy = numbers(y.shape, 4, "float64")
    dx = layer.backward(dy)
    np.testing.assert_allclose(dx, np.einsum("...h,dh->...d", dy, W), rtol=1e-10, atol=1e-10)
    dW = np.einsum("nd,nh->dh", x.reshape(-1, D), dy.reshape(-1, units))
    np.testing.assert_allclose(layer.kernel.grad, dW, rtol=1e-10, atol=1e-10)
    if use_bias:
        axes = tuple(range(dy.ndim - 1))
        np.testing.assert_allclose(layer.bias.grad, dy.sum(axis=axes), rtol=1e-10, atol=1e-10)


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), rows=st.integers(2, 5),
    place=st.integers(0, 2), negative=st.booleans(),
)  # fmt: skip
def test_batchnorm_equals_its_formula_on_any_axis(shape, rows, place, negative):
    axis = 1 + place % len(shape)
    x = numbers((rows, *shape), 5, "float64")
    layer = layers.BatchNormalization(
        axis=axis - x.ndim if negative else axis, epsilon=0.01, dtype="float64"
    )
    layer(x)
    gamma, beta = numbers(x.shape[axis], 6, "float64"), numbers(x.shape[axis], 7, "float64")
    layer.set_weights([gamma, beta, gamma, gamma**2])
    y = layer(x, training=True)
    others = tuple(i for i in range(x.ndim) if i != axis)
    along = tuple(-1 if i == axis else 1 for i in range(x.ndim))
    n = x.size // x.shape[axis]
    mean = x.sum(axis=others, keepdims=True) / n
    variance = (x * x).sum(axis=others, keepdims=True) / n - mean**2
    xhat = (x - mean) / (variance + 0.01) ** 0.5
    np.testing.assert_allclose(
        y, gamma.reshape(along) * xhat + beta.reshape(along), rtol=1e-9, atol=1e-10
    )
    dy = numbers(x.shape, 8, "float64")
    dx = layer.backward(dy)
    np.testing.assert_allclose(layer.gamma.grad, (dy * xhat).sum(axis=others), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(layer.beta.grad, dy.sum(axis=others), rtol=1e-10, atol=1e-10)
    # the paper's three ways of x to the loss, written out (Ioffe and Szegedy 2015, section 3)
    root = (variance + 0.01) ** 0.5
    dxhat = dy * gamma.reshape(along)
    dvariance = (dxhat * (x - mean) * -0.5 * root**-3).sum(axis=others, keepdims=True)
    dmean = (-dxhat / root).sum(axis=others, keepdims=True)
    np.testing.assert_allclose(
        dx, dxhat / root + dvariance * 2 * (x - mean) / n + dmean / n, rtol=1e-8, atol=1e-9
    )


def test_softmax_against_its_jacobian():
    x, dy = numbers((3, 4), 1, "float64"), numbers((3, 4), 2, "float64")
    layer = layers.Softmax(dtype="float64")
    y, dx = layer(x), layer.backward(dy)
    for i in range(3):
        p = np.exp(x[i]) / np.exp(x[i]).sum()
        np.testing.assert_allclose(y[i], p, rtol=1e-10)
        jacobian = np.diag(p) - np.outer(p, p)
        np.testing.assert_allclose(dx[i], jacobian.T @ dy[i], rtol=1e-10, atol=1e-12)


@given(shape=st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_flatten_keeps_the_order_of_any_shape(shape):
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    layer = layers.Flatten()
    y = layer(x)
    assert y.shape == (shape[0], int(np.prod(shape[1:])))
    np.testing.assert_array_equal(y.ravel(), np.arange(x.size))
    np.testing.assert_array_equal(layer.backward(y), x)
