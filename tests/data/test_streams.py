"""Batches that somebody else makes: generators, PyDatasets, loaders. They train like arrays."""

import itertools

import numpy as np
import pytest
import scipy.sparse
from oracle import keras_case
from stream_sources import (
    STARTS,
    UNEQUAL,
    B,
    Loader,
    N,
    SizedLoader,
    W,
    X,
    Y,
    batch,
    build,
    endless,
    generator,
    make_dataset,
    results,
    same,
)

import tinynet
from tinynet.callbacks import Callback
from tinynet.utils import PyDataset

# ------------------------------------------------------------------------------- like the arrays

STREAMS = {
    "generator": (lambda w: endless(w), {"steps_per_epoch": len(STARTS)}),
    "iterator": (lambda w: iter(list(generator(3, w))), {"steps_per_epoch": len(STARTS)}),
    "pydataset": (lambda w: make_dataset(weighted=w)(), {}),
    "with workers": (lambda w: make_dataset(weighted=w)(workers=3, max_queue_size=2), {}),
    "loader": (Loader, {}),
    "loader in steps": (Loader, {"steps_per_epoch": len(STARTS)}),
    "sized loader": (SizedLoader, {}),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", STREAMS)
def test_like_arrays(kind, weighted, device):
    make, steps = STREAMS[kind]
    by_stream, by_array = build(), build()
    options = {"epochs": 3, "shuffle": False, "verbose": 0}
    history = by_stream.fit(make(weighted), **steps, **options)
    weight = W if weighted else None
    expected = by_array.fit(X, Y, B, sample_weight=weight, **options)
    same(results(by_stream, history), results(by_array, expected))
    assert history.history.keys() >= {"loss", "accuracy", "wacc"}
    steps = {"steps": len(STARTS)} if steps else {}
    assert by_stream.evaluate(make(weighted), **steps, verbose=0) == by_array.evaluate(
        X, Y, B, sample_weight=weight, verbose=0
    )
    np.testing.assert_array_equal(
        by_stream.predict(make(weighted), **steps, verbose=0), by_array.predict(X, B, verbose=0)
    )
    if device == "cpu":
        assert by_stream.explain_execution() == "recorded once and replayed"


def test_a_dataloader_of_torch():
    data = pytest.importorskip("torch.utils.data")
    import torch

    rows = data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    loaded, expected = build(), build()
    history = loaded.fit(data.DataLoader(rows, batch_size=B), epochs=2, verbose=0)
    same(
        results(loaded, history),
        results(expected, expected.fit(X, Y, B, epochs=2, shuffle=False, verbose=0)),
    )
    history = loaded.fit(X, Y, B, validation_data=data.DataLoader(rows, batch_size=7), verbose=0)
    assert history.history["val_loss"] == [pytest.approx(loaded.evaluate(X, Y, verbose=0)[0])]


def test_validation():
    """Of every kind, by the side of arrays; a generator goes on where it stopped."""
    expected = build().fit(X, Y, epochs=3, validation_data=(X, Y, W), validation_batch_size=B,
                           shuffle=False, verbose=0).history  # fmt: skip
    for validation, steps in ((endless(True), len(STARTS)), (make_dataset(weighted=True)(), None),
                              (Loader(True), None), (make_dataset(weighted=True)(), 7),
                              (generator(3, True), len(STARTS))):  # fmt: skip
        history = build().fit(X, Y, epochs=3, validation_data=validation, validation_steps=steps,
                              shuffle=False, verbose=0).history  # fmt: skip
        assert history == expected
    some = build().fit(X, Y, validation_data=make_dataset()(), validation_steps=2, epochs=2,
                       shuffle=False, verbose=0).history  # fmt: skip
    assert some == build().fit(
        X, Y, validation_data=(X[: 2 * B], Y[: 2 * B]), validation_batch_size=B, epochs=2,
        shuffle=False, verbose=0,
    ).history  # fmt: skip


def test_sparse_batches():
    dense, sparse = build(), build()
    dense.fit(make_dataset()(), shuffle=False, verbose=0)
    sparse.fit(((scipy.sparse.csr_matrix(x), y) for x, y in generator()), verbose=0)
    for a, b in zip(dense.get_weights(), sparse.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_what_predict_takes():
    model = build()
    expected = model.predict(X, B, verbose=0)
    for form in (lambda x: x, lambda x: (x,), lambda x: [x], lambda x: (x, None),
                 lambda x: (x, "anything", None)):  # fmt: skip
        parts = (form(X[i : i + B]) for i in STARTS)
        np.testing.assert_array_equal(model.predict(parts, verbose=0), expected)
    with pytest.raises(ValueError, match=r"batch 0: expected x, \(x,\), .* received tuple of 4"):
        model.predict(iter([(X, X, X, X)]), verbose=0)


def test_many_sizes_are_recorded_without_end_of_memory(device):
    """Every size has a recording of its own, but not all are kept."""
    model, sizes = build(), list(range(1, N))
    model.fit(((X[:n], Y[:n]) for n in sizes), verbose=0)
    assert model.optimizer.iterations == len(sizes)
    if device == "cpu":
        assert model.explain_execution() == "recorded once and replayed"
        assert len(model.execution.programs) <= 16


# -------------------------------------------------------------------------------------- like Keras


@keras_case
def keras_history(k, name):
    return keras_results(k, name)


def keras_results(k, name):
    model, P = build(k), k.utils.PyDataset

    def data(weighted=False):
        return make_dataset(P, weighted, UNEQUAL)()

    def forever():
        return (data(True)[i] for _ in itertools.count() for i in range(3))

    fits = {
        "validated": lambda: {"x": data(True), "validation_data": data(True)},
        "class weights": lambda: {"x": data(), "class_weight": {0: 2.0, 2: 0.5}},
        "steps": lambda: {"x": data(), "steps_per_epoch": 2, "epochs": 4},
        "generator": lambda: {"x": forever(), "steps_per_epoch": 4},
        "validation steps": lambda: {
            "x": data(), "validation_data": data(True), "validation_steps": 2,
        },
    }  # fmt: skip
    history = model.fit(**{"epochs": 3, "verbose": 0, "shuffle": False, **fits[name]()})
    measured = model.evaluate(data(True), verbose=0)
    outputs = model.predict(data(True), verbose=0)
    return results(model, history, measured=np.array(measured), outputs=outputs)


@pytest.mark.filterwarnings("ignore:the data ended after")
@pytest.mark.parametrize("name", ["validated", "class weights", "steps", "generator",
                                  "validation steps"])  # fmt: skip
def test_like_keras(name):
    same(keras_results(tinynet, name), keras_history(name), rtol=2e-4, atol=2e-5)


# ------------------------------------------------------------------------------- lengths and ends


class Record(Callback):
    """What the loop tells its callbacks."""

    def __init__(self):
        super().__init__()
        self.batches, self.steps = [], "not set"

    def on_train_begin(self, logs=None):
        self.steps = self.params["steps"]

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.batches[-1].append(batch)


@pytest.mark.parametrize(("make", "fit", "steps", "batches"), [
    (generator, {}, None, [7]),
    (lambda: generator(2), {"steps_per_epoch": 4, "epochs": 3}, 4, [4, 4, 4]),
    (Loader, {"epochs": 2}, None, [7, 7]),
    (SizedLoader, {"epochs": 2}, 7, [7, 7]),
    (lambda: make_dataset()(), {"epochs": 2}, 7, [7, 7]),
    (lambda: make_dataset()(), {"epochs": 4, "steps_per_epoch": 3}, 3, [3, 3, 1, 3]),
    (Loader, {"epochs": 4, "steps_per_epoch": 3}, 3, [3, 3, 1, 3]),
    (lambda: generator(2), {"steps_per_epoch": 7, "epochs": 2}, 7, [7, 7]),
])  # fmt: skip
def test_steps_and_batches(make, fit, steps, batches):
    record = Record()
    options = {"callbacks": [record], "verbose": 0, **fit}
    if 1 in batches:  # the third epoch comes to the end of the data
        with pytest.warns(UserWarning, match="the data ended after 7 batches; this epoch is short"):
            build().fit(make(), **options)
    else:
        build().fit(make(), **options)
    assert record.steps == steps
    assert record.batches == [list(range(n)) for n in batches]


def test_an_endless_pydataset():
    class Endless(PyDataset):
        num_batches = None

        def __getitem__(self, i):
            return batch(i % len(STARTS))

    for workers in (1, 2):
        endless_one, expected, record = build(), build(), Record()
        history = endless_one.fit(Endless(workers=workers), steps_per_epoch=7, epochs=2, verbose=0,
                                  callbacks=[record])  # fmt: skip
        other = expected.fit(X, Y, B, epochs=2, shuffle=False, verbose=0)
        same(results(endless_one, history), results(expected, other))


@pytest.mark.parametrize(("times", "fit", "epochs"), [
    (1, {"epochs": 3}, 1), (2, {"epochs": 4, "steps_per_epoch": 7}, 2)
])  # fmt: skip
def test_a_generator_that_ends_before_the_epochs_do(times, fit, epochs):
    model, expected = build(), build()
    message = f"ended after {7 * times} batches; 2 more epochs"
    with pytest.warns(UserWarning, match=message):
        history = model.fit(generator(times), verbose=0, **fit)
    assert history.epoch == list(range(epochs))
    other = expected.fit(X, Y, B, epochs=epochs, shuffle=False, verbose=0)
    same(results(model, history), results(expected, other))


def test_a_validation_generator_that_ends():
    model = build()
    with pytest.warns(UserWarning, match="the validation data have ended"):
        history = model.fit(X, Y, epochs=3, validation_data=generator(2), validation_steps=7,
                            verbose=0).history  # fmt: skip
    assert len(history["loss"]) == 3
    assert len(history["val_loss"]) == 2
    short = "the validation data ended after 7 batches; this epoch is shorter than 5 steps"
    with pytest.warns(UserWarning, match=short):
        model.fit(X, Y, epochs=2, validation_data=generator(), validation_steps=5, verbose=0)
    message = "a generator can be read only once, for 3 validations give validation_steps"
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, epochs=3, validation_data=generator(), verbose=0)
    model.fit(X, Y, epochs=3, validation_data=generator(), validation_freq=3, verbose=0)


@pytest.mark.parametrize("empty", [lambda: iter(()), lambda: make_dataset(edges=[0])(),
                                   lambda: (i for i in [])])  # fmt: skip
def test_nothing(empty):
    model = build()
    for call in (model.fit, model.evaluate, model.predict):
        with pytest.raises(
            ValueError, match=r"(list_iterator|tuple_iterator|Batches|generator) gave no batch"
        ):
            call(empty(), verbose=0)
    assert model.optimizer.iterations == 0


def test_the_progress_line(capsys):
    build().fit(Loader(), epochs=2, verbose=1)
    lines = [line for line in capsys.readouterr().out.splitlines() if "/" in line]
    assert [line.split()[0] for line in lines] == ["Epoch", "7/7", "Epoch", "7/7"]
    build().predict(generator(), verbose=2)
    assert "7/7" in capsys.readouterr().out
