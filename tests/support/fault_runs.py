"""A small run to be interrupted, and what must hold after it."""

import pathlib
import signal
import subprocess
import sys
import textwrap

import numpy as np
import resume_runs as runs

import tinynet
from tinynet import layers
from tinynet.callbacks import Callback, Snapshot

X, REAL = runs.X, runs.REAL
FIT = {"x": X, "y": REAL, "batch_size": 8, "epochs": 3, "verbose": 0}  # 12 batches an epoch


def build(device="reference", rate=0.05):
    tinynet.utils.set_random_seed(1)
    model = tinynet.Sequential([
        layers.Input((6,)), layers.Dense(5, "tanh"), layers.BatchNormalization(),
        layers.Dropout(0.3), layers.Dense(2),
    ])  # fmt: skip
    model.compile(tinynet.optimizers.Adam(rate), "mse", device=device, metrics=["mae"])
    return model


def never_interrupted(device="reference"):
    model = build(device)
    history = model.fit(**FIT)
    return model.get_weights(), history.history


def every(folder, batches=1):
    return Snapshot(folder, seconds=None, batches=batches)


class Do(Callback):
    """Does something at a hook, in the call number `at` of it, from 1."""

    def __init__(self, hook, at, action):
        super().__init__()
        self.left, self.action = at, action
        setattr(self, hook, self._call)

    def _call(self, *arguments):
        self.left -= 1
        if self.left == 0:
            self.action()

    def get_state(self):
        return None


def nothing():
    pass


def check_after(model, folder=None, hook="on_train_batch_end", device="reference"):
    """The model is one that can be used; the same command ends as if nothing had happened."""
    history = model.history
    if history is not None:  # it was begun
        assert all(len(values) == len(history.epoch) for values in history.history.values())
    assert model.optimizer.step_number == model.steps_taken
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if folder is not None:
        weights, values = never_interrupted(device)
        other = build(device)
        if list(folder.glob("*.npz")):  # seeds are in there
            tinynet.utils.set_random_seed(99)
        found = other.fit(**FIT, callbacks=[every(folder), Do(hook, 10**9, nothing)])
        for a, b in zip(other.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)
        assert found.history == values
    again = model.fit(**FIT)
    assert again.epoch == [0, 1, 2]
    assert np.isfinite(again.history["loss"]).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())


SLOW_RUN = """
    import sys, time
    sys.path.insert(0, {tests!r})
    import fault_runs as t
    class Slow(t.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                print("ready", flush=True)
            time.sleep(0.02)
    t.build({device!r}).fit(**t.FIT, callbacks=[t.every({folder!r}, 1000), Slow()])
"""


def start(folder, device="reference"):
    code = SLOW_RUN.format(tests=str(pathlib.Path(__file__).parent), device=device,
                           folder=str(folder))  # fmt: skip
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    return child


class Slow(Callback):
    """Of the same name as the one in the other process."""

    def on_train_batch_end(self, batch, logs=None):
        pass
