"""Each kernel of the gpu device: us, GFLOP/s or GB/s, and the share of the bound.

    pytest benches/test_gpu_kernels.py --benchmark-json kernels.json

The shapes are those of a step of 784-300-200-100-10 with 512 and with 8192 rows. A matrix product
is held against cuBLAS alone, everything else against a copy of as many bytes on the card, measured
in turns with the kernel, by events of the card around CUDA graphs. Before it is timed, a kernel's
result is compared with the reference.

Repetitions go through copies of the arrays, so that each finds its data in memory and not in the L2
cache; where even `MOST` copies fit in there, the table says so.
"""

import statistics

import numpy as np
import pytest
from kernel_cases import NAMES, cases, check
from on_the_card import Captured, Copy

from tinynet.kernels import _gpu_runtime, gpu, why_not

ROUNDS, ROWS = 15, (512, 8192)
MOST = 32  # copies of a case's arrays
SECONDS = 2e-3  # of a round, about


def launches_of(name, case):
    """(launches of the kernel, its outputs), on arrays of their own on the card."""
    kernel, args, outputs = case.call(name)
    there = [gpu.from_host(a) if isinstance(a, np.ndarray) else a for a in args]
    outputs = {k: None if v is None else gpu.from_host(v) for k, v in outputs.items()}
    launches = getattr(gpu, kernel).instructions(*there, **outputs)
    return [one for one in launches if not one.recorded_only], outputs


def copies_of(size, cache):
    """How many copies of `size` bytes are twice as much as the cache holds, at most MOST."""
    return min(MOST, 2 * cache // size + 1)


def captured(name, case, cache):
    """(the kernel on each copy, its bound on each copy, how many copies), after it was verified."""
    copies = copies_of(case.bytes, cache)
    made = [launches_of(name, case) for _ in range(copies)]
    kernel = Captured(one for launches, _ in made for one in launches)  # makes each once
    expected = case.expected(name)
    for _, outputs in made:
        found = {k: gpu.to_host(v) for k, v in outputs.items() if v is not None}
        check(name, found, expected)
    if case.product:
        bound = [one for launches, _ in made for one in launches if one.name == "gemm"]
    else:
        bound = [Copy(case.bytes // 2) for _ in range(copies)]
    return kernel, Captured(bound), copies


def measure(name, rows, cache):
    """The row of the table, and a function that makes the kernel once more as often as it was."""
    case = cases(rows)[name]
    kernel, bound, copies = captured(name, case, cache)
    times = max(1, int(SECONDS / kernel.seconds(3)))
    pairs = [(kernel.seconds(times), bound.seconds(times)) for _ in range(ROUNDS)]
    took = statistics.median(a for a, _ in pairs) / copies
    rate, unit = case.rate(took)
    row = {
        "kernel": name, "device": "gpu", "rows": rows, "us": took * 1e6, "rate": rate,
        "unit": unit, "share": statistics.median(b / a for a, b in pairs),
        "in_cache": copies * case.bytes <= cache,
    }  # fmt: skip
    return row, lambda: kernel.run(times)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", NAMES)
def test_kernel(benchmark, record_property, name, rows):
    if why_not("gpu") is not None:
        pytest.skip(why_not("gpu"))
    row, again = measure(name, rows, _gpu_runtime.current().cache_bytes())
    for key, value in row.items():
        record_property(key, value)
        benchmark.extra_info[key] = value
    benchmark.pedantic(again, rounds=3, iterations=1)
