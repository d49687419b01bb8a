"""A run is interrupted while a batch is made, by data that draw random numbers."""

import signal

import numpy as np
import pytest
from fault_runs import REAL, X, build

from tinynet.callbacks import Callback
from tinynet.resuming.interrupts import Terminated
from tinynet.utils import PyDataset

pytestmark = pytest.mark.usefixtures("interruptible")
BATCHES, FIT = 6, {"epochs": 3, "verbose": 0}


def nothing(number):
    """Let the batch be made."""


class At:
    """Does something in the middle of making batch number `at`, counted over all epochs."""

    def __init__(self, at, action):
        self.at, self.action, self.made = at, action, 0

    def __call__(self):
        if self.made == self.at:
            self.action()
        self.made += 1


def noisy(i, draw, trouble):
    rows = slice(8 * i, 8 * i + 8)
    x = X[rows] + draw(size=X[rows].shape)
    trouble()
    return x.astype("float32"), REAL[rows] + draw(size=REAL[rows].shape)


class Augmented(PyDataset):
    """Draws from NumPy's global stream."""

    def __init__(self, trouble):
        super().__init__()
        self.trouble = trouble

    def __len__(self):
        return BATCHES

    def __getitem__(self, i):
        return noisy(i, np.random.normal, self.trouble)


class WithState(Augmented):
    """Draws from a generator of its own, of which it tells the state, also between epochs."""

    def __init__(self, trouble):
        super().__init__(trouble)
        self.rng = np.random.default_rng(5)
        self.shift = 0.0

    def on_epoch_begin(self):
        self.shift += self.rng.normal()

    def __getitem__(self, i):
        x, y = noisy(i, self.rng.normal, self.trouble)
        return x, y + self.shift

    def get_state(self):
        return {"rng": self.rng.bit_generator.state, "shift": self.shift}

    def set_state(self, state):
        self.rng.bit_generator.state, self.shift = state["rng"], state["shift"]


class Shuffled:
    """Can be iterated over again and again, each time in an order that it draws at first."""

    def __init__(self, trouble):
        self.trouble = trouble

    def __iter__(self):
        for i in np.random.permutation(BATCHES):  # noqa: NPY002
            yield noisy(i, np.random.normal, self.trouble)


def endless(trouble):
    while True:
        for i in np.random.permutation(BATCHES):  # noqa: NPY002
            yield noisy(i, np.random.normal, trouble)


class Draws(Callback):
    """Draws from the same stream between the batches."""

    def __init__(self, hook):
        super().__init__()
        setattr(self, hook, lambda *arguments: np.random.normal())  # noqa: NPY002

    def get_state(self):
        return None


def train(kind, at, action, folder=None, hook=None):
    options = {"steps_per_epoch": BATCHES} if kind is endless else {}
    model = build("cpu")  # with a seed, as a command has that is started again
    callbacks = [] if hook is None else [Draws(hook)]
    model.fit(kind(At(at, action)), resume=folder, callbacks=callbacks, **FIT, **options)
    return model.get_weights()


def fail():
    raise RuntimeError("the file is gone")


@pytest.mark.parametrize("at", [1, 3, BATCHES, 2 * BATCHES + 4])
@pytest.mark.parametrize(
    ("kind", "hook"),
    [(Augmented, "on_train_batch_end"), (WithState, None), (Shuffled, None), (endless, None),
     (Augmented, "on_train_begin"), (Augmented, "on_epoch_end")],
)  # fmt: skip
def test_it_goes_on_to_the_same_bits(tmp_path, kind, hook, at):
    expected = train(kind, None, None, hook=hook)
    stops = (
        (fail, RuntimeError),
        (lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt),
        (lambda: signal.raise_signal(signal.SIGTERM), Terminated),
    )
    action, error = stops[at % 3]
    terminated = []
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.MonkeyPatch.context() as patch:
        # a process that SIGTERM ends can't look at what it left
        patch.setattr("signal.raise_signal", raise_signal(terminated))
        with pytest.raises(error):
            train(kind, at, action, tmp_path, hook)
    signal.signal(signal.SIGTERM, before)
    found = train(kind, None, None, tmp_path, hook)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def raise_signal(terminated):
    """Return a `signal.raise_signal` that only notes what would end the process."""
    original = signal.raise_signal

    def call(number):
        if signal.getsignal(number) == signal.SIG_DFL:
            terminated.append(number)
        else:
            original(number)

    return call
