"""Batches that somebody else makes: errors, bad batches and arguments are named."""

import itertools

import numpy as np
import pytest
from stream_sources import STARTS, B, D, W, X, Y, batch, build, generator, make_dataset

import tinynet
from tinynet import layers


def test_an_error_of_the_generator_comes_through():
    def broken():
        yield from itertools.islice(generator(), 3)
        raise KeyError("no such file")

    model, expected = build(), build()
    with pytest.raises(KeyError, match="no such file"):
        model.fit(broken(), verbose=0)
    assert model.optimizer.iterations == model.steps_taken == 3
    expected.fit(X[: 3 * B], Y[: 3 * B], B, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(X, Y, verbose=0)  # and it goes on


BAD = [
    ((X[:4, :3], Y[:4]), r"batch 2: x: .* rows of shape \(5,\), received \(3,\)"),
    ((X[:4], Y[:3]), "batch 2: x has 4 rows, batch 2: y has 3"),
    ((X[:4], Y[:4] + 3), r"batch 2: y: row 0 has class id \d, expected an integer in \[0, 3\)"),
    ((np.full((4, D), np.inf), Y[:4]), "batch 2: x: row 0 holds inf"),
    ((X[:4], Y[:4], W[:3]), "batch 2: x has 4 rows, batch 2: sample_weight has 3"),
    (X[:4], r"batch 2: expected \(x, y\) or \(x, y, sample_weight\), received ndarray of 4"),
    ((X[:4],), r"batch 2: expected \(x, y\) or \(x, y, sample_weight\), received tuple of 1"),
    ((X[:4], None), "batch 2: needs x and y, received None"),
    ((X[:0], Y[:0]), r"batch 2: x: expected at least one row, received shape \(0, 5\)"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_a_bad_batch_is_named(bad, message):
    good = [batch(0), batch(1)]
    model = build()
    with pytest.raises(ValueError, match=f"^{message}"):
        model.fit(iter([*good, bad]), verbose=0)
    assert model.optimizer.iterations == 2
    with pytest.raises(
        ValueError, match=f"^validation {message.replace('batch 2', '(validation )?batch 2')}"
    ):
        model.fit(X, Y, validation_data=iter([*good, bad]), verbose=0)
    with pytest.raises(ValueError, match=message.replace("batch 2", "batch 0")):
        model.fit(iter([bad]), verbose=0)


ARGUMENTS = [
    ({"y": Y}, "x is a generator, whose batches are .*: y must not be given beside it"),
    ({"sample_weight": W}, "sample_weight must not be given"),
    ({"validation_split": 0.2}, "validation_split=0.2 needs arrays, x is a generator"),
    ({"class_weight": {0: 2.0}}, "class_weight is not taken beside a generator"),
    ({"steps_per_epoch": 0}, "steps_per_epoch must be an integer >= 1"),
    ({"shuffle": "rows"}, "shuffle must be True, False or"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_arguments(arguments, message):
    """Keras's rules; nothing is taken from the generator."""
    source, model = generator(), build()
    with pytest.raises(ValueError, match=message):
        model.fit(source, verbose=0, **arguments)
    assert len(list(source)) == len(STARTS)


def test_class_weights_and_weights_in_the_batches():
    with pytest.raises(ValueError, match="batch 0: give class_weight or sample_weight, not both"):
        build().fit(make_dataset(weighted=True)(), class_weight={0: 2.0}, verbose=0)


def test_a_batch_size_has_no_effect():
    for call in (lambda m, d: m.fit(d, batch_size=3, verbose=0),
                 lambda m, d: m.predict(d, batch_size=3, verbose=0),
                 lambda m, d: m.evaluate(d, batch_size=3, verbose=0)):  # fmt: skip
        with pytest.warns(UserWarning, match="batch_size=3 has no effect: x is a generator"):
            call(build(), generator())


def test_processes_are_threads():
    with pytest.warns(UserWarning, match="the workers of Batches are threads"):
        build().fit(make_dataset()(workers=2, use_multiprocessing=True), verbose=0)


def test_the_first_batch_builds_the_model():
    def fresh():
        model = tinynet.Sequential([layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    for call in (lambda m: m.fit(generator(), verbose=0),
                 lambda m: m.evaluate(generator(), verbose=0),
                 lambda m: m.predict(generator(), verbose=0)):  # fmt: skip
        model = fresh()
        call(model)
        assert model.input_shape == (None, D)
    model = fresh()
    with pytest.raises(ValueError, match="batch 0: x: row 1 holds nan"):
        model.fit(iter([(np.array([[1.0], [np.nan]]), [0, 1])]), verbose=0)
    assert not model.built


def test_a_dict_of_a_loader_says_how_it_becomes_a_pair():
    """Keras takes it for the inputs of a model, by name; which entry is y nobody has said."""
    batches = [{"pixels": X[:8], "labels": Y[:8]}]
    message = (r"batch 0: expected \(x, y\) or .*a dict of \['pixels', 'labels'\]; make a pair of "
               r"its entries, \(d\['pixels'\], d\['labels'\]\)")  # fmt: skip
    for call in (lambda m: m.fit(iter(batches), verbose=0), lambda m: m.evaluate(iter(batches))):
        with pytest.raises(TypeError, match=message):
            call(build())
    with pytest.raises(TypeError, match=r"validation_data: expected .*\(d\['x'\], d\['y'\]\)"):
        build().fit(X, Y, validation_data={"x": X, "y": Y}, verbose=0)
    with pytest.raises(TypeError, match=r"x: expected numbers, .*take the array out of it, by its"):
        tinynet.Sequential([layers.Dense(3, input_shape=(D,))]).predict({"pixels": X})
