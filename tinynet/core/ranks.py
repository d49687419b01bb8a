"""Ranks: the processes that train one model together, each on its part of every batch.

`Alone` is the protocol and what it means for one process; `distribution` has the one for several.
The engine calls it where a step meets the rows of other ranks: the sum of the gradients, and the
counts that means are divided by.
"""

import collections

# The rows that this process has of a step's batch.
#   ranks   the protocol
#   first   number of its first row in the batch
#   total   rows of all ranks; None: those at hand are all there are
#   copies  how many ranks have these rows: all, where a batch has fewer rows than there are ranks
Part = collections.namedtuple("Part", "ranks first total copies")


class Alone:
    """One process: nothing is exchanged.

    Attributes:
        rank, size: number of this process, and how many there are.
    """

    rank, size = 0, 1

    def __reduce__(self):
        return "ALONE"  # there is one: it is told by its identity

    def describe(self):
        """Return a sentence on the ranks, or None where there is one."""
        return None

    def part(self, data, batches):
        """Return this rank's rows of each of some batches of equal size, and their `Part`."""
        return batches, WHOLE

    def first(self, function, *args):
        """Return on all ranks what function(*args) returns, or raises, on the first one."""
        return function(*args)

    def most(self, *numbers):
        """Return the largest of each number over all ranks, a list."""
        return list(numbers)

    def in_step(self, batches):
        """Yield what `batches` yields, as long as every rank has something."""
        return batches

    def failed(self, error):
        """End all ranks, unless all of them have come here with an error."""


ALONE = Alone()
WHOLE = Part(ALONE, 0, None, 1)
