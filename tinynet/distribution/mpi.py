"""Ranks by MPI: the protocol of `core.ranks` for several processes."""

import os
import sys
import time
import warnings

import numpy as np

from ..core.devices import limit_threads, usable_cores
from ..core.ranks import Alone, Part
from .failures import Failures
from .shared import SharedSum

PROBE = 0.2  # seconds between two looks whether another rank has ended
SLEEP = 5e-5  # seconds
SPINS = 2000  # turns, about a millisecond, that a rank waits awake where it has a core for itself


class MpiRanks(Alone):
    """All processes that mpiexec has started.

    Args:
        mpi: mpi4py's MPI.
        synchronize: whether batch statistics are those of all ranks' rows.
        output: "first" or "all", see DataParallel.

    Attributes:
        local, local_size: number of this rank among those of this machine, and how many these are.
        threads: of this rank.
    """

    shared_sum = None  # a SharedSum where all ranks are on one machine, with a core each

    def __init__(self, mpi, synchronize, output):
        self.mpi, self.synchronize, self.output = mpi, synchronize, output
        self.comm = mpi.COMM_WORLD.Dup()
        self.rank, self.size = self.comm.rank, self.comm.size
        machine = self.comm.Split_type(mpi.COMM_TYPE_SHARED)
        self.local, self.local_size = machine.rank, machine.size
        cores = _own_cores(machine)
        self.threads = limit_threads(max(1, int(cores)))
        machine.Free()
        self.spins = SPINS if cores >= 1 else 0
        self.failures = Failures(self)
        if self.local_size == self.size > 1 and min(self.comm.allgather(self.spins)):
            self.shared_sum = SharedSum(mpi, self.comm, self._arrive)
        _take_card(self.local)
        if output == "first" and self.rank > 0:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  as long as the process lasts

    def describe(self):
        library = self.mpi.Get_library_version().split("\n")[0].replace("\t", " ").strip("\0 ")
        statistics = "of all ranks" if self.synchronize else "of each rank"
        way = "by messages" if self.shared_sum is None else "in shared memory"
        return (f"rank {self.rank} of {self.size}, {self.threads} "
                f"{'thread' if self.threads == 1 else 'threads'} each, connected by {library}, "
                f"gradients summed once per step {way}, batch statistics {statistics}")  # fmt: skip

    # --------------------------------------------------------------------------- rows of a batch

    def part(self, data, batches):
        rows = batches[0]
        N = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        if not data.shared:  # each rank has rows of its own
            counts = np.zeros(self.size)
            counts[self.rank] = N
            self.sum(counts)
            first = int(counts[: self.rank].sum())
            return batches, Part(self, first, int(counts.sum()), 1)
        if self.size > N:  # each rank has all of them, with a share of their weight
            return batches, Part(self, 0, N * self.size, self.size)
        first, last = N * self.rank // self.size, N * (self.rank + 1) // self.size
        return [_some(rows, first, last) for rows in batches], Part(self, first, N, 1)

    def in_step(self, batches):
        batches = iter(batches)
        while True:
            batch = next(batches, None)
            ended, goes_on = self.most(batch is None, batch is not None)
            if ended:
                if goes_on and batch is None:
                    warnings.warn(f"the data of rank {self.rank} have ended before those of "
                                  "others: this ends the epoch for all", stacklevel=3)  # fmt: skip
                return
            yield batch

    # ---------------------------------------------------------------------------- in every step

    def sum(self, array):
        """Add up an array over all ranks, in place.

        It does not raise: a rank that can't take part ends all of them.
        """
        try:
            if self.shared_sum is not None and self.shared_sum.takes(array):
                self.shared_sum(array)
            elif self.spins:
                self._arrive()
                self.comm.Allreduce(self.mpi.IN_PLACE, array)
            else:
                self._wait(self.comm.Iallreduce(self.mpi.IN_PLACE, array))
        except BaseException as error:
            self.failures.end(error)

    def total(self, count):
        """Return the sum of a number over all ranks."""
        array = np.array([count], np.float64)
        self.sum(array)
        return array[0].item()

    def merge_statistics(self, rows, mean, var):
        """Make mean and variance (D,) of `rows` rows here those of all ranks' rows, in place.

        With n_r rows, mean m_r and variance v_r on rank r (Chan, Golub and LeVeque 1979):

            m = sum_r n_r m_r / n,   v = sum_r n_r (v_r + (m_r - m)^2) / n
        """
        sums = np.append(rows * mean.astype(np.float64), rows)  # (D + 1,)
        self.sum(sums)
        whole = sums[:-1] / sums[-1]
        squares = rows * (var + (mean - whole) ** 2)
        self.sum(squares)
        mean[...], var[...] = whole, squares / sums[-1]

    def mean(self, rows, *sums):
        """Divide sums over `rows` rows here and those of other ranks by all rows, in place."""
        flat = np.concatenate([*(one.astype(np.float64) for one in sums), [rows]])
        self.sum(flat)
        at = 0
        for one in sums:
            one[...] = flat[at : at + one.size] / flat[-1]
            at += one.size

    # ----------------------------------------------------------------------------- now and then

    def first(self, function, *args):
        result = error = None
        if self.rank == 0:
            try:
                result = function(*args)
            except Exception as failure:
                error = failure
        self._arrive()
        said = self.comm.bcast(None if error is None else f"{error}")
        kind = self.comm.bcast(type(error) if _is_plain(error) else RuntimeError)
        if error is not None:
            raise error
        if said is not None:
            raise kind(said)
        return self.comm.bcast(result)

    def gather(self, value):
        """Return the list of all ranks' values."""
        self._arrive()
        return self.comm.allgather(value)

    def most(self, *numbers):
        array = np.array(numbers, np.float64)
        self._arrive()
        self.comm.Allreduce(self.mpi.IN_PLACE, array, self.mpi.MAX)
        return array.tolist()

    def failed(self, error):
        if error is not None and not self.failures.everywhere():
            self.failures.end(error)

    # --------------------------------------------------------------------------------- waiting

    def _arrive(self):
        """Wait until all ranks have come here."""
        self._wait(self.comm.Ibarrier())

    def _wait(self, request):
        """Wait, awake for a while, then with the core free for others."""
        for _ in range(self.spins):
            if request.Test():
                return
        look = time.monotonic() + PROBE
        while not request.Test():
            time.sleep(SLEEP)
            if time.monotonic() > look:
                self.failures.look()
                look += PROBE


def _some(rows, first, last):
    """Return rows first..last of a batch, a slice or row numbers."""
    if isinstance(rows, slice):
        return slice(rows.start + first, rows.start + last)
    return rows[first:last]


def _is_plain(error):
    """Return whether an error of this kind can be made of its text alone."""
    return type(error) in (ValueError, TypeError, RuntimeError, OSError, MemoryError, ImportError)


def _own_cores(machine):
    """Return how many cores this rank has, each shared by the ranks that may use it."""
    cores, limit = usable_cores()
    all_cores = machine.allgather(cores)
    own = sum(1 / sum(core in others for others in all_cores) for core in cores)
    return min(own, limit / machine.size)


def _take_card(local):
    """Have CuPy, unless it is there already, see the card of this rank alone."""
    if "cupy" in sys.modules:
        return
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    cards = names.split(",") if names else None
    if cards is None or len(cards) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = cards[local % len(cards)] if cards else str(local)
