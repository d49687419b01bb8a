"""device="auto": the faster of cpu and gpu for this model and batch size, as measured here."""

import dataclasses
import warnings

import numpy as np

from ..core import devices
from . import store, sweep
from .subject import NotMeasurable

SECONDS = 2.0  # of rounds, for each device
STRETCH = 0.2
ROUNDS = 5
CANDIDATES = ("cpu", "gpu")


@dataclasses.dataclass(frozen=True)
class Choice:
    """A device and why it was taken.

    Attributes:
        device: "cpu" or "gpu".
        why: for the user, in one line.
        compared: whether there was more than one to choose from.
    """

    device: str
    why: str
    compared: bool = True

    def __str__(self):
        return f"device auto: {self.device}, {self.why}"


def choose(model, batch, shapes, density=1.0):
    """The Choice for a compiled model; measures where nothing is known yet.

    Args:
        model: built and compiled; it is not touched.
        batch: rows of a step.
        shapes: of a row of input, a list for several.
        density: share of the inputs that are not 0.
    """
    reason = devices.kernels.why_not("gpu")
    if reason is not None:
        return Choice("cpu", f"because there is no gpu to use: {reason}", compared=False)
    try:
        key = store.key(model, batch, CANDIDATES, shapes, density)
        result, when = store.load(key), "measured before"
        if result is None:
            result, when = _measured(model, batch, shapes, density), "measured now"
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


def _measured(model, batch, shapes, density):
    return sweep.measure(model, CANDIDATES, batch, rounds=ROUNDS, seconds=STRETCH, budget=SECONDS,
                         shapes=shapes, density=density)  # fmt: skip


def _faster(result, batch, when):
    """The device with the smaller median of times; the ratio is that of the medians."""
    cpu, gpu = (float(np.median(result[name]["seconds_per_step"])) for name in CANDIDATES)
    device, other, ratio = ("gpu", "cpu", cpu / gpu) if gpu < cpu else ("cpu", "gpu", gpu / cpu)
    return Choice(device, f"{ratio:.3g} times as fast as {other} (batch {batch}, {when})")


def density_of(x, most=200):
    """Share of entries that are not 0 in some rows of an array, in tenths; 1 where it can't be
    told."""
    if not isinstance(x, np.ndarray) or not x.size:
        return 1.0
    some = x[:: max(len(x) // most, 1)]
    return max(round(np.count_nonzero(some) / some.size, 1), 0.1)
