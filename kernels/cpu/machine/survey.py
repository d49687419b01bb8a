"""What the cpu device finds on this machine."""

import os
import pathlib

import numpy as np


def survey():
    """Cores, BLAS and its core type, threads, and where compiled kernels are kept."""
    import numba
    from threadpoolctl import threadpool_info

    from . import loop
    from .threads import cores, quota, threads

    np.ones((2, 2)) @ np.ones((2, 2))  # loads it
    blas = [
        f"{e['internal_api']} {e['version']} {e.get('architecture', '?')}, {e['num_threads']} "
        "threads"
        for e in threadpool_info()
        if e["user_api"] == "blas"
    ]
    cache = getattr(loop.cache_of(loop.replay), "cache_path", None)
    files = len(list(pathlib.Path(cache).glob("*.nbc"))) if cache else 0
    forced = os.environ.get("OPENBLAS_CORETYPE")
    found = {
        "cores": f"{os.cpu_count()}, of which this process may use {min(cores(), quota()):g}",
        "threads": f"{threads()} (TINYNET_NUM_THREADS or OMP_NUM_THREADS change it)",
        "BLAS": "; ".join(blas) or "unknown",
        "Numba": f"{numba.__version__}, compiled kernels in {cache} ({files} files)"
        if cache
        else f"{numba.__version__}, no folder for compiled kernels can be written",
    }
    if forced:
        found["OPENBLAS_CORETYPE"] = f"{forced}: it overrides BLAS's choice, at a cost"
    return found
