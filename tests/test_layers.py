"""Every layer and option against live Keras: outputs, gradients, states, names, configs."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

import tinynet
from tinynet import layers, naming

ACTIVATIONS = [
    "linear", "relu", "sigmoid", "tanh", "softmax", "log_softmax", "leaky_relu", "elu", "selu",
    "softplus", "softsign", "silu", "gelu", "exponential", "hard_sigmoid", "mish",
]  # fmt: skip


def numbers(shape, seed, dtype="float32"):
    """Odd multiples of 0.05, so never on a kink at a multiple of 0.1."""
    random = np.random.Generator(np.random.PCG64(seed))
    return (np.round(random.normal(0, 1.5, shape), 1) + 0.05).astype(dtype)


def weight_values(shapes):
    """Weights to inject; a small positive one is also good for a variance."""
    return [np.abs(numbers(shape, 10 + i)) + 0.1 for i, shape in enumerate(shapes)]


def close(actual, expected, rtol=1e-5):
    """Equal within rtol of each value, or of a tenth of the largest (sums that cancel)."""
    scale = np.abs(expected).max(initial=0)
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=0.1 * rtol * scale)


# ------------------------------------------------------------------ forward and backward: Keras


@keras_case
def keras_layer(keras, name, options, shape, training, frozen):
    import jax

    layer = getattr(keras.layers, name)(**json.loads(options))
    layer.build((None, *shape[1:]))
    layer.set_weights(weight_values([w.shape for w in layer.weights]))
    layer.trainable = not frozen
    mode = {"training": training} if name in ("BatchNormalization", "Dropout") else {}
    state = [v.value for v in layer.non_trainable_variables]

    def forward(x, trained):
        return layer.stateless_call(trained, state, x, **mode)

    trained = [v.value for v in layer.trainable_variables]
    y, reverse, state_after = jax.vjp(forward, numbers(shape, 1), trained, has_aux=True)
    dx, gradients = reverse(jax.numpy.asarray(numbers(y.shape, 2)))
    after = [*trained, *state_after] if not frozen else state_after
    return {
        "y": y,
        "dx": dx,
        "weights": json.dumps([[v.name, list(v.shape)] for v in layer.weights]),
        "output_shape": np.array(layer.compute_output_shape(shape)),
        **{f"gradient{i}": g for i, g in enumerate(gradients)},
        **{f"after{i}": a for i, a in enumerate(after)},
    }


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


def case_id(case):
    name, options, shape, training, frozen = case
    words = [name, *(f"{k}={v}" for k, v in options.items()), "x".join(map(str, shape))]
    return "-".join(words + ["train"] * training + ["frozen"] * frozen)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_outputs_gradients_and_states_are_those_of_keras(case):
    name, options, shape, training, frozen = case
    expected = keras_layer(name, json.dumps(options), shape, training, frozen)
    layer = getattr(layers, name)(**options)
    assert not layer.built
    assert layer.weights == []
    x = numbers(shape, 1)
    layer(x)  # builds
    described = json.loads(str(expected["weights"]))
    assert [[w.name, list(w.shape)] for w in layer.weights] == described
    assert layer.count_params() == sum(int(np.prod(s)) for _, s in described)
    values = weight_values([tuple(s) for _, s in described])
    layer.set_weights(values)
    layer.trainable = not frozen

    y = layer(x, training=training)
    assert y.dtype == np.float32
    assert layer.output_shape == (None, *expected["output_shape"][1:])
    assert layer.compute_output_shape(shape) == tuple(expected["output_shape"])
    close(y, expected["y"])
    for p in layer.trainable_weights:
        p.grad[...] = np.nan  # a gradient is written, not added to
    close(layer.backward(numbers(y.shape, 2)), expected["dx"])
    assert len(layer.trainable_weights) == sum(key.startswith("gradient") for key in expected)
    for i, p in enumerate(layer.trainable_weights):
        close(p.grad, expected[f"gradient{i}"])
    if frozen:
        assert all(p.grad is None for p in layer.weights)
    for p, before in zip(layer.trainable_weights, values, strict=False):
        np.testing.assert_array_equal(p, before)
    for i, p in enumerate(layer.weights):
        close(p.numpy(), expected[f"after{i}"])


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


# ------------------------------------------------------------------------- inputs, modes, states


@pytest.mark.parametrize(
    "x", [[[1, 2], [3, 4]], ((1.0, 2.0), (3.0, 4.0)), np.array([[1, 2], [3, 4]], "uint8"),
          np.array([[1, 2], [3, 4]], "int64"), np.array([[1, 2], [3, 4]], "float64")],
    ids=["list", "tuple", "uint8", "int64", "float64"],
)  # fmt: skip
def test_anything_like_an_array_is_cast_to_the_layers_dtype(x):
    layer = layers.Dense(1, kernel_initializer="ones")
    y = layer(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [[3], [7]])
    assert layers.Dense(1, dtype="float64")(x).dtype == np.float64
    assert layers.Flatten()(x).dtype == np.float32  # which makes no array of its own


def test_booleans_are_numbers():
    np.testing.assert_array_equal(layers.ReLU()(np.array([[True, False]])), [[1, 0]])


@pytest.mark.parametrize(
    ("x", "error", "match"),
    [
        (np.array([["a"]]), TypeError, "'probe': expected numbers, received dtype <U1"),
        (np.array([[1j]]), TypeError, "'probe': expected numbers, received dtype complex128"),
        (3.0, ValueError, "'probe': expected a batch .* received a scalar"),
        (np.ones(4), ValueError, r"'probe': expected input \(N, ..., D\).*received shape \(None,"),
    ],
)
def test_bad_input_is_named(x, error, match):
    layer = layers.Dense(2, name="probe")
    with pytest.raises(error, match=match):
        layer(x)
    assert not layer.built


def test_a_shape_that_does_not_fit_the_weights():
    layer = layers.Dense(2, name="probe")
    layer(np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"'probe': expected .*\(None, 4\), received \(None, 5\)"):
        layer(np.ones((3, 5)))
    assert layer(np.ones((3, 2, 4))).shape == (3, 2, 2)  # only the last axis is bound, as in Keras
    layer = layers.BatchNormalization(axis=1, name="probe")
    layer(np.ones((2, 3, 4)))
    assert layer(np.ones((2, 3, 5))).shape == (2, 3, 5)
    with pytest.raises(ValueError, match=r"\(None, 3, 4\), received \(None, 4, 4\)"):
        layer(np.ones((2, 4, 4)))
    with pytest.raises(ValueError, match=r"received \(None, 3\)"):
        layer(np.ones((2, 3)))
    layer = layers.PReLU()
    layer(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"\(None, 3\), received \(None, 1\)"):
        layer(np.ones((2, 1)))


@pytest.mark.parametrize("layer", [layers.ReLU, layers.Flatten, lambda: layers.Dropout(0.5)])
def test_a_layer_without_weights_takes_any_shape(layer):
    layer = layer()
    for shape in [(2, 3), (4, 5), (2, 3, 4)]:
        assert layer(np.ones(shape)).size == np.prod(shape)


def test_declared_input_shape():
    assert layers.Dense(2, input_dim=3).declared_input_shape == (3,)
    assert layers.Dense(2, input_shape=3).declared_input_shape == (3,)
    assert layers.Dense(2, input_shape=[3, 4]).declared_input_shape == (3, 4)
    layer = layers.Dense(2, input_shape=(3,), name="probe")
    with pytest.raises(ValueError, match=r"'probe'.*input_shape=\(3,\), received \(4,\)"):
        layer(np.ones((1, 4)))


def test_weights_are_made_at_the_first_use():
    layer = layers.Dense(3)
    assert (layer.built, layer.count_params(), layer.get_weights()) == (False, 0, [])
    layer(np.ones((2, 5)))
    assert layer.built
    assert (layer.input_shape, layer.output_shape) == ((None, 5), (None, 3))
    kernel = layer.kernel.value
    layer(np.ones((7, 5)))
    assert layer.kernel.value is kernel  # built once


@pytest.mark.parametrize(
    "build",
    [
        lambda: layers.Dense(3), lambda: layers.Dense(3, activation="relu"), layers.ReLU,
        layers.PReLU, layers.BatchNormalization, layers.Flatten, lambda: layers.Dropout(0.5),
    ],
)  # fmt: skip
def test_backward_before_forward(build):
    layer = build()
    with pytest.raises(RuntimeError, match=f"{layer.name!r}: backward.*needs what forward"):
        layer.backward(np.ones((2, 3), "float32"))


def test_a_layer_without_forward_or_backward_says_so():
    layer = layers.Layer(name="probe")
    with pytest.raises(NotImplementedError, match=r"'probe' .Layer. needs a forward"):
        layer(np.ones((1, 1)))
    with pytest.raises(NotImplementedError, match=r"'probe' .Layer. needs a backward"):
        layer.backward(np.ones((1, 1)))


@pytest.mark.parametrize(
    ("build", "match"),
    [
        *((lambda u=u: layers.Dense(u, name="p"), "'p': units must be an int >= 1, received")
          for u in [0, -1, 2.5, "3", None, True, [3]]),
        *((lambda r=r: layers.Dropout(r, name="p"), r"'p': rate must be in \[0, 1\], received")
          for r in [-0.1, 1.1, float("nan"), "0.5", None, True]),
        (lambda: layers.BatchNormalization(momentum=1.5, name="p"), "'p': momentum .* 1.5"),
        (lambda: layers.BatchNormalization(axis=0, name="p")(np.ones((2, 2))), "'p': axis 0 is no"),
        (lambda: layers.BatchNormalization(axis=-2, name="p")(np.ones((2, 2))), "'p': axis -2 is"),
        (lambda: layers.BatchNormalization(axis=3, name="p")(np.ones((2, 2))), "'p': axis 3 is no"),
        (lambda: layers.ReLU(max_value=-1), "ReLU: max_value must be >= 0, received -1"),
        (lambda: layers.ReLU(negative_slope=-1), "ReLU: negative_slope must be >= 0, received -1"),
        (lambda: layers.ReLU(negative_slope=None), "ReLU: negative_slope .* received None"),
        (lambda: layers.ReLU(threshold=-1), "ReLU: threshold must be >= 0, received -1"),
        (lambda: layers.LeakyReLU(-0.1), "LeakyReLU: negative_slope must be >= 0, received -0.1"),
        (lambda: layers.LeakyReLU(None), "LeakyReLU: negative_slope must be >= 0, received None"),
        (lambda: layers.Dense(2, dtype="float16"), 'dtype must be "float32" or "float64"'),
        (lambda: layers.Dense(2, activation="rellu"), "unknown activation 'rellu'.*mean 'relu'"),
        (lambda: layers.Dense(2, kernel_initializer="zerros"), "unknown initializer 'zerros'"),
        (lambda: layers.Dropout(0.5, seed=-1), "seed must be an integer"),
        (lambda: layers.Input(), "Input needs a shape"),
        (lambda: layers.get("Densse"), "unknown layer 'Densse'; did you mean 'Dense'"),
    ],
)  # fmt: skip
def test_bad_options(build, match):
    with pytest.raises(ValueError, match=match):
        build()


def test_dense_leaves_out_what_nobody_uses():
    layer = layers.Dense(2, activation="relu")
    y = layer(np.ones((3, 4)), training=True)
    layer.needs_dx = False
    assert layer.backward(np.ones_like(y)) is None
    assert np.isfinite(layer.kernel.grad).all()


def test_freezing_and_thawing():
    layer = layers.BatchNormalization()
    layer(np.ones((2, 3)))
    names = [w.name for w in layer.weights]
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    layer.trainable = False
    assert layer.trainable_weights == []
    assert [w.name for w in layer.weights] == names
    assert all(w.grad is None for w in layer.weights)
    layer.trainable = True
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    assert [w.name for w in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]
    frozen = layers.Dense(2, trainable=False)
    frozen(np.ones((1, 2)))
    assert frozen.trainable_weights == []
    frozen.backward(np.ones((1, 2), "float32"))
    assert frozen.kernel.grad is None
    frozen.trainable = True
    assert [w.name for w in frozen.trainable_weights] == ["kernel", "bias"]
    assert frozen.kernel.grad.shape == (2, 2)


class Mixed(layers.Layer):
    """Its weights are not made in the order trainable, then not."""

    def build(self, input_shape):
        for name, trainable in [("a", True), ("count", False), ("b", True)]:
            setattr(self, name, self.add_weight((2,), "zeros", name, trainable))


@keras_case
def keras_mixed_order(keras):
    class Mixed(keras.layers.Layer):
        def build(self, input_shape):
            for name, trainable in [("a", True), ("count", False), ("b", True)]:
                setattr(self, name, self.add_weight((2,), "zeros", name=name, trainable=trainable))

    layer = Mixed()
    layer.build((None, 2))
    before = [w.name for w in layer.weights]
    layer.trainable = False
    return {"before": np.array(before), "after": np.array([w.name for w in layer.weights])}


def test_the_order_of_weights_does_not_depend_on_freezing():
    expected = keras_mixed_order()
    layer = Mixed()
    layer.build_once((None, 2))
    assert [w.name for w in layer.weights] == expected["before"].tolist() == ["a", "b", "count"]
    layer.trainable = False
    assert [w.name for w in layer.weights] == expected["after"].tolist()


def test_get_weights_are_copies():
    layer = layers.Dense(2)
    layer(np.ones((1, 2)))
    before = layer.kernel.numpy()
    layer.get_weights()[0][...] = 7
    np.testing.assert_array_equal(layer.kernel, before)
    given = [np.ones((2, 2)), np.ones(2)]
    layer.set_weights(given)
    given[0][...] = 7
    np.testing.assert_array_equal(layer.kernel, np.ones((2, 2)))


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ([np.ones((2, 3))], r"'probe': expected 2 arrays .probe/kernel, probe/bias., received 1"),
        ([np.ones((2, 3))] * 3, "expected 2 arrays.*received 3"),
        ([np.ones((2, 3)), np.ones(4)], r"probe/bias: expected shape \(3,\), received \(4,\)"),
        ([np.ones((2, 3)), np.ones((1, 3))], r"probe/bias: expected .* received \(1, 3\)"),
        ([np.ones((2, 3)), np.array(["a", "b", "c"])], "probe/bias: expected numbers, received"),
    ],
)
def test_set_weights_changes_all_or_nothing(arrays, match):
    layer = layers.Dense(3, name="probe")
    layer(np.zeros((1, 2)))
    before = layer.get_weights()
    with pytest.raises(ValueError, match=match):
        layer.set_weights(arrays)
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_an_initializer_with_a_wrong_shape_is_refused():
    layer = layers.Dense(3, kernel_initializer=lambda shape, dtype=None: np.ones(7), name="probe")
    with pytest.raises(ValueError, match=r"probe/kernel: .*\(7,\), expected \(2, 3\)"):
        layer(np.zeros((1, 2)))


# -------------------------------------------------------------------------------- names, configs


OPTIONS = [
    ("Dense", {"units": 3, "activation": "relu", "kernel_regularizer": "l2"}),
    ("Dense", {"units": 2, "use_bias": False, "kernel_initializer": "he_normal"}),
    ("Flatten", {}),
    ("Dropout", {"rate": 0.25, "seed": 7}),
    ("Dropout", {"rate": 0.25, "noise_shape": [None, 1]}),
    ("BatchNormalization", {"axis": 1, "momentum": 0.5, "epsilon": 0.1, "scale": False}),
    ("BatchNormalization", {"center": False, "gamma_regularizer": "l1"}),
    ("Activation", {"activation": "tanh"}),
    ("ReLU", {"max_value": 6.0, "negative_slope": 0.1, "threshold": 0.5}),
    ("LeakyReLU", {"negative_slope": 0.1}),
    ("ELU", {"alpha": 0.5}),
    ("Softmax", {"axis": 1}),
    ("PReLU", {"shared_axes": [1], "alpha_initializer": "ones"}),
]


@keras_case
def keras_layer_names(keras, names):
    keras.backend.clear_session()
    made = []
    for name in names:
        options = dict(next(o for n, o in OPTIONS if n == name))
        made.append(getattr(keras.layers, name)(**options).name)
    return {"names": np.array(made)}


def test_automatic_names_are_those_of_keras():
    names = [name for name, _ in OPTIONS]
    naming.reset_names()
    made = [getattr(layers, name)(**options).name for name, options in OPTIONS]
    options_of_first = keras_layer_names(tuple(names))
    assert made == options_of_first["names"].tolist()
    assert layers.Dense(1, name="mine").name == "mine"


@keras_case
def keras_layer_config(keras, name, options):
    keras.backend.clear_session()
    return {"json": json.dumps(getattr(keras.layers, name)(**json.loads(options)).get_config())}


@keras_case
def keras_reads_layer(keras, text):
    layer = keras.layers.deserialize(json.loads(text))
    return {"json": json.dumps({"class": type(layer).__name__, **layer.get_config()})}


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_configs_have_keras_keys_and_survive_the_round_trip(name, options):
    naming.reset_names()
    layer = getattr(layers, name)(**options, trainable=False)
    config = json.loads(json.dumps(layer.get_config()))
    theirs = json.loads(str(keras_layer_config(name, json.dumps(options))["json"]))
    assert set(config) <= set(theirs)
    for key in set(config) - {"dtype", "trainable"}:
        assert same_config(config[key], theirs[key]), key
    left_out = {k: v for k, v in theirs.items() if k not in config}  # what tinynet has not: all off
    off = (None, False, "channels_last", 0.99)
    assert all(v in off for v in left_out.values())

    for again in (
        type(layer).from_config(config),
        layers.deserialize(json.loads(json.dumps(layers.serialize(layer)))),
        layers.get(layers.serialize(layer)),
    ):
        assert type(again) is type(layer)
        assert json.loads(json.dumps(again.get_config())) == config
        assert not again.built


def same_config(ours, theirs):
    """Equal, apart from keys of nested configs that only Keras has."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(same_config(v, theirs[k]) for k, v in ours.items() if k in theirs)
    if isinstance(ours, float):
        return ours == pytest.approx(theirs)
    return ours == theirs


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_keras_reads_our_configs(name, options):
    layer = getattr(layers, name)(**options, name="mine")
    config = json.loads(json.dumps(layer.get_config()))
    read = json.loads(str(keras_reads_layer(json.dumps(layers.serialize(layer)))["json"]))
    assert read["class"] == name
    for key in set(config) - {"dtype"}:
        assert same_config(config[key], read[key]), key


def test_layers_by_name_class_and_object():
    assert type(layers.get("Flatten")) is layers.Flatten
    assert type(layers.get("batch_normalization")) is layers.BatchNormalization
    assert type(layers.get(layers.ReLU)) is layers.ReLU
    layer = layers.ELU()
    assert layers.get(layer) is layer
    assert layers.LeakyReLU(alpha=0.1).negative_slope == 0.1  # the older name
    own = layers.deserialize(
        {"class_name": "Mixed", "config": {"name": "m"}}, custom_objects={"Mixed": Mixed}
    )
    assert type(own) is Mixed
    assert repr(own) == "<Mixed name=m built=False>"


def test_input_layer():
    tensor = layers.Input((2, 3), name="in")
    assert tensor.shape == (None, 2, 3)
    layer = tensor.node.layer
    assert isinstance(layer, layers.InputLayer)
    assert layer.shape == (2, 3)
    x = numbers((4, 2, 3), 1)
    assert layer(x) is x
    assert layer.backward(x) is x
    assert layers.InputLayer(input_shape=(5,)).shape == (5,)
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert again.get_config() == layer.get_config()


def test_float64_is_one_argument():
    tinynet.config.set_floatx("float64")
    try:
        assert layers.Dense(1)(np.ones((1, 1))).dtype == np.float64
    finally:
        tinynet.config.set_floatx("float32")
    layer = layers.BatchNormalization(dtype="float64")
    assert layer(np.ones((2, 3), "float32"), training=True).dtype == np.float64
    assert {w.dtype.name for w in layer.weights} == {"float64"}
