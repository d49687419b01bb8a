"""Sums over the ranks of one machine, in memory that all of them see."""

import numpy as np

CHUNK_BYTES = 512 << 10  # that a rank lays down at once: two of each rank fit a cache
ALL_BYTES = 16 << 20  # of all ranks: a container's shared memory is small
FEWEST_BYTES = 8 << 10  # below, a message is as fast


class SharedSum:
    """Adds up arrays over ranks that share a machine; no rank's numbers travel as messages.

    Every rank lays its array down, adds up one part of all arrays, in the order of the ranks, and
    takes the whole sum, chunk by chunk. Two halves take turns: who is at the next chunk but one has
    seen all ranks arrive at the next, and so leave this one.

    Args:
        mpi: mpi4py's MPI.
        comm: the ranks, all on one machine.
        arrive: function that returns when all ranks have called it.
    """

    def __init__(self, mpi, comm, arrive):
        self.rank, self.size, self.arrive = comm.rank, comm.size, arrive
        self.bytes = min(CHUNK_BYTES, ALL_BYTES // comm.size) // 64 * 64
        self.window = mpi.Win.Allocate_shared(2 * self.bytes, 1, comm=comm)
        self.window.Lock_all()
        laid = [np.frombuffer(self.window.Shared_query(rank)[0], np.uint8)
                for rank in range(comm.size)]  # fmt: skip
        self.halves = [[one[i * self.bytes :][: self.bytes] for one in laid] for i in (0, 1)]

    def takes(self, array):
        """Return whether an array is large enough for this way, and lies in one piece."""
        return array.nbytes >= FEWEST_BYTES and array.flags.c_contiguous

    def __call__(self, array):
        """Add up an array over all ranks, in place."""
        flat, most = array.reshape(-1), self.bytes // array.itemsize
        for at in range(0, flat.size, most):
            self._add(flat[at : at + most])

    def _add(self, own):
        self.halves.reverse()
        laid = [one.view(own.dtype)[: own.size] for one in self.halves[0]]
        laid[self.rank][...] = own
        self._all_are_here()
        part = slice(own.size * self.rank // self.size, own.size * (self.rank + 1) // self.size)
        total = laid[0][part]
        for other in laid[1:]:
            total += other[part]
        self._all_are_here()
        own[...] = laid[0]

    def _all_are_here(self):
        """Wait for all ranks; what each has written until then, all others read from now on."""
        self.window.Sync()
        self.arrive()
        self.window.Sync()
