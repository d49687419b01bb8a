"""Frozen layers, and layers that several models share."""

import numpy as np
from fit_models import IDS, REAL, SPARSE, X, inject, normalized, same

import tinynet
from tinynet import Sequential, layers
from tinynet.callbacks import Callback


class Passing(layers.Layer):
    """Counts the gradients that come by."""

    gradients = 0

    def forward(self, x, training=False):
        return x

    def backward(self, dy):
        self.gradients += 1
        return dy


def test_frozen_layers_stay_and_nothing_is_sent_below_the_first_trainable_one():
    below, above = Passing(), Passing()
    frozen = layers.Dense(4, activation="relu", kernel_regularizer="l2")
    model = Sequential([
        layers.Input((5,)), below, frozen, above, layers.Dense(4, activation="tanh"),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    frozen.trainable = False
    model.compile("adam", **SPARSE)
    before = model.get_weights()
    model.fit(X, IDS, epochs=2, verbose=0)
    after = model.get_weights()
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == (
        [True] * 2 + [False] * 4
    )
    assert (below.gradients, above.gradients) == (0, 0)
    frozen.trainable = True
    model.fit(X, IDS, epochs=1, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])
    assert (below.gradients, above.gradients) == (0, 2)


def test_a_model_with_everything_frozen_can_be_fitted():
    model = inject(normalized(tinynet))
    model.trainable = False
    model.compile("adam", **SPARSE)
    before = model.get_weights()
    model.fit(X, IDS, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_models_share_layers():
    """What one learns the other knows, and each can go on training by turns."""
    hidden, drop = layers.Dense(6, activation="relu"), layers.Dropout(0.3, seed=1)
    one = Sequential([layers.Input((5,)), hidden, drop, layers.Dense(3, activation="softmax")])
    two = Sequential([layers.Input((5,)), hidden, drop, layers.Dense(2)])
    one.compile("adam", **SPARSE)
    two.compile("adam", "mse")
    for _ in range(2):
        for model, target in ((one, IDS), (two, REAL)):
            start = hidden.get_weights()[0]
            head = model.layers[-1].get_weights()[0]
            model.fit(X, target, verbose=0)
            assert not np.array_equal(hidden.get_weights()[0], start)
            assert not np.array_equal(model.layers[-1].get_weights()[0], head)
    np.testing.assert_array_equal(one.get_weights()[0], two.get_weights()[0])
    assert one.optimizer.iterations == two.optimizer.iterations == 4


def test_a_model_made_of_anothers_layers_does_not_change_its_training():
    """The feature extractor, also within a step: dropout goes on drawing a new mask per step."""
    features = None

    class Look(Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert features.predict(X, verbose=0).shape == (50, 6)

    def trained(disturb):
        nonlocal features
        tinynet.utils.set_random_seed(2)
        model = Sequential([
            layers.Input((5,)), layers.Dense(6, activation="relu"), layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ])  # fmt: skip
        model.compile("adam", **SPARSE)
        model.fit(X, IDS, verbose=0)
        if disturb:
            features = Sequential(model.layers[:-1])
        model.fit(X, IDS, epochs=3, batch_size=16, verbose=0, callbacks=[Look()] * disturb)
        if disturb:
            features.predict(X, batch_size=1, verbose=0)
            assert not model.context.arrays  # it worked in arrays of its own
        assert model.predict(X, verbose=0).shape == (50, 3)
        return model

    same(trained(False), trained(True))


def test_dropout_first_in_another_model_still_passes_its_gradient_here():
    drop = layers.Dropout(0.5, seed=4)

    def model_with(drop):
        tinynet.utils.set_random_seed(1)
        model = Sequential([layers.Input((5,)), layers.Dense(5), drop, layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    alone, shared = model_with(layers.Dropout(0.5, seed=4)), model_with(drop)
    for model in (alone, shared):
        model.fit(X, REAL, shuffle=False, verbose=0)
    other = Sequential([layers.Input((5,)), drop, layers.Dense(2)])
    other.compile("sgd", "mse")
    other.fit(X, REAL, shuffle=False, verbose=0)
    for model in (alone, shared):
        model.fit(X, REAL, shuffle=False, verbose=0)
    same(alone, shared)
