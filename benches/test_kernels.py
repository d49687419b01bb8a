"""Each kernel of the cpu device on one thread: ms, GFLOP/s or GB/s, and the share of the bound.

    env -u OPENBLAS_CORETYPE pytest benches/test_kernels.py

The shapes are those of a step of 784-300-200-100-10 with 512 rows. A matrix product is held against
BLAS alone (np.matmul on one thread), everything else against a copy of as many bytes, both measured
in turns with the kernel. Before it is timed, a kernel's result is compared with the reference.
"""

import dataclasses
import itertools
import statistics
import time

import numpy as np
import pytest
from products import WIDTHS
from threadpoolctl import threadpool_limits

from tinynet.kernels import _cpu_machine as machine
from tinynet.kernels import cpu, reference
from tinynet.kernels._cpu_call import Scratch
from tinynet.kernels._cpu_threads import small_products

ROUNDS, N, D, H, C = 15, 512, *WIDTHS[:2], WIDTHS[-1]
PARAMETERS = sum((a + 1) * b for a, b in itertools.pairwise(WIDTHS))
random = np.random.default_rng(0)


def array(*shape):
    return random.standard_normal(shape, dtype=np.float32)


def probabilities(*shape):
    p = np.exp(array(*shape))
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32)


X, Z, W, B, DY = array(N, D), array(N, H), array(D, H), array(H), array(N, H)
IDS, SHARES = random.integers(0, C, N), np.full(N, 1 / N, np.float32)
G, MOMENT = array(PARAMETERS), np.abs(array(PARAMETERS))
KEY = (1, 2)


@dataclasses.dataclass
class Case:
    """A kernel's inputs, its outputs, and what bounds it."""

    args: tuple
    outputs: dict
    product: tuple = None  # the same by np.matmul


CASES = {
    "linear": Case((X, W, B), {"y": Z}, (X, W)),
    "linear_dW": Case((X, DY), {"dW": W}, (X.T, DY)),
    "linear_dx": Case((DY, W), {"dx": X}, (DY, W.T)),
    "sum_rows": Case((DY,), {"out": B}),
    "add": Case((Z, DY), {"y": Z}),
    "multiply": Case((Z, DY), {"y": Z}),
    "elementwise relu": Case((Z, ()), {"y": Z}),
    "elementwise_grad relu": Case((Z, Z, DY, ()), {"dx": Z}),
    "elementwise sigmoid": Case((Z, ()), {"y": Z}),
    "elementwise_grad sigmoid": Case((Z, Z, DY, ()), {"dx": Z}),
    "elementwise gelu": Case((Z, ()), {"y": Z}),
    "softmax": Case((Z,), {"y": Z}),
    "softmax_grad": Case((Z, DY), {"dx": Z}),
    "dropout_mask": Case((0.3, KEY, 5, 0), {"mask": Z}),
    "batchnorm": Case((Z, B, B, 1e-3), {"y": Z, "xhat": Z, "mean": B, "var": B}),
    "sparse_softmax_crossentropy": Case(
        (array(N, C), IDS, SHARES),
        {"p": array(N, C), "losses": SHARES, "dz": array(N, C)},
    ),
    "sgd": Case((G, 1e-3, 0.9, False), {"w": G, "m": G}),
    "rmsprop": Case((G, 1e-3, 0.9, 0.0, 1e-7), {"w": G, "v": MOMENT, "a": None, "m": None}),
    "adam": Case((G, 1e-3, 0.9, 0.999, 1e-7), {"w": G, "m": G, "v": MOMENT, "v_max": None}),
}


def call_of(name, case):
    """(arguments with the activation's name in front, outputs in arrays of their own)."""
    kernel, _, kind = name.partition(" ")
    outputs = {k: None if v is None else v.copy() for k, v in case.outputs.items()}
    return kernel, ((kind, *case.args) if kind else case.args), outputs


def on_the_machine(kernel, args, outputs):
    """Function of a number of repetitions: the kernel's instructions, replayed on one thread."""
    instructions = list(getattr(cpu, kernel).instructions(*args, **outputs))
    samples = N if any(one.rows for one in instructions) else 1
    widest = max(D, H)
    scratch = Scratch(0, 1, samples, N, widest, np.float32, small=small_products())
    encoded = [one.encode(samples) for one in instructions]
    words, numbers = (np.array(part) for part in zip(*encoded, strict=True))
    scratch.set_spans(np.array([[0, PARAMETERS]]))

    def run(steps):
        machine.replay(words, numbers, np.zeros((steps, 1)), steps, 0, samples, scratch.words,
                       np.zeros(steps), np.float32(0))  # fmt: skip

    run.keep = instructions  # the machine knows their arrays by address alone
    return run


def verified(name, case):
    """`on_the_machine`, after its first result was found equal to the reference's."""
    kernel, args, outputs = call_of(name, case)
    expected = {k: None if v is None else v.copy() for k, v in outputs.items()}
    run = on_the_machine(kernel, args, outputs)
    run(1)
    getattr(reference, kernel)(*args, **expected)
    for key, value in expected.items():
        if value is not None:
            np.testing.assert_allclose(outputs[key], value, rtol=2e-3, atol=2e-3, err_msg=key)
    return run


def bound_of(case):
    """Function of a number of repetitions: the product by BLAS, or a copy of as many bytes."""
    if case.product:
        a, b = case.product
        out = np.empty((a.shape[0], b.shape[1]), np.float32)
        return lambda steps: [np.matmul(a, b, out=out) for _ in range(steps)]
    source = np.zeros(bytes_of(case) // 2, np.uint8)
    target = np.zeros_like(source)
    return lambda steps: [np.copyto(target, source) for _ in range(steps)]


def bytes_of(case):
    """Inputs are read once, outputs written once; what is updated in place counts twice."""
    arrays = [a for a in (*case.args, *case.outputs.values()) if isinstance(a, np.ndarray)]
    updated = [v for k, v in case.outputs.items() if v is not None and k in ("w", "m", "v")]
    return sum(a.nbytes for a in arrays) + sum(a.nbytes for a in updated)


def seconds(function, steps):
    start = time.perf_counter()
    function(steps)
    return (time.perf_counter() - start) / steps


@pytest.mark.parametrize("name", CASES)
def test_kernel(benchmark, record_property, name):
    case = CASES[name]
    with threadpool_limits(1, user_api="blas"):
        run, bound = verified(name, case), bound_of(case)
        steps = max(1, int(2e-3 / seconds(run, 3)))
        pairs = [(seconds(run, steps), seconds(bound, steps)) for _ in range(ROUNDS)]
        took = statistics.median(a for a, _ in pairs)
        if case.product:
            a, b = case.product
            rate, unit = 2 * a.shape[0] * a.shape[1] * b.shape[1] / took / 1e9, "GFLOP/s"
        else:
            rate, unit = bytes_of(case) / took / 1e9, "GB/s"
        values = {
            "kernel": name, "us": took * 1e6, "rate": rate, "unit": unit,
            "share": statistics.median(b / a for a, b in pairs),
        }  # fmt: skip
        for key, value in values.items():
            record_property(key, value)
            benchmark.extra_info[key] = value
        benchmark.pedantic(run, args=(steps,), rounds=ROUNDS, iterations=1, warmup_rounds=2)
