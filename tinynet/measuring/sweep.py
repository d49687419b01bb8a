"""Devices take turns on copies of one model, once their losses are shown to agree."""

import os
import statistics
import time

from .subject import Subject
from .timing import in_turns, steps_for

PROOF_STEPS = (1, 3)  # after so many the losses are compared
PAUSE = 0.2  # seconds between turns: a pool of threads goes on spinning for 0.1 s after its work
PILOT = 20  # at most so many steps to estimate a device's speed from


class Disagreement(Exception):
    """A device computes something else than the one it is compared with."""


def tolerance(dtype):
    """Return the allowed difference of mean losses, relative where they are above 1."""
    if os.environ.get("TINYNET_TF32") == "1":
        return 1e-2  # products to about three digits
    return 1e-3 if dtype == "float32" else 1e-6


def check_agreement(subject, expected):
    """Return how far mean losses are from those expected, {steps: loss}; raise a Disagreement."""
    allowed, largest = tolerance(subject.model.dtype), 0.0
    for steps, right in expected.items():
        found = subject.loss_of(steps)
        error = abs(found - right) / max(1.0, abs(right))
        if not error <= allowed:  # NaN, too
            raise Disagreement(f"{subject.device} does not agree, batch {subject.batch}: mean loss "
                               f"{found:.6g} of the first {steps} steps, expected {right:.6g} "
                               f"within {allowed:g}")  # fmt: skip
        largest = max(largest, error)
    return largest


def measure(model, devices, batch, *, judge=None, rounds=5, seconds=0.3, budget=None, shapes=None,
            density=1.0, clock=time.perf_counter):  # fmt: skip
    """Time training steps, device after device, round after round.

    Args:
        model: built and compiled; only copies of it are trained.
        devices: which, see `kernels.DEVICES`.
        batch: rows of a step.
        judge: the device whose losses the others must have; None: the first of `devices`.
        rounds: of turns.
        seconds: of a turn, for the device of median speed.
        budget: seconds for all rounds and each device; a round that would go beyond it is left out,
            all but the first. Copies, compilation and proof come before.
        shapes, density: see Subject.
        clock: for the budget.

    Returns:
        dict: device -> {"seconds_per_step": one per round, "steps", "loss_error"}.

    Raises:
        Disagreement: no time is taken then.
        NotMeasurable: see Subject.
    """
    from ..inspecting.untouched import untouched
    from ..utils import set_random_seed

    with untouched():  # making copies draws seeds and names; restored for the user
        subjects = {}
        for device in dict.fromkeys([judge or devices[0], *devices]):
            set_random_seed(0)
            subjects[device] = Subject(model, device, batch, shapes, density)
        first = next(iter(subjects.values()))
        proof = sorted({min(n, first.rows // batch) for n in PROOF_STEPS})
        expected = {n: first.loss_of(n) for n in proof}
        errors = {name: check_agreement(s, expected) for name, s in subjects.items()
                  if s is not first}  # fmt: skip
        subjects = {device: subjects[device] for device in devices}
        steps = _steps(subjects.values(), seconds)
        times, begun, longest = {name: [] for name in devices}, clock(), 0.0
        order = list(in_turns(list(devices), [batch], rounds))
        for r in range(rounds):
            start = clock()
            if r and budget is not None and start - begun + longest > budget * len(devices):
                break
            for _, _, name in order[r * len(devices) : (r + 1) * len(devices)]:
                time.sleep(PAUSE)
                times[name].append(subjects[name].train(steps)[0] / steps)
            longest = max(longest, clock() - start)
        for subject in (first, *subjects.values()):
            subject.close()
    return {
        name: {"seconds_per_step": times[name], "steps": steps, "loss_error": errors.get(name, 0.0)}
        for name in devices
    }


def _steps(subjects, seconds):
    """Return how many steps the device of median speed makes in `seconds`."""
    speeds = []
    for subject in subjects:
        subject.train(1)  # records, compiles
        one = max(subject.train(1)[0], 1e-9)
        pilot = max(1, min(PILOT, subject.rows // subject.batch, int(seconds / one)))
        if pilot > 1:
            one = max(subject.train(pilot)[0], 1e-9) / pilot
        speeds.append(subject.batch / one)
    return steps_for(subject.batch, subject.rows, statistics.median_low(speeds), seconds)
