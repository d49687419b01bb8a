"""benches/verdicts.py: the targets, and README's table, from numbers that are made up."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

from verdicts import markdown, of_report, verdicts

STEP_US = {  # by batch size, in two rounds
    "gpu": {8: [20, 20], 32: [24, 28], 8192: [400, 500], 16384: [900, 900]},
    "torch-gpu": {8: [40, 40], 32: [39, 39], 8192: [600, 700], 16384: [1350, 1350]},
    "jax-gpu": {8: [90, 90], 32: [90, 30], 8192: [800, 900], 16384: [1400, 1260]},
    "gemm-gpu": {8: [10, 10], 32: [12, 14], 8192: [360, 400], 16384: [800, 800]},
    "cpu": {8: [80, 80], 32: [160, 160], 8192: [32768, 32768], 16384: [65536, 65536]},
    "torch": {8: [1, 1], 32: [1, 1], 8192: [1, 1], 16384: [1, 1]},  # on the cpu: no rival
}
for times in STEP_US.values():
    times |= {512: times[8], 2048: [2 * t for t in times[8]]}
KINDS = {"gpu": "device", "cpu": "device", "gemm-gpu": "bound"}


def made_up(*without, faster=1.0, **excluded):
    names = [name for name in STEP_US if name not in without]
    return {
        "machine": "a card; a machine", "date": "2026-01-02T03:04:05", "excluded": excluded,
        "engines": {
            name: {"kind": KINDS.get(name, "peer"), "place": "gpu" if "gpu" in name else "cpu"}
            for name in names
        },
        "measurements": [
            {"engine": name, "batch": batch, "round": r, "steps": 10,
             "seconds": 10 * us * 1e-6 / (faster if name == "gpu" else 1)}
            for name in names
            for batch, rounds in STEP_US[name].items()
            for r, us in enumerate(rounds)
        ],
    }  # fmt: skip


def of_sweep(sweep):
    """The verdicts of a sweep alone: two leads, time, share."""
    found = verdicts({"sweep": sweep})
    assert {v.outcome for v in found if "persistent" in v.target or "tf32x3" in v.target} == {
        "not measured"
    }
    return [v for v in found if "persistent" not in v.target and "tf32x3" not in v.target]


def test_targets_that_are_met():
    lead, large, time, share = of_sweep(made_up())
    # the fastest peer of each round by ours: 2, 2 at 8 and 512; 39/24, 30/28 at 32; 600/400,
    # 700/500 at 8192; 1350/900, 1260/900 at 16384. Medians 2, 1.348, 1.45, 1.45.
    assert lead.outcome == large.outcome == "pass"
    assert lead.measured == "1.35 (1.21-1.49) times torch-gpu at batch 32, the lowest"
    assert large.measured == "1.45 (1.42-1.48) times torch-gpu at batch 8192, the lowest"
    assert (time.outcome, time.measured) == ("pass", "25.8 us")  # of 32/24 and 32/28 images/us
    # 360/400 and 400/500
    assert (share.outcome, share.measured) == ("pass", "0.85")
    assert str(share).startswith("pass          at least 0.8 of the speed of the products alone")


@pytest.mark.parametrize(
    ("faster", "outcomes"),
    [
        (0.95, ["pass", "pass", "pass", "pass"]),  # 1.281, 1.378, 27.2 us, 0.8075
        (0.94, ["pass", "pass", "pass", "miss"]),  # 0.799
        (0.92, ["miss", "pass", "pass", "miss"]),  # 1.240
        (0.85, ["miss", "pass", "miss", "miss"]),  # 30.4 us
        (0.68, ["miss", "miss", "miss", "miss"]),  # 0.986
        (1.5, ["pass", "pass", "pass", "pass"]),
    ],
)
def test_targets_that_are_missed(faster, outcomes):
    assert [v.outcome for v in of_sweep(made_up(faster=faster))] == outcomes


def test_other_ways_are_held_against_the_medians_of_the_peers():
    other = made_up("torch-gpu", "jax-gpu", "gemm-gpu", "cpu", "torch", faster=2)
    found = {v.target: v for v in verdicts({"sweep": made_up(), "persistent": other})}
    lead = found["at least 1.25 times the fastest peer with persistent, batch 8 to 512"]
    # the slower of our two rounds, 14 us, and the faster, 12, against torch's 39
    assert lead.measured == "3.02 (2.90-3.13) times torch-gpu at batch 32, the lowest"
    assert found["at most 30 us per step at batch 32 with persistent"].measured == "12.9 us"


def test_a_mode_that_is_faster_here_and_slower_there():
    other, report = made_up("cpu", faster=1.25), {"parts": {}}
    for m in other["measurements"]:
        m["seconds"] *= 2 if m["batch"] == 8192 else 1
    report["parts"] = {"sweep": {"found": made_up()}, "cublaslt": {"found": other}}
    (mode,) = [v for v in of_report(report) if "cublaslt" in v.target]
    assert mode.outcome == "miss"
    assert mode.measured.startswith("16.0 for 20.0 us at 8, 20.7 for 25.8 us at 32, ")
    assert "711.1 for 444.4 us at 8192" in mode.measured


def test_what_was_not_measured_is_named():
    sweep = made_up("jax-gpu", "gemm-gpu", **{"jax-gpu": "jax-gpu: its process ended"})
    lead, large, time, share = of_sweep(sweep)
    assert large.outcome == "not measured"
    assert (lead.outcome, lead.measured) == ("not measured", "jax-gpu: its process ended")
    assert time.outcome == "pass"
    assert (share.outcome, share.measured) == ("not measured", "gemm-gpu was not run")
    sweep = made_up()
    sweep["measurements"] = [m for m in sweep["measurements"] if m["batch"] not in (32, 16384)]
    lead, large, time, share = of_sweep(sweep)
    assert (lead.outcome, lead.measured) == ("not measured", "batch 32 was not run")
    assert (large.outcome, large.measured) == ("not measured", "batch 16384 was not run")
    assert (time.outcome, time.measured) == ("not measured", "batch 32 was not run")
    assert share.outcome == "pass"


def test_the_table():
    other = made_up("cpu", faster=2.0)
    other["measurements"] = [m for m in other["measurements"] if m["batch"] == 32]
    lines = markdown(made_up(), {"tf32": other}).splitlines()
    assert lines[0].startswith("| batch | cpu images/s | gpu images/s | gpu us/step |")
    assert lines[0].endswith("| tf32 us/step |")
    # 8192/400 and 8192/500 images/us have the median 18.432; 8192/600 and 8192/700 have 12.678
    assert lines[6] == (
        "| 8,192 | 250,000 | 18,432,000 | 444.4 | torch-gpu 12,678,095 | 1.45 (1.42–1.48) | 0.85 |"  # noqa: RUF001
        " – |"  # noqa: RUF001
    )
    assert lines[3].endswith(" | 12.9 |")
    assert len(lines) == 2 + 6 + 2
    assert lines[-1] == "a card; a machine, 2026-01-02."


def test_the_table_without_rivals():
    alone = made_up("cpu", "torch-gpu", "jax-gpu", "gemm-gpu", "torch")
    dash = "\N{EN DASH}"
    line = markdown(alone, {}).splitlines()[2]
    assert line == f"| 8 | {dash} | 400,000 | 20.0 | {dash} | {dash} | {dash} |"


@pytest.mark.parametrize(("error", "outcome"), [(3.9e-7, "pass"), (4.1e-7, "miss"), (None, "not")])
def test_the_error_of_products_in_three_parts(error, outcome):
    found = [{"size": "a", "mode": "float32", "error": 1e-7}]
    if error is not None:
        found.append({"size": "a", "mode": "3xtf32", "error": error})
    report = {"parts": {"precision": {"found": found}}}
    (verdict,) = [v for v in of_report(report) if v.target.startswith("3xTF32's error")]
    assert verdict.outcome.split()[0] == outcome
