"""Data larger than the card's memory, and mapped files: they come in pieces while it computes.

The stand-in's streams do nothing before somebody waits for them, so that a missing event leaves a
step with the rows of another piece.
"""

import fake_cupy
import fake_streams
import numpy as np
import pytest
import replay_runs
from test_gpu_replay import card, compiled, data, labels, weights_of  # noqa: F401  `card` is used

import tinynet
from tinynet.kernels.gpu.card import data as card_data
from tinynet.kernels.gpu.card import feed
from tinynet.kernels.gpu.card import runtime as card_runtime

emulated_only = pytest.mark.parametrize("card", ["emulated"], indirect=True)
RANGE = {"float32": 1, "float64": 1, "uint8": 9, "int16": 9, "bool": 1, "float16": 1}


@pytest.fixture
def long_stretches(monkeypatch):
    monkeypatch.setattr(tinynet.engine.replay.Replay, "length", lambda self: 100)


@pytest.fixture
def no_room(monkeypatch, long_stretches):
    """No data set fits; a piece holds two batches of 8 rows of 5 float32."""
    monkeypatch.setattr(card_data, "SHARE", 0.0)
    monkeypatch.setattr(feed, "PIECE", 2 * 8 * 5 * 4)


def pieces(monkeypatch):
    """How many rows each piece brings over."""
    seen, put = [], feed.Feed.put

    def watched(self, k, x, rows):
        seen.append(len(rows))
        put(self, k, x, rows)

    monkeypatch.setattr(feed.Feed, "put", watched)
    return seen


def inputs(dtype, n=84):
    x = data(n, (5,), "float32") * (10 if np.dtype(dtype).kind in "iu" else 1)
    return (x > 0) if dtype == "bool" else x.astype(dtype)


def fitted(x, y, epochs=2, **options):
    model = compiled()
    model.fit(x, y, batch_size=8, epochs=epochs, verbose=0, **options)
    assert model.explain_execution() == replay_runs.RECORDED
    return model


@pytest.mark.parametrize("dtype", RANGE)
def test_pieces_make_the_same_steps_to_the_bit(monkeypatch, no_room, dtype):
    x, y = inputs(dtype), labels(84)
    seen = pieces(monkeypatch)
    found = weights_of(fitted(x, y))
    monkeypatch.setattr(card_data, "SHARE", 0.8)
    few = {"float64": 8, "uint8": 64, "bool": 64, "int16": 32, "float16": 32}.get(dtype, 16)
    assert max(seen) == few  # 10 whole batches, and one of 4 rows
    assert sum(seen) == 2 * 84
    seen.clear()
    expected = weights_of(fitted(x, y))
    assert seen == []
    np.testing.assert_array_equal(found, expected)


def test_evaluate_and_predict(monkeypatch, no_room):
    x, y = inputs("float32"), labels(84)
    model = fitted(x, y)
    seen = pieces(monkeypatch)
    found = model.evaluate(x, y, batch_size=8, verbose=0), model.predict(x, batch_size=8, verbose=0)
    assert sum(seen) == 2 * 84
    monkeypatch.setattr(card_data, "SHARE", 0.8)
    assert found[0] == model.evaluate(x, y, batch_size=8, verbose=0)
    np.testing.assert_array_equal(found[1], model.predict(x, batch_size=8, verbose=0))


def test_columns_and_gaps_in_memory(no_room, monkeypatch):
    whole = inputs("float32", 168)
    for x in (whole[::2], np.asfortranarray(whole[:84])):
        found = weights_of(fitted(x, labels(84)))
        monkeypatch.setattr(card_data, "SHARE", 0.8)
        np.testing.assert_array_equal(found, weights_of(fitted(x.copy(), labels(84))))
        monkeypatch.setattr(card_data, "SHARE", 0.0)


@pytest.mark.parametrize("forgotten", ["host", "card", "steps"])
@emulated_only
def test_a_forgotten_event_would_show(monkeypatch, no_room, forgotten):
    """That the test above can fail: without one of the three waits the weights are others."""
    x, y = inputs("float32"), labels(84)
    expected = weights_of(fitted(x, y, epochs=1, shuffle=False))
    if forgotten == "host":
        monkeypatch.setattr(fake_streams.Event, "synchronize", lambda self: None)
    else:
        number = {"card": 0, "steps": 1}[forgotten]
        real, runtime = fake_streams.Stream.wait_event, card_runtime.current()
        stream = (runtime.copies, runtime.stream)[number]
        monkeypatch.setattr(fake_streams.Stream, "wait_event", lambda self, event: (
            None if self is stream else real(self, event)))  # fmt: skip
    found = weights_of(fitted(x, y, epochs=1, shuffle=False))
    assert not np.array_equal(found, expected)


@emulated_only
def test_the_free_memory_decides(monkeypatch, long_stretches):
    x, y = inputs("float32"), labels(84)  # 1,680 bytes
    expected = weights_of(fitted(x, y))
    seen = pieces(monkeypatch)
    monkeypatch.setattr(fake_cupy, "_free", lambda: 2200)
    fitted(x, y)
    assert seen == []  # 0.8 of it is enough
    card_data.resident.tidy()  # nothing of it stays
    monkeypatch.setattr(fake_cupy, "_free", lambda: 1000)
    found = weights_of(fitted(x, y))
    assert set(seen) <= {24, 4, 8}  # two halves of 3 batches of 160 bytes
    assert 24 in seen
    np.testing.assert_array_equal(found, expected)
    monkeypatch.setattr(fake_cupy, "_free", lambda: 10)
    np.testing.assert_array_equal(weights_of(fitted(x, y)), expected)  # batch by batch


@emulated_only
def test_what_is_on_the_card_needs_no_room(monkeypatch):
    monkeypatch.setattr(tinynet.engine.replay.Replay, "length", lambda self: 2)
    x, y = inputs("float32"), labels(84)
    free = [2200]
    monkeypatch.setattr(fake_cupy, "_free", lambda: free[0])
    seen, get = pieces(monkeypatch), card_data.Resident.get

    def kept(self, array):
        there = get(self, array)
        if array in self:
            free[0] = 2200 - array.nbytes  # it takes its place
        return there

    monkeypatch.setattr(card_data.Resident, "get", kept)
    fitted(x, y)
    assert free[0] < 1000
    assert seen == []


def mapped(path, x, monkeypatch):
    monkeypatch.setattr(tinynet.data.arrays, "READ_AT_ONCE", 100)
    np.save(path, x)
    return np.load(path, mmap_mode="r")


def test_a_mapped_file_comes_in_pieces_and_never_whole(monkeypatch, no_room, tmp_path):
    x, y = inputs("float32"), labels(84)
    monkeypatch.setattr(card_data, "SHARE", 0.8)
    expected = weights_of(fitted(x, y))
    seen = pieces(monkeypatch)
    model = fitted(mapped(tmp_path / "x.npy", x, monkeypatch), y)
    assert sum(seen) == 2 * 84
    assert max(seen) == 16
    np.testing.assert_array_equal(weights_of(model), expected)


def test_a_bad_row_of_a_mapped_file_after_some_steps(monkeypatch, no_room, tmp_path):
    x, y = inputs("float32"), labels(84)
    x[70, 2] = np.nan
    model = compiled()
    with pytest.raises(ValueError, match="x: row 70 holds nan"):
        model.fit(mapped(tmp_path / "x.npy", x, monkeypatch), y, batch_size=8, shuffle=False,
                  verbose=0)  # fmt: skip
    # rows 64 to 79 are one piece: what was trained before it is counted
    assert model.optimizer.iterations == model.steps_taken == 8
    expected = compiled()
    expected.fit(x[:64], y[:64], batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_array_equal(weights_of(model), weights_of(expected))
    model.fit(x[:64], y[:64], batch_size=8, shuffle=False, verbose=0)
    assert model.optimizer.iterations == 16


def test_room_is_given_back_after_fit(no_room):
    fitted(inputs("float32"), labels(84))
    assert not card_data.resident.feeds


@emulated_only
def test_without_pinned_memory_the_error_says_so(monkeypatch, no_room):
    def none(size):
        raise RuntimeError("cudaErrorMemoryAllocation")

    monkeypatch.setattr(fake_cupy.cuda, "alloc_pinned_memory", none)
    model = compiled()
    before = weights_of(model)
    with pytest.raises(MemoryError, match=r"no [\d,]+ bytes of pinned memory: cudaError"):
        model.fit(inputs("float32"), labels(84), batch_size=8, verbose=0)
    np.testing.assert_array_equal(weights_of(model), before)


def test_debugging_looks_at_pieces_too(monkeypatch, no_room):
    x, y = inputs("float32"), labels(84)
    expected = weights_of(fitted(x, y))
    monkeypatch.setenv("TINYNET_DEBUG", "1")
    np.testing.assert_array_equal(weights_of(fitted(x, y)), expected)


@pytest.mark.parametrize(
    ("row_bytes", "rows", "steps", "free", "expected"),
    [(1000, 32, 100, 1 << 40, 100), (1 << 20, 4, 100, 1 << 40, 4), (1 << 20, 64, 9, 1 << 40, 1),
     (1000, 10, 100, 90_000, 4), (1000, 10, 100, 0, 1), (0, 10, 5, 1 << 40, 5)],
)  # fmt: skip
def test_how_many_steps_a_piece_holds(row_bytes, rows, steps, free, expected):
    assert feed.steps_of_a_piece(row_bytes, rows, steps, free) == expected
