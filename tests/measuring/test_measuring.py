"""Speed measured on copies of a model, and what is kept of it. No test looks at how long anything
takes: times are made up.
"""

import itertools
import json

import fake_cupy
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tinynet import Model, Sequential, random
from tinynet.layers import (
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePooling1D,
    Input,
    Layer,
)
from tinynet.measuring import store, subject, sweep


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYNET_DEVICE", raising=False)
    monkeypatch.setattr(sweep, "PAUSE", 0.0)
    monkeypatch.setattr(sweep.time, "sleep", lambda seconds: None)


@pytest.fixture
def card():
    with fake_cupy.in_place_of_a_card():
        yield


def model(width=5, device="auto", dropout=0.3, **options):
    net = Sequential([Input((width,)), Dense(4, "relu"), Dropout(dropout), Dense(3, "softmax")])
    options = {"metrics": ["accuracy"], **options}
    net.compile("adam", "sparse_categorical_crossentropy", device=device, **options)
    return net


def rows(n=32, width=5):
    draw = np.random.default_rng(1)
    return draw.standard_normal((n, width), dtype=np.float32), draw.integers(0, 3, n)


def made_up_times(monkeypatch, **seconds):
    """Steps are made, on the device, but their time is made up; returns who was timed."""
    real, timed = subject.timed_fit, []

    def fit(net, *args):
        loss = real(net, *args)[1]
        timed.append(net.device)
        return seconds[net.device] * args[4], loss

    monkeypatch.setattr(subject, "timed_fit", fit)
    return timed


# ----------------------------------------------------------------------------- copies and data


def functional():
    a, b = Input((3,)), Input((2,))
    net = Model([a, b], Dense(1, "sigmoid")(Concatenate()([Dense(4, "relu")(a), b])))
    net.compile("sgd", "binary_crossentropy")
    return net


def embedded():
    net = Sequential([Input((6,)), Embedding(7, 3), GlobalAveragePooling1D(), Dense(2)])
    net.compile("sgd", "mse")
    return net


@pytest.mark.parametrize("make", [model, functional, embedded])
def test_a_subject_trains_a_copy_on_data_that_fit(make):
    net = make()
    before = net.get_weights()
    one = subject.Subject(net, "cpu", batch=4)
    assert one.rows % 4 == 0
    assert one.rows >= 2**15
    assert [w.tobytes() for w in one.model.get_weights()] == [w.tobytes() for w in before]
    seconds, loss = one.train(3)
    assert seconds > 0
    assert np.isfinite(loss)
    assert one.model.optimizer.iterations == 3
    assert [w.tobytes() for w in net.get_weights()] == [w.tobytes() for w in before]
    assert net.optimizer.iterations == 0


def test_every_stretch_begins_at_the_start():
    one = subject.Subject(model(), "cpu", batch=4)
    first = one.loss_of(2)
    one.train(5)
    assert one.loss_of(2) == first
    assert one.loss_of(1) != first


def test_ids_for_an_embedding_and_a_share_of_zeros():
    net = embedded()
    x, y = subject.made_up(net, 500, (6,))
    assert set(np.unique(x)) == set(range(7))
    assert y.shape == (500, 2)
    assert (y.sum(axis=1) == 1).all()
    x, y = subject.made_up(model(), 500, (5,), density=0.2)
    assert np.count_nonzero(x) / x.size == pytest.approx(0.2, abs=0.05)
    assert set(np.unique(y)) == {0, 1, 2}


def test_what_can_not_be_copied_says_why():
    class Mine(Layer):
        def __init__(self, factor, **options):
            super().__init__(**options)
            self.factor = factor

        def forward(self, x, training=False):
            return x * self.factor

        def backward(self, dy):
            return dy * self.factor

    net = Sequential([Input((3,)), Mine(2.0), Dense(1)], name="mine")
    net.compile("sgd", "mse")
    with pytest.raises(subject.NotMeasurable, match="mine can't be copied to be measured"):
        subject.Subject(net, "cpu", 4)


def test_an_open_axis_needs_a_shape():
    net = Sequential([Input((None,)), Embedding(5, 2), GlobalAveragePooling1D(), Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(subject.NotMeasurable, match=r"rows of shape \(None,\), of which one axis"):
        subject.Subject(net, "cpu", 4)
    assert subject.Subject(net, "cpu", 4, shapes=(9,)).x.shape[1:] == (9,)


# ------------------------------------------------------------------------------------- the sweep


def test_a_measurement_leaves_no_trace(monkeypatch):
    made_up_times(monkeypatch, reference=2.0, cpu=1.0)
    net = model()
    x, y = rows()
    net.fit(x, y, verbose=0)
    names = Dense(1).name
    state, weights = str(random.get_state()), net.get_weights()
    iterations, numpy_state = net.optimizer.iterations, np.random.get_state()[1].tobytes()  # noqa: NPY002
    found = sweep.measure(net, ["reference", "cpu"], 8, rounds=2)
    assert str(random.get_state()) == state
    assert np.random.get_state()[1].tobytes() == numpy_state  # noqa: NPY002
    assert net.optimizer.iterations == iterations
    for before, after in zip(weights, net.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    number = int(names.rpartition("_")[2])
    assert Dense(1).name == f"dense_{number + 1}"
    assert found["reference"]["seconds_per_step"] == pytest.approx([2.0, 2.0])
    assert found["cpu"]["seconds_per_step"] == pytest.approx([1.0, 1.0])
    assert found["cpu"]["loss_error"] < 1e-5


def test_devices_take_turns(monkeypatch):
    timed = made_up_times(monkeypatch, reference=1.0, cpu=1.0)
    sweep.measure(model(), ["reference", "cpu"], 8, rounds=3)
    assert timed[-6:] == ["reference", "cpu", "cpu", "reference", "reference", "cpu"]


def test_rounds_end_with_the_budget(monkeypatch):
    made_up_times(monkeypatch, reference=1.0, cpu=1.0)
    now = itertools.count(0.0, 1.5)  # 1.5 s between two looks at the clock
    found = sweep.measure(model(), ["reference", "cpu"], 8, rounds=9, budget=5.0,
                          clock=lambda: next(now))  # fmt: skip
    # begun at 0; a round takes 1.5 s and ends at 3, 6, 9: one more would end beyond 2 * 5
    assert len(found["cpu"]["seconds_per_step"]) == 3
    now = itertools.count(0.0, 50.0)
    found = sweep.measure(model(), ["cpu"], 8, rounds=9, budget=1.0, clock=lambda: next(now))
    assert len(found["cpu"]["seconds_per_step"]) == 1  # the first is always made


@pytest.mark.parametrize("wrong", [1.01, np.nan])
def test_a_device_that_computes_something_else_is_not_timed(monkeypatch, wrong):
    real = subject.timed_fit

    def fit(net, *args):
        seconds, loss = real(net, *args)
        return seconds, loss * (wrong if net.device == "cpu" else 1)

    monkeypatch.setattr(subject, "timed_fit", fit)
    with pytest.raises(sweep.Disagreement, match=r"cpu does not agree, batch 8: .* 0\.001"):
        sweep.measure(model(), ["cpu"], 8, judge="reference")
    assert (sweep.tolerance("float32"), sweep.tolerance("float64")) == (1e-3, 1e-6)
    monkeypatch.setenv("TINYNET_TF32", "1")
    assert sweep.tolerance("float32") == 1e-2


def test_a_slow_device_makes_few_steps_before_the_rounds(monkeypatch):
    made_up_times(monkeypatch, reference=50.0, cpu=100.0)
    made, real = [], subject.Subject.train

    def watched(self, steps, shuffle=True):
        made.append(steps)
        return real(self, steps, shuffle)

    monkeypatch.setattr(subject.Subject, "train", watched)
    sweep.measure(model(), ["cpu"], 8, judge="reference", rounds=1, seconds=0.2)
    assert sorted(made) == [1, 1, 1, 1, 1, 3, 3]  # proofs of both, two pilots, a round


# ------------------------------------------------------------------------------------- the store


def some_key(net=None, batch=8, **changed):
    key = store.key(net or model(), batch, ("cpu", "gpu"), (5,), 1.0)
    return {**key, **changed}


RESULT = {
    "cpu": {"seconds_per_step": [0.2, 0.1], "steps": 5, "loss_error": 0.0},
    "gpu": {"seconds_per_step": [0.05], "steps": 5, "loss_error": 1e-6},
}


def test_what_is_kept_is_found_again_and_only_that():
    key = some_key()
    assert store.load(key) is None
    path = store.save(key, RESULT)
    assert path.parent == store.folder()
    assert store.load(key) == RESULT
    for other in ({"batch": 9}, {"machine": "another"}, {"tinynet": "0"}, {"kernels": "0"},
                  {"dtype": "float64"}, {"architecture": "0"}, {"density": 0.5}):  # fmt: skip
        assert store.load(some_key(**other)) is None


def test_threads_of_blas_change_and_the_key_does_not(monkeypatch):
    net = model()
    before = store.key(net, 8, ["cpu"], (5,), 1.0)
    with threadpool_limits(1):
        assert store.key(net, 8, ["cpu"], (5,), 1.0) == before
    monkeypatch.setenv("TINYNET_NUM_THREADS", "77")
    assert store.key(net, 8, ["cpu"], (5,), 1.0) != before


def test_the_architecture_counts_and_names_do_not():
    assert store.architecture(model()) == store.architecture(model())  # dense_1, dense_3
    assert store.architecture(model()) != store.architecture(model(6))
    assert store.architecture(model()) != store.architecture(model(metrics=None))
    slow = model()
    slow.optimizer.learning_rate = 0.5
    assert store.architecture(model()) == store.architecture(slow)
    assert store.architecture(functional()) == store.architecture(functional())


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '{"format": 1}', "null",
     json.dumps({"format": 1, "key": "KEY", "result": {"cpu": {"seconds_per_step": [1.0]}}}),
     json.dumps({"format": 1, "key": "KEY", "result": {
         "cpu": {"seconds_per_step": []}, "gpu": {"seconds_per_step": [1.0]}}}),
     json.dumps({"format": 1, "key": "KEY", "result": {
         "cpu": {"seconds_per_step": ["1"]}, "gpu": {"seconds_per_step": [1.0]}}}),
     json.dumps({"format": 1, "key": "KEY", "result": {
         "cpu": {"seconds_per_step": [-1.0]}, "gpu": {"seconds_per_step": [1.0]}}})],
)  # fmt: skip
def test_a_damaged_file_counts_as_none(text):
    key = some_key()
    path = store.save(key, RESULT)
    path.write_text(text.replace('"KEY"', json.dumps(key)))
    assert store.load(key) is None
    store.save(key, RESULT)
    assert store.load(key) == RESULT


def test_a_folder_that_can_not_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYNET_CACHE_DIR", str(tmp_path / "file"))
    assert store.save(some_key(), RESULT) is None
    assert store.load(some_key()) is None
