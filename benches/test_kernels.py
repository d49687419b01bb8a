"""Each kernel of the cpu device on one thread: ms, GFLOP/s or GB/s, and the share of the bound.

    env -u OPENBLAS_CORETYPE pytest benches/test_kernels.py

The shapes are those of a step of 784-300-200-100-10 with 512 rows. A matrix product is held against
BLAS alone (np.matmul on one thread), everything else against a copy of as many bytes, both measured
in turns with the kernel. Before it is timed, a kernel's result is compared with the reference.
"""

import statistics
import time

import numpy as np
import pytest
from kernel_cases import NAMES, PARAMETERS, D, H, cases, check
from threadpoolctl import threadpool_limits

from tinynet.kernels import cpu
from tinynet.kernels.cpu import gemm
from tinynet.kernels.cpu.machine import loop as machine
from tinynet.kernels.cpu.machine.call import Scratch
from tinynet.kernels.cpu.machine.native import MEETING

ROUNDS, N = 15, 512


def on_the_machine(kernel, args, outputs):
    """Function of a number of repetitions: the kernel's instructions, replayed on one thread."""
    instructions = list(getattr(cpu, kernel).instructions(*args, **outputs))
    samples = N if any(one.rows for one in instructions) else 1
    widest = max(D, H)
    share = np.zeros((1, machine.SCRATCH), np.int64)
    packed = gemm.room(max(N, widest), np.float32)
    scratch = Scratch(share[0], 0, 1, samples, N, widest, np.float32, packed=packed)
    encoded = [one.encode(samples) for one in instructions]
    words, numbers = (np.array(part) for part in zip(*encoded, strict=True))
    stages, meeting = machine.stages_of(words), np.zeros(2 * MEETING, np.int64)
    scratch.set_spans(np.array([[0, PARAMETERS]]))

    def run(steps):
        machine.run(words, numbers, np.empty_like(numbers), stages, np.zeros((steps, 1)), steps,
                       0, samples, share, meeting, 0, 1, np.zeros((1, steps)),
                       np.float32(0))  # fmt: skip

    run.keep = instructions, scratch  # the machine knows their arrays by address alone
    return run


def verified(name, case):
    """`on_the_machine`, after its first result was found equal to the reference's."""
    kernel, args, outputs = case.call(name)
    run = on_the_machine(kernel, args, outputs)
    run(1)
    check(name, outputs, case.expected(name))
    return run


def bound_of(case):
    """Function of a number of repetitions: the product by BLAS, or a copy of as many bytes."""
    if case.product:
        a, b = case.product
        out = np.empty((a.shape[0], b.shape[1]), np.float32)
        return lambda steps: [np.matmul(a, b, out=out) for _ in range(steps)]
    source = np.zeros(case.bytes // 2, np.uint8)
    target = np.zeros_like(source)
    return lambda steps: [np.copyto(target, source) for _ in range(steps)]


def seconds(function, steps):
    start = time.perf_counter()
    function(steps)
    return (time.perf_counter() - start) / steps


@pytest.mark.parametrize("name", NAMES)
def test_kernel(benchmark, record_property, name):
    case = cases(N)[name]
    with threadpool_limits(1, user_api="blas"):
        run, bound = verified(name, case), bound_of(case)
        steps = max(1, int(2e-3 / seconds(run, 3)))
        pairs = [(seconds(run, steps), seconds(bound, steps)) for _ in range(ROUNDS)]
        took = statistics.median(a for a, _ in pairs)
        rate, unit = case.rate(took)
        values = {
            "kernel": name, "device": "cpu", "rows": N, "us": took * 1e6, "rate": rate,
            "unit": unit, "share": statistics.median(b / a for a, b in pairs),
        }  # fmt: skip
        for key, value in values.items():
            record_property(key, value)
            benchmark.extra_info[key] = value
        benchmark.pedantic(run, args=(steps,), rounds=ROUNDS, iterations=1, warmup_rounds=2)
