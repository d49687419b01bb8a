"""Each kernel of the gpu device timed on the card, after it was found equal to the reference.

    python benches/gpu_kernels.py --rows 8192 --json kernels.json

The shapes are those of a step of 784-300-200-100-10.
A matrix product is held against cuBLAS alone, everything else against a copy of as many bytes,
measured in turns with the kernel, by events of the card around CUDA graphs. Repetitions go through
copies of the arrays, so that each finds its data in memory and not in the L2 cache; where even
`MOST` copies fit in there, the row says so.
"""

import argparse
import json
import statistics
import sys
import traceback

import numpy as np
from kernel_cases import NAMES, cases, check
from on_the_card import Captured, Copy

from tinynet.kernels import gpu
from tinynet.kernels.gpu.card import runtime
from tinynet.saving.atomic import atomic_write

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
    """The row of the table."""
    case = cases(rows)[name]
    kernel, bound, copies = captured(name, case, cache)
    times = max(1, int(SECONDS / kernel.seconds(3)))
    pairs = [(kernel.seconds(times), bound.seconds(times)) for _ in range(ROUNDS)]
    took = statistics.median(a for a, _ in pairs) / copies
    rate, unit = case.rate(took)
    return {
        "kernel": name, "device": "gpu", "rows": rows, "us": took * 1e6, "rate": rate,
        "unit": unit, "share": statistics.median(b / a for a, b in pairs),
        "in_cache": copies * case.bytes <= cache,
    }  # fmt: skip


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 8192])
    parser.add_argument("--json", metavar="FILE", help="write the rows here, after each kernel")
    options, found = parser.parse_args(arguments), []
    gpu.require()
    cuda = runtime.current().cupy.cuda
    cache = cuda.runtime.getDeviceProperties(cuda.Device().id)["l2CacheSize"]
    print(f"{'kernel':<30}{'rows':>7}{'us':>10}{'rate':>18}   share of cuBLAS, or of a copy")
    for rows in options.rows:
        for name in NAMES:
            row = attempt(name, rows, cache)
            found.append(row)
            if options.json:
                with atomic_write(options.json) as file:
                    file.write(json.dumps(found, indent=1).encode())
            if "error" in row:
                print(f"{name:<30}{rows:>7}   {row['error']}", flush=True)
                continue
            rate = f"{row['rate']:.1f} {row['unit']:<7}"
            note = "  (in the L2 cache)" if row["in_cache"] else ""
            print(f"{name:<30}{rows:>7}{row['us']:>10.1f}{rate:>18}   {row['share']:.2f}{note}",
                  flush=True)  # fmt: skip
    return int(any("error" in row for row in found))


def attempt(name, rows, cache):
    """The row of the table, or one with the error in the way; the others are measured then, too."""
    try:
        return measure(name, rows, cache)
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        return {"kernel": name, "rows": rows, "error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    raise SystemExit(main())
