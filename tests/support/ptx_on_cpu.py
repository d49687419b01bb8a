"""What NVRTC makes of our kernels, run on the CPU: TINYNET_TESTS_PTX=1 has the stand-in for a card
(fake_cupy) do so, with blocks as large as on a card. Arithmetic, alignment, races in shared memory
and divergence are a card's then; cuBLAS, the order of memory and the driver are not.
"""

import functools
import os
import pathlib

import ptx_to_cpp

from tinynet.kernels.gpu.card import sources

HEADER = pathlib.Path(__file__).with_suffix(".h")
# beside our own options: what CuPy adds
OPTIONS = ("-ftz=true", "--device-as-default-execution-space")
ARCHITECTURE = "compute_90"
FLAGS = ("-mfma", "-ffp-contract=off", "-fno-strict-aliasing", "-w")


def wanted():
    return os.environ.get("TINYNET_TESTS_PTX") == "1"


@functools.cache
def ptx(text, dtype, architecture=ARCHITECTURE):
    """The PTX of a program; AssertionError with NVRTC's messages where it takes none."""
    from cuda.bindings import nvrtc

    options = (*sources.options(dtype), *OPTIONS, f"--gpu-architecture={architecture}")
    options = [option.encode() for option in options]
    _, program = nvrtc.nvrtcCreateProgram(text.encode(), b"tinynet.cu", 0, [], [])
    (result,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    _, length = nvrtc.nvrtcGetProgramLogSize(program)
    messages = b" " * length
    nvrtc.nvrtcGetProgramLog(program, messages)
    assert result == nvrtc.nvrtcResult.NVRTC_SUCCESS, messages.decode()
    _, length = nvrtc.nvrtcGetPTXSize(program)
    found = b" " * length
    nvrtc.nvrtcGetPTX(program, found)
    return found.decode().rstrip("\0")


def cpp(text, dtype):
    """A program as C++, by way of PTX."""
    return f'#include "{HEADER}"\n{ptx_to_cpp.translate(ptx(text, dtype))}'
