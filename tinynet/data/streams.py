"""A source of batches made elsewhere: by a generator, a PyDataset, a DataLoader.

Each batch becomes a Dataset of its own, checked when it comes; messages name its number.
"""

import array
import collections.abc
import itertools
import warnings

import numpy as np

from ..configs.checks import check_integer
from ..random import generator
from .batches import check_shuffle
from .dataset import Dataset, unpack
from .pydataset import batches_in_order, is_pydataset
from .sparse import is_sparse

ARRAY_LIKE = ("__array__", "__array_interface__", "__dlpack__")
NOT_STREAMS = (
    np.ndarray, np.generic, str, bytes, bytearray, memoryview, array.array,
    collections.abc.Sequence, collections.abc.Mapping, collections.abc.Set,
)  # fmt: skip


def is_stream(data):
    """Whether `data` gives batches one by one instead of being an array."""
    if is_pydataset(data):
        return True
    if isinstance(data, NOT_STREAMS) or is_sparse(data) or isinstance(data, type):
        return False
    return hasattr(data, "__iter__") and not any(hasattr(data, name) for name in ARRAY_LIKE)


def check_stream_arguments(data, class_weight=None, batch_size=None, validation_split=0, **targets):
    """Raise for arguments that belong to arrays; warn of those that have no effect.

    Raises:
        ValueError: y or sample_weight (the batches bring them), validation_split (there are no rows
            to hold out), or class weights for a generator, as in Keras.
    """
    kind = type(data).__name__
    for name, value in targets.items():
        if value is not None:
            raise ValueError(
                f"x is a {kind}, whose batches are (x, y) or (x, y, sample_weight): {name} must "
                "not be given beside it"
            )
    if validation_split:
        raise ValueError(
            f"validation_split={validation_split} needs arrays, x is a {kind}; give validation_data"
        )
    if class_weight is not None and not is_pydataset(data) and not hasattr(data, "element_spec"):
        raise ValueError(
            f"class_weight is not taken beside a {kind}: yield (x, y, sample_weight), or make it a "
            "PyDataset"
        )
    if batch_size is not None:
        warnings.warn(
            f"batch_size={batch_size} has no effect: x is a {kind}, which makes the batches",
            stacklevel=4,
        )
    if getattr(data, "use_multiprocessing", False):
        warnings.warn(f"use_multiprocessing: the workers of {kind} are threads here", stacklevel=4)


class Stream:
    """The source of batches behind an iterator or anything that can be iterated over.

    With `steps` an epoch goes on where the last one stopped, and a data set that has come to its
    end begins anew. An iterator can't: then `ready()` is False.

    Args:
        model: see Dataset.
        batches: PyDataset, iterable or iterator of (x, y), (x, y, sample_weight); for `predict` of
            x, (x,) and the like.
        steps: batches of an epoch; None: all.
        class_weight: see Dataset.
        shuffle: whether a PyDataset's batches come in another order in every pass.
        seed, first_pass: of these orders, as for Batches.
        targets: whether y is needed.
        where: how to begin messages.

    Attributes:
        steps: None where it is not known.
    """

    def __init__(self, model, batches, steps=None, class_weight=None, shuffle=False, seed=0,
                 first_pass=0, targets=True, where=""):  # fmt: skip
        check_shuffle(shuffle)
        if steps is not None:
            check_integer("steps", steps)
        self.model, self.batches, self.class_weight = model, batches, class_weight
        self.steps_per_epoch, self.targets, self.where = steps, targets, where
        self.shuffle, self.seed, self.passes = bool(shuffle), seed, first_pass
        self.begun_with = (seed, first_pass)
        self.pydataset = is_pydataset(batches)
        self.once = not self.pydataset and hasattr(batches, "__next__")
        self.kind = type(batches).__name__
        self.current = None  # iterator of the pass under way
        self.pass_number, self.taken = first_pass, 0  # of this pass; batches taken from it
        self.first = self.skip = 0  # where the next epoch begins; how much of its pass is left out
        self.waiting = None  # a Dataset that was taken from it but not used
        self.in_epoch, self.number, self.total = False, 0, 0  # batches taken

    batch_size = None

    @property
    def steps(self):
        """Steps of an epoch, or None."""
        return self.steps_per_epoch or self._length()

    @property
    def target_shape(self):
        """Of the first batch's y."""
        if not self.ready():
            raise ValueError(f"{self.where or 'x: '}{self.kind} gave no batch")
        return self.waiting.y.shape

    def example(self):
        """(inputs of the first batch, its rows)."""
        return (self.waiting.x, len(self.waiting)) if self.target_shape else (None, 0)

    def ready(self):
        """Whether there is a batch for another epoch; it is taken and kept."""
        if self.waiting is None and not self.in_epoch:
            self._begin_epoch()
        if self.first:
            return True  # the rest of an epoch, were it only its end
        for _ in range(1 if self.once else 2):  # where one pass has ended, another may begin
            if self.waiting is None:
                self.waiting = self._take()
        return self.waiting is not None

    def position(self):
        """Where the next epoch begins: (number of the pass, batches of it before, of all passes).

        A batch that was taken but not used is not counted.
        """
        unused = self.waiting is not None
        if self.current is None:
            return self.passes, 0, self.total
        return self.pass_number, self.taken - unused, self.total - unused

    def resume(self, seed, position, done=0):
        """Go on where another run was: `done` batches into the epoch that began at `position`.

        The batches of a PyDataset that are behind it are not made; of another source they are taken
        and dropped.
        """
        number, seen, total = position
        self.first = done
        if self.once:
            self._drop(total + done)
        elif seen + done or (self.shuffle and (seed, number) != self.begun_with):
            self.waiting = None  # it belongs to another place
            self._end_pass()
            self.seed, self.passes, self.skip = seed, number, seen + done
            self.number, self.total = done, total + done

    def _drop(self, count):
        """Take so many batches of an iterator and forget them."""
        if count and self.waiting is not None:
            self.waiting = None
            count -= 1
        for _ in range(count):
            self.number, self.total = self.number + 1, self.total + 1
            next(self.batches, None)

    def epoch(self, length):
        """(number of the step, Dataset, [all its rows]) for each batch of an epoch."""
        steps, step, self.first = self.steps, self.first, 0
        if step == 0:
            more = self.ready()
        elif more := step != steps:  # within an epoch, so that its pass may be at its end
            self.waiting = self._take() if self.waiting is None else self.waiting
            more = self.waiting is not None
        elif self.current is None and not self.once:  # nothing is left of it, but it counts
            self.current = self._begin_pass()
        while more:
            data, self.waiting = self.waiting, None
            yield step, data, [slice(0, len(data))]
            step += 1
            if step == steps:
                break
            self.waiting = self._take()
            more = self.waiting is not None
        if self.steps_per_epoch is None:
            self._end_pass()
        elif step < steps:
            warnings.warn(
                f"{self.where}the data ended after {self.total} batches; this epoch is shorter "
                f"than {self.steps_per_epoch} steps",
                stacklevel=4,
            )
        self._end_epoch()

    def restart(self):
        """Let the next epoch begin with the first batch, if the batches can be had again."""
        untouched = self.waiting is not None and self.number == 1
        if not self.once and not untouched:
            self.close()
            self.first = self.skip = 0

    def close(self):
        """End what is under way; an iterator is left as it is."""
        self.waiting = None
        self._end_pass()
        self._end_epoch()

    def _length(self):
        if self.pydataset:
            return self.batches.num_batches
        try:
            return len(self.batches)
        except TypeError:
            return None

    def _begin_epoch(self):
        self.in_epoch, self.number = True, 0
        if self.pydataset and hasattr(self.batches, "on_epoch_begin"):
            self.batches.on_epoch_begin()

    def _end_epoch(self):
        if self.in_epoch and self.pydataset and hasattr(self.batches, "on_epoch_end"):
            self.batches.on_epoch_end()
        self.in_epoch = False

    def _begin_pass(self):
        self.taken, self.skip, skip = self.skip, 0, self.skip
        self.pass_number = self.passes
        if not self.pydataset:
            iterator = iter(self.batches)
            for _ in range(skip):
                next(iterator, None)
            return iterator
        length = self.batches.num_batches
        order = itertools.count() if length is None else range(length)
        if self.shuffle and length is not None:
            order = generator(self.seed, self.passes).permutation(length).tolist()
            self.passes += 1
        return batches_in_order(self.batches, itertools.islice(order, skip, None))

    def _end_pass(self):
        if self.current is not None and not self.once and hasattr(self.current, "close"):
            self.current.close()
        self.current = None

    def _take(self):
        """The next batch of the pass, or None at its end."""
        if self.current is None:
            self.current = self._begin_pass()
        try:
            batch = next(self.current)
        except StopIteration:
            self._end_pass()
            return None
        where = f"{self.where}batch {self.number}: "
        self.number, self.total, self.taken = self.number + 1, self.total + 1, self.taken + 1
        try:
            if self.targets:
                x, y, weight = unpack(batch, where.removesuffix(": "))
            else:
                x, y, weight = _only_x(batch, where), None, None
            return Dataset(self.model, x, y, weight, self.class_weight, where)
        except (TypeError, ValueError):
            self._end_pass()  # workers may be waiting
            raise


def _only_x(batch, where):
    """x of a batch x, (x,), (x, y) or (x, y, sample_weight)."""
    if not isinstance(batch, (tuple, list)):
        return batch
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"{where}expected x, (x,), (x, y) or (x, y, sample_weight), received "
            f"{type(batch).__name__} of {len(batch)}"
        )
    return batch[0]
