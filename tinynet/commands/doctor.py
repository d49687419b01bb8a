"""`python -m tinynet doctor`: what this machine has for each device, and what is missing."""

import os
import platform

from .. import distribution
from ..core.devices import survey_of_cpu, survey_of_gpu


def report():
    """Return the lines of the survey."""
    import numpy

    lines = [f"Python {platform.python_version()}, NumPy {numpy.__version__}, "
             f"{platform.system()} {platform.machine()}"]  # fmt: skip
    for device, found in (("cpu", survey_of_cpu()), ("gpu", survey_of_gpu()),
                          ("several processes", distribution.survey())):  # fmt: skip
        lines.append(device)
        lines += [f"  {name}: {text}" for name, text in found.items()]
    chosen = {k: v for k, v in sorted(os.environ.items()) if k.startswith("TINYNET_")}
    lines += ["environment", *(f"  {name}={value}" for name, value in chosen.items())]
    return lines if chosen else lines[:-1]
