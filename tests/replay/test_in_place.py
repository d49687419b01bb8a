"""Rows that follow each other are read where they are: the same numbers, and data that stay as they
are."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as keras
from tinynet import kernels
from tinynet.engine.record import Recorder
from tinynet.kernels.cpu.machine import program, threads

layers = keras.layers
FIRST = {
    "dense": lambda: layers.Dense(7, "tanh"),
    "relu": lambda: layers.ReLU(),
    "softmax": lambda: layers.Softmax(),
    "norm": lambda: layers.LayerNormalization(),
    "dropout": lambda: layers.Dropout(0.3),
    "rescaling": lambda: layers.Rescaling(0.5, 1.0),
    "identity": lambda: layers.Identity(),
    "noise": lambda: layers.GaussianNoise(0.1),
    "batchnorm": lambda: layers.BatchNormalization(),
}


def made(device, first="dense"):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((6,)), FIRST[first](), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", device=device)
    return model


@pytest.fixture(scope="module")
def models():
    return {device: made(device) for device in ("reference", "cpu")}


def arrays(rows, zeros):
    x = np.random.default_rng(rows).normal(size=(rows, 6)).astype(np.float32)
    x[x < zeros] = 0
    wide = np.zeros((rows, 9), np.float32)
    wide[:, 2:8] = x
    return {
        "plain": x, "later rows": np.concatenate([wide[:1, :6], x])[1:],
        "columns first": x.copy("F"), "within wider rows": wide[:, 2:8], "double": x.astype(float),
        "csr": scipy.sparse.csr_matrix(x), "every other row": np.repeat(x, 2, axis=0)[::2],
        "bytes": (x * 3).astype(np.uint8),
    }  # fmt: skip


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(sorted(arrays(1, 0))), st.integers(1, 70),
                          st.integers(1, 40), st.sampled_from([-9.0, 1.2])),
                min_size=2, max_size=6))  # fmt: skip
def test_any_arrays_after_any_others(models, calls):
    for kind, rows, batch, zeros in calls:
        x = arrays(rows, zeros)[kind]
        before = x.copy()
        one, other = (m.predict(x, batch_size=batch, verbose=0) for m in models.values())
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)
        assert (x != before).sum() == 0


@pytest.mark.parametrize("first", FIRST)
def test_in_training_and_evaluation_too(first, monkeypatch, two_threads):
    used, in_place = [], program.Machine._in_place
    monkeypatch.setattr(program.Machine, "_in_place",
                        lambda *args: used.append(in_place(*args)) or used[-1])  # fmt: skip
    x, y = arrays(90, -9.0)["plain"], np.arange(90) % 3
    before, found = x.copy(), []
    for device in ("reference", "cpu"):
        model = made(device, first)
        history = model.fit(x, y, batch_size=40, epochs=2, shuffle=False, verbose=0).history
        found.append([*history["loss"], model.evaluate(x, y, batch_size=32, verbose=0),
                      *model.predict_on_batch(x).ravel()])  # fmt: skip
    np.testing.assert_allclose(*found, rtol=2e-4, atol=2e-5)
    np.testing.assert_array_equal(x, before)
    assert any(used)


def test_after_ctrl_c_the_next_rows_are_read(monkeypatch):
    model, kinds = made("cpu"), arrays(20, -9.0)
    expected = model.predict(kinds["plain"], verbose=0)

    def interrupted(work, count):
        threads.run_together(work, count)
        raise KeyboardInterrupt

    with monkeypatch.context() as within:
        within.setattr(program, "run_together", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.predict(kinds["plain"] + 1, verbose=0)
    for kind in ("double", "csr", "plain"):
        np.testing.assert_allclose(model.predict(kinds[kind], verbose=0), expected, rtol=2e-6)


def test_what_kernels_write_to_is_recorded():
    x = np.ones((3, 2), np.float32)
    recorder = Recorder(kernels.load("cpu"))
    recorder.affine(x, 2.0, 0.0, y=x)
    assert recorder.written[0] is x


def test_a_batch_that_is_written_to_is_gathered():
    """Where a kernel writes to its input, the user's rows are copied first."""
    model, x = made("cpu"), arrays(20, -9.0)["plain"]
    model.predict(x, verbose=0)
    (_, recorded), *_ = model.execution.programs.values()
    assert recorded.machine.reads_only
    assert recorded.machine._in_place(x, np.arange(20))
    recorded.machine.reads_only = False
    assert not recorded.machine._in_place(x, np.arange(20))
    np.testing.assert_array_equal(model.predict(x, verbose=0), made("cpu").predict(x, verbose=0))


def test_a_share_without_columns_adds_nothing(monkeypatch):
    """Two threads share the one column of x; the other's part of the outputs is all zeros, too."""
    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")
    random = np.random.default_rng(0)
    x = (random.random((64, 1)) * (random.random((64, 1)) < 0.1)).astype(np.float32)
    y = random.random((64, 1)).astype(np.float32)

    def trained(device):
        keras.utils.set_random_seed(1)
        relu = [keras.layers.Dense(400, "relu") for _ in range(2)]
        model = keras.Sequential([keras.Input((1,)), *relu, keras.layers.Dense(1)])
        model.compile("sgd", "mse", device=device)
        model.fit(x, y, batch_size=64, epochs=1, verbose=0)
        if device == "cpu":
            (_, program), *_ = model.execution.programs.values()
            assert "linear_part" in program.machine.names
            for array in program.machine.keep[0]:
                if array.ndim == 3:  # of each share: what stays unwritten is seen
                    array.fill(np.nan)
        model.fit(x, y, batch_size=64, epochs=1, verbose=0)
        return model.get_weights()

    for found, expected in zip(trained("cpu"), trained("reference"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
