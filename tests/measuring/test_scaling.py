"""benches/scaling.py: its ratios and its model, by hand; and the whole of it, on a few rows."""

import argparse
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import rank_runs

BENCHES = pathlib.Path(__file__).parents[2] / "benches"
sys.path.insert(0, str(BENCHES))

import scaling  # noqa: E402

OPTIONS = argparse.Namespace(ranks=[1, 2], batch=2048, data="random")


class Group:
    def __init__(self, name, *rates, share=0.0):
        self.name, self.rates, self.share = name, lambda: np.array(rates), lambda: share


GROUPS = {
    ("tinynet", 1, 1, 2048): Group("one", 1000.0, 2000.0, 4000.0),
    ("tinynet", 2, 1, 2048): Group("two", 1900.0, 3600.0, 8000.0, share=0.07),
    ("tinynet", 2, 1, 4096): Group("weak", 1000.0, 2000.0, 4000.0),
    ("torch", 1, 1, 2048): Group("torch one", 500.0, 500.0, 500.0),
    ("torch", 2, 1, 2048): Group("torch two", 500.0, 1000.0, 750.0),
}


def test_ratios_are_taken_round_by_round(capsys):
    scaling.report(GROUPS, OPTIONS)
    lines = capsys.readouterr().out.splitlines()
    (two,) = (line for line in lines if line.startswith("two "))
    assert two.split(None, 2) == ["two", "3,600", "1.90 (1.85-1.95)   7%"]  # of 1.8, 1.9, 2.0
    assert lines[-1] == "scaling to 2 ranks by PyTorch's: 1.33 (1.12-1.62)"  # of 1.9, 0.9, 1.33


def test_the_model_is_that_of_latency_and_bandwidth():
    """A step of 2048 rows at 2000 a second, and 316,810 gradients of 4 bytes."""
    found = scaling.modelled(GROUPS, OPTIONS, np.array([1, 1024]))["10 Gbit/s"]
    exchange = 2 * 10 * 30e-6 + 2 * 1_267_240 / 1.25e9
    np.testing.assert_allclose(found, [2000, 1024 * 2048 / (1.024 + exchange)], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.skipif(rank_runs.why_not() is not None, reason=str(rank_runs.why_not()))
def test_it_measures_and_draws(tmp_path):
    options = "--ranks 1 2 --data random --rounds 2 --seconds 0.01 --plot"
    command = [sys.executable, BENCHES / "scaling.py", *options.split(), tmp_path / "scaling.png"]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": str(BENCHES.parent)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for name in ("1 x 1, batch 2048", "2 x 1, batch 2048", "2 x 1, batch 4096", "1 x 2"):
        assert f"tinynet, {name}" in ended.stdout
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
