"""Runs that end in the middle, in this process, and go on."""

import numpy as np
import pytest
import resume_runs as runs

import tinynet
from tinynet import layers
from tinynet.callbacks import Callback, Snapshot

X, IDS, REAL = runs.X, runs.IDS, runs.REAL


class Crash(Callback):
    """Raises after so many batches; it counts over the epochs and remembers nothing else."""

    def __init__(self, batch):
        super().__init__()
        self.left = batch

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("crash")

    def get_state(self):
        return None


def build(units=5, rate=0.05, device="auto", loss="mse", extra=(), **options):
    model = tinynet.Sequential([
        layers.Input((6,)), layers.Dense(units, "tanh"), *extra, layers.Dropout(0.3),
        layers.Dense(2),
    ])  # fmt: skip
    model.compile(tinynet.optimizers.Adam(rate, **options), loss, device=device, metrics=["mae"])
    return model


FIT = {"x": X, "y": REAL, "batch_size": 8, "epochs": 3, "verbose": 0}


def every(folder, batches=1):
    return Snapshot(folder, seconds=None, batches=batches)


def crashed(folder, batch=17, **options):
    """A run that has crashed: its last snapshot is of batch 16."""
    model = build()
    fit = {**FIT, "callbacks": [every(folder), Crash(batch)], **options}
    with pytest.raises(RuntimeError, match="crash"):
        model.fit(**fit)
    return model


def go_on(folder, model=None, **options):
    model = build() if model is None else model
    fit = {**FIT, "callbacks": [every(folder), Crash(10**9)], **options}
    return model, model.fit(**fit)


def same(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)
