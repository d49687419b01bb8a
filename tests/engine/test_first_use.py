"""A first use that fails leaves the model as it was: not built, and drawing the same weights."""

import numpy as np
import pytest

import tinynet
from tinynet import Model, Sequential, layers, losses, metrics
from tinynet.layers import Dense, Dropout, Input

X, Y = np.random.default_rng(0).random((20, 8)), np.arange(20) % 3


class Net(Model):
    def __init__(self):
        super().__init__()
        self.hidden = [Dense(4), Sequential([Dense(4), Dropout(0.1)])]
        self.out = Dense(3, "softmax")

    def call(self, x, training=False):
        return self.out(self.hidden[1](self.hidden[0](x), training=training))


MODELS = {
    "Sequential": lambda: Sequential([Dense(4), Dense(3, "softmax")]),
    "nested": lambda: Sequential([Sequential([Dense(4)]), layers.BatchNormalization(),
                                  Dense(3, "softmax")]),
    "call": Net,
}  # fmt: skip
NAN = np.where(np.arange(160).reshape(20, 8) == 9, np.nan, X)
FAILURES = {
    "rank": lambda m: m.fit(np.ones((20, 2, 4)), Y, verbose=0),
    "classes": lambda m: m.fit(X[:, :5], Y + 1, verbose=0),
    "targets": lambda m: m.fit(X[:, :5], np.ones((20, 7)), verbose=0),
    "rows": lambda m: m.fit(X[:, :5], Y[:7], verbose=0),
    "NaN": lambda m: m.fit(NAN[:, :7], Y, verbose=0),
    "validation": lambda m: m.fit(X[:, :5], Y, validation_data=(X, Y), verbose=0),
    "callbacks": lambda m: m.fit(X[:, :5], Y, callbacks=["?"], verbose=0),
    "resume": lambda m: m.fit(X[:, :5], Y, resume=__file__, verbose=0),
    "evaluate": lambda m: m.evaluate(X[:, :5], Y + 1, verbose=0),
    "predict": lambda m: m.predict(NAN, verbose=0),
    "one batch": lambda m: m.train_on_batch(X[:, :5], Y + 1),
    "gradients": lambda m: m.gradients(X[:, :5], Y + 1),
    "find_nan": lambda m: m.find_nan(X[:, :5], Y + 1),
}


def drawn(make):
    tinynet.utils.set_random_seed(5)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", MODELS)
def test_nothing_is_left_of_a_failed_first_use(kind, failure):
    model, expected = drawn(MODELS[kind]), drawn(MODELS[kind])
    with pytest.raises((ValueError, TypeError, OSError)):
        FAILURES[failure](model)
    assert (model.built, model.input_shape, model.output_shape) == (False, None, None)
    assert model.weights == []
    assert not any(part.built for part in model.parts() if not isinstance(part, Dropout))
    for one in (model, expected):
        one.fit(X, Y, verbose=0, shuffle=False)
    assert model.input_shape == (None, 8)


@pytest.mark.parametrize("kind", MODELS)
def test_weights_are_drawn_as_if_nothing_had_failed(kind):
    results = []
    for fails in (True, False):
        model = drawn(MODELS[kind])
        if fails:
            for failure in FAILURES.values():
                with pytest.raises((ValueError, TypeError, OSError)):
                    failure(model)
        model.build((None, 8))
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_build_and_add():
    model = Sequential([Dense(4), layers.Reshape((3, 3)), Dense(2)])
    with pytest.raises(ValueError, match="reshape"):
        model.build((None, 8))
    assert not model.layers[0].built
    built, wrong = Sequential([Input((8,)), Dense(4)]), layers.Reshape((3,))
    with pytest.raises(ValueError, match="reshape"):
        built.add(wrong)
    assert (built.output_shape, wrong.built, len(built.layers)) == ((None, 4), False, 1)
    assert built.predict(X, verbose=0).shape == (20, 4)


# -------------------------------------------------------------- what fails in the first step


class Breaks(metrics.Metric):
    """A metric of one's own that counts something, and fails then."""

    def __init__(self):
        super().__init__(name="breaks")
        self.total = self.add_weight(shape=(), initializer="zeros", name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign(self.total + 1.0)
        raise ZeroDivisionError("of its own")

    def result(self):
        return self.total


def breaks(y_true, y_pred):
    raise KeyError("of its own")


class BreaksLater(losses.MeanSquaredError):
    """A loss whose derivative fails, when BatchNormalization has moved its statistics."""

    def backward(self):
        raise ArithmeticError("of its own")


ONE_HOT = np.eye(3)[Y]
FIRST_STEPS = {  # metrics, loss, what is said
    "class_id": (lambda: metrics.Recall(class_id=7), "mse", "class_id must be in"),
    "not in [0, 1]": (lambda: metrics.AUC(), "mse", "must be probabilities"),
    "a class": (Breaks, "mse", "of its own"),
    "a function": (lambda: breaks, "mse", "of its own"),
    "the loss": (lambda: "mae", BreaksLater(), "of its own"),
}
WAYS = {
    "fit": lambda m: m.fit(X, ONE_HOT, batch_size=6, epochs=2, verbose=0).history["loss"],
    "one batch": lambda m: [m.train_on_batch(X, ONE_HOT)[0] for _ in range(3)],
}


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("failure", FIRST_STEPS)
@pytest.mark.parametrize("trained", [False, True])
def test_a_first_step_that_fails_has_changed_nothing(device, way, failure, trained):
    make_metric, loss, words = FIRST_STEPS[failure]
    results = []
    for fails in (True, False):
        tinynet.utils.set_random_seed(5)
        model = Sequential([Input((8,)), Dense(4), layers.BatchNormalization(), Dropout(0.3),
                            Dense(3)])  # fmt: skip
        adam = tinynet.optimizers.Adam(0.01)
        model.compile(adam, "mse", metrics=["mae"], device=device)
        if trained:
            WAYS[way](model)
        if fails:
            model.compile(adam, loss, metrics=[make_metric()], device=device)
            before, steps = model.get_weights(), adam.iterations
            for _ in range(2):
                with pytest.raises((ValueError, ArithmeticError, KeyError), match=words):
                    WAYS[way](model)
            for a, b in zip(model.get_weights(), before, strict=True):
                np.testing.assert_array_equal(a, b)
            assert adam.iterations == steps
        model.compile(adam, "mse", metrics=["mae"], device=device)
        results.append((WAYS[way](model), *model.get_weights()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
