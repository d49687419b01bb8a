"""Targets that only the loss looks at are gathered by the machine, batch by batch."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as keras
from tinynet.engine.replay import Replay
from tinynet.kernels.cpu.machine.program import Machine
from tinynet.layers import Dense

ROWS, WIDTH, OUTPUTS = 37, 6, 5


def trained(x, y, batch, loss, metrics=None, positions=False, device="cpu", weight=None):
    """History, weights and evaluation of a small net after two epochs and a batch."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((*x.shape[1:-1], WIDTH)), Dense(4, "tanh"),
                              Dense(OUTPUTS, "sigmoid")])  # fmt: skip
    model.compile("adam", loss, metrics=metrics, device=device)
    history = model.fit(x, y, sample_weight=weight, batch_size=batch, epochs=2, verbose=0,
                        validation_split=0.2)  # fmt: skip
    measured = model.evaluate(x, y, batch_size=batch, verbose=0)
    losses = [model.train_on_batch(x[:9], y[:9]), model.test_on_batch(x[4:13], y[4:13])]
    losses += [model.train_on_batch(x[3:12], y[3:12])]
    return history.history, model.get_weights(), measured, losses


def same(one, other, **close):
    np.testing.assert_equal(one[0].keys(), other[0].keys())
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(a, b, **close)
    for key in one[0]:
        np.testing.assert_allclose(one[0][key], other[0][key], **close)
    for a, b in zip(one[2:], other[2:], strict=True):
        np.testing.assert_allclose(a, b, **close)


@pytest.fixture
def as_before(monkeypatch):
    """Call with targets selected by NumPy and predictions kept."""

    def run(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(Machine, "reads_targets", lambda self, y: False)
            patch.setattr(Replay, "_counted", lambda self, y: None)
            return trained(*arguments, **options)

    return run


@pytest.fixture
def seen(monkeypatch):
    """Whether each call's targets were read where they are."""
    found, original = [], Machine.reads_targets

    def reads(self, y):
        found.append(original(self, y))
        return found[-1]

    monkeypatch.setattr(Machine, "reads_targets", reads)
    return found


KINDS = ["float32", "float64", "uint8", "bool", "int64", "int32"]


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS), batch=st.integers(1, 40), threads=st.integers(1, 3),
    loss=st.sampled_from(["mse", "binary_crossentropy", "mae", "huber", "poisson"]),
    positions=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_same_bits(kind, batch, threads, loss, positions, seed):
    random = np.random.default_rng(seed)
    lead = (ROWS, 3) if positions else (ROWS,)
    x = random.normal(size=(*lead, WIDTH)).astype("float32")
    y = random.integers(0, 2, (*lead, OUTPUTS)).astype(kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYNET_NUM_THREADS", str(threads))
        one = trained(x, y, batch, loss)
        with patch.context() as off:
            off.setattr(Machine, "reads_targets", lambda self, y: False)
            off.setattr(Replay, "_counted", lambda self, y: None)
            same(one, trained(x, y, batch, loss), rtol=0)
    same(one, trained(x, y, batch, loss, device="reference"), rtol=2e-4, atol=2e-5)


INPUTS = {
    "float32": lambda x: x,
    "float16, which is copied": lambda x: x.astype("float16"),
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "columns first": np.asfortranarray,
    "sparse": scipy.sparse.csr_array,
    "mostly zeros": lambda x: x * (x > 1),
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("batch", [1, 8, 36])
def test_whatever_the_inputs_are(kind, batch, as_before, seen):
    random = np.random.default_rng(0)
    x = INPUTS[kind](random.normal(size=(ROWS, WIDTH)).astype("float32"))
    y = random.random((ROWS, OUTPUTS)).astype("float32")
    same(trained(x, y, batch, "mse"), as_before(x, y, batch, "mse"), rtol=0)
    assert any(seen)


@pytest.mark.parametrize("kind", ["columns first", "every other column", "float16", "reversed"])
def test_targets_that_must_be_copied(kind, as_before, seen):
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, WIDTH)).astype("float32")
    y = random.random((ROWS, 2 * OUTPUTS)).astype("float32")
    y = {"columns first": np.asfortranarray(y[:, :OUTPUTS]), "every other column": y[:, ::2],
         "float16": y[:, :OUTPUTS].astype("float16"),
         "reversed": y[::-1, :OUTPUTS]}[kind]  # fmt: skip
    same(trained(x, y, 8, "mse"), as_before(x, y, 8, "mse"), rtol=0)
    assert any(seen) == (kind == "reversed")


def test_metrics_and_weights_have_targets_of_their_own(as_before, seen):
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, WIDTH)).astype("float32")
    y = random.random((ROWS, OUTPUTS)).astype("float32")
    weight = random.random(ROWS)
    for options in ({"metrics": ["mae", "cosine_similarity"]}, {"weight": weight}):
        same(trained(x, y, 8, "mse", **options), as_before(x, y, 8, "mse", **options), rtol=0)
    seen.clear()
    trained(x, y, 8, "mse", metrics=["mae"])
    assert not any(seen)


def test_a_file_that_is_mapped(tmp_path, monkeypatch, as_before):
    """Its rows are read and checked as they are needed, x as well as y."""
    monkeypatch.setattr("tinynet.data.arrays.READ_AT_ONCE", 1)
    random = np.random.default_rng(0)
    for name, width in (("x", WIDTH), ("y", OUTPUTS)):
        np.save(tmp_path / name, random.random((ROWS, width), dtype=np.float32))
    x, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    loaded = np.array(x), np.array(y)
    for a, b in ((x, y), (x, loaded[1]), (loaded[0], y)):
        same(trained(a, b, 8, "mse"), as_before(*loaded, 8, "mse"), rtol=0)


def test_nothing_is_counted_without_metrics():
    """An autoencoder's predictions would fill as much memory as its inputs."""
    model = keras.Sequential([keras.Input((WIDTH,)), Dense(WIDTH)])
    model.compile("sgd", "mse")
    x = np.ones((ROWS, WIDTH), "float32")
    assert list(model.fit(x, x, verbose=0).history) == ["loss"]
    program = next(iter(model.execution.programs.values()))[1]
    assert program.counted == []
    assert program.inputs.outputs is None
