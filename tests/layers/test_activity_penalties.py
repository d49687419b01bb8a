"""Penalties on the outputs of layers."""

import numpy as np
import pytest
from layer_checks import close, numbers
from layer_models import T, both_devices
from oracle import keras_case

from tinynet import Sequential, layers, regularizers
from tinynet.layers import Dense, Input


def test_an_activity_penalty_by_hand():
    layer = layers.ActivityRegularization(l1=0.5, l2=0.25)
    x = np.array([[1.0, -2.0], [0.0, 3.0]], "float32")
    np.testing.assert_array_equal(layer(x), x)
    # l1 (1 + 2 + 3) + l2 (1 + 4 + 9), by 2 rows
    assert layer.activity_losses.sum() == pytest.approx((0.5 * 6 + 0.25 * 14) / 2)
    dx = layer.backward_pass(np.zeros_like(x))
    np.testing.assert_allclose(dx, [[0.5, -0.75], [0, 1.0]])


def test_a_changed_factor_is_noticed_by_a_recorded_step():
    model = Sequential([Input((T,)), Dense(2, activity_regularizer=regularizers.L2(0.5))])
    model.compile("sgd", "mse")
    x, y = numbers((4, T), 1), np.zeros((4, 2), "float32")
    first = model.evaluate(x, y, verbose=0)
    model.layers[0].activity_regularizer.l2 = 0.0
    loss = np.mean(model.predict(x, verbose=0) ** 2)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(loss)
    assert first > loss * 1.5


def test_an_activity_penalty_without_a_formula_is_refused():
    class Own(regularizers.Regularizer):
        def __call__(self, w):
            return 0.0

        def gradient(self, w):
            return w

    with pytest.raises(ValueError, match="activity_regularizer must be L1, L2 or L1L2"):
        Dense(2, activity_regularizer=Own())


@keras_case
def keras_softmax_over_two_axes(keras):
    import jax

    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Softmax([1, 2])])
    model.compile("sgd", "mse")
    x, y = jax.numpy.asarray(numbers((4, 2, 3), 1)), np.eye(3, dtype="float32")[[[0, 1]] * 4]
    return {"y": model.predict(x, verbose=0), "loss": keras.losses.CategoricalCrossentropy()(
        y, model(x))}  # fmt: skip


@both_devices
def test_a_softmax_over_several_axes_is_not_taken_for_the_one_of_the_loss(device):
    expected = keras_softmax_over_two_axes()
    model = Sequential([Input((2, 3)), layers.Softmax([1, 2])])
    model.compile("sgd", "categorical_crossentropy", device=device)
    x, y = numbers((4, 2, 3), 1), np.eye(3, dtype="float32")[[[0, 1]] * 4]
    close(model.predict(x, verbose=0), expected["y"])
    close(model.evaluate(x, y, verbose=0), expected["loss"])
