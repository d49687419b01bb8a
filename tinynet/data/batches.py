"""Arrays as a source of batches: which rows each step sees, epoch after epoch."""

import itertools
import math
import warnings

from ..configs.checks import check_integer
from ..random import generator


class Table:
    """The source of batches behind arrays: which rows of a Dataset each step sees.

    With `steps_per_epoch` an epoch goes on where the last one stopped; the epoch that reaches the
    end of the data ends there, with a warning, and the next one starts anew, as in Keras.

    Args:
        data: the Dataset, of N rows.
        batch_size: None means 32, or what `steps_per_epoch` leads to.
        shuffle: True: a new permutation of all rows per pass; "batch": only within each batch;
            False: in order.
        seed: of the permutations; pass number p uses the stream (seed, p).
        first_pass: number of passes made before.

    Attributes:
        steps: batches of an epoch.
        passes: number of shuffled passes that were begun.
    """

    before = None  # no batch is asked for before it is used, see `Stream`

    def __init__(self, data, batch_size=None, steps_per_epoch=None, shuffle=False, seed=0,
                 first_pass=0):  # fmt: skip
        for name, value in (("batch_size", batch_size), ("steps", steps_per_epoch)):
            if value is not None:
                check_integer(name, value)
        check_shuffle(shuffle)
        if batch_size is None:
            batch_size = math.ceil(len(data) / steps_per_epoch) if steps_per_epoch else 32
        self.data, self.batch_size, self.shuffle = data, int(batch_size), shuffle
        self.batches_per_pass = math.ceil(len(data) / batch_size)
        self.steps_per_epoch, self.seed, self.passes = steps_per_epoch, seed, first_pass
        self.steps = steps_per_epoch or self.batches_per_pass
        self.current = None  # iterator of the pass that has begun
        self.seen = 0  # batches taken from it
        self.end_epoch()

    @property
    def target_shape(self):
        return self.data.target_shape

    def example(self):
        """Return (inputs, rows of a batch)."""
        return self.data.x, self.batch_size

    def ready(self):
        """Return whether there are batches for another epoch."""
        return True

    def get_state(self):
        """Return where the epoch began: passes before its pass, batches of that before it; and how
        many batches of the epoch are done."""
        return {**self.begun, "done": self.done}

    def set_state(self, state):
        """Go on as the source whose `get_state` returned this."""
        self.seed, self.passes, self.current = state["seed"], state["passes"], None
        if state["batches"]:
            self._start_pass()
            for _ in range(min(state["batches"], self.batches_per_pass)):
                next(self.current)
                self.seen += 1
        self.begun, self.done = state, state["done"]

    def end_epoch(self):
        """From here on `get_state` tells where the next epoch begins."""
        within = self.current is not None and self.steps_per_epoch is not None and self.seen > 0
        passes = self.passes - bool(self.shuffle) if within else self.passes
        self.begun = {"seed": self.seed, "passes": passes, "batches": self.seen if within else 0}
        self.done = 0

    def restart(self):
        """Let the next epoch begin with the first batch, wherever the last one stopped."""
        self.current, self.done = None, 0

    def close(self):
        """Arrays need no closing."""

    def share(self, ranks):
        """Be the source of one of several ranks, which takes its part of the rows of each batch.

        Raises:
            ValueError: they do not have the same number of rows; raised on all ranks.
        """
        if ranks.size > 1:
            counts = ranks.gather(len(self.data))
            other = next((rank for rank in range(ranks.size) if counts[rank] != counts[0]), None)
            if other is not None:
                raise ValueError(f"{self.data.where}x has {counts[0]} rows on rank 0, and "
                                 f"{counts[other]} on rank {other}; every rank is given the whole "
                                 "data, and takes its part of each batch")  # fmt: skip

    def epoch(self, length):
        """Yield (number of the first step, Dataset, [rows of a batch, ...]) through an epoch.

        Rows are a slice or an array of numbers. The list is for steps that may be carried out
        together: at most `length()` batches, all of the same size.
        """
        waiting, first, most = [], self.done, 0
        for step, rows in enumerate(itertools.islice(self._epoch(), first, None), first):
            if waiting and (len(waiting) >= most or _count(rows) != self.batch_size):
                self.done = step
                yield first, self.data, waiting
                waiting, first = [], step
            most = most if waiting else length()
            waiting.append(rows)
        if waiting:
            self.done = first + len(waiting)
            yield first, self.data, waiting

    def _epoch(self):
        """Yield the rows of each step of the next epoch."""
        if self.current is None or self.steps_per_epoch is None:
            self._start_pass()
        for _ in range(self.steps):
            if self.seen == self.batches_per_pass:
                warnings.warn(f"the data ended after {self.batches_per_pass} batches; this epoch "
                              "is shorter than "
                              f"steps_per_epoch={self.steps_per_epoch}", stacklevel=7)  # fmt: skip
                break
            self.seen += 1
            yield next(self.current)
        if self.seen == self.batches_per_pass:
            self._start_pass()

    def _start_pass(self):
        self.current, self.seen = self._one_pass(), 0

    def _one_pass(self):
        rows, order = len(self.data), None
        if self.shuffle:
            random = generator(self.seed, self.passes)
            self.passes += 1
            order = None if self.shuffle == "batch" else random.permutation(rows)
        for start in range(0, rows, self.batch_size):
            stop = min(start + self.batch_size, rows)
            if self.shuffle == "batch":
                yield start + random.permutation(stop - start)
            else:
                yield slice(start, stop) if order is None else order[start:stop]


def _count(rows):
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def check_shuffle(shuffle):
    """Raise unless it is True, False or "batch"."""
    if shuffle not in (True, False, "batch"):
        raise ValueError(f'shuffle must be True, False or "batch", received {shuffle!r}')
