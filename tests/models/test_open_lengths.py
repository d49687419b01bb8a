"""Axes of open length: every length is computed as if the model had been made for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet import Input, Model, Sequential, layers

random = np.random.default_rng(8)


START = [random.normal(size=shape) for shape in ((9, 4), (4, 2), (2,))]


def ids(rows, steps):
    return random.integers(0, 9, (rows, steps))


def embedded(steps):
    return Sequential([
        Input((steps,)), layers.Embedding(9, 4), layers.Dense(3, "tanh"),
        layers.GlobalAveragePooling1D(), layers.BatchNormalization(), layers.Dense(2),
    ])  # fmt: skip


def positions(steps):
    return Sequential([Input((steps, 3)), layers.Dense(4, "relu"), layers.Dense(2)])


def classes(steps):
    return Sequential([Input((steps, 3)), layers.LayerNormalization(),
                       layers.Dense(4, "softmax")])  # fmt: skip


def two(steps):
    a, b = Input((steps,), name="a"), Input((3,), name="b")
    h = layers.Embedding(9, 4)(a)
    pooled = layers.GlobalMaxPooling1D()(h)
    y = layers.Dense(2, name="y")(layers.Concatenate()([pooled, b]))
    return Model([a, b], [y, layers.Dense(3, name="each")(h)])


def batch(build, rows, steps):
    """(x, y, loss)"""
    if build is embedded:
        return ids(rows, steps), random.normal(size=(rows, 2)), "mse"
    x = random.normal(size=(rows, steps, 3)).astype("float32")
    if build is positions:
        return x, random.normal(size=(rows, steps, 2)), "mae"
    if build is classes:
        return x, random.integers(0, 4, (rows, steps)), "sparse_categorical_crossentropy"
    y = [random.normal(size=(rows, 2)), random.normal(size=(rows, steps, 3))]
    return [ids(rows, steps), random.normal(size=(rows, 3)).astype("float32")], y, "mse"


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def calls(model, x, y):
    """The results of every call on the data."""
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0, validation_data=(x, y))
    outputs = [model.predict(x, verbose=0), model.predict_on_batch(x), model(x)]
    outputs = [a for p in outputs for a in (p if isinstance(p, list) else [p])]
    values = [model.evaluate(x, y, batch_size=5, verbose=0), model.test_on_batch(x, y),
              model.train_on_batch(x, y)]  # fmt: skip
    return [*outputs, *map(np.asarray, values), *model.get_weights()]


@pytest.mark.parametrize("build", [embedded, positions, classes, two])
@pytest.mark.parametrize("eagerly", [False, True], ids=["", "eager"])
def test_every_length_is_as_if_made_for_it(build, eagerly, device):
    open_model = build(None)
    for steps in (5, 7, 2, 5):
        data = batch(build, 11, steps)
        metrics = {"two": [["mae"], ["mae"]]}.get(build.__name__, ["accuracy"])
        results, weights = [], open_model.get_weights()
        for model in (open_model, build(steps)):
            model.set_weights(weights)
            model.compile("sgd", data[2], metrics=metrics, run_eagerly=eagerly)
            results.append(calls(model, *data[:2]))
        assert_same(*results)
        assert open_model.gradients(*data[:2]).keys() == {p.path for p in
                                                          open_model.trainable_weights}  # fmt: skip
    if device == "cpu" and not eagerly:
        assert open_model.explain_execution() == "recorded once and replayed"


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=6))
def test_batches_of_all_lengths_from_a_generator(sizes):
    """fit on batches of changing lengths is train_on_batch on each, on the default device."""
    results = []
    batches = [(ids(rows, steps), random.normal(size=(rows, 2))) for rows, steps in sizes]
    for whole in (True, False):
        stack = [layers.Embedding(9, 4), layers.GlobalMaxPooling1D(), layers.Dense(2)]
        model = Sequential(stack if whole else [Input((None,)), *stack])
        model(ids(2, 3))
        model.set_weights(START)
        model.compile("adam", "mse")
        if whole:
            model.fit((one for one in batches), verbose=0)
        else:
            for x, y in batches:
                model.train_on_batch(x, y)
        results.append(model.get_weights())
        found = model.predict((x for x, _ in batches), verbose=0)
        expected = np.concatenate([model(x) for x, _ in batches])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert_same(*results)


def test_without_an_input_the_first_length_fixes_nothing(device):
    model = Sequential([layers.Embedding(9, 4), layers.Dense(3), layers.GlobalAveragePooling1D()])
    for steps in (5, 7, 5):
        x = ids(6, steps)
        expected = model.layers[1](model.layers[0](x)).mean(axis=1)
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
    assert model.input_shape == (None, 5)
    fixed = Sequential([layers.Flatten(), layers.Dense(3)])
    fixed(np.ones((2, 5, 2)))
    for shape in ((2, 4, 2), (2, 10)):
        with pytest.raises(ValueError, match=r"expects rows of shape \(5, 2\)"):
            fixed(np.ones(shape))
    with pytest.raises(ValueError, match=r"expects rows of shape \(5,\), received \(7,\)"):
        embedded(5).predict(ids(3, 7), verbose=0)


def test_targets_of_another_length_are_refused(device):
    model = positions(None)
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"targets of shape \('N', 7, 2\), received \('N', 6, 2\)"):
        model.fit(np.ones((4, 7, 3)), np.ones((4, 6, 2)), verbose=0)
    assert_same(before, model.get_weights())


def test_a_layer_with_call_alone_has_open_lengths_too():
    class Twice(layers.Layer):
        def call(self, x):
            return np.concatenate([x, x], axis=-1)

    assert Sequential([Input((None, 3)), Twice(), layers.Dense(2)]).output_shape == (None, None, 2)
