"""Arrays as a source of batches: which rows each step sees, epoch after epoch."""

import itertools
import math
import warnings

import numpy as np

from ..random import generator


class Table:
    """The source of batches behind arrays: rows of a Dataset in the order of Batches.

    Attributes:
        steps: batches of an epoch.
        batch_size: their rows.
        target_shape: of y.
    """

    def __init__(self, data, *args, **options):
        self.data, self.order = data, Batches(len(data), *args, **options)
        self.begun, self.done = self.order.get_state(), 0  # where the epoch began; batches since
        self.steps, self.batch_size = self.order.steps, self.order.batch_size

    @property
    def passes(self):
        return self.order.passes

    @property
    def target_shape(self):
        return self.data.y.shape

    def example(self):
        """(inputs, rows of a batch)."""
        return self.data.x, self.batch_size

    def ready(self):
        """Whether there are batches for another epoch."""
        return True

    def get_state(self):
        """Return where the epoch began in the data, see Batches, and how many batches are done."""
        return {**self.begun, "done": self.done}

    def set_state(self, state):
        """Go on as the source whose `get_state` returned this."""
        self.order.set_state(state)
        self.begun, self.done = state, state["done"]

    def end_epoch(self):
        """From here on `get_state` tells where the next epoch begins."""
        self.begun, self.done = self.order.get_state(), 0

    def epoch(self, length):
        """Yield (number of the first step, Dataset, [rows of a batch, ...]) through an epoch.

        The list is for steps that may be carried out together: at most `length()` batches, all of
        the same size.
        """
        waiting, first, most = [], self.done, 0
        for step, rows in enumerate(itertools.islice(self.order.epoch(), first, None), first):
            if waiting and (len(waiting) >= most or _count(rows) != self.batch_size):
                self.done = step
                yield first, self.data, waiting
                waiting, first = [], step
            most = most if waiting else length()
            waiting.append(rows)
        if waiting:
            self.done = first + len(waiting)
            yield first, self.data, waiting

    def restart(self):
        """Let the next epoch begin with the first batch, wherever the last one stopped."""
        self.order.restart()
        self.done = 0

    def close(self):
        """Arrays need no closing."""


def _count(rows):
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


class Batches:
    """Which rows each step sees, epoch after epoch.

    With `steps_per_epoch` an epoch goes on where the last one stopped; the epoch that reaches the
    end of the data ends there, with a warning, and the next one starts anew, as in Keras.

    Args:
        rows: N.
        batch_size: None means 32, or what `steps_per_epoch` leads to.
        shuffle: True: a new permutation of all rows per pass; "batch": only within each batch;
            False: in order.
        seed: of the permutations; pass number p uses the stream (seed, p).
        first_pass: number of passes made before.
    """

    def __init__(self, rows, batch_size=None, steps_per_epoch=None, shuffle=False, seed=0,
                 first_pass=0):  # fmt: skip
        for name, value in (("batch_size", batch_size), ("steps", steps_per_epoch)):
            if value is not None:
                check_count(name, value)
        check_shuffle(shuffle)
        if batch_size is None:
            batch_size = math.ceil(rows / steps_per_epoch) if steps_per_epoch else 32
        self.rows, self.batch_size, self.shuffle = rows, int(batch_size), shuffle
        self.batches_per_pass = math.ceil(rows / batch_size)
        self.steps_per_epoch, self.seed, self.passes = steps_per_epoch, seed, first_pass
        self.current = None  # iterator of the pass that has begun
        self.seen = 0  # batches taken from it

    @property
    def steps(self):
        """Steps of an epoch."""
        return self.steps_per_epoch or self.batches_per_pass

    def epoch(self):
        """Rows of each step of the next epoch: a slice or an array of row numbers."""
        if self.current is None or self.steps_per_epoch is None:
            self._start_pass()
        for _ in range(self.steps):
            if self.seen == self.batches_per_pass:
                warnings.warn(
                    f"the data ended after {self.batches_per_pass} batches; this epoch is shorter "
                    f"than steps_per_epoch={self.steps_per_epoch}",
                    stacklevel=4,
                )
                break
            self.seen += 1
            yield next(self.current)
        if self.seen == self.batches_per_pass:
            self._start_pass()

    def get_state(self):
        """Return where the next epoch begins: passes before its pass, batches of that before it."""
        begun = self.current is not None and self.steps_per_epoch is not None and self.seen > 0
        passes = self.passes - bool(self.shuffle) if begun else self.passes
        return {"seed": self.seed, "passes": passes, "batches": self.seen if begun else 0}

    def set_state(self, state):
        """Go on as those whose `get_state` returned this."""
        self.seed, self.passes, self.current = state["seed"], state["passes"], None
        if state["batches"]:
            self._start_pass()
            for _ in range(min(state["batches"], self.batches_per_pass)):
                next(self.current)
                self.seen += 1

    def restart(self):
        """Let the next epoch begin with the first batch, wherever the last one stopped."""
        self.current = None

    def _start_pass(self):
        self.current, self.seen = self._one_pass(), 0

    def _one_pass(self):
        order = None
        if self.shuffle:
            random = generator(self.seed, self.passes)
            self.passes += 1
            order = None if self.shuffle == "batch" else random.permutation(self.rows)
        for start in range(0, self.rows, self.batch_size):
            stop = min(start + self.batch_size, self.rows)
            if self.shuffle == "batch":
                yield start + random.permutation(stop - start)
            else:
                yield slice(start, stop) if order is None else order[start:stop]


def check_count(name, value, least=1):
    """Raise unless `value` is an integer >= least."""
    ok = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least
    if not ok:
        raise ValueError(f"{name} must be an integer >= {least}, received {value!r}")


def check_shuffle(shuffle):
    """Raise unless it is True, False or "batch"."""
    if shuffle not in (True, False, "batch"):
        raise ValueError(f'shuffle must be True, False or "batch", received {shuffle!r}')
