"""What is said while the CPU's kernels are compiled, and who compiles them."""

import gc
import io
import os
import subprocess
import sys
import time

import numba
import numpy as np
import pytest
from routine_calls import call_routine

from tinynet.kernels.cpu import gemm
from tinynet.kernels.cpu.machine import compiling, operands
from tinynet.kernels.cpu.machine.compiling import INSTRUCTIONS, REPLAY, SENTENCE, Compiled, prepare
from tinynet.kernels.cpu.machine.native import vector
from tinynet.kernels.cpu.machine.routines import routine


class Kernel:
    """An instruction that takes no time to compile."""

    importable, routines = False, ()

    def __init__(self, kept=False, ready=False, fails=False):
        self.kept, self.fails, self.addresses = kept, fails, {"float32": 1} if ready else {}

    def is_kept(self):
        return self.kept

    def compile(self, dtype):
        if self.fails:
            raise KeyboardInterrupt
        self.addresses[dtype] = 2
        return not self.kept


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def said(monkeypatch):
    """What prepare writes to a stderr of some kind."""
    monkeypatch.setattr(compiling, "_said", [])

    def run(stderr, *kernels):
        monkeypatch.setattr(sys, "stderr", stderr)
        prepare(kernels, "float32")
        assert all("float32" in one.addresses for one in kernels)
        return stderr.getvalue()

    return run


def test_a_terminal_sees_how_far_it_is_and_then_nothing(said):
    written = said(Terminal(), Kernel(ready=True), Kernel(), Kernel(kept=True), Kernel())
    assert written == f"\r{SENTENCE}: 1 of 3\r{SENTENCE}: 2 of 3\r{SENTENCE}: 3 of 3\r\x1b[K"
    assert len(SENTENCE) + len(": 118 of 118") < 80


def test_elsewhere_it_is_one_line_in_a_process(said):
    assert said(io.StringIO(), Kernel(), Kernel()) == SENTENCE + "\n"
    assert said(io.StringIO(), Kernel()) == ""


def test_what_was_kept_on_disk_or_is_ready_takes_no_word(said):
    assert said(Terminal(), Kernel(ready=True), Kernel(kept=True)) == ""


def test_an_instruction_that_stands_twice_counts_once(said):
    one = Kernel()
    assert ": 1 of 1" in said(Terminal(), one, one)


def test_the_line_goes_when_it_is_interrupted(said):
    terminal = Terminal()
    with pytest.raises(KeyboardInterrupt):
        said(terminal, Kernel(), Kernel(fails=True))
    assert terminal.getvalue().endswith("\x1b[K")


def test_kernels_have_what_prepare_asks_for():
    for one in (REPLAY, *INSTRUCTIONS.values()):
        assert callable(one.compile)
        assert callable(one.is_kept)
        assert {"addresses", "importable", "name"} <= set(vars(one))


class Waiting(Kernel):
    """One that this process compiles for as long as a helper may need for one of its own."""

    def __init__(self, until):
        super().__init__()
        self.until = until

    def compile(self, dtype):
        deadline = time.monotonic() + 60
        while not self.until() and time.monotonic() < deadline:
            time.sleep(0.01)
        return super().compile(dtype)


@pytest.fixture
def helped(monkeypatch):
    """Have a helper compile kernels of these names; returns what became of it and of them."""
    found, start = [], subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *a, **o: found.append(start(*a, **o)) or found[-1]
    )
    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")
    monkeypatch.setattr(compiling, "_said", [SENTENCE])

    def run(names, until):
        kernels = [Named(name) for name in names]
        prepare([Kernel(), Waiting(lambda: until(found[0], kernels)), *kernels], "float32")
        assert [one.addresses for one in kernels] == [{"float32": 2}] * len(names)
        (process,) = found
        assert process.returncode is not None
        assert process.stdin.closed
        assert process.stdout.closed
        assert gc.isenabled()
        return kernels

    return run


class Named(Kernel):
    """One that a helper knows by its name; this process finds it on disk."""

    importable = True

    def __init__(self, name):
        super().__init__(kept=True)
        self.name, self.by = name, []


needs_compiler = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")


@needs_compiler
def test_a_helper_compiles_what_stands_last(tmp_path):
    """What it puts on disk is what this process then reads, routines too: one of all is new."""
    script = """
import sys, time
import numpy as np
from tinynet.kernels import cpu
from tinynet.kernels.cpu import gemm
from tinynet.kernels.cpu.machine import compiling
names = ["add_loss", "linear_dW", "linear_part", "linear_join", "sum_rows"]
wanted = [compiling.INSTRUCTIONS[name] for name in names]
routines = [*["by_blas"] * gemm.USES_BLAS, "pack", "gemm", "add_rows"]
original = compiling._Shared.__iter__
def slowly(self):
    for one in original(self):  # the second is taken when the first is done, and a helper begins
        while self.helper and self.left: time.sleep(0.01)
        yield one
compiling._Shared.__iter__ = slowly
compiling.prepare(wanted, np.dtype("float32"))
all_ = [compiling.ROUTINES[f"tinynet_{name}"] for name in routines] + wanted
print([one.dispatcher.stats.cache_misses.total() for one in all_])
x, sums = np.arange(6, dtype="f").reshape(3, 2), np.zeros(2, "f")
cpu.sum_rows(x, out=sums)
print(sums.tolist())
"""
    environment = dict(os.environ, NUMBA_CACHE_DIR=str(tmp_path), TINYNET_NUM_THREADS="2",
                       PYTHONPATH=os.pathsep.join(sys.path))  # fmt: skip
    printed = subprocess.run([sys.executable, "-c", script], env=environment, check=True,
                             capture_output=True, text=True).stdout.splitlines()  # fmt: skip
    assert printed == [str([1] + [0] * (7 + gemm.USES_BLAS)), "[6.0, 9.0]"]


class Looked(Kernel):
    """One that notes whether a helper is there when it is compiled; an old text's is kept too."""

    def __init__(self, started, kept=False, old=False):
        super().__init__(kept)
        self.started, self.old, self.helped = started, old, None

    def is_kept(self):
        return self.kept or self.old

    def compile(self, dtype):
        self.helped = bool(self.started)
        return super().compile(dtype)


def test_a_helper_is_there_before_the_first_that_is_new(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")
    monkeypatch.setattr(compiling, "_said", [SENTENCE])
    monkeypatch.setattr(compiling, "_can_help", lambda: True)

    def start(*args, **options):
        started.append(1)
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", start)
    for kinds, helped in (
        ([{"kept": True}, {}, {"kept": True}, *[{}] * 5], [False, *[True] * 7]),
        ([{}] * 6, [True] * 6),
        ([{"old": True}] * 6, [False, *[True] * 5]),  # found out by compiling it
        ([{"kept": True}] * 6, [False] * 6),
    ):
        started = []
        kernels = [Looked(started, **kind) for kind in kinds]
        prepare(kernels, "float32")
        assert [one.helped for one in kernels] == helped


NAMES = ["add_loss", "linear_dW", "linear_part", "linear_join", "sum_rows"]


@needs_compiler
def test_a_helper_that_dies_is_done_without(helped):
    helped(NAMES, lambda process, kernels: process.kill() or process.poll() is not None)


@needs_compiler
def test_a_helper_that_ends_when_it_is_given_something_is_done_without(helped, monkeypatch):
    start = subprocess.Popen
    says_ready_and_reads_nothing = "import os; os.close(0); print(flush=True)"
    monkeypatch.setattr(
        subprocess, "Popen",
        lambda command, **o: start([*command[:2], says_ready_and_reads_nothing], **o),
    )  # fmt: skip
    helped(NAMES, lambda process, kernels: process.poll() is not None)


@needs_compiler
def test_a_helper_that_does_not_know_a_kernel_is_done_without(helped):
    helped(["not_one"] * 5, lambda process, kernels: process.poll() is not None)


@needs_compiler
def test_a_helper_that_has_not_begun_is_not_waited_for(helped):
    start = time.monotonic()
    helped(NAMES, lambda process, kernels: True)
    assert time.monotonic() - start < 60


@needs_compiler
@pytest.mark.parametrize(
    ("change", "value"),
    [("executable", None), ("executable", "/opt/an-application"), ("frozen", True)],
)
def test_none_is_started_by_what_is_no_python(change, value, monkeypatch):
    monkeypatch.setattr(sys, change, value, raising=False)
    monkeypatch.setattr(subprocess, "Popen", None)  # would raise a TypeError
    prepare([Kernel(), *(Named(name) for name in NAMES)], "float32")


@needs_compiler
def test_where_no_process_can_be_started_this_one_does_all(monkeypatch):
    def refuse(*args, **options):
        raise BlockingIOError("no more processes")

    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    kernels = [Kernel(), *(Named(name) for name in NAMES)]
    prepare(kernels, "float32")
    assert all(one.addresses for one in kernels)


@needs_compiler
def test_an_interruption_ends_the_helper(monkeypatch, helped):
    with pytest.raises(KeyboardInterrupt):
        helped([*NAMES, "never"], lambda process, kernels: (_ for _ in ()).throw(KeyboardInterrupt))
    assert gc.isenabled()


@needs_compiler
def test_a_part_of_kernels_refuses_to_be_called_from_python():
    """It has no way in for Python; without a word the interpreter would crash."""
    x = np.ones(3)

    @numba.njit
    def within(x):
        return operands.total_of(x)

    for _ in range(2):
        with pytest.raises(TypeError, match="total_of is a part of compiled kernels and has no"):
            operands.total_of(x)
        assert within(x) == 3  # compiled now


@needs_compiler
def test_a_routine_is_compiled_before_what_calls_it():
    """Without its address the code of a caller could not be linked: the interpreter would end."""

    @routine()
    def doubled(x, y, like):
        vector(y, 1, like)[0] = 2 * vector(x, 1, like)[0]

    @numba.njit
    def twice(x, y, like):
        doubled(x, y, like)
        doubled(y, y, like)

    x, y = np.full(1, 3, np.float32), np.zeros(1, np.float32)
    with pytest.raises(RuntimeError, match="tinynet_doubled was not compiled before what calls it"):
        twice(x.ctypes.data, y.ctypes.data, np.float32(0))
    made = Compiled("twice", lambda: twice, False, twice.py_func)
    assert made.routines == [doubled.routine]
    call_routine(doubled, x.ctypes.data, y.ctypes.data, np.float32(0))
    assert y[0] == 6
    twice(x.ctypes.data, y.ctypes.data, np.float32(0))
    assert y[0] == 12


BY_BLAS = ["by_blas"] if gemm.USES_BLAS else []


@needs_compiler
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add_loss", []),
        ("linear", [*BY_BLAS, "pack", "gemm"]),
        ("linear_dx_part", ["dots", *BY_BLAS, "pack", "gemm", "product_transposed"]),
        ("batchnorm_statistics", ["add_rows"]),
        ("linear_zeros", ["sum_rows_times"]),
        ("linear_dW_own_entries", ["sum_rows_times", "add_dW"]),
        ("gather_part_entries_cast", ["read_cast"]),
    ],
)
def test_routines_of_an_instruction(name, expected):
    """Each after those that it calls."""
    assert [one.name for one in INSTRUCTIONS[name].routines] == [f"tinynet_{e}" for e in expected]
