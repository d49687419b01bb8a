"""What the gpu's sweep says about the targets, and the table of it for README."""

import dataclasses

import numpy as np

from tinynet.measuring import results

PEERS = ("torch-gpu", "jax-gpu")
LEAD, FROM, TO = 1.25, 8, 16384  # times the fastest peer's speed, at every batch size in between
MOST_US, US_AT = 30, 32  # of a step, at this batch size
SHARE, SHARE_AT = 0.8, 8192  # of the speed of the products alone


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A target, and whether it was met.

    Attributes:
        target: in words.
        outcome: "pass", "miss" or "not measured".
        measured: the number in words; what is missing, where it was not measured.
    """

    target: str
    outcome: str
    measured: str

    def __str__(self):
        return f"{self.outcome:<13} {self.target}: {self.measured}"


def verdicts(sweep):
    """A Verdict for each target, of a sweep's result (see `results`)."""
    return [_lead(sweep), _time(sweep), _share(sweep)]


def _missing(sweep, names, sizes):
    """What a verdict needs and the sweep lacks, in words; "" where it lacks nothing."""
    said = [
        sweep["excluded"].get(name, f"{name} was not run")
        for name in names
        if name not in sweep["engines"]
    ]
    lacking = [b for b in sizes if b not in results.batches(sweep)]
    return "; ".join([*said, *(f"batch {b} was not run" for b in lacking)])


def _verdict(target, missing, judge):
    """`judge()` is (whether the target was met, the number in words)."""
    if missing:
        return Verdict(target, "not measured", missing)
    met, measured = judge()
    return Verdict(target, "pass" if met else "miss", measured)


def _lead(sweep):
    def judge():
        sizes = [b for b in results.batches(sweep) if FROM <= b <= TO]
        leads = {b: results.quartiles(results.lead(sweep, "gpu", b)) for b in sizes}
        worst = min(leads, key=lambda b: leads[b][1])
        low, median, high = leads[worst]
        peer = results.fastest_peer(sweep, "gpu", worst)
        return median >= LEAD, (
            f"{median:.2f} ({low:.2f}-{high:.2f}) times {peer} at batch {worst}, the lowest"
        )

    target = f"at least {LEAD} times the fastest of {' and '.join(PEERS)}, batch {FROM} to {TO}"
    return _verdict(target, _missing(sweep, ("gpu", *PEERS), (FROM, TO)), judge)


def _time(sweep):
    def judge():
        us = step_us(sweep, US_AT)
        return us <= MOST_US, f"{us:.1f} us"

    target = f"at most {MOST_US} us per step at batch {US_AT}"
    return _verdict(target, _missing(sweep, ("gpu",), (US_AT,)), judge)


def _share(sweep):
    def judge():
        share = float(np.median(results.ratio(sweep, "gpu", "gemm-gpu", SHARE_AT)))
        return share >= SHARE, f"{share:.2f}"

    target = f"at least {SHARE} of the speed of the products alone at batch {SHARE_AT}"
    return _verdict(target, _missing(sweep, ("gpu", "gemm-gpu"), (SHARE_AT,)), judge)


def step_us(sweep, batch):
    """Median microseconds of a step of the gpu device."""
    return batch / float(np.median(results.rates(sweep, "gpu", batch))) * 1e6


# ------------------------------------------------------------------------------------ the table

DASH = "\N{EN DASH}"  # nothing, and from ... to


def markdown(sweep, variants):
    """README's table; its last columns are the gpu's us per step in each variant that was swept.

    Args:
        sweep: a result.
        variants: name -> result of another sweep.
    """
    head = ["batch", "cpu images/s", "gpu images/s", "gpu us/step", "fastest peer on the GPU",
            "gpu by the fastest of them", "gpu by cuBLAS alone",
            *(f"{name} us/step" for name in variants)]  # fmt: skip
    lines = [head, ["---:"] * len(head)]
    for batch in results.batches(sweep):
        lines.append([
            f"{batch:,}", _speed(sweep, "cpu", batch), _speed(sweep, "gpu", batch),
            f"{step_us(sweep, batch):.1f}", *_against_peers(sweep, batch),
            _against_products(sweep, batch),
            *(f"{step_us(other, batch):.1f}" if batch in results.batches(other) else DASH
              for other in variants.values()),
        ])  # fmt: skip
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\n{sweep['machine']}, {sweep['date'][:10]}."


def _speed(sweep, engine, batch):
    if engine not in sweep["engines"]:
        return DASH
    return f"{np.median(results.rates(sweep, engine, batch)):,.0f}"


def _against_peers(sweep, batch):
    """(the fastest peer with its speed, the ratio with quartiles)."""
    if not results.rivals(sweep, "gpu", "peer"):
        return DASH, DASH
    peer = results.fastest_peer(sweep, "gpu", batch)
    low, median, high = results.quartiles(results.lead(sweep, "gpu", batch))
    return f"{peer} {_speed(sweep, peer, batch)}", f"{median:.2f} ({low:.2f}{DASH}{high:.2f})"


def _against_products(sweep, batch):
    if "gemm-gpu" not in sweep["engines"]:
        return DASH
    return f"{np.median(results.ratio(sweep, 'gpu', 'gemm-gpu', batch)):.2f}"
