"""A kernel of the gpu device timed on the card, after it was found equal to the reference.

A matrix product is held against cuBLAS alone, everything else against a copy of as many bytes,
measured in turns with the kernel, by events of the card around CUDA graphs. Repetitions go through
copies of the arrays, so that each finds its data in memory and not in the L2 cache; where even
`MOST` copies fit in there, the row says so.
"""

import statistics

import numpy as np
from kernel_cases import cases, check
from on_the_card import Captured, Copy

from tinynet.kernels import gpu

ROUNDS = 15
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
