"""What is said while the CPU's kernels are compiled."""

import io
import sys

import numba
import numpy as np
import pytest

from tinynet.kernels.cpu import products
from tinynet.kernels.cpu.machine import operands
from tinynet.kernels.cpu.machine.operands import INSTRUCTIONS, SENTENCE, prepare


class Kernel:
    """An instruction that takes no time to compile."""

    def __init__(self, kept=False, ready=False, fails=False):
        self.kept, self.fails, self.addresses = kept, fails, {"float32": 1} if ready else {}

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
    monkeypatch.setattr(operands, "_said", [])

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
    assert all(hasattr(one, "addresses") and callable(one.compile) for one in INSTRUCTIONS.values())


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_a_part_of_kernels_refuses_to_be_called_from_python():
    """It has no way in for Python; without a word the interpreter would crash."""
    x, y = np.ones(3), np.zeros(3)

    @numba.njit
    def within(x, y):
        products.add_up(x, y)

    for _ in range(2):
        with pytest.raises(TypeError, match="add_up is a part of compiled kernels and has no way"):
            products.add_up(x, y)
        within(x, y)  # compiled now
    np.testing.assert_array_equal(y, [2, 2, 2])
