"""The CUDA kernels, compiled by the C++ compiler for the CPU, so that they can be run anywhere."""

import ctypes
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import cuda_kernels
import numpy as np
import ptx_on_cpu
import pytest

from tinynet.kernels.gpu.card import sources

HEADER = pathlib.Path(__file__).with_suffix(".h")
FLAGS = (
    "-std=c++17",
    "-O1",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-pthread",
    "-U_FORTIFY_SOURCE",
    "-w",
)


def compiler():
    found = shutil.which(os.environ.get("CXX", "g++"))
    if found is None:
        pytest.skip("no C++ compiler: the CUDA kernels can't be run on the CPU")
    return found


def sizes(dtype, warp):
    """How a block is laid out; small ones run faster here, and use all of their code as well."""
    small = warp < 32
    return {"WARP": warp, "SIDE": 4 if small else 16,
            "EACH": 4 if small else 32 // np.dtype(dtype).itemsize}  # fmt: skip


@functools.cache
def library(dtype, warp=32):
    """The program of all kernels for a dtype, with warps of so many threads."""
    return _built(cuda_kernels.program(), cuda_kernels.every(), dtype, warp)


@functools.cache
def program_of(text, name, dtype, warp):
    """A program with one kernel: a user's formula, or a product and what it goes on with."""
    return _built(text, [name], dtype, warp)


@functools.cache
def together(text, dtype, warp):
    """The program of a persistent kernel, all blocks of which run at the same time."""
    return _built(text, ["persistent"], dtype, warp, "#define TOGETHER")


def _built(source, kernels, dtype, warp, *first):
    """Compile a program for the CPU, or take what is kept on disk of an earlier time."""
    by_ptx = warp == 32 and ptx_on_cpu.wanted()
    if by_ptx:
        source = ptx_on_cpu.cpp(source, dtype)
    text = "\n".join([
        *first, *(f"#define {name} {value}" for name, value in sizes(dtype, warp).items()),
        f'#include "{HEADER}"', source, *(f"ON_CPU({name})" for name in kernels),
    ])  # fmt: skip
    real = sources.REAL[dtype]
    command = [compiler(), *FLAGS, f"-DREAL={real}", *(ptx_on_cpu.FLAGS if by_ptx else ())]
    headers = [HEADER.read_text(), ptx_on_cpu.HEADER.read_text() if by_ptx else ""]
    key = hashlib.sha256("\n".join([text, *headers, *command]).encode()).hexdigest()
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


def launch(name, blocks, threads, args, dtype, warp=32, text=None):
    """Run a kernel; `args` are np.int64, np.uint64 or np.float64, addresses among them.

    `text`: its program, where it isn't that of all kernels.
    """
    found = library(str(dtype), warp) if text is None else program_of(text, name, str(dtype), warp)
    if text is None:
        declared = cuda_kernels.every()[name].declared
    else:
        declared = sources.CudaKernel(name, text[text.index(f"KERNEL {name}(") :], name).declared
    assert len(args) == len(declared), f"{name} takes {declared}, received {len(args)} arguments"
    for value, (label, kind) in zip(args, declared.items(), strict=True):
        wanted = np.float64 if kind == "double" else np.integer
        assert isinstance(value, wanted), f"{name}: {kind} {label} received {type(value).__name__}"
        assert value.itemsize == 8
    run(found, name, blocks, threads, args)


def run(program, name, blocks, threads, args):
    """Run a kernel of a program with arguments of 8 bytes."""
    room = np.array([np.asarray(a).view(np.int64) for a in args])
    pointers = (ctypes.c_void_p * len(args))(*(room.ctypes.data + 8 * i for i in range(len(args))))
    getattr(program, f"on_cpu_{name}")(int(blocks), int(threads), pointers)
