"""The outputs of a long `predict` are written where they stay, stretch by stretch."""

import threading

import numpy as np
import pytest

import tinynet as keras
from tinynet.engine import replay
from tinynet.layers import Dense

ROWS = 203


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    monkeypatch.setattr(replay, "SECONDS_PER_CALL", 1e-9)


def made(units=5, outputs=1):
    keras.utils.set_random_seed(0)
    a = keras.Input((4,))
    ends = [Dense(units)(a) for _ in range(outputs)]
    return keras.Model(a, ends[0] if outputs == 1 else ends)


def by_hand(model, x, k=0):
    W, b = model.get_weights()[2 * k : 2 * k + 2]
    return x @ W + b


x = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)


class Seen(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.outputs = []

    def on_predict_batch_end(self, batch, logs=None):
        self.outputs.append(logs["outputs"])


@pytest.mark.parametrize("batch", [1, 10, 100, 202, 203, 300])
def test_any_batch_size(batch):
    model, seen = made(), Seen()
    outputs = model.predict(x, batch_size=batch, verbose=0, callbacks=[seen])
    np.testing.assert_allclose(outputs, by_hand(model, x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate(seen.outputs), outputs)
    in_place = [np.shares_memory(part, outputs) for part in seen.outputs]
    assert all(in_place)
    assert outputs.base is None


def test_part_of_the_rows():
    model = made()
    outputs = model.predict(x, batch_size=20, steps=3, verbose=0)
    np.testing.assert_allclose(outputs, by_hand(model, x[:60]), rtol=1e-5, atol=1e-6)


def test_calls_do_not_share_their_outputs():
    model = made()
    first = model.predict(x, batch_size=20, verbose=0)
    kept = first.copy()
    second = model.predict(-x, batch_size=20, verbose=0)
    np.testing.assert_array_equal(first, kept)
    assert not np.shares_memory(first, second)
    assert model.execution.whole is None


def test_several_outputs_and_batches_from_a_generator():
    model = made(outputs=2)
    for k, outputs in enumerate(model.predict(x, batch_size=20, verbose=0)):
        np.testing.assert_allclose(outputs, by_hand(model, x, k), rtol=1e-5, atol=1e-6)
    model = made()
    outputs = model.predict((x[i : i + 20] for i in range(0, ROWS, 20)), verbose=0)
    np.testing.assert_allclose(outputs, by_hand(model, x), rtol=1e-5, atol=1e-6)


def test_calls_of_several_threads_take_turns():
    model, found = made(), {}
    model.predict(x[:2], verbose=0)

    def work(i):
        found[i] = [model.predict(x + i, batch_size=20, verbose=0) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, several in found.items():
        for outputs in several:
            np.testing.assert_allclose(outputs, by_hand(model, x + i), rtol=1e-5, atol=1e-5)
