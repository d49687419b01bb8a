"""Which kernels a model runs on: "cpu" (Numba), "gpu" (CuPy), "reference" (NumPy), and "auto".

The only place where tinynet meets the kernel modules. Layers, losses and optimizers are handed the
module, `ops`, and never learn which device it is.
"""

import os

from . import kernels


def resolve(device: str = "auto") -> str:
    """The name of the device to use.

    "auto" is the environment variable TINYNET_DEVICE where it is set, else "cpu".

    Raises:
        ValueError: a device that this version does not have.
    """
    if device == "auto":
        device = os.environ.get("TINYNET_DEVICE") or "cpu"
    if device not in kernels.DEVICES:
        raise ValueError(
            f'device must be "auto" or one of {", ".join(kernels.DEVICES)}, received {device!r}'
        )
    return device


def load_ops(device: str = "reference"):
    """The kernel module of `device` (see `resolve`)."""
    return kernels.load(resolve(device))


def survey_of_cpu() -> dict:
    """What the cpu device finds on this machine: name -> text."""
    from .kernels import _cpu_survey

    return _cpu_survey.survey()


def survey_of_gpu() -> dict:
    """What the gpu device finds, and what is missing: name -> text."""
    from .kernels import _gpu_survey

    return _gpu_survey.survey()
