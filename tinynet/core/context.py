"""The context of a step, shared by a model's layers: kernels, arrays, the step's number."""

import functools

import numpy as np

from .devices import load_ops, name_of
from .ranks import WHOLE

CALLS = 1 << 40  # step numbers from here on are of batches that no training step computes


class Masks:
    """Which entries of an array are padding, as Embedding(mask_zero=True) found them.

    A mask is an array (N, T), 0 where the entry is padding. It belongs to one array, the output of
    a layer; `Layer.forward_pass` sets those of the next layers' outputs.
    """

    def __init__(self, keep):
        self.keep, self.pairs = keep, []

    def set(self, array, mask):
        """`mask` belongs to `array`."""
        if not self.keep:
            self.pairs.clear()
        self.pairs.append((array, mask))

    def of(self, array):
        """The mask that belongs to `array`, or None."""
        return next((mask for owner, mask in self.pairs if owner is array), None)


class StepContext:
    """Kernels (`ops`), the arrays of the step, and the counters that key its randomness.

    A large `np.empty` costs page faults, some hundred microseconds a step; arrays that are used
    again cost nothing. Between `begin(step)` and the next one every array is handed out once, and
    the n-th request for a shape gets the same array as in the step before. With `reuse=False`
    (a layer called on its own) every request gets a fresh array.

    Attributes:
        ops: the kernel module of the device.
        step: number of the training step, from 0; dropout masks are keyed by it.
        calls: how many batches were computed outside of training steps; their masks are keyed by
            CALLS and this number.
        first_row: where this batch starts in the step's global batch.
        part: what this process has of that batch, see `core.ranks`.
        use: which application of a layer that is applied several times in one step is being
            computed, else 0; each has masks of its own.
        within: the training mode of a layer that is calling the layers it holds, else None.
        masks: which entries of the step's arrays are padding.
        loss_scale: what the gradients of this step are multiplied by until they are unscaled.
        outputs: what the model returned in this step (N, ..., C), or None.
        loss: of this step's batch, penalties included: the sum of what was added.
    """

    def __init__(self, ops, reuse=False):
        self.ops, self.reuse = ops, reuse
        self.step, self.calls, self.first_row, self.use, self.part = 0, 0, 0, 0, WHOLE
        self.loss_scale, self.loss, self.outputs = 1.0, 0.0, None
        self.within = None
        self.masks = Masks(reuse)
        self.arrays = {}  # (shape, dtype) -> arrays
        self.used = {}  # (shape, dtype) -> how many are out

    def __reduce__(self):
        return _at, (name_of(self.ops), self.reuse, self.step, self.first_row)

    def begin(self, step):
        """Start step number `step`: every array may be handed out again."""
        self.step, self.loss_scale, self.use = step, 1.0, 0
        self.loss, self.outputs = 0.0, None
        self.masks.pairs.clear()
        for key in self.used:
            self.used[key] = 0

    def next_call(self):
        """Return the step number of a batch that no training step computes, another each time."""
        self.calls += 1
        return CALLS + self.calls - 1

    # ------------------------------------------------- overridden where a step is recorded

    def add_loss(self, values):
        """Add the terms of a loss, an array (N,) of the device, to the step's loss."""
        self.loss += float(self.ops.to_host(values).sum(dtype=np.float64))

    def add_penalty(self, regularizer, parameter):
        """Add the penalty on a parameter to the step's loss."""
        self.loss += float(regularizer(parameter.numpy()))

    def scalars(self, values):
        """The numbers of the optimizer that change from step to step: name -> float."""
        return values

    def run_if(self, condition, function, *args):
        """Call `function` in steps where `condition`, one of the `scalars`, is not 0."""
        if condition:
            function(*args)

    def exchange(self, function, *arrays):
        """Call `function` with vectors of the device, on the host, which it changes in place."""
        hosts = [self.ops.to_host(array) for array in arrays]
        function(*hosts)
        for array, host in zip(arrays, hosts, strict=True):
            if host is not array:
                array[...] = self.ops.from_host(host)

    # ------------------------------------------------------------------- a batch of several ranks

    def take_part(self, part):
        """The coming steps are of this part of their batch."""
        self.part, self.first_row = part, part.first

    def rows_of_batch(self, rows):
        """Return how many rows the batch has, where there are so many here."""
        return self.part.total or rows

    def total(self, count):
        """Return the sum of a number over all ranks."""
        return count if self.part.ranks.size == 1 else self.part.ranks.total(count)

    def sum_over_ranks(self, array):
        """Add up a vector of the device over all ranks, in place."""
        if self.part.ranks.size > 1:
            self.exchange(self.part.ranks.sum, array)

    def merge_statistics(self, mean, var, rows):
        """Make the mean and variance of `rows` rows those of all ranks' rows, in place.

        Returns:
            Whether they differ from what they were: not alone, nor where they are to stay local.
        """
        ranks = self.part.ranks
        if ranks.size == 1 or not ranks.synchronize:
            return False
        self.exchange(functools.partial(ranks.merge_statistics, rows), mean, var)
        return True

    def mean_over_ranks(self, rows, *sums):
        """Divide sums over `rows` rows of each rank, in place: they become the rows' means."""
        self.exchange(functools.partial(self.part.ranks.mean, rows), *sums)

    # -------------------------------------------------------------------------------- its arrays

    def empty(self, shape, dtype):
        """An array with undefined content."""
        if not self.reuse:
            return self.ops.empty(shape, dtype)
        key = (shape, dtype)
        count = self.used.get(key, 0)
        self.used[key] = count + 1
        pool = self.arrays.setdefault(key, [])
        if count == len(pool):
            pool.append(self.ops.empty(shape, dtype))
        return pool[count]

    def release(self):
        """Give all arrays back."""
        self.outputs = None
        self.arrays.clear()
        self.masks.pairs.clear()
        self.used.clear()


def _at(device, reuse, step, first_row):
    """A context of this device, for a copy: as far as the other one was, without its arrays."""
    context = StepContext(load_ops(device), reuse)
    context.step, context.first_row = step, first_row
    return context
