"""A recorded step: its instructions with addresses, split over threads, ready to run many times."""

import bisect
import dataclasses
import math

import numpy as np

from ...recording import Unsupported
from .. import gemm
from . import loop as machine
from .call import Instruction, Scratch, zeros
from .compiling import INSTRUCTIONS, REPLAY, prepare
from .loop import COLUMNS, FEW_ROWS, FLAT, HEAD, ROWS, address_of
from .native import LINE, MEETING
from .reading import CHUNK, ZEROS, Reading
from .threads import cores, run_together, threads

# Work on a product, rows times weights, for which another thread is worth meeting it; the update of
# a weight counts as so many rows. Two threads took as long as one with 60,000 and with 130,000
# (20-64-64-2, 32 and 64 rows), 0.7 of it with 100,000 and 250,000 (784-32-10 and 784-128-10).
WORK_PER_THREAD, UPDATE = 45_000, 4
ROWS_PER_THREAD = 16  # at least, where the threads split the rows of a batch; never 0


def splits_rows(rows, weights, threads):
    """Whether the threads of a training step split the rows of a batch, or else those of each W.

    By rows, each sums gradients of all weights, which must be added up; by rows of W, they meet at
    every layer and, but for wide ones, add up parts of its outputs. Measured on two threads: by
    rows was the faster from about 42 rows (784-128-10), 130 (784-300-200-100-10), 280
    (784-512-512-10), 570 (784 and three times 1024), where gradients no longer stay in a core's
    cache.
    """
    crossover = min(weights / 2400, math.sqrt(weights) / 3)
    return rows >= max(crossover, ROWS_PER_THREAD * threads)


WIDE = 1 << 21  # bytes of a W that does not stay in a core's cache between its uses

OWN = {"linear_dW": "linear_dW_own", "sum_rows": "sum_rows_own"}
# read by nothing within the pass
LATE = ("linear_dW", "sum_rows", "prelu_da", "prelu_shared_da", "embedding_dW", "moving_average")
BY_ROWS = ("linear_dW", "linear_dW_zeros", "embedding_dW")  # gradients (operand 2) split by rows


def in_order(instructions):
    """Gradients of parameters last, together: nothing within the backward pass waits for them."""
    late = [one for one in instructions if one.op in LATE]
    flat = [one for one in instructions if one.mode == FLAT]
    rest = [one for one in instructions if one.op not in LATE and one.mode != FLAT]
    return rest + late + flat


class Machine(Reading):
    """A program with its arrays bound to addresses, ready to run on all threads.

    Args:
        instructions: in order.
        rows: N, samples per step.
        known: arrays that keep their place.
        inputs: (x, y, w, outputs), those that are replaced in every run; x is gathered, y can be.
        flat: the model's FlatParameters.
        dtype: of the arithmetic.
        x: the first data that will be read, an ndarray, or None.
    """

    def __init__(self, instructions, rows, known, inputs, flat, dtype, x=None):
        self.rows, self.inputs, self.dtype = rows, inputs, np.dtype(dtype)
        self.like = self.dtype.type(0)
        spans = [(address_of(a), address_of(a) + a.nbytes) for a in known if a.size]
        self.known = _united(sorted(spans))  # begins and ends, ascending
        self.keep = (known, instructions, flat)  # their memory is addressed from here on
        self.trains = trains = any(one.op in OWN for one in instructions)
        self.threads = threads() if trains else min(threads(), max(rows // 16, 1))
        products = sum(one.op == "linear" for one in instructions)
        work = (rows + UPDATE) * flat.values.size // max(products, 1)
        self.threads = max(min(self.threads, work // WORK_PER_THREAD), 1)
        apart = any(one.mode == COLUMNS and one.op not in OWN for one in instructions)
        apart = apart or any(one.op == "add_to" for one in instructions)  # a sum of products
        by_rows = splits_rows(rows, flat.grads.size, self.threads)
        self.own_gradients = trains and by_rows and not apart
        if self.own_gradients:
            instructions = list(self._with_own_gradients(instructions, flat))
        else:
            instructions = in_order(instructions)
            if trains and self.threads > 1 and not by_rows:
                instructions = list(self._in_parts(instructions))
        for one in instructions:
            self._check(one)
        instructions = [self._for_few_rows(one) for one in instructions]
        self.of_targets = self._first_with_targets(instructions)
        if self.of_targets:
            instructions.insert(self.of_targets - 1, self._gather(inputs[1]))
        instructions.insert(0, self._gather(inputs[0]))
        self.names = ["gather", *(one.op for one in instructions[1:])]
        ops = [one.op for one in instructions] + ["linear"] * trains  # which validation will want
        ops += self._wanted(x)
        prepare([REPLAY, *(INSTRUCTIONS[op] for op in ops)], self.dtype)
        encoded = [one.encode(rows, self._start(one, flat) if one.mode == FLAT else 0)
                   for one in instructions]  # fmt: skip
        self.words = np.array([words for words, _ in encoded])
        self.numbers = np.array([numbers for _, numbers in encoded])
        self.places = [self._places(a) for a in inputs]
        for which, gather in ((0, 0), (1, self.of_targets)):  # but the gather's own
            self.places[which] = [place for place in self.places[which] if place[0] != gather]
        self.by_entries = self._entries_twins()
        self.by_zeros = {} if self.by_entries else self._first_products()
        self._make_threads(flat)

    def _for_few_rows(self, one):
        """Return the instruction, or its twin for so few rows that zeros of x are best left out."""
        few = one.op in ZEROS and one.count <= FEW_ROWS
        return dataclasses.replace(one, op=ZEROS[one.op]) if few else one

    def _start(self, one, flat):
        """Where a FLAT instruction's range begins: its first array is part of a flat vector."""
        array = next(a for a in one.arrays if a is not None)
        for whole in (flat.grads, flat.values):
            offset = address_of(array) - address_of(whole)
            if 0 <= offset < whole.nbytes:
                return offset // self.dtype.itemsize
        if array.size:
            raise Unsupported(f"{one.op}: an array that is not of the flat vectors")
        return 0

    def _is_wide(self, linear):
        """Whether W is so large that a thread has lost its rows of it by the time it needs them.

        Then y is split by its columns, which makes nothing to add up; but the first layer's, where
        zeros of x may be left out.
        """
        x, W, _, _ = linear.arrays
        few = linear.count <= FEW_ROWS  # which leave out the zeros of any x
        return W.nbytes >= WIDE and not few and not np.may_share_memory(x, self.inputs[0])

    def _in_parts(self, instructions):
        """Matrix products split by the rows of W, or its columns, instead of the batch's rows."""
        apart = []  # arrays whose columns several threads have written since the last barrier
        for one in instructions:
            if one.mode == ROWS and one.op not in ("linear", "linear_dx"):
                apart = []
            elif any(np.may_share_memory(one.arrays[i], a) for i in one.rows for a in apart):
                yield Instruction("copy", ROWS, (apart[0],) * 2, (), self.rows, (0,))  # a barrier
                apart = []
            if one.op == "linear" and self._is_wide(one):
                apart.append(one.arrays[3])
                yield dataclasses.replace(one, op="linear_columns", mode=COLUMNS)
            elif one.op == "linear":
                x, W, b, y = one.arrays
                parts = np.empty((self.threads, *y.shape), self.dtype)
                self.keep[0].append(parts)
                yield dataclasses.replace(
                    one, op="linear_part", mode=COLUMNS, arrays=(x, W, parts), rows=(0,)
                )
                yield Instruction(
                    "linear_join", ROWS, (parts, b, y), (2,), one.count, one.sizes[1:]
                )
                apart = []
            elif one.op == "linear_dx":
                apart.append(one.arrays[2])
                yield dataclasses.replace(one, op="linear_dx_part", mode=COLUMNS)
            else:
                yield one

    def _with_own_gradients(self, instructions, flat):
        """Gradients summed by each thread over its own rows, added up before the update.

        The first thread's are the flat ones.
        """
        for one in instructions:
            if one.mode != FLAT:
                by_rows = dataclasses.replace(one, op=OWN.get(one.op, one.op), mode=ROWS)
                yield by_rows if one.op in OWN else one
        line = LINE // self.dtype.itemsize
        self.own = zeros((self.threads - 1, -(-flat.grads.size // line) * line), self.dtype)
        if self.threads > 1:
            arrays = flat.grads, self.own
            yield Instruction("add_gradients", FLAT, arrays, (), flat.grads.size)
        yield from (one for one in instructions if one.mode == FLAT)

    def _check(self, instruction):
        """Raise for an array that was not asked of the context: a copy made on the way."""
        for i, array in enumerate(instruction.arrays):
            if array is None or i not in instruction.rows:
                continue
            begins, ends = self.known
            low = address_of(array)
            place = bisect.bisect(begins, low) - 1
            if place < 0 or low + array.nbytes > ends[place]:
                raise Unsupported(f"{instruction.op}: an array that is made anew at each step")

    def _make_threads(self, flat):
        T = self.threads
        self.workers = min(T, cores())  # more would wait for each other
        self.shares, partial = np.zeros((T, machine.SCRATCH), np.int64), np.zeros(2 * T)
        self.weights = flat.values.size
        self.most_rows = tall = int(self.words[:, 2].max()) * self.rows  # of a matrix
        widest = int(self.words[:, 3:5].max(where=self.words[:, 1:2] < FLAT, initial=1))
        packed = gemm.room(max(tall, widest), self.dtype)
        self.scratch = [
            Scratch(self.shares[t], t, T, self.rows, tall, widest, self.dtype, partial, packed)
            for t in range(T)
        ]  # fmt: skip
        self.numbers_now = [np.empty_like(self.numbers) for _ in range(self.workers)]
        grads = address_of(flat.grads)
        item = self.dtype.itemsize
        if self.own_gradients:
            for scratch, own in zip(self.scratch, (flat.grads, *self.own), strict=True):
                scratch.words[machine.OWN_GRADS] = address_of(own)
                scratch.words[machine.FLAT_GRADS] = grads
        spans = [[] for _ in range(T)]
        names = BY_ROWS
        if any(one.op == "exchange" for one in self.keep[1]):
            names += (OWN["linear_dW"],)  # the same spans in a process that has fewer rows
        written = {word[HEAD + 6] for name, word in zip(self.names, self.words, strict=True)
                   if name in names}  # fmt: skip
        for p, place in zip(flat.trained, flat.slices, strict=True):
            at = grads + place.start * item
            unit = p.shape[-1] if at in written else 1
            D = p.size // unit
            for t in range(T):
                low, high = D * t // T * unit, D * (t + 1) // T * unit
                spans[t].append((place.start + low, place.start + high))
        for scratch, own in zip(self.scratch, spans, strict=True):
            scratch.set_spans(np.array(own, np.int64).reshape(-1, 2))

    def run(self, x, index, inputs, scalars, steps, first_step, targets=None):
        """Run `steps` steps on rows of x, which `reads` takes; returns the losses (steps,).

        Args:
            targets: (y, index) in place of the y of `inputs`: all of them, where `reads_targets`
                takes these, and which are wanted.
        """
        words = self.words
        if self.of_targets:
            self._read_targets(targets)
        kept = self._read(x, index) if isinstance(x, np.ndarray) else self._read_entries(x, index)
        words[0, HEAD + 3], words[0, HEAD + 5] = address_of(index), self.rows * 8
        for array, places in zip(inputs[1:], self.places[1:], strict=True):
            if places and array is not None:
                self._put(places, address_of(array), array.nbytes // steps)
        losses = np.zeros((self.threads, steps))
        meeting = _ALONE
        if self.workers > 1:  # and not that of a call cut short
            meeting = np.zeros(MEETING * (1 + self.threads), np.int64)

        def work(worker):
            machine.run(
                words, self.numbers, self.numbers_now[worker], self.stages, scalars, steps,
                first_step, CHUNK, self.shares, meeting, worker, self.workers, losses, self.like,
            )  # fmt: skip

        run_together(work, self.workers)
        del kept
        return losses.sum(axis=0) if self.threads > 1 else losses[0]


def _united(spans):
    """Begins and ends of spans that have nothing in common, from ascending ones that may."""
    begins, ends = [], []
    for low, high in spans:
        if ends and low < ends[-1]:
            ends[-1] = max(ends[-1], high)
        else:
            begins.append(low)
            ends.append(high)
    return begins, ends


_ALONE = np.zeros(MEETING, np.int64)  # where one worker meets nobody
