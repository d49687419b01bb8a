"""The CUDA kernels, compiled by the C++ compiler for the CPU, so that they can be run anywhere."""

import ctypes
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

from tinynet.kernels import _gpu_sources

HEADER = pathlib.Path(__file__).with_suffix(".h")
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", "-w")


def compiler():
    found = shutil.which(os.environ.get("CXX", "g++"))
    if found is None:
        pytest.skip("no C++ compiler: the CUDA kernels can't be run on the CPU")
    return found


@functools.cache
def library(dtype, warp=32):
    """The program of all kernels for a dtype, with warps of so many threads; kept on disk."""
    text = "\n".join([
        f'#define WARP {warp}\n#include "{HEADER}"', _gpu_sources.source(),
        *(f"ON_CPU({name})" for name in _gpu_sources.kernels()),
    ])  # fmt: skip
    real = _gpu_sources.REAL[dtype]
    command = [compiler(), *FLAGS, f"-DREAL={real}"]
    key = hashlib.sha256("\n".join([text, HEADER.read_text(), *command]).encode()).hexdigest()
    folder = pathlib.Path(tempfile.gettempdir()) / f"tinynet-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{key[:24]}.so"
    if not path.exists():
        source, part = path.with_suffix(f".{os.getpid()}.cpp"), path.with_suffix(f".{os.getpid()}")
        source.write_text(text)
        done = subprocess.run(
            [*command, "-o", str(part), str(source)], capture_output=True, text=True
        )
        source.unlink()
        assert done.returncode == 0, done.stderr
        os.replace(part, path)
    return ctypes.CDLL(str(path))


def launch(name, blocks, threads, args, dtype, warp=32):
    """Run a kernel; `args` are np.int64, np.uint64 or np.float64, addresses among them."""
    declared = _gpu_sources.kernels()[name]
    assert len(args) == len(declared), f"{name} takes {declared}, received {len(args)} arguments"
    for value, parameter in zip(args, declared, strict=True):
        wanted = np.float64 if parameter.startswith("double ") else np.integer
        wanted = np.integer if "*" in parameter else wanted
        assert isinstance(value, wanted), f"{name}: {parameter} received {type(value).__name__}"
        assert value.itemsize == 8
    room = np.array([np.asarray(a).view(np.int64) for a in args])
    pointers = (ctypes.c_void_p * len(args))(*(room.ctypes.data + 8 * i for i in range(len(args))))
    getattr(library(str(dtype), warp), f"on_cpu_{name}")(int(blocks), int(threads), pointers)
