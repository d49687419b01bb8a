"""Ranks without MPI: threads of this process, which exchange by a stand-in for mpi4py."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tinynet.core.ranks import Part
from tinynet.distribution.mpi import MpiRanks


class Comm:
    """What one thread sees of a communicator."""

    def __init__(self, rank, size, shared=None):
        self.rank, self.size = rank, size
        self.shared = shared or {"barrier": threading.Barrier(size), "slots": [None] * size}

    def _exchanged(self, value):
        """Each thread's value, in the order of the ranks."""
        slots, barrier = self.shared["slots"], self.shared["barrier"]
        slots[self.rank] = copy.deepcopy(value)
        barrier.wait(60)
        found = list(slots)
        barrier.wait(60)
        return found

    def Allreduce(self, in_place, array, op=np.sum):
        array[...] = op(self._exchanged(array), axis=0)

    def Iallreduce(self, in_place, array):
        self.Allreduce(in_place, array)
        return Done()

    def Ibarrier(self):
        self._exchanged(None)
        return Done()

    def bcast(self, value):
        return self._exchanged(value)[0]

    def allgather(self, value):
        return self._exchanged(value)


class Echo(Comm):
    """The first of two ranks, where the other one says the same at every exchange."""

    def __init__(self):
        super().__init__(0, 2)

    def _exchanged(self, value):
        return [value, copy.deepcopy(value)]


class Done:
    def Test(self):
        return True


class Mpi:
    IN_PLACE, MAX = None, np.max

    @staticmethod
    def Get_library_version():
        return "threads"


class Failures:
    @staticmethod
    def end(error):
        raise error

    @staticmethod
    def everywhere():
        return True


class ThreadRanks(MpiRanks):
    """The ranks by MPI, with nothing of MPI."""

    def __init__(self, comm, synchronize=True):
        self.mpi, self.comm, self.synchronize, self.output = Mpi, comm, synchronize, "all"
        self.rank, self.size, self.threads, self.spins = comm.rank, comm.size, 1, 0
        self.failures = Failures()


def together(size, function, synchronize=True):
    """[function(ranks) on each of `size` ranks]."""
    comms = [Comm(0, size)]
    comms += [Comm(rank, size, comms[0].shared) for rank in range(1, size)]
    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(function, ThreadRanks(comm, synchronize)) for comm in comms]
        return [future.result(timeout=120) for future in futures]


class EchoRanks(ThreadRanks):
    """The first of two ranks that both have all rows of every batch."""

    def __init__(self):
        super().__init__(Echo())

    def part(self, data, batches):
        rows = batches[0]
        count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        return batches, Part(self, 0, 2 * count, 2)
