"""Data sets that stay on the card between calls: brought over once, compared, given back."""

import gc
import tracemalloc

import fake_cupy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_runs import data, labels

import tinynet
from tinynet import Sequential
from tinynet.kernels.gpu.card import data as card_data
from tinynet.kernels.gpu.card import runtime
from tinynet.layers import Dense, Input


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """A stand-in with nothing on it; several calls of the device make a fit."""
    monkeypatch.setattr(card_data.resident, "kept", {})
    monkeypatch.setattr(tinynet.engine.replay.Replay, "length", lambda self: 2)
    with fake_cupy.in_place_of_a_card():
        yield


@pytest.fixture
def brought(monkeypatch):
    """Shapes of what has come over."""
    shapes, bring = [], card_data._bring
    monkeypatch.setattr(card_data, "_bring", lambda a: shapes.append(a.shape) or bring(a))
    return shapes


def compiled():
    tinynet.utils.set_random_seed(1)
    model = Sequential([Input((5,)), Dense(4, "tanh"), Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", device="gpu")
    return model


def fitted(x, y, epochs=2, **options):
    model = compiled()
    model.fit(x, y, batch_size=8, epochs=epochs, verbose=0, **options)
    return model


def weights_of(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "bool"])
def test_many_calls_bring_a_data_set_over_once(brought, dtype):
    x, y = data(40, (5,), "float32"), labels(40)
    x = x > 0 if dtype == "bool" else (10 * x).astype(dtype)
    model = fitted(x, y)
    other = fitted(x, y)  # another model, the same data
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert brought == [x.shape]
    np.testing.assert_array_equal(weights_of(fitted(x.copy(), y)), weights_of(other))


def test_validation_data_and_sparse_ones_stay_too(brought):
    sparse = pytest.importorskip("scipy.sparse")
    x, y = sparse.random_array((40, 5), density=0.4, rng=np.random.default_rng(1)), labels(40)
    x, other = x.tocsr(), data(16, (5,), "float32")
    for _ in range(3):
        fitted(x, y, validation_data=(other, labels(16)))
    kept = sorted(shape for shape in brought if shape != (41,))  # `indptr` is cast in every call
    assert kept == [(16, 5), (80,), (80,)]


@pytest.mark.parametrize("how", ["one number", "rows exchanged", "scaled", "restored"])
def test_data_that_change_between_calls_come_anew(how):
    x, y = data(40, (5,), "float32"), labels(40)
    fitted(x, y)
    before = x.copy()
    if how == "one number":
        x[7, 2] += 1
    elif how == "rows exchanged":
        x[[3, 4]] = x[[4, 3]]
    else:
        x *= 2
    expected = weights_of(fitted(x.copy(), y))
    np.testing.assert_array_equal(weights_of(fitted(x, y)), expected)
    if how == "restored":
        x[...] = before
        expected = weights_of(fitted(before, y))
        np.testing.assert_array_equal(weights_of(fitted(x, y)), expected)


def test_batches_that_are_handed_over_one_by_one_are_read_anew():
    """No call has announced them: the same array may hold other rows each time."""
    x, y, room = data(24, (5,), "float32"), labels(24), np.empty((8, 5), "float32")
    model, expected = compiled(), compiled()
    for _ in range(2):
        for i in range(0, 24, 8):
            room[...] = x[i : i + 8]
            model.train_on_batch(room, y[i : i + 8])
            expected.train_on_batch(x[i : i + 8].copy(), y[i : i + 8])
    np.testing.assert_array_equal(weights_of(model), weights_of(expected))


def test_a_call_within_a_hook_leaves_the_data_of_fit_where_they_are(brought):
    x, y, other = data(40, (5,), "float32"), labels(40), data(24, (5,), "float32")

    class Hook(tinynet.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.predict(other, verbose=0)

    fitted(x, y, epochs=3, callbacks=[Hook()])
    assert brought == [x.shape, other.shape]


def test_what_dies_on_the_host_goes_from_the_card():
    x, y = data(40, (5,), "float32"), labels(40)
    fitted(x[:30], y[:30])  # a view: what counts is the array that has the memory
    gc.collect()
    assert len(card_data.resident.kept) == 1
    del x
    gc.collect()
    assert card_data.resident.kept == {}


def test_arrays_made_for_one_call_do_not_stay():
    frame = pytest.importorskip("pandas").DataFrame(data(40, (5,), "float64"))
    frame[0] = frame[0].astype("float32")  # columns of two dtypes: a new array in every call
    fitted(frame, labels(40))
    gc.collect()
    assert card_data.resident.kept == {}


# ------------------------------------------------------------------------------------- pressure


def test_idle_data_make_room(monkeypatch, brought):
    x, y = data(40, (5,), "float32"), labels(40)
    fitted(x, y)
    (there,) = (one.there for one in card_data.resident.kept.values())
    empty, refused = fake_cupy.empty, []

    def full(shape, dtype=float):
        """As if what is kept took the last of the memory."""
        if card_data.resident.kept and tuple(np.atleast_1d(shape)) == (77,):
            refused.append(shape)
            raise fake_cupy.OutOfMemoryError("full")
        return empty(shape, dtype)

    monkeypatch.setattr(fake_cupy, "empty", full)
    assert runtime.empty((77,), "float32").shape == (77,)
    assert len(refused) == 1
    assert card_data.resident.kept == {}
    assert there.shape == x.shape  # whoever still holds it has it
    fitted(x, y)
    assert brought == [x.shape] * 2


def test_what_a_call_reads_is_never_given_back(monkeypatch):
    x, y = data(40, (5,), "float32"), labels(40)
    fitted(x, y)
    call = card_data.resident.announce([x])
    card_data.resident.tidy()
    assert x in card_data.resident
    del call
    card_data.resident.tidy()
    assert card_data.resident.kept == {}


def test_between_calls_the_newest_stay_within_bounds(monkeypatch):
    monkeypatch.setattr(runtime.current(), "total_bytes", 4 * 2 * 800)  # a quarter: two of them
    sets, y = [data(40, (5,), "float32") + i for i in range(3)], labels(40)
    for x in sets:
        fitted(x, y)
    kept = {key[0] for key in card_data.resident.kept}
    assert kept == {x.ctypes.data for x in sets[1:]}


def test_a_data_set_for_which_idle_ones_leave_no_room(monkeypatch, brought):
    x, y, other = data(40, (5,), "float32"), labels(40), data(40, (5,), "float32") + 1
    fitted(x, y)

    def free():
        return 1500 - sum(one.there.nbytes for one in card_data.resident.kept.values())

    monkeypatch.setattr(fake_cupy, "_free", free)  # 700 bytes beside x, and 800 are needed
    fitted(other, y)
    assert brought == [x.shape, other.shape]
    assert [key[0] for key in card_data.resident.kept] == [other.ctypes.data]


# ------------------------------------------------------------------------------------- checksum


@given(st.integers(1, 200_000), st.data())
def test_a_checksum_sees_each_change(size, draw):
    x = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    before = card_data.checksum(x)
    assert card_data.checksum(x.copy()) == before
    i, j = (draw.draw(st.integers(0, size - 1)) for _ in range(2))
    changed = x.copy()
    changed[i] ^= draw.draw(st.integers(1, 255))
    assert card_data.checksum(changed) != before
    exchanged = x.copy()
    exchanged[[i, j]] = x[[j, i]]
    assert (card_data.checksum(exchanged) != before) == (x[i] != x[j])


def test_a_checksum_follows_the_order_of_rows_not_of_memory():
    x = np.random.default_rng(1).normal(size=(50, 70))
    assert card_data.checksum(np.asfortranarray(x)) == card_data.checksum(x)
    assert card_data.checksum(x.repeat(2, axis=0)[::2]) == card_data.checksum(x)


def test_a_checksum_makes_no_copy_of_all_rows():
    x = np.zeros((3000, 2000), order="F")
    tracemalloc.start()
    card_data.checksum(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 10
