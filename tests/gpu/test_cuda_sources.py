"""The CUDA sources, without a card: NVRTC compiles them for every architecture that we name, and
the C++ compiler for the CPU, where what depends on threads is run: reductions, masks, barriers.

What each kernel computes is held against the reference in test_gpu_kernels.py.
"""

import hashlib
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

import cuda_kernels
import cuda_on_cpu
import numpy as np
import pytest
from cuda_on_cpu import launch

from tinynet.kernels import reference
from tinynet.kernels.gpu.card import sources
from tinynet.kernels.gpu.machine.launches import MOST_SUMS
from tinynet.kernels.gpu.machine.program import FIELDS
from tinynet.kernels.gpu.sums import SUMS

PRECISION = {"float32": 2e-5, "float64": 1e-12}
both = pytest.mark.parametrize("dtype", ["float32", "float64"])
BLOCKS = [(32, 32), (64, 32), (256, 32), (8, 4), (24, 8)]  # threads of a block, of a warp
# beside our own options: what CuPy adds, and that ptxas says what each kernel takes
OTHERS = ("-ftz=true", "--device-as-default-execution-space", "--ptxas-options=-v")
SIZES = (
    r"Compiling entry function '(\w+)'.*\n.*\n"
    r"\D*(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
)
blocks = pytest.mark.parametrize(("threads", "warp"), BLOCKS)


def at(array):
    return np.int64(0 if array is None else array.ctypes.data)


def sizes(*values):
    return [np.int64(v) for v in values]


# ------------------------------------------------------------------------------------- NVRTC


def compiled(nvrtc, dtype, architecture, source):
    """(whether NVRTC takes the program, its messages)."""
    options = [o.encode() for o in (*sources.options(dtype), *OTHERS,
                                    f"--gpu-architecture={architecture}")]  # fmt: skip
    _, program = nvrtc.nvrtcCreateProgram(source.encode(), b"tinynet.cu", 0, [], [])
    (result,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    _, length = nvrtc.nvrtcGetProgramLogSize(program)
    messages = b" " * length
    nvrtc.nvrtcGetProgramLog(program, messages)
    return result == nvrtc.nvrtcResult.NVRTC_SUCCESS, messages.decode().strip("\0 \n")


# a step of Dense, Dropout and BatchNormalization with Adam, in one persistent kernel
STEP = ["gather_step", "gather_csr_step", "dropout_mask", "product", "multiply",
        "batchnorm_statistics", "batchnorm_apply", "batchnorm_sums", "batchnorm_dx", "sum_rows",
        "sparse_softmax_crossentropy", "add_loss", "adam_without_v_max", "sparse_matches",
        "count_hits"]  # fmt: skip


def persistent():
    """The program of that step's persistent kernel."""
    chosen = [cuda_kernels.every()[name] for name in STEP]
    relu = [cuda_kernels.framed(family, "relu") for family in ("elementwise", "elementwise_grad")]
    return sources.persistent(chosen, tuple(relu))[0]


def kernels():
    """The program of all kernels; beside a bias each formula would be compiled once more."""
    return sources.source(tuple(CHOSEN), cuda_kernels.finishing()[::9])


BESIDE_A_BIAS = ("bias_elementwise", "elementwise_grad_bias")
CHOSEN = [
    kernel
    for i, kernel in enumerate(cuda_kernels.made())
    if kernel.family not in BESIDE_A_BIAS or i % 9 == 0
]
SOURCES = {"kernels": kernels, "persistent": persistent}


@pytest.fixture
def nvrtc():
    found = pytest.importorskip(
        "cuda.bindings.nvrtc", reason="cuda-bindings is not installed: pip install -e '.[test]'"
    )
    try:
        found.nvrtcVersion()
    except Exception as error:  # the bindings are there, NVRTC is not
        pytest.skip(f"no NVRTC: {error}")
    return found


@both
@pytest.mark.parametrize("architecture", sources.ARCHITECTURES)
@pytest.mark.parametrize("which", SOURCES)
def test_nvrtc_compiles_all_kernels(nvrtc, which, dtype, architecture):
    if int(architecture[3:]) not in nvrtc.nvrtcGetSupportedArchs()[1]:
        pytest.skip(f"this NVRTC does not know {architecture}")
    source, version = SOURCES[which](), nvrtc.nvrtcVersion()
    known = repr((source, sources.options(dtype), OTHERS, architecture, version, SIZES))
    known = hashlib.sha256(known.encode()).hexdigest()[:24]
    before = pathlib.Path(tempfile.gettempdir()) / f"tinynet-nvrtc-{known}"
    if before.exists():  # the same sources, options and compiler: nothing can have changed
        return
    taken, messages = compiled(nvrtc, dtype, architecture, source)
    assert taken, messages
    found = re.findall(SIZES, messages)
    if which == "kernels":
        assert {name for name, *_ in found} == {*sources.kernels(), *(k.name for k in CHOSEN)}
        # nothing lies in local memory, where each access goes through the caches
        assert [name for name, *sizes in found if sizes != ["0", "0", "0"]] == []
    else:  # a few words do, of the loop around the kernels: two blocks are to fit
        assert [name for name, *_ in found] == ["persistent"]
        assert max(map(int, found[0][1:])) < 1000
    said = [line for line in messages.splitlines() if line.strip()]
    assert [line for line in said if not re.match(r"ptxas (info|   *\.) ", line)] == []
    before.touch()


def test_the_oldest_cards_that_nvrtc_knows_are_served_too(nvrtc):
    """NVRTC of CUDA 12 compiles for cards before Turing."""
    _, architectures = nvrtc.nvrtcGetSupportedArchs()
    source = sources.persistent([sources.kernels()["product"]])[0]
    taken, messages = compiled(nvrtc, "float32", f"sm_{min(architectures)}", source)
    assert taken, messages


def test_nvrtc_refuses_what_is_wrong(nvrtc):
    taken, messages = compiled(nvrtc, "float32", "sm_80", '#line 7 "x.cu"\nKERNEL f(')
    assert not taken
    assert "x.cu(7)" in messages


# ------------------------------------------------------------------------------- what is there


def test_every_file_is_part_of_the_program_and_every_kernel_is_found():
    on_disk = {p.name for p in sources.FOLDER.iterdir()}
    assert on_disk == {*sources.FILES, "persistent.cu", "formulas.cu"}
    assert len(sources.kernels()) == len(re.findall("^KERNEL ", sources.source(), re.MULTILINE))
    for name, kernel in cuda_kernels.every().items():
        for kind in kernel.declared.values():  # launches pass only these
            assert re.match(r"(i64|u64|double)$|(const )?\w+\*$", kind), (name, kind)


def test_the_program_of_one_kernel_is_that_of_all_without_the_others():
    whole = sources.source().splitlines()
    kept = [set(), set()]  # lines of every program, lines of some
    for name, kernel in sources.kernels().items():
        program = sources.source_of(kernel).splitlines()
        (heading,) = (line for line in program if line.startswith("KERNEL "))
        assert heading.startswith(f"KERNEL {name}(")
        assert len(program) == len(whole)
        same = {i for i, line in enumerate(program) if line == whole[i]}
        assert not any(line for i, line in enumerate(program) if i not in same)
        kept = [kept[0] & same if kept[1] else same, kept[1] | same]
    assert len(kept[1]) == len(whole)  # nothing is lost
    shared = ("__device__", "template", "#define", "enum")
    assert not any(whole[i].startswith(shared) for i in kept[1] - kept[0])


def test_no_float_is_added_atomically():
    text = persistent().replace("added atomically", "")
    found = re.findall(r"\w*atomic\w*\(.*?u\)", text)
    assert found == ["atomicAdd(arrived, 1u)"] * 2  # is_last, wait_for_all


# ------------------------------------------------------------- what depends on blocks and threads


@blocks
@both
@pytest.mark.parametrize("R", [1, 5, 70])
@pytest.mark.parametrize("C", [1, 3, 33])
def test_reductions_do_not_depend_on_the_shape_of_a_block(R, C, dtype, threads, warp):
    x = np.random.Generator(np.random.PCG64(1)).normal(size=(R, C)).astype(dtype) + 100
    y, mean, var, total = (np.full(s, np.nan, dtype) for s in ((R, C), C, C, C))
    arguments = (at(x), *sizes(R, C))
    launch("softmax", -(-R * warp // threads), threads, (*arguments, at(y)), dtype, warp)
    for parts in (1, 2, 3, R + 2):  # the last ones have no rows
        blocks, room = -(-C // warp) * parts, np.full((parts, MOST_SUMS, C), np.nan, dtype)
        arrived = np.zeros(-(-C // warp), np.uint32)
        split = (*arguments, np.int64(parts), at(room), at(arrived))
        launch("batchnorm_statistics", blocks, threads, (*split, at(mean), at(var)), dtype, warp)
        launch("sum_rows", blocks, threads, (*split, at(total)), dtype, warp)
        assert not arrived.any()
        check_columns(x, mean, var, total)
    expected = np.empty_like(x)
    reference.softmax(x, y=expected)
    np.testing.assert_allclose(y, expected, rtol=PRECISION[dtype])


def check_columns(x, mean, var, total):
    """Compare with NumPy's in float64, and have nothing left for the next comparison."""
    wide, tight = x.astype("float64"), PRECISION[x.dtype.name]
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=tight)
    np.testing.assert_allclose(var, wide.var(axis=0), rtol=tight, atol=tight)
    np.testing.assert_allclose(total, wide.sum(axis=0), rtol=tight)
    for array in (mean, var, total):
        array[...] = np.nan


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="only there")
def test_tiny_numbers_of_float32_count_as_zero_like_on_a_card():
    for dtype, kept in (("float32", 0), ("float64", 1e-40)):
        x, y = np.array([1e-40, 1.0], dtype), np.full(2, np.nan, dtype)
        arguments = (at(None), at(x), np.float64(1), np.float64(0), np.int64(2), at(y))
        launch("affine", 1, 32, arguments, dtype)
        assert y.tolist() == [kept, 1]


@blocks
@pytest.mark.parametrize("grid", [1, 3])
def test_a_large_sum_in_two_passes(grid, threads, warp):
    x = np.random.Generator(np.random.PCG64(2)).normal(size=1000)
    partial, control, loss = np.full(grid, np.nan), np.zeros(len(FIELDS), "int64"), np.ones(1)
    control[FIELDS.index("losses")] = at(loss)
    kind, l1, l2 = np.int64(SUMS["PENALTY"]), np.float64(0.5), np.float64(0.25)
    one = (kind, at(x), np.int64(x.size), l1, l2, at(partial))
    launch("partial_sums", grid, threads, one, "float64", warp)
    two = (at(control), at(partial), np.int64(grid))
    launch("add_penalty", 1, threads, two, "float64", warp)
    assert loss[0] == pytest.approx(1 + 0.5 * abs(x).sum() + 0.25 * (x * x).sum(), rel=1e-12)


@blocks
@both
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.999999, 1.0])
def test_masks_are_bit_equal_to_those_of_the_reference(rate, dtype, threads, warp):
    for shape, step, row in (((5, 3), 0, 0), ((4, 8), 7, 2), ((3, 21), 2**40, 10**9)):
        key, mask, expected = (2**62 + 123456789, 5), np.full(shape, np.nan, dtype), None
        expected = np.empty(shape, dtype)
        reference.dropout_mask(rate, key, step, row, mask=expected)
        arguments = (np.int64(0), np.float64(rate), *map(np.uint64, key),
                     *sizes(step, row, *shape), at(mask))  # fmt: skip
        launch("dropout_mask", 2, threads, arguments, dtype, warp)
        np.testing.assert_array_equal(mask, expected)


def test_the_variance_of_large_numbers():
    x = (1e4 + np.random.Generator(np.random.PCG64(3)).normal(size=(500, 2))).astype("float32")
    mean, var = np.empty(2, "float32"), np.empty(2, "float32")
    arguments = (at(x), *sizes(500, 2, 1, 0, 0), at(mean), at(var))
    launch("batchnorm_statistics", 1, 256, arguments, "float32")
    np.testing.assert_allclose(var, x.astype("float64").var(axis=0), rtol=1e-4)


def test_all_dtypes_of_a_data_set_are_read():
    for number, name in enumerate(sources.DTYPES):
        data = np.array([[0, 1, 2], [3, 100, 7]]).astype(name)
        if data.dtype.kind == "f":
            data = (data / 3 - 1).astype(name)
            data[0, 0] = np.inf if name == "float16" else 1e-7
        rows, out = np.array([1, 0, 1]), np.full((3, 3), np.nan)
        arguments = (at(data), np.int64(data.strides[0]), np.int64(number), at(rows),
                     *sizes(9, 3), at(out))  # fmt: skip
        launch("gather", 1, 32, arguments, "float64")
        np.testing.assert_array_equal(out, data[rows].astype("float64"), err_msg=name)
    tiny = np.array([[2.0**-24, -(2.0**-15), 65504.0]], "float16")  # two without a leading 1
    out, rows = np.empty((1, 3)), np.array([0])
    launch("gather", 1, 32, (at(tiny), *sizes(6, sources.DTYPES.index("float16")), at(rows),
                             *sizes(3, 3), at(out)), "float64")  # fmt: skip
    np.testing.assert_array_equal(out, tiny.astype("float64"))


def test_threads_that_wait_for_each_other_are_found(tmp_path):
    text = (
        f'#define WARP 2\n#define REAL double\n#include "{cuda_on_cpu.HEADER}"\n'
        'extern "C" void stuck(int n) { if (threadIdx.x) __syncwarp(); else __syncthreads(); }\n'
        "ON_CPU(stuck)\n"
    )
    (tmp_path / "stuck.cpp").write_text(text)
    subprocess.run([cuda_on_cpu.compiler(), *cuda_on_cpu.FLAGS, "-o", tmp_path / "stuck.so",
                    tmp_path / "stuck.cpp"], check=True)  # fmt: skip
    code = (
        "import ctypes; n = ctypes.c_int(0)\n"
        f"f = ctypes.CDLL({str(tmp_path / 'stuck.so')!r}).on_cpu_stuck\n"
        "f(1, 2, (ctypes.c_void_p * 1)(ctypes.addressof(n)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert "wait for each other" in done.stderr
