"""What a report of the gpu says about the targets, and the table of it for README."""

import dataclasses

import numpy as np

from tinynet.measuring import results

PEERS = ("torch-gpu", "jax-gpu")
# of the speed of the fastest peer: (part, at least, at these batch sizes)
LEADS = (
    ("sweep", 1.25, (8, 32, 512)), ("persistent", 1.25, (8, 32, 512)),
    ("sweep", 1.0, (2048, 8192, 16384)), ("tf32x3", 1.25, (2048, 8192, 16384)),
)  # fmt: skip
MOST_US, US_AT = 30, 32  # of a step, at this batch size
TIMES_FLOAT32 = 4  # that the error of products in 3xTF32 may be
SHARE, SHARE_AT = 0.8, 8192  # of the speed of the products alone
MODES = ("persistent", "tf32x3", "cublaslt")  # parts that run the sweep in another way


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


def of_report(report):
    """Return a Verdict for each target, of a report (gpu_report.py) that may lack parts."""
    sweeps = sweeps_of(report)
    found = [_smoke(report), *verdicts(sweeps), *(_mode(sweeps, mode) for mode in MODES)]
    return [*found, _precision(report), _kernels(report), _tests(report)]


def sweeps_of(report):
    """Return name -> result of the sweeps that came to one."""
    parts = {name: part.get("found") for name, part in report["parts"].items()}
    return {name: f for name, f in parts.items() if isinstance(f, dict) and "measurements" in f}


def verdicts(sweeps):
    """Return a Verdict for each target of speed, of the sweeps by name (see `results`)."""
    return [
        *(_lead(sweeps, *lead) for lead in LEADS),
        *(_time(sweeps, part) for part in ("sweep", "persistent")), _share(sweeps),
    ]  # fmt: skip


def line_of_part(name, part):
    """Return how a part ended, in a line."""
    if "skipped" in part:
        return f"{name}: not run, {part['skipped']}"
    ended = "done" if part["exit"] == 0 else f"FAILED with {part['exit']}"
    ended = f"stopped {part['stopped']}" if "stopped" in part else ended
    return f"{name}: {ended}, {part['seconds']} s"


def _missing(sweeps, part, names, sizes):
    """Return what a verdict needs and a sweep lacks, in words; "" where it lacks nothing."""
    if part not in sweeps:
        return f"part {part} has no result"
    sweep = sweeps[part]
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


def _lead(sweeps, part, least, sizes):
    def judge():
        leads = {b: _lead_at(sweeps, part, b) for b in sizes}
        worst = min(leads, key=lambda b: leads[b][1])
        low, median, high = leads[worst]
        peer = results.fastest_peer(sweeps["sweep"], "gpu", worst)
        return median >= least, (
            f"{median:.2f} ({low:.2f}-{high:.2f}) times {peer} at batch {worst}, the lowest"
        )

    how = "" if part == "sweep" else f" with {part}"
    target = f"at least {least:g} times the fastest peer{how}, batch {sizes[0]} to {sizes[-1]}"
    missing = _missing(sweeps, "sweep", ("gpu", *PEERS), sizes)
    missing = missing or _missing(sweeps, part, ("gpu",), sizes)
    return _verdict(target, missing, judge)


def _lead_at(sweeps, part, batch):
    """Return quartiles of the gpu's speed by that of the fastest peer. Those of another part were
    not measured in turns with the peers: its rounds are held against the peer's median.
    """
    sweep = sweeps["sweep"]
    if part == "sweep":
        return results.quartiles(results.lead(sweep, "gpu", batch))
    peer = results.fastest_peer(sweep, "gpu", batch)
    rates = results.rates(sweeps[part], "gpu", batch)
    return results.quartiles(rates / np.median(results.rates(sweep, peer, batch)))


def _time(sweeps, part):
    def judge():
        us = step_us(sweeps[part], US_AT)
        return us <= MOST_US, f"{us:.1f} us"

    how = "" if part == "sweep" else f" with {part}"
    target = f"at most {MOST_US} us per step at batch {US_AT}{how}"
    return _verdict(target, _missing(sweeps, part, ("gpu",), (US_AT,)), judge)


def _share(sweeps):
    def judge():
        ratio = results.ratio(sweeps["sweep"], "gpu", "gemm-gpu", SHARE_AT)
        share = float(np.median(ratio))
        return share >= SHARE, f"{share:.2f}"

    target = f"at least {SHARE} of the speed of the products alone at batch {SHARE_AT}"
    return _verdict(target, _missing(sweeps, "sweep", ("gpu", "gemm-gpu"), (SHARE_AT,)), judge)


def step_us(sweep, batch):
    """Return median microseconds of a step of the gpu device."""
    return batch / float(np.median(results.rates(sweep, "gpu", batch))) * 1e6


def _mode(sweeps, mode):
    """Whether a mode is faster than graphs of cuBLAS's products wherever both were measured."""

    def judge():
        times = {b: (step_us(sweeps[mode], b), step_us(sweeps["sweep"], b)) for b in both}
        said = ", ".join(f"{a:.1f} for {b:.1f} us at {batch}" for batch, (a, b) in times.items())
        return all(a < b for a, b in times.values()), said

    missing = _missing(sweeps, mode, ("gpu",), ()) or _missing(sweeps, "sweep", ("gpu",), ())
    both = () if missing else [b for b in results.batches(sweeps[mode])
                               if b in results.batches(sweeps["sweep"])]  # fmt: skip
    missing = missing or ("" if both else "no batch size in common")
    return _verdict(f"{mode} is faster than graphs", missing, judge)


def _found(report, name):
    part = report["parts"].get(name, {"skipped": "not asked for"})
    return part.get("found"), part.get("skipped", "it came to no result")


def _smoke(report):
    found, why = _found(report, "smoke")
    missing = "" if found else why

    def judge():
        wrong = [way for way, one in found.items() if not one["passed"]]
        return report["parts"]["smoke"]["exit"] == 0 and not wrong, (
            f"{', '.join(wrong)} differs" if wrong else f"{', '.join(found)} agree"
        )

    return _verdict("the card computes what the reference does", missing, judge)


def _precision(report):
    found, why = _found(report, "precision")
    errors = {(one["size"], one["mode"]): one["error"] for one in found or ()}
    sizes = [size for size, mode in errors if mode == "3xtf32"]

    def judge():
        pairs = [(errors[size, "3xtf32"], errors[size, "float32"]) for size in sizes]
        said = ", ".join(f"{a:.1e} for {b:.1e}" for a, b in pairs)
        return all(a <= TIMES_FLOAT32 * b for a, b in pairs), said

    target = f"3xTF32's error at most {TIMES_FLOAT32} times float32's"
    return _verdict(target, "" if sizes else f"no such products ({why})", judge)


def _kernels(report):
    found, why = _found(report, "kernels")

    def judge():
        failed = [row["kernel"] for row in found if "error" in row]
        if failed:
            return False, f"{', '.join(failed)} failed"
        worst = min(found, key=lambda row: row["share"])
        return worst["share"] >= 0.5, f"{worst['share']:.2f} of {worst['kernel']}, the lowest"

    return _verdict("each kernel at half of its bound or more", "" if found else why, judge)


def _tests(report):
    """Passed only where tests did run on the card, to the end, and none failed."""
    found, why = _found(report, "tests")

    def judge():
        part = report["parts"]["tests"]
        said = f"{found['ran']} ran, {found['failures']} failed, {found['skipped']} skipped"
        said += f", stopped {part['stopped']}" if "stopped" in part else ""
        return found["ran"] > 0 and found["failures"] == 0 and part["exit"] == 0, said

    return _verdict("tests passed on the card", "" if found else why, judge)


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
