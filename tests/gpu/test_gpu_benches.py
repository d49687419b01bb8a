"""The benches of the gpu device up to their times, with the CPU in place of a card (fake_cupy).

There every launch takes a millisecond, so that what is made of the times can be checked by hand.
"""

import pathlib
import sys

import fake_cupy
import numpy as np
import pytest

pytest.importorskip("threadpoolctl")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import engines
import gpu_kernels as bench
import kernel_cases
import on_the_card
import products

from tinynet.kernels import gpu, reference


@pytest.fixture(autouse=True)
def card():
    with fake_cupy.in_place_of_a_card():
        yield


@pytest.fixture
def few_rounds(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 1)


# ------------------------------------------------------------------------------------- kernels


@pytest.mark.parametrize("name", kernel_cases.NAMES)
def test_each_kernel_is_verified_and_timed(name, few_rounds):
    row = bench.measure(name, 3, fake_cupy.CACHE)
    launches = {"linear": 2, "batchnorm": 2}.get(name, 1)
    assert (row["kernel"], row["device"], row["rows"]) == (name, "gpu", 3)
    assert row["us"] == pytest.approx(1000 * launches)
    assert row["share"] == pytest.approx(1 / launches)  # the bound is one launch
    assert not row["in_cache"]


def test_rates(few_rounds):
    flops = bench.measure("linear", 3, fake_cupy.CACHE)
    assert flops["unit"] == "GFLOP/s"
    assert flops["rate"] == pytest.approx(2 * 3 * 784 * 300 / 2e-3 / 1e9)
    moved = bench.measure("add", 3, fake_cupy.CACHE)
    assert moved["unit"] == "GB/s"
    assert moved["rate"] == pytest.approx(3 * (3 * 300 * 4) / 1e-3 / 1e9)
    # x, y and z of 300 floats in three rows each; the moments and weights of Adam count twice
    parameters = 784 * 300 + 300 + 300 * 200 + 200 + 200 * 100 + 100 + 100 * 10 + 10
    assert kernel_cases.cases(3)["adam"].bytes == 7 * 4 * parameters


@pytest.mark.parametrize(("size", "copies"), [(1, 32), (1000, 9), (4096, 3), (1 << 20, 1)])
def test_copies_are_twice_the_cache(size, copies):
    assert bench.copies_of(size, cache=4096) == copies


def test_what_stays_in_the_cache_is_marked(few_rounds, monkeypatch):
    monkeypatch.setattr(bench, "MOST", 1)
    row = bench.measure("sparse_softmax_crossentropy", 3, fake_cupy.CACHE)
    assert row["in_cache"]


def test_every_copy_is_compared_before_it_is_timed(few_rounds, monkeypatch):
    case, seen = kernel_cases.cases(3)["sum_rows"], []
    monkeypatch.setattr(bench, "check", lambda name, found, expected: seen.append(found["out"]))
    bench.captured("sum_rows", case, fake_cupy.CACHE)
    assert len(seen) == 2
    for out in seen:
        np.testing.assert_allclose(out, case.args[0].sum(axis=0), rtol=1e-5, atol=1e-5)


def test_a_kernel_that_is_wrong_is_not_timed(few_rounds, monkeypatch):
    right = reference.add
    monkeypatch.setattr(reference, "add", lambda x, a, *, y: right(x, 2 * a, y=y))
    with pytest.raises(AssertionError, match="add: y"):
        bench.measure("add", 3, fake_cupy.CACHE)


# ------------------------------------------------------------------------------------- graphs


@pytest.mark.parametrize("times", [1, 15, 16, 37])
def test_launches_are_made_as_often_as_asked(times):
    g, w = gpu.from_host(np.ones(3, np.float32)), gpu.zeros((3,), "float32")
    captured = on_the_card.Captured(gpu.add_to.instructions(g, total=w))
    assert gpu.to_host(w).tolist() == [1.0] * 3  # once, before it is captured
    captured.run(times)
    assert gpu.to_host(w).tolist() == [1.0 + times] * 3
    assert captured.seconds(times) == pytest.approx(1e-3)
    assert gpu.to_host(w).tolist() == [1.0 + 2 * times] * 3


def test_a_copy_moves_as_many_bytes():
    copy = on_the_card.Copy(12)
    copy.source[...] = gpu.from_host(np.arange(12, dtype=np.uint8))
    on_the_card.Captured([copy])
    assert gpu.to_host(copy.target).tolist() == list(range(12))


def test_the_products_of_a_step_are_those_of_the_cpu():
    made = products.make_products_on_the_card(4).launches
    expected = []
    for x, W, dy, _, dx, _ in products._arrays(4):
        expected += [x @ W, x.T @ dy] + ([] if dx is None else [dy @ W.T])
    assert len(made) == len(expected) == 11
    for launch, right in zip(made, expected, strict=True):
        np.testing.assert_allclose(gpu.to_host(launch.C), right, rtol=1e-4, atol=1e-4)


def test_the_engine_of_the_bare_products_makes_as_many_as_asked(monkeypatch):
    engine, asked = engines.make("gemm-gpu", np.zeros((8, 784), np.float32), np.zeros(8, int)), []
    monkeypatch.setattr(on_the_card.Captured, "run", lambda self, times: asked.append(times))
    for steps in (2, 5):
        seconds, loss = engine.train(4, steps)
        assert seconds >= 0
        assert np.isnan(loss)
    assert asked == [2, 5]
    assert engines.kind_of("gemm-gpu") == "bound"
    assert engines.bounds_of(["cpu", "gpu"]) == ["gemm", "gemm-gpu"]
    assert engines.bounds_of(["gpu"]) == ["gemm-gpu"]
    assert engines.bounds_of(["cpu"]) == engines.bounds_of([]) == ["gemm"]
