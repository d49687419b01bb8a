"""Threads: how many, BLAS's among them, and how work is started on several at once."""

import contextlib
import ctypes
import functools
import math
import os
import pathlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

_most = math.inf  # threads of this process


def limit_threads(count):
    """Use at most so many threads, BLAS's too, unless the environment says how many; return that.

    For a process that shares its machine with others of its kind.
    """
    global _most
    _most = count
    _blas().limit(limits=threads())
    return threads()


def threads():
    """Threads to use: TINYNET_NUM_THREADS, OMP_NUM_THREADS, or the cores this process may use.

    A container may allow fewer than there are: more threads than that would wait for each other.
    """
    for name in ("TINYNET_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value:
            if not value.isdigit() or int(value) < 1:
                raise ValueError(f"{name} must be an integer >= 1, received {value!r}")
            return int(value)
    return max(1, int(min(cores(), quota(), _most)))


def cores():
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def quota(root="/sys/fs/cgroup"):
    """Cores' worth of time that the container allows, infinity where there is no limit.

    Reads what Linux's control groups say, version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`).
    """
    found = []
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = " ".join(pathlib.Path(root, name).read_text() for name in names).split()
            found.append(int(words[0]) / int(words[1]))
        except (OSError, ValueError, IndexError, ZeroDivisionError):  # not there, or "max"
            continue
    return min((cores for cores in found if cores > 0), default=math.inf)


@functools.cache
def _blas():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


class _Limit:
    """BLAS at one thread while a block under it runs; those of several threads may overlap."""

    def __init__(self):
        self.lock, self.inside, self.limiter = threading.Lock(), 0, None

    def __enter__(self):
        with self.lock:
            if self.inside == 0:
                self.limiter = _blas().limit(limits=1)
            self.inside += 1

    def __exit__(self, *exception):
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limiter.restore_original_limits()


blas_limit = _Limit()


_pool = _pool_lock = None


def _after_fork():
    """Threads do not survive a fork, and a lock may have been taken: start anew in the child."""
    global _pool, _pool_lock, blas_limit
    _pool, _pool_lock, blas_limit = None, threading.Lock(), _Limit()


_after_fork()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _current_cpu():
    """The C library's function that tells which core this thread is on; None where it can't."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, "sched_getcpu", None)


def _leave(taken):
    """Put this thread on a core that is not among `taken`, where it may run on another; add it.

    Linux wakes a thread on the core of the one that wakes it, and leaves both there for some 50 ms:
    each then sleeps while the other computes. Afterwards the thread may move as before.
    """
    own = _current_cpu()()
    if own in taken:
        allowed = os.sched_getaffinity(0)
        others = allowed.difference(taken)
        if others:
            with contextlib.suppress(OSError):  # it may be forbidden: then it stays
                os.sched_setaffinity(0, others)
                os.sched_setaffinity(0, allowed)
            own = _current_cpu()()
    taken.append(own)


def run_together(work, count):
    """work(0), work(1), ... on `count` threads at once; this thread does the first.

    Those that no thread has begun when the first is done are left out: there is nothing left to do.
    """
    global _pool
    if count == 1:
        work(0)
        return
    if _current_cpu() is not None:
        taken, alone = [_current_cpu()()], work

        def work(t):
            if t:
                _leave(taken)
            alone(t)

    with _pool_lock:
        if _pool is None or _pool._max_workers < count - 1:
            _pool = ThreadPoolExecutor(count - 1, "tinynet")
        futures = [_pool.submit(work, t) for t in range(1, count)]
    try:
        work(0)
    finally:  # also after Ctrl-C: none may go on with arrays that others are given
        for future in futures:
            if not future.cancel():
                future.result()
