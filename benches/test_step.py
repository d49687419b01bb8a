"""One training step of 784-300-200-100-10 with Adam: ms, and the share spent outside GEMM.

    env -u OPENBLAS_CORETYPE pytest benches/test_step.py

"GEMM" is the time of the step's matrix products alone: the same shapes, the same library, measured
in turns with the step, in the same process.
"""

import statistics
import time

import numpy as np
import pytest
from products import WIDTHS, Products, make_products_on_the_card

import tinynet as keras
from tinynet.kernels import DEVICES, why_not

ROUNDS = 15
BATCHES = {"reference": (32, 512, 5000), "cpu": (32, 512, 5000), "gpu": (32, 512, 5000, 8192)}
ROWS = {"gpu": 100_000}  # of a turn: starting and waiting must not count there; elsewhere 2000


def make_model(device):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((WIDTHS[0],))])
    for width in WIDTHS[1:-1]:
        model.add(keras.layers.Dense(width, activation="relu"))
    model.add(keras.layers.Dense(WIDTHS[-1], activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", device=device)
    return model


def products_of(batch, device):
    """Function of a number of steps: the products of so many."""
    if device == "gpu":
        return make_products_on_the_card(batch).run
    run = Products(batch).run
    return lambda steps: [run() for _ in range(steps)]


def paired_medians(*functions, calls):
    """Median seconds per step of each function of a number of steps, run in turns."""
    times = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, kept in zip(functions, times, strict=True):
            start = time.perf_counter()
            function(calls)
            kept.append((time.perf_counter() - start) / calls)
    return [statistics.median(kept) for kept in times]


@pytest.mark.parametrize(("device", "batch"), [(d, b) for d in DEVICES for b in BATCHES[d]])
def test_step(benchmark, record_property, device, batch):
    if why_not(device) is not None:
        pytest.skip(why_not(device))
    random = np.random.default_rng(0)
    x = random.random((batch, WIDTHS[0]), dtype=np.float32)
    y = random.integers(0, 10, batch)
    model = make_model(device)
    assert model.train_on_batch(x, y) == pytest.approx(np.log(10), rel=0.2)  # as good as guessing

    data, calls = model.dataset(x, y), max(1, ROWS.get(device, 2000) // batch)

    def step(steps=1):  # as fit does it: recorded and replayed where the device can
        model.execution.train(data, [slice(0, batch)] * steps)

    products = products_of(batch, device)
    step_s, gemm_s = paired_medians(step, products, calls=calls)
    for name, value in (
        ("device", device),
        ("batch", batch),
        ("step_ms", step_s * 1e3),
        ("gemm_ms", gemm_s * 1e3),
    ):
        record_property(name, value)
        benchmark.extra_info[name] = value
    benchmark.pedantic(step, rounds=ROUNDS, iterations=1, warmup_rounds=3)
