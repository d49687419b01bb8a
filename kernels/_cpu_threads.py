"""Threads: how many, BLAS's among them, and how ours are started together."""

import contextlib
import functools
import os
from concurrent.futures import ThreadPoolExecutor

from ._cpu_instructions import FEW_ROWS


def threads():
    """Threads to use: TINYNET_NUM_THREADS, OMP_NUM_THREADS, or the cores this process may use."""
    for name in ("TINYNET_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value:
            if not value.isdigit() or int(value) < 1:
                raise ValueError(f"{name} must be an integer >= 1, received {value!r}")
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def small_products():
    """Whether BLAS multiplies small matrices without packing: OpenBLAS on AVX-512 machines."""
    return any(
        info["internal_api"] == "openblas" and info.get("architecture") in
        ("SkylakeX", "Cooperlake", "SapphireRapids")
        for info in _blas().info()
    )  # fmt: skip


@functools.cache
def _blas():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def single_threaded_blas(rows):
    """Context: BLAS keeps to the thread that calls it, and has its own threads back afterwards.

    Two thread pools that alternate would spin against each other. So few `rows` need no BLAS.
    """
    return contextlib.nullcontext() if rows <= FEW_ROWS else _blas().limit(limits=1)


_pools = {}  # process id -> executor: threads do not survive a fork


def run_together(work, count):
    """work(0), work(1), ... on `count` threads at once; this thread does the first."""
    if count == 1:
        work(0)
        return
    pool = _pools.get(os.getpid())
    if pool is None or pool._max_workers < count - 1:
        _pools.clear()
        pool = _pools[os.getpid()] = ThreadPoolExecutor(count - 1, "tinynet")
    futures = [pool.submit(work, t) for t in range(1, count)]
    work(0)
    for future in futures:
        future.result()
