"""What a layer takes and refuses; its modes, its weights, and what changes them."""

import numpy as np
import pytest
import scipy.sparse
from layer_checks import Mixed
from oracle import keras_case

from tinynet import Model, Sequential, layers


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
        (lambda: layers.BatchNormalization(axis=3, name="p")(np.ones((2, 2))), "'p': axis 3 does"),
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


@pytest.mark.parametrize("kind", [layers.Softmax, layers.GlobalAveragePooling1D])
def test_a_mask_in_a_call_is_refused(kind):
    x, mask = np.ones((1, 3, 2)), np.array([[True, False, True]])
    with pytest.raises(TypeError, match=r"expected no mask, received ndarray: padding is what"):
        kind()(x, mask=mask)
    with pytest.raises(TypeError, match=r"training must be True or False, received ndarray"):
        kind()(x, mask)
    np.testing.assert_array_equal(kind()(x, mask=None, training=np.True_), kind()(x, training=1))
    with pytest.raises(TypeError, match=r"several inputs are a list, layer\(\[a, b\]\)"):
        Sequential([layers.Dense(1)])(x, x)


@pytest.mark.parametrize("operate", [
    lambda x: x[:, 1], lambda x: x > 1, lambda x: 2**x, lambda x: x**2, lambda x: x @ x, abs,
    lambda x: x % 2, lambda x: 7 // x, lambda x: 1 / x, lambda x: x & x, list,
])  # fmt: skip
def test_operators_that_stand_for_no_layer(operate):
    with pytest.raises(TypeError, match=r"of <KerasTensor .*> is no layer, as \+ - \* / are"):
        operate(layers.Input((3,)))


def test_inputs_take_what_keras_writes():
    x = layers.Input((3,), sparse=True, ragged=False, optional=False)
    model = Model(x, layers.Dense(1)(x))
    rows = scipy.sparse.csr_array(np.eye(3))
    np.testing.assert_allclose(model.predict(rows, verbose=0), model(np.eye(3)), rtol=1e-6)
    for option in ("ragged", "optional"):
        with pytest.raises(ValueError, match=f"{option}=True"):
            layers.Input((3,), **{option: True})
