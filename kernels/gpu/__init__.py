"""The kernels on an NVIDIA card: the interface of `reference`, computed by our CUDA kernels.

A kernel here is written as launches: which CUDA kernel of `cuda/`, over which arrays. Called
as a function it starts them at once; `kernel.instructions(...)` returns them instead, and that is
how a whole training step is recorded, captured into a CUDA graph and replayed. Where a CUDA kernel
has the name and the parameters of a kernel of the interface, the launch follows from its
declaration; where it changes arrays entry by entry, the CUDA kernel itself is made from its text
in `reference` (`card.formulas`). The others are in `products`, `layers`, `activations`, `sums`,
`updates`.

`machine/`: `program` (a recorded step as a graph), `call` and `launches` (a call as launches),
`order` (which launches wait for which), `options` (the environment). `passes/` make fewer launches
of a step: `fusion`, `epilogues`, `tiles`, and `persistent` (one kernel that stays). `card/`:
`runtime` (CuPy, cuBLAS, streams), `cublaslt`, `nccl` (sums over several cards), `data` (data sets
on the card), `feed` (larger ones in pieces), `survey` (is there a card, and what is missing),
`sources`; `cuda/` is the arithmetic.
Importing this needs neither CuPy nor a card; `require()` says whether both are there.
"""

import contextlib

import numpy as np

from .. import reference
from ..recording import RunningStep, Slot, Unsupported
from . import activations, layers, products, updates
from .card import data as card_data
from .card import runtime as card_runtime
from .card import sources
from .card.nccl import sum_instruction
from .card.runtime import OutOfMemory, empty, to_host, zeros
from .card.runtime import to_card as from_host
from .card.survey import Unusable
from .machine.call import KERNELS, execute, kernel, outputs_of
from .machine.launches import by_entries, launch, one_launch
from .machine.program import Machine
from .sums import add_loss_instruction, count_matches_instructions

IDLE_BYTES = 64 << 20  # that may lie idle between calls: to ask for memory takes time, too

__all__ = [
    "Machine", "OutOfMemory", "RunningStep", "Slot", "Unsupported", "Unusable", "activations",
    "add_loss_instruction", "announce", "count_matches_instructions", "empty", "from_host",
    "layers", "products", "sum_instruction", "to_host", "updates", "zeros",
]  # fmt: skip


def _entrywise(function):
    return lambda name, **arguments: [by_entries(function, arguments)]


for _name, _function in vars(reference).items():
    if _name not in (*KERNELS, "gather") and outputs_of(_function):
        kernel(one_launch if _name in sources.kernels() else _entrywise(_function), _name)
globals().update(KERNELS)


def require():
    """Raise `Unusable`, which says why, unless there is a card that can be used."""
    card_runtime.current()


def __getattr__(name):
    """A kernel of the interface that is missing here, by its name."""
    if not name.startswith("_") and hasattr(reference, name):
        raise AttributeError(f"the gpu device has no kernel {name!r} yet; use device 'cpu' or "
                             "'reference'")  # fmt: skip
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ------------------------------------------------------------------------------------- arrays


def gather(data, rows, *, out):
    runtime = card_runtime.current()
    if not isinstance(data, runtime.cupy.ndarray):  # bring over just these rows, in their dtype
        data, rows = data[rows], slice(None)
    if data.dtype == bool:
        data = data.view(np.uint8)
    if data.dtype.name not in sources.DTYPES or not data.dtype.isnative:
        data = data.astype(out.dtype)
    data = runtime.cupy.ascontiguousarray(runtime.to_card(data))
    if isinstance(rows, slice):
        rows = np.arange(*rows.indices(len(data)))
    if not isinstance(rows, runtime.cupy.ndarray):
        rows = np.asarray(rows)
    rows, D = runtime.to_card(rows.astype(np.int64)), out.size // max(len(out), 1)
    kind, stride = sources.DTYPES.index(data.dtype.name), D * data.itemsize
    one = launch("gather", data=data, stride=stride, kind=kind, rows=rows, D=D, out=out)
    execute(one, runtime)


# --------------------------------------------------------------------------- recorded programs


def announce(data):
    """Return an object; while it lives, these data sets of a call are taken not to change.

    Args:
        data: list of what a Machine may read, see `Machine.reads`.
    """
    arrays = [a for x in data for a in card_data.arrays_of(x)]
    return card_data.resident.announce(arrays)


def release():
    """Give memory back that the next call can do without. Data sets stay, within bounds."""
    runtime, resident = card_runtime.current(), card_data.resident
    resident.tidy(card_data.IDLE * runtime.total_bytes)
    if resident.feeds or runtime.idle_bytes() > IDLE_BYTES:
        resident.feeds.clear()
        runtime.trim()


@contextlib.contextmanager
def single_threaded_blas(machine):
    """Nothing to limit: the products are made on the card."""
    yield
