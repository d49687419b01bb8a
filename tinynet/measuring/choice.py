"""device="auto": the faster of cpu and gpu for this model and batch size, as measured here."""

import dataclasses
import warnings

import numpy as np

from ..core import devices
from . import store, sweep
from .subject import NotMeasurable

SECONDS = 2.0  # of rounds, for each device
TURN = 0.2  # seconds of one of them
ROUNDS = 5
CANDIDATES = ("cpu", "gpu")


@dataclasses.dataclass(frozen=True)
class Choice:
    """A device, "cpu" or "gpu", and why it was taken."""

    device: str
    why: str  # for the user, in one line
    compared: bool = True  # whether there was more than one to choose from

    def __str__(self):
        return f"device auto: {self.device}, {self.why}"


def choose(model, batch, shapes, density=1.0):
    """Return the Choice for a compiled model; measure copies of it where no result is stored.

    See `sweep.measure` for the arguments.
    """
    reason = devices.kernels.why_not("gpu")
    if reason is not None:
        return Choice("cpu", f"because there is no gpu to use: {reason}", compared=False)
    try:
        key = store.key(model, batch, CANDIDATES, shapes, density)
        result, when = store.load(key), "measured before"
        if result is None:
            result = sweep.measure(model, CANDIDATES, batch, rounds=ROUNDS, seconds=TURN,
                                   budget=SECONDS, shapes=shapes, density=density)  # fmt: skip
            when = "measured now"
            if store.save(key, result) is None:
                when += f", and not kept: {store.folder()} can't be written"
    except NotMeasurable as reason:
        return Choice("cpu", f"because nothing could be measured: {reason}")
    except sweep.Disagreement as error:
        warnings.warn(f'device="auto": {error}; the cpu is taken', RuntimeWarning, stacklevel=4)
        return Choice("cpu", f"because {error}")
    except MemoryError as error:
        return Choice("cpu", f"because the gpu has no room: {error}")
    return _faster(result, batch, when)


def _faster(result, batch, when):
    """Return the Choice of the device with the smaller median time, and the medians' ratio."""
    cpu, gpu = (float(np.median(result[name]["seconds_per_step"])) for name in CANDIDATES)
    device, other, ratio = ("gpu", "cpu", cpu / gpu) if gpu < cpu else ("cpu", "gpu", gpu / cpu)
    return Choice(device, f"{ratio:.3g} times as fast as {other} (batch {batch}, {when})")


def density_of(x, most=200):
    """Return the share of entries of an array that are not 0, in tenths; 1 if x is no array."""
    if not isinstance(x, np.ndarray) or not x.size:
        return 1.0
    some = x[:: max(len(x) // most, 1)]
    return max(round(np.count_nonzero(some) / some.size, 1), 0.1)
