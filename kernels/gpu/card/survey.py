"""What there is and what is missing for the gpu device: driver, CuPy wheel, CUDA version, card."""

import ctypes
import importlib.metadata
import importlib.util
import os
import sys
import warnings

from ..machine import options
from . import cublaslt

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
WHEELS = {12: "cupy-cuda12x", 13: "cupy-cuda13x"}  # by the CUDA major version
TURING = (7, 5)  # the oldest cards that CUDA 13 compiles for


class Unusable(RuntimeError):
    """Why the gpu device can't be used, and the command that helps."""


def driver_version():
    """The CUDA version that the driver supports, as (major, minor); None without a driver."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    version = ctypes.c_int()
    if driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return version.value // 1000, version.value % 1000 // 10


def cards():
    """How many cards the driver shows, or the error that it returns."""
    driver, count = ctypes.CDLL(DRIVER), ctypes.c_int()
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    return count.value if status == 0 else f"CUDA error {status}"


def capability():
    """The first card's compute capability, as (major, minor); after `cards`."""
    driver, card, numbers = ctypes.CDLL(DRIVER), ctypes.c_int(), []
    driver.cuDeviceGet(ctypes.byref(card), 0)
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
        number = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, card)
        numbers.append(number.value)
    return tuple(numbers)


def wheels():
    """The installed CuPy distributions: name -> version."""
    found = {}
    for name in ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def explain():
    """None where the gpu device can be used, else one message: what is wrong, what to type."""
    driver, installed = driver_version(), wheels()
    if driver is None:
        return (f"the gpu device needs an NVIDIA driver, and none was found ({DRIVER} can't be "
                'loaded): install one from https://www.nvidia.com/drivers, or use device="cpu"'
                )  # fmt: skip
    count = cards()
    if not isinstance(count, int) or count < 1:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = f" (CUDA_VISIBLE_DEVICES={hidden!r} hides some)" if hidden is not None else ""
        return (f"the gpu device needs a card, and the driver shows {count}{why}: look at what "
                'nvidia-smi prints, or use device="cpu"')  # fmt: skip
    if driver[0] < 12:
        return (f"the gpu device needs a driver for CUDA 12 or later, this one supports "
                f"{driver[0]}.{driver[1]}: update it from https://www.nvidia.com/drivers"
                )  # fmt: skip
    card = capability()
    fitting = f"pip install '{WHEELS[13 if driver[0] >= 13 and card >= TURING else 12]}[ctk]'"
    if not installed or importlib.util.find_spec("cupy") is None:
        return (f"the gpu device needs CuPy, which is not installed: {fitting}  "
                f"(the driver supports CUDA {driver[0]}.{driver[1]})")  # fmt: skip
    if len(installed) > 1:
        names = ", ".join(installed)
        return (f"several CuPy wheels are installed, which hide each other: {names}: "
                f"pip uninstall -y {' '.join(installed)} && {fitting}")  # fmt: skip
    (name,) = installed
    again = f"pip uninstall -y {name} && {fitting}"
    major = next((m for m, wheel in WHEELS.items() if wheel == name), None)
    if major is not None and major > driver[0]:
        return (f"{name} is for CUDA {major}, and the driver supports only up to "
                f"{driver[0]}.{driver[1]}: {again}")  # fmt: skip
    if major == 13 and card < TURING:
        return f"{name} is for cards from sm_75 on, and this one is sm_{card[0]}{card[1]}: {again}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a warning is no reason, even where it is an error
            import cupy

            cupy.zeros(1) + 1
    except Exception as error:
        again = f"pip uninstall -y {name} && pip install '{name}[ctk]'" if major else again
        return (f"{name} {installed[name]} is installed, but does not run "
                f"({type(error).__name__}: {error}): {again}")  # fmt: skip
    return None


def nccl():
    """Return CuPy's module of NCCL, which sums over several cards; it may not be `available`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cupy.cuda import nccl
    return nccl


def without(nccl):
    """Return why NCCL can't be used, and what to type; None where it can."""
    if nccl.available:
        return None
    return ("CuPy finds no NCCL: pip install nvidia-nccl-cu12 (with cupy-cuda13x: "
            "nvidia-nccl-cu13)")  # fmt: skip


def survey():
    """What there is: name -> text."""
    driver, installed = driver_version(), wheels()
    found = {
        "driver": f"supports CUDA {driver[0]}.{driver[1]}" if driver else "none",
        "CuPy": ", ".join(f"{name} {version}" for name, version in installed.items()) or "none",
    }
    reason = explain()
    if reason is None:
        import cupy

        card = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
        free, total = cupy.cuda.runtime.memGetInfo()
        found["card"] = f"{card['name'].decode()}, sm_{card['major']}{card['minor']}"
        found["memory"] = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        found["CUDA runtime"] = str(cupy.cuda.runtime.runtimeGetVersion())
        found["NCCL"] = without(nccl()) or str(nccl().get_version())
        found |= {"cuBLASLt": cublaslt.describe(), **options.described()}
    return {**found, "usable": "yes" if reason is None else f"no: {reason}"}
