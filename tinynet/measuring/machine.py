"""The machine line that every measured result carries."""

import os
import platform
import subprocess

import numpy as np

BUSY = 0.5  # load from which on other processes disturb a measurement


def processor() -> str:
    """Return the processor's name, as the system gives it."""
    try:
        with open("/proc/cpuinfo") as file:
            line = next(line for line in file if line.startswith("model name"))
        return line.split(":", 1)[1].strip()
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def blas() -> str:
    """Return library, core type and threads of BLAS, e.g. "openblas 0.3.31 SkylakeX x2"."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "a BLAS that threadpoolctl would tell"

    np.ones((2, 2)) @ np.ones((2, 2))
    found = [entry for entry in threadpool_info() if entry["user_api"] == "blas"]
    return ", ".join(sorted(
        f"{e['internal_api']} {e['version']} {e.get('architecture', '?')} x{e['num_threads']}"
        for e in found
    ))  # fmt: skip


def machine_line() -> str:
    """Return processor, cores, BLAS and versions in one line."""
    return (
        f"{processor()}, {os.cpu_count()} cores, {blas()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}"
    )


def card_line() -> str:
    """Return the card, its driver and clocks in one line, as far as nvidia-smi tells them."""
    asked = "name,driver_version,clocks.sm,clocks.max.sm,power.limit"
    try:
        found = subprocess.run(
            ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"],
            capture_output=True, text=True, check=True, timeout=30,
        ).stdout.splitlines()  # fmt: skip
        name, driver, clock, most, power = found[0].split(", ")
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return "a card that nvidia-smi does not show"
    return f"{name}, driver {driver}, SM at {clock} of at most {most}, power limit {power}"


def load_average():
    """Return the machine's load over 1, 5 and 15 minutes; None where it is not known (Windows)."""
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None


def under_load():
    """Return a warning if other processes are at work, else None."""
    load = (load_average() or [0])[0]
    if load > BUSY:
        return (f"other processes are at work (load {load:.1f}): these times are not those of a "
                "machine at rest, nor their ratios")  # fmt: skip
    return None


def forced_blas():
    """Return a warning if an environment variable would falsify a measurement, else None."""
    forced = os.environ.get("OPENBLAS_CORETYPE")
    return forced and (
        f"OPENBLAS_CORETYPE={forced} overrides OpenBLAS's choice of kernels and can halve its "
        "speed; measure without it: env -u OPENBLAS_CORETYPE ..."
    )
