"""A source of batches made elsewhere: by a generator, a PyDataset, a DataLoader.

Each batch becomes a Dataset of its own, checked when it comes; messages name its number.
"""

import array
import collections.abc
import copy
import itertools
import warnings

import numpy as np

from .. import random
from ..configs.checks import check_integer
from ..core.state import check_like
from ..random import generator
from .batches import check_shuffle
from .dataset import unpack
from .pydataset import batches_in_order, is_pydataset
from .sparse import is_sparse

ARRAY_LIKE = ("__array__", "__array_interface__", "__dlpack__")
NOT_STREAMS = (
    np.ndarray, np.generic, str, bytes, bytearray, memoryview, array.array,
    collections.abc.Sequence, collections.abc.Mapping, collections.abc.Set,
)  # fmt: skip


def is_stream(data):
    """Return whether `data` gives batches one by one instead of being an array."""
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
            raise ValueError(f"x is a {kind}, whose batches are (x, y) or (x, y, sample_weight): "
                             f"{name} must not be given beside it")  # fmt: skip
    if validation_split:
        raise ValueError(f"validation_split={validation_split} needs arrays, x is a {kind}; give "
                         "validation_data")  # fmt: skip
    if class_weight is not None and not is_pydataset(data) and not hasattr(data, "element_spec"):
        raise ValueError(f"class_weight is not taken beside a {kind}: yield (x, y, sample_weight), "
                         "or make it a PyDataset")  # fmt: skip
    if batch_size is not None:
        warnings.warn(f"batch_size={batch_size} has no effect: x is a {kind}, which makes the "
                      "batches", stacklevel=4)  # fmt: skip
    if getattr(data, "use_multiprocessing", False):
        warnings.warn(f"use_multiprocessing: the workers of {kind} are threads here", stacklevel=4)


class Stream:
    """The source of batches behind an iterator or anything that can be iterated over.

    With `steps` an epoch goes on where the last one stopped, and a data set that has come to its
    end begins anew. An iterator can't: then `ready()` is False.

    Args:
        dataset: function of (x, y, sample_weight, class_weight, where) that checks a batch and
            returns its Dataset.
        batches: PyDataset, iterable or iterator of (x, y), (x, y, sample_weight); for `predict` of
            x, (x,) and the like.
        steps: batches of an epoch; None: all.
        class_weight: dict of class id -> weight.
        shuffle: whether a PyDataset's batches come in another order in every pass.
        seed, first_pass: of these orders, as for Table.
        targets: whether y is needed.
        where: how to begin messages.

    Attributes:
        steps: None where it is not known.
        before: (state, random streams) as they were before a batch that is not used yet was asked
            for: it waits, or it never came; None: there is no such batch.
        notes: whether `before` is kept for every batch, not only for the first of an epoch.
    """

    def __init__(self, dataset, batches, steps=None, class_weight=None, shuffle=False, seed=0,
                 first_pass=0, targets=True, where=""):  # fmt: skip
        check_shuffle(shuffle)
        if steps is not None:
            check_integer("steps", steps)
        self.dataset, self.batches, self.class_weight = dataset, batches, class_weight
        self.steps_per_epoch, self.targets, self.where = steps, targets, where
        self.shuffle, self.seed, self.passes = bool(shuffle), seed, first_pass
        self.pydataset = is_pydataset(batches)
        self.once = not self.pydataset and hasattr(batches, "__next__")
        self.kind = type(batches).__name__
        self.current = None  # iterator of the pass that has begun
        self.pass_number, self.taken = first_pass, 0  # of this pass; batches taken from it
        self.skip = 0  # how much of the coming pass is left out
        self.waiting = None  # a Dataset that was taken from it but not used
        self.before, self.notes, self.streams = None, False, None  # random, where the pass began
        self.in_epoch, self.number, self.total = False, 0, 0  # batches taken
        self.begun, self.done = self._position(), 0  # where the epoch began; batches since

    batch_size, ranks = None, None

    def share(self, ranks):
        """Be the source of one of several ranks, see `core.ranks`.

        Of a PyDataset it gives every `size`-th batch: a step is of so many of them. Those that are
        left over at the end of a pass are steps of their own, whose rows all ranks share. An
        iterator is the rank's own.
        """
        self.ranks = ranks if ranks.size > 1 else None

    @property
    def together(self):
        """How many batches of a PyDataset are in a step: one from each rank."""
        return 1 if self.ranks is None else self.ranks.size

    def _shared_order(self, order):
        """Return the numbers of this rank's batches, and of those that all ranks take."""
        if self.ranks is None:
            return order
        size, rank = self.ranks.size, self.ranks.rank
        if not isinstance(order, (range, list)):  # without an end
            return itertools.islice(order, rank, None, size)
        whole = len(order) // size * size
        return [*order[rank:whole:size], *order[whole:]]

    def _is_shared(self):
        """Return whether the batch that was taken last is one that all ranks have."""
        if self.ranks is None:
            return True
        length = self.batches.num_batches if self.pydataset else None
        return length is not None and self.taken > length // self.ranks.size

    @property
    def steps(self):
        """The steps of an epoch, or None."""
        return self.steps_per_epoch or self._length()

    @property
    def target_shape(self):
        """The shape of the first batch's y."""
        if not self.ready():
            raise ValueError(f"{self.where or 'x: '}{self.kind} gave no batch")
        return self.waiting.target_shape

    def example(self):
        """Return (inputs of the first batch, its rows)."""
        return (self.waiting.x, len(self.waiting)) if self.target_shape else (None, 0)

    def ready(self):
        """Return whether there is a batch for another epoch; it is taken and kept."""
        if self.waiting is None and not self.done:
            self._note()
        if self.waiting is None and not self.in_epoch:
            self._begin_epoch()
        if self.done:
            return True  # the rest of an epoch, were it only its end
        for _ in range(1 if self.once else 2):  # where one pass has ended, another may begin
            if self.waiting is None:
                self.waiting = self._take()
        if self.waiting is None:
            self.before = None
        return self.waiting is not None

    def _position(self):
        """Return where the next epoch begins: passes before its pass, batches of that before it,
        batches in all; one that was taken but not used is not counted."""
        unused = self.waiting is not None
        number, taken = self.pass_number, self.taken - unused
        if self.current is None:
            number, taken, unused = self.passes, 0, 0
        return {"seed": self.seed, "passes": number, "batches": taken, "total": self.total - unused}

    def _note(self):
        """Keep what `before` is."""
        self.before = None
        state = self.get_state()
        if "data" in state:  # which the data set may go on to change
            state["data"] = copy.deepcopy(state["data"])
        self.before = state, random.get_state()

    def get_state(self):
        """Return where the epoch began, how many batches are done, and what the data set says."""
        if self.before is not None:
            return self.before[0]
        state = {**self.begun, "done": self.done, "streams": self.streams}
        if hasattr(self.batches, "get_state") and hasattr(self.batches, "set_state"):
            state["data"] = self.batches.get_state()
        return state

    def set_state(self, state):
        """Go on as the source whose `get_state` returned this.

        The batches of a PyDataset that are behind it are not made; of another source they are taken
        and dropped: of an iterable with the random streams that its pass began with.
        """
        check_like(state, {**self.begun, "done": self.done}, "the place in the data")
        self.before = None
        begun, done = {name: state[name] for name in self.begun}, state["done"]
        skip = state["batches"] + done
        if self.once:
            self._drop(state["total"] + done)
        else:
            self.waiting = None  # it is another batch, or drawn with other random numbers
            self._end_pass()
            self.streams = state.get("streams")
            self.seed, self.passes, self.skip = state["seed"], state["passes"], skip
            self.number, self.total = done, state["total"] + done
        self.begun, self.done = begun, done
        if "data" in state:
            self.in_epoch = self.in_epoch and done > 0  # its on_epoch_begin is still to come
            self.batches.set_state(state["data"])

    def _drop(self, count):
        """Take batches of an iterator and forget them, until so many are used."""
        if count and self.waiting is not None:
            self.waiting = None
        while self.total < count:
            self.number, self.total = self.number + 1, self.total + 1
            next(self.batches, None)

    def end_epoch(self):
        """From here on `get_state` tells where the next epoch begins."""
        self.begun, self.done = self._position(), 0

    def epoch(self, length):
        """Yield (number of the step, Dataset, [all its rows]) for each batch of an epoch."""
        steps, step = self.steps, self.done
        if step == 0:
            more = self.ready()
            self.begun = self._position()  # a pass that was at its end has ended
        elif more := step != steps:  # within an epoch, so that its pass may be at its end
            self.waiting = self._take() if self.waiting is None else self.waiting
            more = self.waiting is not None
        elif self.current is None and not self.once:  # nothing is left of it, but it counts
            self.current = self._begin_pass()
        while more:
            data, self.waiting, self.before = self.waiting, None, None
            step = self.done = step + 1
            yield step - 1, data, [slice(0, len(data))]
            if step == steps:
                break
            if self.notes:
                self._note()
            self.waiting = self._take()
            more = self.waiting is not None
        self.before = None
        if self.steps_per_epoch is None:
            self._end_pass()
        elif step < steps:
            warnings.warn(f"the {self.where}data ended after {self.total} batches; this epoch is "
                          f"shorter than {self.steps_per_epoch} steps", stacklevel=6)  # fmt: skip
        self._end_epoch()

    def restart(self):
        """Let the next epoch begin with the first batch, if the batches can be had again."""
        untouched = self.waiting is not None and self.number == 1
        if not self.once and not untouched:
            self.close()
            self.skip = 0
        self.done = 0

    def close(self):
        """End pass and epoch; an iterator is left as it is."""
        self.waiting = self.before = None
        self._end_pass()
        self._end_epoch()

    def _length(self):
        if self.pydataset:
            length = self.batches.num_batches
            if self.ranks is None or length is None:
                return length
            return sum(divmod(length, self.ranks.size))
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
            now = random.get_state()
            if skip and self.streams is not None:
                random.set_state(self.streams)
            else:
                self.streams = now
            iterator = iter(self.batches)
            for _ in range(skip):
                next(iterator, None)
            if skip:
                random.set_state(now)
            return iterator
        length = self.batches.num_batches
        order = itertools.count() if length is None else range(length)
        if self.shuffle and length is not None:
            order = generator(self.seed, self.passes).permutation(length).tolist()
            self.passes += 1
        order = itertools.islice(self._shared_order(order), skip, None)
        return batches_in_order(self.batches, order)

    def _end_pass(self):
        if self.current is not None and not self.once and hasattr(self.current, "close"):
            self.current.close()
        self.current = None

    def _take(self):
        """Return the next batch of the pass, or None at its end."""
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
            data = self.dataset(x, y, weight, self.class_weight, where)
            data.shared = self._is_shared()
            return data
        except (TypeError, ValueError):
            self._end_pass()  # workers may be waiting
            raise


def _only_x(batch, where):
    """Return x of a batch x, (x,), (x, y) or (x, y, sample_weight)."""
    if not isinstance(batch, (tuple, list)):
        return batch
    if not 1 <= len(batch) <= 3:
        raise ValueError(f"{where}expected x, (x,), (x, y) or (x, y, sample_weight), received "
                         f"{type(batch).__name__} of {len(batch)}")  # fmt: skip
    return batch[0]
