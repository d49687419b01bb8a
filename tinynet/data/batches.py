"""Arrays as a source of batches: which rows each step sees, epoch after epoch."""

import itertools
import math
import warnings

from ..configs.checks import check_integer
from ..random import generator


class Table:
    """The source of batches behind arrays: rows of a Dataset in the order of Batches.

    Attributes:
        steps: batches of an epoch.
        batch_size: their rows.
        target_shape: of y.
    """

    def __init__(self, data, *args, **options):
        self.data, self.batches = data, Batches(len(data), *args, **options)
        self.first = 0  # number of the batch with which the next epoch begins
        self.steps, self.batch_size = self.batches.steps, self.batches.batch_size

    @property
    def passes(self):
        return self.batches.passes

    @property
    def target_shape(self):
        return self.data.y.shape

    def example(self):
        """(inputs, rows of a batch)."""
        return self.data.x, self.batch_size

    def ready(self):
        """Whether there are batches for another epoch."""
        return True

    def position(self):
        """Where the next epoch begins in the data; see Batches."""
        return (*self.batches.position(), 0)

    def resume(self, seed, position, done=0):
        """Go on where another run was: `done` batches into the epoch that began at `position`."""
        self.batches.resume(seed, *position[:2])
        self.first = done

    def epoch(self, length):
        """(number of the first step, Dataset, [its rows, ...]), again and again for an epoch.

        The list is for steps that may be carried out together: at most `length()` batches, all of
        the same size.
        """
        done, self.first = self.first, 0
        waiting, first = [], done
        for step, rows in enumerate(itertools.islice(self.batches.epoch(), done, None), done):
            if waiting and (len(waiting) >= length() or _count(rows) != self.batch_size):
                yield first, self.data, waiting
                waiting, first = [], step
            waiting.append(rows)
        if waiting:
            yield first, self.data, waiting

    def restart(self):
        """Let the next epoch begin with the first batch, wherever the last one stopped."""
        self.batches.restart()

    def close(self):
        """Nothing is open."""


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
                check_integer(name, value)
        check_shuffle(shuffle)
        if batch_size is None:
            batch_size = math.ceil(rows / steps_per_epoch) if steps_per_epoch else 32
        self.rows, self.batch_size, self.shuffle = rows, int(batch_size), shuffle
        self.batches_per_pass = math.ceil(rows / batch_size)
        self.steps_per_epoch, self.seed, self.passes = steps_per_epoch, seed, first_pass
        self.current = None  # iterator of the pass under way
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

    def position(self):
        """Where the next epoch begins: passes before its pass, batches of this pass before it."""
        if self.current is None or self.steps_per_epoch is None or self.seen == 0:
            return self.passes, 0
        return self.passes - bool(self.shuffle), self.seen

    def resume(self, seed, first_pass, seen=0):
        """Go on as another run did, at a `position` of its."""
        self.seed, self.passes, self.current = seed, first_pass, None
        if seen:
            self._start_pass()
            for _ in range(min(seen, self.batches_per_pass)):
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


def check_shuffle(shuffle):
    """Raise unless it is True, False or "batch"."""
    if shuffle not in (True, False, "batch"):
        raise ValueError(f'shuffle must be True, False or "batch", received {shuffle!r}')
