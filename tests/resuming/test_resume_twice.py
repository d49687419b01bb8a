"""Killed at the edges of epochs: after the last batch, at the end, at the next one's beginning."""

import numpy as np
import pytest
import resume_runs as runs

import tinynet
from tinynet import layers
from tinynet.callbacks import Callback, Snapshot

X, REAL = runs.X, runs.REAL


class Crash(Callback):
    """Raises at one hook of one epoch."""

    def __init__(self, hook=None, epoch=None):
        super().__init__()
        self.at = hook, epoch

    def _call(self, hook, epoch):
        if (hook, epoch) == self.at:
            raise RuntimeError("crash")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self._call("begin", epoch)

    def on_epoch_end(self, epoch, logs=None):
        self._call("end", epoch)

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self._call("batch", self.epoch)

    def get_state(self):
        return None


class Pairs:
    """Batches that can be gone through again and again, without a length."""

    def __iter__(self):
        return ((X[i : i + 10], REAL[i : i + 10]) for i in range(0, 90, 10))


SOURCES = {
    "PyDataset": lambda: {"x": runs.Batches()},
    "PyDataset in order": lambda: {"x": runs.Batches(), "shuffle": False},
    "PyDataset, part of a pass": lambda: {"x": runs.Batches(), "steps_per_epoch": 4},
    "PyDataset, more than a pass": lambda: {"x": runs.Batches(), "steps_per_epoch": 13},
    "PyDataset, a third of a pass": lambda: {"x": runs.Batches(), "steps_per_epoch": 3},
    "arrays": lambda: {"x": X, "y": REAL, "batch_size": 8},
    "arrays, part of a pass": lambda: {"x": X, "y": REAL, "batch_size": 8, "steps_per_epoch": 2},
    "iterable": lambda: {"x": Pairs()},
    "iterable, part of a pass": lambda: {"x": Pairs(), "steps_per_epoch": 3},
    "generator": lambda: {"x": runs.noisy(), "steps_per_epoch": 5},
}


def run(source, *callbacks):
    tinynet.utils.set_random_seed(1)
    model = tinynet.Sequential([layers.Input((6,)), layers.Dropout(0.2), layers.Dense(2)])
    model.compile("rmsprop", "mse", device="reference")
    history = model.fit(**SOURCES[source](), epochs=5, verbose=0, callbacks=list(callbacks))
    return model.get_weights(), history.history


@pytest.mark.filterwarnings("ignore:.*the data ended")
@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("source", SOURCES)
def test_killed_at_both_sides_of_the_end_of_an_epoch(tmp_path, source, epoch):
    weights, history = run(source)
    for crash in (Crash("end", epoch), Crash("begin", epoch + 1), Crash("batch", epoch + 1),
                  Crash("end", epoch + 1), Crash("begin", epoch + 2)):  # fmt: skip
        with pytest.raises(RuntimeError, match="crash"):
            run(source, Snapshot(tmp_path, seconds=0), crash)
    finish_alike(tmp_path, source, weights, history)


@pytest.mark.filterwarnings("ignore:.*the data ended")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
def test_killed_in_an_epoch_that_begins_with_a_pass(tmp_path, source, epoch):
    weights, history = run(source)
    with pytest.raises(RuntimeError, match="crash"):
        run(source, Snapshot(tmp_path, seconds=0), Crash("batch", epoch))
    finish_alike(tmp_path, source, weights, history)


def finish_alike(tmp_path, source, weights, history):
    found, again = run(source, Snapshot(tmp_path, seconds=0), Crash())
    for a, b in zip(found, weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert again == history
