"""Batches that somebody else makes: generators, PyDatasets, loaders. They train like arrays."""

import itertools
import threading
import time

import numpy as np
import pytest
import scipy.sparse
from oracle import keras_case

import tinynet
from tinynet import layers
from tinynet.callbacks import Callback
from tinynet.utils import PyDataset

random = np.random.default_rng(8)
N, D = 50, 5
X = random.normal(size=(N, D)).astype("float32")
Y = (X[:, 0] * 2 + X[:, 1]).round().astype(int) % 3
W = random.uniform(0.2, 2, N).astype("float32")
B = 8
STARTS = range(0, N, B)
UNEQUAL = [0, 20, 30, 50]  # where batches of two sizes begin and end


def batch(i, weighted=False):
    part = slice(i * B, (i + 1) * B)
    return (X[part], Y[part], W[part]) if weighted else (X[part], Y[part])


def generator(times=1, weighted=False):
    for _ in range(times):
        for i in range(len(STARTS)):
            yield batch(i, weighted)


def endless(weighted=False):
    return generator(10**6, weighted)


def make_dataset(base=PyDataset, weighted=False, edges=None):
    """A PyDataset of either library."""

    class Batches(base):
        def __init__(self, **options):
            super().__init__(**options)
            self.seen = []

        def __len__(self):
            return len(edges or STARTS) - bool(edges)

        def __getitem__(self, i):
            self.seen.append(i)
            if edges is None:
                return batch(i, weighted)
            part = slice(edges[i], edges[i + 1])
            return (X[part], Y[part], W[part]) if weighted else (X[part], Y[part])

    return Batches


class Loader:
    """What can be iterated over again and again; whether it knows its length is its affair."""

    def __init__(self, weighted=False):
        self.weighted = weighted

    def __iter__(self):
        return (list(one) for one in generator(1, self.weighted))


class SizedLoader(Loader):
    def __len__(self):
        return len(STARTS)


def build(k=tinynet):
    L = k.layers
    model = k.Sequential([
        L.Input((D,)), L.Dense(6, activation="tanh"), L.Dense(3, activation="softmax")
    ])  # fmt: skip
    start = np.random.default_rng(3)
    model.set_weights([start.normal(size=w.shape) * 0.5 for w in model.get_weights()])
    model.compile(
        k.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"],
        weighted_metrics=[k.metrics.SparseCategoricalAccuracy(name="wacc")],
        run_eagerly=k is not tinynet,  # Keras would compile for seconds, for every size anew
    )  # fmt: skip
    return model


def results(model, history, **more):
    values = {name: np.array(value) for name, value in history.history.items()}
    return {**values, **{f"w{i}": w for i, w in enumerate(model.get_weights())}, **more}


def same(got, expected, **tolerance):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        if tolerance:
            np.testing.assert_allclose(got[name], value, err_msg=name, **tolerance)
        else:
            np.testing.assert_array_equal(got[name], value, err_msg=name)


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


# ------------------------------------------------------------------------------ what goes wrong


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


# -------------------------------------------------------------------------------------- PyDataset


def test_batches_of_a_pydataset_are_shuffled_per_epoch():
    orders = []
    for _ in range(2):
        tinynet.utils.set_random_seed(5)
        data = make_dataset()()
        build().fit(data, epochs=3, verbose=0)
        orders.append(data.seen)
    assert orders[0] == orders[1]  # the seed says which
    passes = [tuple(orders[0][i : i + 7]) for i in (0, 7, 14)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert len(set(passes)) == 3
    data = make_dataset()()
    build().fit(data, epochs=2, shuffle=False, verbose=0)
    assert data.seen == list(range(7)) * 2


def test_the_hooks_of_a_pydataset():
    calls = []

    class Told(make_dataset()):
        def on_epoch_begin(self):
            calls.append("begin")

        def on_epoch_end(self):
            calls.append("end")

        def __getitem__(self, i):
            calls.append(i)
            return super().__getitem__(i)

    build().fit(Told(), epochs=2, shuffle=False, verbose=0)
    assert calls == ["begin", *range(7), "end"] * 2
    calls.clear()
    build().fit(Told(), epochs=2, steps_per_epoch=2, shuffle=False, verbose=0)
    assert calls == ["begin", 0, 1, "end", "begin", 2, 3, "end"]
    calls.clear()
    build().evaluate(Told(), verbose=0)
    build().predict(Told(), verbose=0)
    assert calls == ["begin", *range(7), "end"] * 2


def test_a_pydataset_whose_constructor_was_not_called():
    class Bare(make_dataset()):
        def __init__(self):
            self.seen = []

    build().fit(Bare(), verbose=0)
    assert tinynet.utils.Sequence is PyDataset
    with pytest.raises(NotImplementedError, match="PyDataset needs __getitem__"):
        PyDataset()[0]
    with pytest.raises(NotImplementedError, match="PyDataset needs __len__"):
        build().fit(PyDataset(), verbose=0)
    assert [len(x) for x, _ in make_dataset()()] == [8] * 6 + [2]


def data_threads():
    return [t for t in threading.enumerate() if t.name.startswith("tinynet-data")]


def test_workers_prepare_batches_ahead_but_not_too_many():
    begun, highest = [], []

    class Slow(make_dataset()):
        def __getitem__(self, i):
            begun.append(i)
            assert threading.current_thread().name.startswith("tinynet-data")
            return super().__getitem__(i)

    class Watch(Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.01)  # long enough for the workers to prepare all that they may
            highest.append(len(begun) - batch - 1)

    build().fit(Slow(workers=2, max_queue_size=3), verbose=0, callbacks=[Watch()])
    assert 1 <= max(highest) <= 4
    assert sorted(begun) == list(range(7))
    assert not data_threads()


def test_the_workers_end_whatever_happens():
    class Broken(make_dataset()):
        def __getitem__(self, i):
            if i == 4:
                raise OSError("disk gone")
            return super().__getitem__(i)

    model = build()
    with pytest.raises(OSError, match="disk gone"):
        model.fit(Broken(workers=3), shuffle=False, verbose=0)
    assert model.optimizer.iterations == 4
    assert not data_threads()

    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    data = make_dataset()(workers=3)
    history = model.fit(data, epochs=5, verbose=0, callbacks=[Stop()], validation_data=data)
    assert history.epoch == [0]
    assert not data_threads()
    model.fit(X, Y, validation_data=make_dataset()(workers=2), validation_steps=2, verbose=0)
    assert not data_threads()
