"""The kernels on the CPU: the interface of `reference`, computed by compiled Numba code.

A kernel here is written as instructions for the machine in `machine/loop.py`: which arrays, which
sizes, which numbers. Called as a function it runs them at once; `kernel.instructions(...)` returns
them instead, and that is how a whole training step is recorded and replayed. What the machine has
no instruction for (a broadcast, an unusual layout) is left to the reference. Denormal numbers
(below 1.2e-38 in float32) count as zero.

What works entry by entry is made of the reference's text, or a user's (`formulas`). The others are
loops, by topic: `products`, `activations`, `layers`, `normalization`, `losses`, `updates`.
`machine/` is what runs them: `call` (a call as an instruction), `program` (a recorded step, bound
to its arrays and split over threads), `reading` (how it reads the data), `loop` (the loop),
`operands` (how an instruction finds its arrays), `routines` (what several instructions call),
`compiling` (when, and by whom), `native` (BLAS by address, atomics). `gemm` multiplies matrices,
`zeros/` leaves out the zeros of x, `elementary` is exp and its like in vector code.
"""

# ruff: noqa: F401  the interface, and what recording needs
import functools

import numpy as np

from .. import reference
from ..recording import RunningStep, Slot, Unsupported
from ..reference import from_host, to_host
from . import activations, formulas, layers, losses, normalization, updates
from .exchange import exchange_instruction
from .gemm import single_threaded_blas
from .losses import add_loss_instruction, count_matches_instructions, room_for_counts
from .machine.call import Instruction, empty, plain, zeros
from .machine.compiling import INSTRUCTIONS, REPLAY, prepare
from .machine.loop import COLUMNS, FLAT, ROWS
from .machine.program import Machine
from .machine.reading import CHUNK
from .machine.threads import threads
from .products import sum_rows
from .zeros import csr, entries, sparse  # their instructions are used by their names

for _topic in (activations, formulas, layers, losses, normalization, updates):
    for _name, _kernel in vars(_topic).items():
        if hasattr(_kernel, "instructions"):
            globals()[_name] = _kernel


def gather(data, rows, *, out):
    reference.gather(data, rows, out=out)


def _direct(instructions):
    """A matrix product on its own is best left to BLAS and all its threads, as the reference does;
    within a recorded step every thread multiplies its own rows."""
    by_reference = getattr(reference, instructions.__name__)
    run = functools.wraps(by_reference)(lambda *args, **outputs: by_reference(*args, **outputs))
    run.instructions = instructions
    return run


@_direct
def linear(x, W, b, *, y):
    plain(x, W, b, y)
    sizes = (x.shape[-1], y.shape[-1])
    yield Instruction("linear", ROWS, (x, W, b, y), (0, 3), len(x), sizes)


@_direct
def linear_dx(dy, W, *, dx):
    plain(dy, W, dx)
    sizes = (dx.shape[-1], dy.shape[-1])
    yield Instruction("linear_dx", ROWS, (dy, W, dx), (0, 2), len(dy), sizes)


@_direct
def linear_dW(x, dy, *, dW):
    plain(x, dy, dW)
    yield Instruction("linear_dW", COLUMNS, (x, dy, dW), (0, 1), len(x), dW.shape)


def rows_at_once():
    """Rows that are best predicted together: what a thread computes for its part stays in cache."""
    return CHUNK * threads()


def warmup(dtype):
    """Compile all instructions for a dtype; returns their number."""
    prepare([REPLAY, *INSTRUCTIONS.values()], np.dtype(dtype))
    return len(INSTRUCTIONS)
