"""benches/estimate.py: what is committed is what the code launches now; a count by hand."""

import pathlib
import sys

import fake_cupy
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import estimate


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """What `table` changes of the stand-in is undone."""
    for name in ("THREADS", "WARP", "MULTIPROCESSORS"):
        monkeypatch.setattr(fake_cupy, name, getattr(estimate, name))
    with fake_cupy.in_place_of_a_card():
        yield


def test_the_committed_table_is_that_of_the_code(monkeypatch):
    monkeypatch.setattr(estimate, "BATCHES", (32, 2048))
    committed = (estimate.ROOT / "benches/results/gpu-estimate.md").read_text()
    assert "has ever run\non a real card" in committed
    for line in estimate.table().splitlines():
        assert f"{line}\n" in committed


def test_what_a_step_launches():
    machine = estimate.machine_of(32)
    names = [machine._gather(False).name, *(one.name for one in machine.step)]
    assert names == [
        "gather_step",
        *["gemm", "bias_elementwise"] * 3, "gemm", "add_bias",
        "sparse_softmax_crossentropy", "gemm", "sum_rows", "gemm",
        *["elementwise_grad_bias", "gemm", "gemm"] * 2, "elementwise_grad_bias", "gemm",
        "adam", "next_step",
    ]  # fmt: skip
    found = estimate.estimates(32)
    assert found["launches"] == len(names) == 23
    sizes = list(zip(estimate.WIDTHS, estimate.WIDTHS[1:], strict=False))
    operations = sum(3 * 2 * 32 * a * b for a, b in sizes) - 2 * 32 * 784 * 300
    assert found["GFLOP"] == pytest.approx(operations / 1e9)
