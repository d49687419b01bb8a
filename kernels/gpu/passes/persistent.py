"""Steps of few rows in one persistent kernel (cuda/persistent.cu) instead of a graph of launches.

A step of a small net is a chain of some thirty launches that each take a few microseconds, most of
which goes by until one has ended and the next has begun. Here the blocks stay, and wait for each
other where a launch needs what another has written; all steps of a run are one launch. Products
are our own (`passes.tiles`), for cuBLAS can't be called on the card.

Off unless TINYNET_PERSISTENT says up to how many rows of a batch: it has not been timed on a card
yet. What does not fit goes into graphs as ever, with the same numbers but for rounding.
"""

import numpy as np

from ..card import sources
from ..machine.call import address_of, encoded
from ..machine.order import accesses, conflict, levels
from .tiles import Scalar, in_tiles

HEAD = ("kernel", "blocks", "first", "wait", "when")  # of an instruction, before its arguments
# Of one launch, which is to end within a fraction of a second: Ctrl-C waits for it, and a card that
# also draws a screen stops kernels that take seconds.
MOST_STEPS, MOST_OPERATIONS = 1024, 2e11


def _kernels(groups):
    """(the kernels, the activations that products go on with) that a program needs; they decide
    what has to be compiled."""
    launches = [one for group in groups for one in group]
    finishing = {kernel for one in launches for kernel in one.finishing}
    return tuple(sorted(some, key=lambda kernel: kernel.name)
                 for some in ({one.kernel for one in launches}, finishing))  # fmt: skip


def _wait_for_each_other(some, others):
    return any(conflict(accesses(a), accesses(b)) for a in some for b in others)


class Persistent:
    """A step as the program of a persistent kernel.

    Args:
        launches: all of the step but the one that counts it, in order.
        runtime: see `card.runtime`.
        dtype: of the arithmetic.

    Attributes:
        groups: the launches that run at the same time, group after group.
        fits: whether the kernel has room for all of them, and the card for its blocks.
        blocks: how many run.
        steps: how many one launch makes, at most.
    """

    def __init__(self, launches, runtime, dtype):
        self.runtime = runtime
        operations = sum(one.work()[1] for one in launches)
        self.steps = int(max(1, min(MOST_STEPS, MOST_OPERATIONS / max(operations, 1))))
        launches = in_tiles(launches, Scalar(runtime))
        self.groups = levels([one for one in launches if one.count])
        self.kernels, self.finishing = _kernels(self.groups)
        text, self.words, self.length = sources.persistent(self.kernels, tuple(self.finishing))
        self.fits = sum(map(len, self.groups)) <= self.length
        if not self.fits:
            return
        self.function = runtime.persistent(text, dtype)
        # one on each multiprocessor: more would wait longer for each other
        most = min(runtime.multiprocessors, runtime.most_blocks(self.function))
        self.fits = most > 0
        if not self.fits:
            return
        self.blocks = min(most, max(self._wanted(group) for group in self.groups))
        self.program = runtime.to_card(np.array(self._instructions(), np.int64))
        self.arrived = runtime.empty((1,), "uint32")

    def _wanted(self, group):
        return sum(one.blocks(self.runtime) for one in group)

    def _instructions(self):
        """One row of words for each launch; see HEAD."""
        rows, first = [], 0
        for k, group in enumerate(self.groups):
            # the first group runs beside the last one of the step before, where it can
            wait = k > 0 or _wait_for_each_other(self.groups[-1], group)
            first = 0 if wait else self._wanted(self.groups[-1])
            for one in group:
                blocks = one.blocks(self.runtime)
                if one.kernel.over == "entries" and blocks > self.blocks:
                    blocks = 0  # each that runs takes several entries, one after another
                when = -1 if one.when is None else one.when.index
                head = (self.kernels.index(one.kernel), blocks, first % self.blocks, wait, when)
                args = [int(encoded(a, 0, self.finishing).view(np.int64)) for a in one.args]
                rows.append([*map(int, head), *args, *[0] * (self.words - len(args))])
                first, wait = first + blocks, False
        return rows

    def start(self, control, steps):
        """Launch so many steps on the current stream; `control` is the array."""
        for done in range(0, steps, self.steps):
            self.arrived.fill(0)
            args = (address_of(control), address_of(self.program), sum(map(len, self.groups)),
                    min(self.steps, steps - done), address_of(self.arrived))  # fmt: skip
            self.runtime.launch_together(self.function, self.blocks, list(map(np.int64, args)))
