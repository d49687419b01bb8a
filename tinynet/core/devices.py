"""Which kernels a model runs on: "cpu" (Numba), "gpu" (CuPy), "reference" (NumPy), and "auto".

Only this module imports kernels. Layers, losses and optimizers are handed a device's module, `ops`,
and never learn which device it is.
"""

from __future__ import annotations

import importlib
import os
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

kernels = importlib.import_module("tinynet.kernels")


def resolve(device=None) -> str:
    """The name of the device to use.

    None is the environment variable TINYNET_DEVICE where it is set, else "cpu". "auto" is "cpu"
    until `fit` has measured (see `is_open`).

    Raises:
        ValueError: a device that this version does not have.
    """
    device = _named(device)
    if device == "auto":
        return "cpu"
    if device not in kernels.DEVICES:
        raise ValueError(
            f'device must be "auto" or one of {", ".join(kernels.DEVICES)}, received {device!r}'
        )
    return device


def is_open(device) -> bool:
    """Whether `fit` is to choose the device."""
    return _named(device) == "auto"


def _named(device):
    return (os.environ.get("TINYNET_DEVICE") or "cpu") if device is None else device


def kernel_sources() -> list:
    """The files in which the devices' arithmetic is written."""
    folder = pathlib.Path(kernels.__file__).parent
    return sorted([*folder.rglob("*.py"), *folder.rglob("*.cu*")])


def load_ops(device: str = "reference") -> Any:
    """The kernel module of `device` (see `resolve`)."""
    return kernels.load(resolve(device))


def page_kernels() -> str:
    """The kernels in JavaScript, for a page that trains."""
    return importlib.import_module("tinynet.kernels.page").script()


def name_of(ops) -> str:
    """The name of the device whose kernel module this is."""
    return ops.__name__.rpartition(".")[2]


def limit_threads(count) -> int:
    """Have this process use at most so many threads, if the environment names none; return that."""
    return _threads().limit_threads(count)


def usable_cores():
    """Return the cores that this process may run on, and how many it may use of them at a time."""
    known = hasattr(os, "sched_getaffinity")
    cores = os.sched_getaffinity(0) if known else range(os.cpu_count() or 1)
    return set(cores), _threads().quota()


def _threads():
    return importlib.import_module("tinynet.kernels.cpu.machine.threads")


def survey_of_cpu() -> dict:
    """Describe this machine as the cpu device sees it: name -> text."""
    return importlib.import_module("tinynet.kernels.cpu.machine.survey").survey()


def survey_of_gpu() -> dict:
    """Describe the card and its libraries, missing ones too: name -> text."""
    return importlib.import_module("tinynet.kernels.gpu.card.survey").survey()
