"""How a kernel call becomes an instruction for the machine, and how one is run at once."""

import dataclasses
import functools
import inspect
import math
import threading

import numpy as np

from ... import reference
from ...recording import Slot, Unsupported
from . import loop as machine
from . import operands
from .compiling import INSTRUCTIONS
from .loop import (
    COLUMNS,
    FEATURES,
    FLAT,
    HEAD,
    NUMBERS,
    OPERANDS,
    ROWS,
    SLACK,
    TILE,
    TURNED,
    WORDS,
    address_of,
)  # fmt: skip
from .native import LINE, MEETING
from .operands import INTEGERS, WITH_ROWS, Columns, Flat, Labels, Share, Span, Wide


@dataclasses.dataclass
class Instruction:
    """One instruction before its arrays have become addresses.

    Attributes:
        op: name of one of `operands.INSTRUCTIONS`; mode: see `machine.loop`.
        arrays: operands in order; None where one is not wanted.
        rows: which operands have a row per row of the batch (bit i: operand i).
        count: number of these rows, of all columns' entries, or of the flat range.
        sizes: d0, d1, d2.
        flags: k0, k1.
        numbers: floats, or `Slot`s.
        when: a `Slot`: the instruction is left out in steps where it is 0; no ROWS.
        stage: APART or ALONE for one that is a stage by itself, else None.
    """

    op: str
    mode: int
    arrays: tuple
    rows: tuple
    count: int
    sizes: tuple = ()
    flags: tuple = ()
    numbers: tuple = ()
    when: float | None = None
    stage: int | None = None

    def encode(self, samples, start=0):
        """(words, numbers) for the machine, with every array at its present address."""
        words, numbers = np.zeros(WORDS, np.int64), np.zeros(NUMBERS)
        words[0] = INSTRUCTIONS[self.op].address(self.dtype)
        words[1] = self.mode if self.stage is None else self.stage
        words[2] = 1 if self.mode == FLAT else self.count // samples
        words[3 : 3 + len(self.sizes)] = self.sizes
        if self.mode == FLAT:
            words[3], words[4] = start, self.count
        words[6 : 6 + len(self.flags)] = self.flags
        for i, value in enumerate(self.numbers):
            numbers[i] = value
            if isinstance(value, Slot):
                numbers[i] = value.index
                words[8] |= 1 << i
        if self.when is not None:
            words[8] |= (self.when.index + 1) << 8
        for i, array in enumerate(self.arrays):
            if array is not None:
                words[HEAD + 3 * i] = address_of(array)
                if i in self.rows:
                    words[HEAD + 3 * i + 1] = array.nbytes // samples
        return words, numbers

    @property
    def dtype(self):
        """That of the floating arrays."""
        return next(a.dtype for a in self.arrays if a is not None and a.dtype.kind == "f")


def kernel(function):
    """A kernel, named as the reference's.

    Args:
        function: a generator of its instructions; or the annotated loop that is its only one, with
            the names of the reference.
    """
    by_reference = getattr(reference, function.__name__)
    signature = inspect.signature(by_reference)
    instructions = function
    if function.__annotations__:
        operands.instruction(function)
        instructions = _alone(function, signature)

    @functools.wraps(by_reference)
    def run(*args, **outputs):
        try:
            for one in instructions(*args, **outputs):
                execute(one)
        except Unsupported:
            by_reference(*args, **outputs)

    run.instructions, run.__signature__ = instructions, signature
    return run


def _alone(function, signature):
    """The generator of a kernel's only instruction, whose operands are found by their names."""
    finds = function.__annotations__
    arrays, numbers, flags = (
        [name for name, a in finds.items() if kind in a] for kind in ("{i}", "{k}", "word[6]")
    )

    def instructions(*args, **outputs):
        given = signature.bind(*args, **outputs).arguments
        yield called(function.__name__, *([given[n] for n in names] for names in
                                          (arrays, numbers, flags)))  # fmt: skip

    return instructions


def called(op, arrays, numbers=(), flags=(), sizes=None):
    """An instruction made of an annotated loop, by its name.

    Args:
        arrays: its operands in order; None where one is not wanted.
        numbers, flags: those of its parameters, in order.
        sizes: d0 and d1; None: the entries of a row of the first array, and of the first `Wide`.

    Raises:
        Unsupported: arrays that are not contiguous, of several dtypes or shapes; too many.
    """
    kinds = INSTRUCTIONS[op].operands
    if len(arrays) > OPERANDS or len(numbers) > NUMBERS:
        raise Unsupported(f"{op}: more than {OPERANDS} arrays or {NUMBERS} numbers")
    plain(*(a for a, kind in zip(arrays, kinds, strict=True) if kind not in INTEGERS))
    for kind in (Flat, Labels):
        some = [a for a, k in zip(arrays, kinds, strict=True) if k == kind and a is not None]
        if kind == Flat and len(some) < kinds.count(Flat):
            raise TypeError(f"{op}: expected an array, received None")
        if kind == Flat and len({a.shape for a in some}) > 1:
            raise Unsupported("a broadcast")
        if kind == Labels and not all(a.dtype == np.int64 and a.flags.c_contiguous for a in some):
            raise Unsupported(f"labels of dtype {some[0].dtype}")
    arrays = tuple(arrays)
    rows = tuple(i for i, a in enumerate(arrays) if kinds[i] in WITH_ROWS and a is not None)
    first = next(a for a in arrays if a is not None)
    flags, numbers = tuple(flags), tuple(numbers)
    if Span in kinds:
        flat = tuple(None if a is None else a.reshape(-1) for a in arrays)
        return Instruction(op, FLAT, flat, (), first.size, (), flags, numbers)
    if sizes is None:
        wide = [a for a, kind in zip(arrays, kinds, strict=True) if kind == Wide]
        with_rows = [arrays[i] for i in rows if kinds[i] != Wide] or [first[None]]
        sizes = tuple(a.size // len(a) for a in (with_rows[0], *wide[:1]))
    mode = COLUMNS if Columns in kinds or Share in kinds else ROWS
    count = len(arrays[rows[0]]) if rows else 1
    return Instruction(op, mode, arrays, rows, count, sizes, flags, numbers)


_eager = threading.local()


def execute(instruction):
    """Run one instruction now, on this thread."""
    samples = instruction.count if instruction.mode == ROWS else 1
    words, numbers = instruction.encode(samples)
    kept = _eager.__dict__  # matrix products, which would need more room, are not run this way
    thread = kept.get(instruction.dtype)
    if thread is None:
        own = np.zeros(machine.SCRATCH, np.int64)
        thread = kept[instruction.dtype] = Scratch(own, 0, 1, 1, 1, 1, instruction.dtype)
    thread.words[machine.SAMPLES] = samples
    if instruction.mode == FLAT:
        thread.set_spans(np.array([[0, instruction.count]]))
    machine.run(
        words[None], numbers[None], np.empty((1, NUMBERS)), _ONE, _NOTHING, 1, 0, samples,
        thread.words[None], _NOBODY, 0, 1, np.zeros((1, 1)), instruction.dtype.type(0),
    )  # fmt: skip


_NOTHING, _NOBODY = np.zeros((1, 1)), np.zeros(2 * MEETING, np.int64)
_ONE = np.array([[0, 1, 0]], np.int64)  # stage


class Scratch:
    """What a thread's share has for itself while a program runs.

    Args:
        words: what the machine sees of it, int64 (SCRATCH,) of zeros.
        thread, threads: its number, and of how many.
        samples: N.
        rows: the largest number of rows, widest: of columns, of a matrix product's x.
        partial: room for two sums of each thread, float64 (2 threads,).
        packed: numbers that products need room for, see `gemm.room`.
    """

    def __init__(self, words, thread, threads, samples, rows, widest, dtype, partial=None,
                 packed=0):  # fmt: skip
        self.words = words
        self.words[machine.THREAD], self.words[machine.THREADS] = thread, threads
        self.words[machine.SAMPLES] = samples
        self.arrays = {
            machine.PARTIAL: np.zeros(2 * threads) if partial is None else partial,
            machine.LOSS: np.zeros(1),
            machine.ROOM: np.zeros(8, np.int64),
            machine.LIST: np.zeros(widest + SLACK, np.int32),
            machine.VALUES: np.zeros(widest + SLACK, dtype),
            machine.TILE_ROWS: np.zeros((TILE, rows + 1), np.int32),
            machine.TILE_VALUES: np.zeros((TILE, rows + 1), dtype),
            machine.TILE_COUNTS: np.zeros(TILE, np.int64),
            machine.PACKED: empty(packed, dtype),
            machine.TURNED_DX: empty((widest * min(rows, TURNED),), dtype),
        }
        for place, array in self.arrays.items():
            self.words[place] = address_of(array)

    def add_entries(self, rows, D, H, dtype):
        """Room for the entries of `rows` rows that are not zero, and for some rows of W (D, H)."""
        line = LINE // np.dtype(dtype).itemsize
        wide, block = -(-H // line) * line, min(machine.BLOCK, rows) * D
        for place, count, kind in (
            (machine.STARTS, rows + 1, np.int64),
            (machine.COLUMN_OF, rows * D + SLACK, np.int32),
            (machine.ENTRIES, rows * D + SLACK, dtype),
            (machine.PLACES, D + 1, np.int64),
            (machine.ENTRY_ROWS, block, np.int32),
            (machine.FACTORS, block, dtype),
            (machine.CURSORS, rows, np.int64),
            (machine.NEAR, max(machine.BLOCK, FEATURES) * wide, dtype),
        ):
            self.arrays[place] = array = zeros((count,), kind)
            self.words[place] = address_of(array)

    def set_spans(self, spans):
        """This thread's ranges of the flat vectors, (S, 2)."""
        self.arrays[machine.SPANS] = spans = np.ascontiguousarray(spans, np.int64)
        self.words[machine.SPANS], self.words[machine.SPAN_COUNT] = address_of(spans), len(spans)


def empty(shape, dtype):
    """An array that begins at a cache line.

    NumPy's begin at 16 bytes past one, where every vector of 64 bytes lies in two lines: Adam over
    a million weights takes twice as long there.
    """
    dtype = np.dtype(dtype)
    count = math.prod(shape) if isinstance(shape, tuple) else shape
    room = np.empty(count * dtype.itemsize + LINE, np.uint8)
    start = -address_of(room) % LINE
    return room[start : start + count * dtype.itemsize].view(dtype).reshape(shape)


def zeros(shape, dtype):
    array = empty(shape, dtype)
    array.fill(0)
    return array


def entries(x):
    """How many numbers a row has."""
    return math.prod(x.shape[1:])


def plain(*arrays):
    """Raise unless all arrays are C-contiguous, floating and of one dtype."""
    dtypes = {a.dtype for a in arrays if a is not None}
    ok = all(a is None or a.flags.c_contiguous for a in arrays)
    if not ok or len(dtypes) > 1 or dtypes.pop() not in (np.float32, np.float64):
        raise Unsupported("arrays that are not contiguous, or of several dtypes")
