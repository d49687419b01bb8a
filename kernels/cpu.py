"""The kernels on the CPU: the interface of `reference.py`, computed by compiled Numba code.

A kernel here is written as instructions for the machine in `_cpu_machine.py`: which arrays, which
sizes, which numbers. Called as a function it runs them at once; `kernel.instructions(...)` returns
them instead, and that is how a whole training step is recorded and replayed. What the machine has
no instruction for (a broadcast, an unusual layout) is left to the reference.
"""

import contextlib
import dataclasses
import functools
import inspect
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from . import _cpu_machine as machine
from . import reference
from ._cpu_elementwise import KINDS
from ._cpu_instructions import DTYPES, FEW_ROWS, INSTRUCTIONS
from ._cpu_machine import COLUMNS, FLAT, HEAD, NUMBERS, ROWS, WORDS
from ._cpu_ops import TILE
from .reference import (  # noqa: F401  the same on this device
    binary_matches,
    categorical_matches,
    empty,
    from_host,
    sparse_matches,
    sum_all,
    to_host,
    zeros,
)


class Unsupported(Exception):
    """The machine has no instruction for this call."""


@dataclasses.dataclass
class Instruction:
    """One instruction before its arrays have become addresses.

    Attributes:
        op: name of one of `_cpu_instructions.INSTRUCTIONS`; mode: see `_cpu_machine`.
        arrays: operands in order; None where one is not wanted.
        rows: which operands have a row per row of the batch (bit i: operand i).
        count: number of these rows, of all columns' entries, or of the flat range.
        sizes: d0, d1, d2.
        flags: k0, k1.
        numbers: floats, or `Slot`s.
    """

    op: str
    mode: int
    arrays: tuple
    rows: tuple
    count: int
    sizes: tuple = ()
    flags: tuple = ()
    numbers: tuple = ()

    def encode(self, samples, start=0):
        """(words, numbers) for the machine, with every array at its present address."""
        words, numbers = np.zeros(WORDS, np.int64), np.zeros(NUMBERS)
        words[0], words[1] = INSTRUCTIONS[self.op].address(self.dtype), self.mode
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
        for i, array in enumerate(self.arrays):
            if array is not None:
                words[HEAD + 3 * i] = _address(array)
                if i in self.rows:
                    words[HEAD + 3 * i + 1] = array.nbytes // samples
        return words, numbers

    @property
    def dtype(self):
        """That of the floating arrays."""
        return next(a.dtype for a in self.arrays if a is not None and a.dtype.kind == "f")


class Slot(float):
    """A number that changes from step to step: entry `index` of the step's scalars."""

    def __new__(cls, value, index):
        slot = super().__new__(cls, value)
        slot.index = index
        return slot


def kernel(instructions):
    """A kernel from the function that returns its instructions."""
    by_reference = getattr(reference, instructions.__name__)

    @functools.wraps(instructions)
    def run(*args, **outputs):
        try:
            for instruction in instructions(*args, **outputs):
                execute(instruction)
        except Unsupported:
            by_reference(*args, **outputs)

    run.instructions = instructions
    run.__signature__ = inspect.signature(by_reference)
    return run


def execute(instruction):
    """Run one instruction now, on this thread."""
    samples = instruction.count if instruction.mode == ROWS else 1
    words, numbers = instruction.encode(samples)
    dtype = instruction.dtype
    thread = Scratch(0, 1, samples, int(words[2]) * samples, int(words[3]), dtype)
    thread.set_spans(np.array([[0, instruction.count]]))
    losses, scalars = np.zeros(1), np.zeros((1, 1))
    machine.replay(
        words[None], numbers[None], scalars, 1, 0, samples, thread.words, losses, dtype.type(0)
    )


class Scratch:
    """What a thread has for itself while a program runs; `words` is what the machine sees.

    Args:
        thread, threads: its number, and of how many.
        samples: N.
        rows: the largest number of rows, widest: of columns, of a matrix product's x.
        shared: int64 (1,) of the barrier and float64 (threads,) for partial sums.
        small: whether BLAS has kernels for small products.
    """

    def __init__(self, thread, threads, samples, rows, widest, dtype, shared=None, small=False):
        counter, partial = shared or (np.zeros(1, np.int64), np.zeros(threads))
        self.words = np.zeros(machine.SCRATCH, np.int64)
        self.words[machine.THREAD], self.words[machine.THREADS] = thread, threads
        self.words[machine.SAMPLES], self.words[machine.SMALL] = samples, small
        self.arrays = {
            machine.COUNTER: counter,
            machine.PARTIAL: partial,
            machine.LOSS: np.zeros(1),
            machine.ROOM: np.zeros(8, np.int64),
            machine.LIST: np.zeros(widest + 1, np.int64),
            machine.VALUES: np.zeros(widest + 1, dtype),
            machine.TILE_ROWS: np.zeros((TILE, rows + 1), np.int64),
            machine.TILE_VALUES: np.zeros((TILE, rows + 1), dtype),
            machine.TILE_COUNTS: np.zeros(TILE, np.int64),
        }
        for place, array in self.arrays.items():
            self.words[place] = _address(array)

    def set_spans(self, spans):
        """This thread's ranges of the flat vectors, (S, 2)."""
        self.arrays[machine.SPANS] = spans = np.ascontiguousarray(spans, np.int64)
        self.words[machine.SPANS], self.words[machine.SPAN_COUNT] = _address(spans), len(spans)


def _address(array):
    return array.__array_interface__["data"][0]


def _plain(*arrays):
    """Raise unless all arrays are C-contiguous, floating and of one dtype."""
    dtypes = {a.dtype for a in arrays if a is not None}
    ok = all(a is None or a.flags.c_contiguous for a in arrays)
    if not ok or len(dtypes) > 1 or dtypes.pop() not in (np.float32, np.float64):
        raise Unsupported("arrays that are not contiguous, or of several dtypes")


def _rows(op, arrays, sizes=None, flags=(), numbers=(), fixed=()):
    """A ROWS instruction; `fixed` are the operands that are not rows."""
    first = arrays[0]
    _plain(*arrays)
    rows = tuple(i for i in range(len(arrays)) if i not in fixed and arrays[i] is not None)
    sizes = (first.size // len(first),) if sizes is None else sizes
    return Instruction(op, ROWS, arrays, rows, len(first), sizes, flags, numbers)


def _columns(op, arrays, rows, flags=(), numbers=()):
    """A COLUMNS instruction; `rows` are the operands with all rows of the batch."""
    _plain(*arrays)
    first = arrays[0]
    count, D = (len(first), first.size // len(first)) if rows else (1, first.size)
    return Instruction(op, COLUMNS, arrays, rows, count, (D,), flags, numbers)


def _flat(op, arrays, numbers, flags=()):
    """A FLAT instruction on vectors."""
    _plain(*arrays)
    return Instruction(op, FLAT, arrays, (), arrays[0].size, (), flags, numbers)


def _same_shape(*arrays):
    if len({a.shape for a in arrays}) > 1:
        raise Unsupported("a broadcast")


# ------------------------------------------------------------------------------------- arrays


def gather(data, rows, *, out):
    reference.gather(data, rows, out=out)


def gather_instruction(data, index, out):
    """out[i] = data[index[i]]; the machine reads the dtypes in `_cpu_DTYPES`."""
    D = out.size // len(out)
    flags = (DTYPES.index(data.dtype.name), data.nbytes // len(data))
    return Instruction("gather", ROWS, (data, index, out), (1, 2), len(out), (D,), flags)


# ------------------------------------------------------------------------------------- linear


def _linear(x, W, b, *, y):
    sizes = (x.shape[-1], y.shape[-1])
    yield _rows("linear", (x, W, b, y), sizes, fixed=(1, 2))


def _linear_dx(dy, W, *, dx):
    yield _rows("linear_dx", (dy, W, dx), (dx.shape[-1], dy.shape[-1]), fixed=(1,))


def _linear_dW(x, dy, *, dW):
    _plain(x, dy, dW)
    yield Instruction("linear_dW", COLUMNS, (x, dy, dW), (0, 1), len(x), dW.shape)


def _direct(instructions):
    """A matrix product on its own is best left to BLAS and all its threads, as the reference does;
    within a recorded step every thread multiplies its own rows."""
    run = functools.wraps(getattr(reference, instructions.__name__[1:]))(
        lambda *args, **outputs: getattr(reference, instructions.__name__[1:])(*args, **outputs)
    )
    run.instructions = instructions
    return run


linear, linear_dx, linear_dW = _direct(_linear), _direct(_linear_dx), _direct(_linear_dW)


@kernel
def sum_rows(x, *, out):
    yield _columns("sum_rows", (x, out), (0,))


@kernel
def affine(x, scale, shift, *, y):
    yield _rows("affine", (x, y), numbers=(scale, shift))


@kernel
def multiply(x, m, *, y):
    _same_shape(x, m, y)
    yield _rows("multiply", (x, m, y))


# -------------------------------------------------------------------------------- activations


@kernel
def elementwise(kind, x, params, *, y):
    name = "relu" if kind == "relu" else "elementwise"  # an instruction of its own compiles faster
    yield _rows(name, (x, y), flags=(KINDS[kind],), numbers=params)


@kernel
def elementwise_grad(kind, x, y, dy, params, *, dx):
    name = "relu_grad" if kind == "relu" else "elementwise_grad"
    yield _rows(name, (x, y, dy, dx), flags=(KINDS[kind],), numbers=params)


@kernel
def prelu(x, a, *, y):
    _same_shape(x[0], a)
    yield _rows("prelu", (x, a, y), fixed=(1,))


@kernel
def prelu_grad(x, a, dy, *, dx, da):
    _same_shape(x[0], a)
    yield _rows("prelu_dx", (x, a, dy, dx), fixed=(1,))
    if da is not None:
        yield _columns("prelu_da", (x, dy, da), (0, 1))


@kernel
def softmax(x, *, y):
    yield _by_last_axis("softmax", (x, y))


@kernel
def softmax_grad(y, dy, *, dx):
    yield _by_last_axis("softmax_grad", (y, dy, dx))


@kernel
def log_softmax(x, *, y):
    yield _by_last_axis("log_softmax", (x, y))


@kernel
def log_softmax_grad(y, dy, *, dx):
    yield _by_last_axis("log_softmax_grad", (y, dy, dx))


def _by_last_axis(op, arrays):
    """Rows (N, ..., C) are N ... rows of C entries."""
    _plain(*arrays)
    return _rows(op, tuple(a.reshape(-1, a.shape[-1]) for a in arrays))


# ------------------------------------------------------------------------------------ dropout


@kernel
def dropout_mask(rate, key, step, row, *, mask):
    # k0 is the number of the step, or -1 for the step that is being replayed
    flags = (-1 if isinstance(step, RunningStep) else int(step), int(row))
    key = np.array(key, np.uint64)
    _plain(mask)
    yield Instruction(
        "dropout_mask", ROWS, (mask, key), (0,), len(mask), (mask[0].size,), flags, (rate,)
    )


class RunningStep(int):
    """The number of a step that is being recorded: in the replay it goes on counting."""


# ------------------------------------------------------------------------ batch normalization


@kernel
def batchnorm(x, gamma, beta, epsilon, *, y, xhat, mean, var):
    yield _columns("batchnorm_statistics", (x, mean, var), (0,))
    yield _apply(x, gamma, beta, mean, var, epsilon, y, xhat)


@kernel
def batchnorm_inference(x, gamma, beta, mean, var, epsilon, *, y, xhat):
    yield _apply(x, gamma, beta, mean, var, epsilon, y, xhat)


def _apply(x, gamma, beta, mean, var, epsilon, y, xhat):
    arrays = (x, gamma, beta, mean, var, y, xhat)
    return _rows("batchnorm_apply", arrays, numbers=(epsilon,), fixed=(1, 2, 3, 4))


@kernel
def batchnorm_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    yield from _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, len(xhat))


@kernel
def batchnorm_inference_grad(xhat, gamma, var, epsilon, dy, *, dx, dgamma, dbeta):
    yield from _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, 0)


def _normalized_grad(xhat, gamma, var, epsilon, dy, dx, dgamma, dbeta, rows):
    along, plain = np.empty_like(var), np.empty_like(var)  # (D,)
    yield _columns("batchnorm_sums", (xhat, dy, along, plain, dgamma, dbeta), (0, 1))
    arrays = (xhat, gamma, var, dy, along, plain, dx)
    yield _rows("batchnorm_dx", arrays, flags=(rows,), numbers=(epsilon,), fixed=(1, 2, 4, 5))


@kernel
def moving_average(x, momentum, *, average):
    yield _columns("moving_average", (x, average), (), numbers=(momentum,))


# ------------------------------------------------------------------------------------- losses


def _loss(op, z, targets, w, p, losses, dz, numbers=(), kind=0):
    _plain(z, w, losses)
    if targets.dtype not in (z.dtype, np.int64) or not targets.flags.c_contiguous:
        raise Unsupported(f"targets of dtype {targets.dtype}")
    arrays = (z, targets, w, p, losses, dz)
    return Instruction(op, ROWS, arrays, tuple(range(6)), len(z), (z.shape[1],), (kind,), numbers)


@kernel
def sparse_softmax_crossentropy(z, labels, w, *, p, losses, dz):
    yield _loss("sparse_softmax_crossentropy", z, labels, w, p, losses, dz)


@kernel
def softmax_crossentropy(z, targets, w, *, p, losses, dz):
    yield _loss("softmax_crossentropy", z, targets, w, p, losses, dz)


@kernel
def sigmoid_crossentropy(z, targets, w, *, p, losses, dz):
    yield _loss("sigmoid_crossentropy", z, targets, w, p, losses, dz)


@kernel
def sparse_crossentropy(p, labels, w, epsilon, *, losses, dp):
    yield _loss("sparse_crossentropy", p, labels, w, None, losses, dp, (epsilon,))


@kernel
def crossentropy(p, targets, w, epsilon, *, losses, dp):
    yield _loss("crossentropy", p, targets, w, None, losses, dp, (epsilon,))


@kernel
def binary_crossentropy(p, targets, w, epsilon, *, losses, dp):
    yield _loss("binary_crossentropy", p, targets, w, None, losses, dp, (epsilon,))


@kernel
def regression_loss(kind, y, targets, param, w, *, losses, dy):
    number = list(reference.REGRESSION).index(kind)
    yield _loss("regression_loss", y, targets, w, None, losses, dy, (param,), number)


def add_loss_instruction(losses):
    """Count the weighted losses of a batch towards the step's loss."""
    return _rows("add_loss", (losses,))


def penalty_instruction(w, regularizer):
    """Count the penalty on w towards the step's loss, without a gradient."""
    w = w.reshape(-1)
    numbers = (regularizer.l1, regularizer.l2)
    return Instruction("penalty_grad", FLAT, (None, w), (), w.size, (), (), numbers)


# ------------------------------------------------- penalties, clipping, updates (flat vectors)


@kernel
def penalty(w, l1, l2, *, out):
    raise Unsupported("a penalty is counted where its gradient is")
    yield


@kernel
def penalty_grad(w, l1, l2, *, dw):
    yield _flat("penalty_grad", (dw.reshape(-1), w.reshape(-1)), (l1, l2))


@kernel
def clip_by_value(c, *, g):
    yield _flat("clip_by_value", (g,), (c,))


@kernel
def clip_by_norm(c, *, g):
    yield _flat("clip_by_norm", (g,), (c,))


@kernel
def scale_(factor, *, x):
    yield _flat("scale_", (x,), (factor,))


@kernel
def sgd(g, lr, momentum, nesterov, *, w, m):
    yield _flat("sgd", (g, w, m), (lr, momentum, nesterov))


@kernel
def rmsprop(g, lr, rho, momentum, epsilon, *, w, v, a, m):
    yield _flat("rmsprop", (g, w, v, a, m), (lr, rho, momentum, epsilon))


@kernel
def adam(g, alpha, beta_1, beta_2, epsilon, *, w, m, v, v_max):
    yield _flat("adam", (g, w, m, v, v_max), (alpha, beta_1, beta_2, epsilon))


# --------------------------------------------------------------------------- recorded programs

PARTS_UP_TO = 128  # rows of a batch; above, the threads split the rows
SPARSE_BELOW = 0.25  # share of entries of x that are not zero; measured on MNIST's pixels (0.19)
OWN_FROM = 256  # rows of a batch from which each thread has gradients of its own

OWN = {"linear_dW": "linear_dW_own", "sum_rows": "sum_rows_own"}
SPARSE = ("linear", "linear_part")  # products that can leave zeros out
LATE = ("linear_dW", "sum_rows", "prelu_da", "moving_average")  # read by nobody within the pass


def in_order(instructions):
    """Gradients of parameters last, together: nothing within the backward pass waits for them."""
    late = [one for one in instructions if one.op in LATE]
    flat = [one for one in instructions if one.mode == FLAT]
    rest = [one for one in instructions if one.op not in LATE and one.mode != FLAT]
    return rest + late + flat


class Machine:
    """A program with its arrays bound to addresses, ready to run on all threads.

    Args:
        instructions: in order.
        rows: N, samples per step.
        known: arrays that keep their place.
        inputs: (x, y, w, outputs), those that are replaced in every run; x is gathered.
        flat: the model's FlatParameters.
        dtype: of the arithmetic.
    """

    def __init__(self, instructions, rows, known, inputs, flat, dtype):
        self.rows, self.inputs, self.dtype = rows, inputs, np.dtype(dtype)
        self.known = sorted((_address(a), _address(a) + a.nbytes) for a in known if a.size)
        self.keep = (known, instructions, flat)  # their memory is addressed from here on
        starts = {"g": _address(flat.grads), "w": _address(flat.values)}
        encoded = [self._gather()]
        trains = any(one.op in OWN for one in instructions)
        self.threads = threads() if trains else min(threads(), max(rows // 16, 1))
        apart = any(one.mode == COLUMNS and one.op not in OWN for one in instructions)
        self.own_gradients = trains and rows >= OWN_FROM and not apart
        if self.own_gradients:
            instructions = list(self._with_own_gradients(instructions, flat))
        else:
            instructions = in_order(instructions)
            if trains and self.threads > 1 and rows <= PARTS_UP_TO:
                instructions = list(self._in_parts(instructions))
        for one in instructions:
            self._check(one)
            start = 0
            if one.mode == FLAT:
                array = one.arrays[0] if one.arrays[0] is not None else one.arrays[1]
                base = starts["g" if one.arrays[0] is not None and one.op != "scale_" else "w"]
                start = (_address(array) - base) // self.dtype.itemsize
            encoded.append(one.encode(rows, start))
        self.words = np.array([words for words, _ in encoded])
        self.numbers = np.array([numbers for _, numbers in encoded])
        self.places = [self._places(a) for a in inputs[1:]]
        products = [INSTRUCTIONS[name].addresses.get(self.dtype) for name in SPARSE]
        x = _address(inputs[0])
        self.first_products = [
            i for i, w in enumerate(self.words) if w[0] in products and w[HEAD] == x
        ]
        self.seen = None  # the data whose density is known
        self._make_threads(flat)

    def _gather(self):
        x = self.inputs[0]
        one = Instruction(
            "gather", ROWS, (x, np.empty(self.rows, np.int64), x), (1, 2), self.rows,
            (x.size // self.rows,),
        )  # fmt: skip
        return one.encode(self.rows)

    def _in_parts(self, instructions):
        """Matrix products split by the rows of W instead of the rows of the batch."""
        for one in instructions:
            if one.op == "linear":
                x, W, b, y = one.arrays
                parts = np.empty((self.threads, *y.shape), self.dtype)
                self.keep[0].append(parts)
                yield dataclasses.replace(
                    one, op="linear_part", mode=COLUMNS, arrays=(x, W, parts), rows=(0,)
                )
                yield Instruction(
                    "linear_join", ROWS, (parts, b, y), (2,), one.count, one.sizes[1:]
                )
            elif one.op == "linear_dx":
                yield dataclasses.replace(one, op="linear_dx_part", mode=COLUMNS)
            else:
                yield one

    def _with_own_gradients(self, instructions, flat):
        """Gradients summed by each thread over its own rows, added up before the update."""
        for one in instructions:
            if one.mode != FLAT:
                by_rows = dataclasses.replace(one, op=OWN.get(one.op, one.op), mode=ROWS)
                yield by_rows if one.op in OWN else one
        yield Instruction("add_gradients", FLAT, (flat.grads,), (), flat.grads.size)
        yield from (one for one in instructions if one.mode == FLAT)

    def _check(self, instruction):
        """Raise for an array that nobody has asked the context for: a copy made on the way."""
        for i, array in enumerate(instruction.arrays):
            if array is None or i not in instruction.rows:
                continue
            low = _address(array)
            if not any(a <= low and low + array.nbytes <= b for a, b in self.known):
                raise Unsupported(f"{instruction.op}: an array that is made anew at each step")

    def _places(self, array):
        """Where an input's address stands in the words: (instruction, word, offset) each."""
        if array is None:
            return []
        low, high = _address(array), _address(array) + array.nbytes
        found = []
        for i, word in enumerate(self.words):
            for k in range(HEAD, WORDS, 3):
                if low <= word[k] < high:
                    found.append((i, k, word[k] - low))
        return found

    def _make_threads(self, flat):
        T = self.threads
        shared = (np.zeros(1, np.int64), np.zeros(T))
        tall = int(self.words[:, 2].max()) * self.rows
        widest = int(self.words[:, 3:5].max(where=self.words[:, 1:2] != FLAT, initial=1))
        self.scratch = [
            Scratch(t, T, self.rows, tall, widest, self.dtype, shared, small_products())
            for t in range(T)
        ]
        self.shared = shared
        grads = _address(flat.grads)
        item = self.dtype.itemsize
        if self.own_gradients:
            self.own = np.zeros((T, flat.grads.size), self.dtype)
            for t, scratch in enumerate(self.scratch):
                scratch.words[machine.OWN_GRADS] = _address(self.own[t])
                scratch.words[machine.FLAT_GRADS] = grads
        spans = [[] for _ in range(T)]
        for p, place in zip(flat.trained, flat.slices, strict=True):
            at = grads + place.start * item
            by_rows = any(
                INSTRUCTIONS["linear_dW"].addresses.get(self.dtype) == word[0]
                and word[HEAD + 6] == at
                for word in self.words
            )
            unit = p.shape[-1] if by_rows else 1
            D = p.size // unit
            for t in range(T):
                low, high = D * t // T * unit, D * (t + 1) // T * unit
                spans[t].append((place.start + low, place.start + high))
        for scratch, own in zip(self.scratch, spans, strict=True):
            scratch.set_spans(np.array(own, np.int64).reshape(-1, 2))

    def run(self, x, index, inputs, scalars, steps, first_step):
        """Run `steps` steps; returns the losses (steps,)."""
        if x.dtype.name not in DTYPES or not x.flags.c_contiguous:
            x = np.ascontiguousarray(x, self.dtype)
        words = self.words
        words[0, HEAD], words[0, 6], words[0, 7] = (
            _address(x), DTYPES.index(x.dtype.name), x.nbytes // max(len(x), 1),
        )  # fmt: skip
        words[0, HEAD + 3], words[0, HEAD + 5] = _address(index), self.rows * 8
        if self.seen != (words[0, HEAD], len(x)):
            self.seen = (words[0, HEAD], len(x))
            words[self.first_products, 6] = density(x) < SPARSE_BELOW
        for array, places in zip(inputs[1:], self.places, strict=True):
            for i, k, offset in places:
                words[i, k], words[i, k + 2] = _address(array) + offset, array.nbytes // steps
        losses = np.zeros((self.threads, steps))
        self.shared[0][0] = 0
        like, chunk = self.dtype.type(0), self.chunk()

        def work(t):
            machine.replay(
                words, self.numbers, scalars, steps, first_step, chunk, self.scratch[t].words,
                losses[t], like,
            )  # fmt: skip

        run_together(work, self.threads)
        return losses.sum(axis=0)

    def chunk(self):
        return 256


def density(x, rows=200):
    """Share of entries that are not zero, in some rows spread over the data."""
    some = x[:: max(len(x) // rows, 1)]
    return np.count_nonzero(some) / max(some.size, 1)


def threads():
    """Threads to use: TINYNET_NUM_THREADS, OMP_NUM_THREADS, or the cores this process may use."""
    for name in ("TINYNET_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value:
            if not value.isdigit() or int(value) < 1:
                raise ValueError(f"{name} must be an integer >= 1, received {value!r}")
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def small_products():
    """Whether BLAS multiplies small matrices without packing: OpenBLAS on AVX-512 machines."""
    return any(
        info["internal_api"] == "openblas" and info.get("architecture") in
        ("SkylakeX", "Cooperlake", "SapphireRapids")
        for info in _blas().info()
    )  # fmt: skip


@functools.cache
def _blas():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def single_threaded_blas(rows):
    """Context: BLAS keeps to the thread that calls it, and has its own threads back afterwards.

    Two thread pools that alternate would spin against each other. So few `rows` need no BLAS.
    """
    return contextlib.nullcontext() if rows <= FEW_ROWS else _blas().limit(limits=1)


_pools = {}  # process id -> executor: threads do not survive a fork


def run_together(work, count):
    """work(0), work(1), ... on `count` threads at once; this thread does the first."""
    if count == 1:
        work(0)
        return
    pool = _pools.get(os.getpid())
    if pool is None or pool._max_workers < count - 1:
        _pools.clear()
        pool = _pools[os.getpid()] = ThreadPoolExecutor(count - 1, "tinynet")
    futures = [pool.submit(work, t) for t in range(1, count)]
    work(0)
    for future in futures:
        future.result()


def warmup(dtype):
    """Compile all instructions for a dtype; returns their number."""
    for one in INSTRUCTIONS.values():
        one.address(np.dtype(dtype))
    execute(Instruction("relu", ROWS, (np.zeros((1, 1), dtype),) * 2, (0, 1), 1, (1,)))
    return len(INSTRUCTIONS)
