"""A recorded step: its instructions with addresses, split over threads, ready to run many times."""

import dataclasses
import math
import weakref

import numpy as np

from ...recording import Unsupported
from . import loop as machine
from .call import Instruction, Scratch, address_of, zeros
from .compiling import INSTRUCTIONS, REPLAY, prepare
from .loop import COLUMNS, DTYPES, FEW_ROWS, FLAT, HEAD, ROWS, WORDS
from .native import LINE, MEETING
from .threads import cores, run_together, small_products, threads

# Share of entries of x that are not zero: measured with zeros anywhere, 784-300-200-100-10 gains 8
# to 26 % at 0.3 with any batch size and between -3 and 13 % at 0.4.
SPARSE_BELOW = 0.35
# Work on a product, rows times weights, for which another thread is worth meeting it; the update of
# a weight counts as so many rows. Two threads took as long as one with 60,000 and with 130,000
# (20-64-64-2, 32 and 64 rows), 0.7 of it with 100,000 and 250,000 (784-32-10 and 784-128-10).
WORK_PER_THREAD, UPDATE = 45_000, 4
CHUNK = 256  # rows that go through a run of ROWS instructions together
ROWS_PER_THREAD = 16  # at least, where the threads split the rows of a batch; never 0


def splits_rows(rows, weights, threads):
    """Whether the threads of a training step split the rows of a batch, or else those of each W.

    By rows, each sums gradients of all weights, which must be added up; by rows of W, they meet at
    every layer and add up parts of its outputs. Measured on two threads: by rows was the faster
    from about 42 rows (784-128-10), 130 (784-300-200-100-10), 280 (784-512-512-10), 570 (784 and
    three times 1024), where gradients no longer stay in a core's cache.
    """
    crossover = min(weights / 2400, math.sqrt(weights) / 3)
    return rows >= max(crossover, ROWS_PER_THREAD * threads)


OWN = {"linear_dW": "linear_dW_own", "sum_rows": "sum_rows_own"}
# products of few rows, for which BLAS would only read W and multiply by zeros
ZEROS = {name: f"{name}_zeros" for name in ("linear", "linear_part", "linear_dW")}
# The same for inputs that are mostly zeros, all that may read x: by each thread for its rows, ...
ENTRIES = {name: (f"{name}_entries", ROWS) for name in ("gather", "linear", "linear_dW_own")}
# ... or for its columns
PART_ENTRIES = {
    name: (f"{name.replace('gather', 'gather_part')}_entries", COLUMNS)
    for name in ("gather", "linear_part", "linear_dW")
}
# the same for a sparse matrix
CSR = {name: (f"{name}_csr", mode) for mode, names in (
    (ROWS, ("gather", "linear", "linear_dW_own")), (COLUMNS, ("linear_part", "linear_dW"))
) for name in names}  # fmt: skip
# read by nothing within the pass
LATE = ("linear_dW", "sum_rows", "prelu_da", "prelu_shared_da", "embedding_dW", "moving_average")
BY_ROWS = ("linear_dW", "linear_dW_zeros", "embedding_dW")  # gradients (operand 2) split by rows


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
        inputs: (x, y, w, outputs), those that are replaced in every run; x is gathered, y can be.
        flat: the model's FlatParameters.
        dtype: of the arithmetic.

    Attributes:
        reads_only: whether nothing is written to x but what is gathered.
    """

    reads_only = False

    def __init__(self, instructions, rows, known, inputs, flat, dtype):
        self.rows, self.inputs, self.dtype = rows, inputs, np.dtype(dtype)
        self.like = self.dtype.type(0)
        self.known = sorted((address_of(a), address_of(a) + a.nbytes) for a in known if a.size)
        self.keep = (known, instructions, flat)  # their memory is addressed from here on
        trains = any(one.op in OWN for one in instructions)
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
        prepare([REPLAY, *(INSTRUCTIONS[op] for op in ops)], self.dtype)
        encoded = [one.encode(rows, self._start(one, flat) if one.mode == FLAT else 0)
                   for one in instructions]  # fmt: skip
        self.words = np.array([words for words, _ in encoded])
        self.numbers = np.array([numbers for _, numbers in encoded])
        self.places = [self._places(a) for a in inputs]
        for which, gather in ((0, 0), (1, self.of_targets)):  # but the gather's own
            self.places[which] = [place for place in self.places[which] if place[0] != gather]
        self.seen = None  # a reference to the data whose density is known
        self.by_entries = self._entries_twins(trains)
        self.by_zeros = {} if self.by_entries else self._first_products()
        self.by_csr = None  # found when a sparse matrix comes
        self.sparse = 0  # whether zeros of x are left out
        self.way = None  # how the words now say that x is read, see `_choose`
        self.room = 0  # entries of a batch of a sparse matrix for which there is room
        self.has_room = False  # whether there is room for those of a batch of an array
        self._make_threads(flat)

    def _for_few_rows(self, one):
        """Return the instruction, or its twin for so few rows that BLAS would only pack W."""
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

    def _gather(self, batch):
        """The instruction that gathers rows into the array of a batch."""
        return Instruction(
            f"gather_{self.dtype}", ROWS, (batch, np.empty(self.rows, np.int64), batch), (1, 2),
            self.rows, (batch.size // self.rows,),
        )  # fmt: skip

    def _first_with_targets(self, instructions):
        """The number, from 1, of the first instruction that reads targets; 0 for none, or ids."""
        y = self.inputs[1]
        if y is None or y.dtype != self.dtype:
            return 0
        return next((i for i, one in enumerate(instructions, 1) if any(
            a is not None and np.may_share_memory(a, y) for a in one.arrays)), 0)  # fmt: skip

    def _in_parts(self, instructions):
        """Matrix products split by the rows of W instead of the rows of the batch."""
        apart = []  # arrays whose columns several threads have written since the last barrier
        for one in instructions:
            if one.mode == ROWS and one.op != "linear_dx":
                apart = []
            elif any(np.may_share_memory(one.arrays[i], a) for i in one.rows for a in apart):
                yield Instruction("copy", ROWS, (apart[0],) * 2, (), self.rows, (0,))  # a barrier
                apart = []
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
            low = address_of(array)
            if not any(a <= low and low + array.nbytes <= b for a, b in self.known):
                raise Unsupported(f"{instruction.op}: an array that is made anew at each step")

    def _entries_twins(self, trains):
        """Instructions that read the entries of x instead of x, where all do; see `_twins`."""
        for names in (ENTRIES, PART_ENTRIES):
            twins = self._twins(names)
            if len(twins) == 2 + trains:  # gather, the product, and its gradient
                return twins
        return {}

    def _twins(self, names):
        """Instructions that can do with the entries of x that are not zero: number -> their code
        and mode, the twin's name and mode. Empty, if something else reads x as well.
        """
        twins = {}
        for name, (twin, mode) in names.items():
            for one in (name, ZEROS.get(name, name)):
                twins[one] = (twin, mode)
        x, found = address_of(self.inputs[0]), {}
        for i, (name, word) in enumerate(zip(self.names, self.words, strict=True)):
            if x in word[HEAD::3]:
                if name not in twins or word[2] != 1:
                    return {}
                found[i] = (word[:2].copy(), twins[name])
        return found

    def _first_products(self):
        """Where entries are not enough: products that can leave zeros of x out; as `_twins`."""
        x, found = address_of(self.inputs[0]), {}
        for i, (name, word) in enumerate(zip(self.names, self.words, strict=True)):
            if word[HEAD] == x and name in ("linear", "linear_part"):
                found[i] = (word[:2].copy(), (ZEROS[name], word[1]))
        return found

    def _use(self, twins, which):
        """Have these instructions be themselves (0) or their twins (1), compiled now if need be."""
        for i, (now, (twin, mode)) in twins.items():
            self.words[i, :2] = (INSTRUCTIONS[twin].address(self.dtype), mode) if which else now

    def _choose(self, dtype=None):
        """Have the instructions read an array of a dtype, whose zeros may be left out, or the
        entries of a sparse matrix (None)."""
        way = dtype, self.sparse
        if way == self.way:
            return
        self.way = None
        self._use(self.by_csr or {}, dtype is None)
        if dtype is not None:
            self._use(self.by_zeros or self.by_entries, self.sparse)
            if not (self.sparse and self.by_entries):
                self.words[0, 0] = INSTRUCTIONS[f"gather_{dtype}"].address(self.dtype)
        self.way, self.stages = way, machine.stages_of(self.words)

    def _places(self, array):
        """Where an input's address stands in the words: (instruction, word, offset) each."""
        if array is None:
            return []
        low, high = address_of(array), address_of(array) + array.nbytes
        found = []
        for i, word in enumerate(self.words):
            for k in range(HEAD, WORDS, 3):
                if low <= word[k] < high:
                    found.append((i, k, word[k] - low))
        return found

    def _make_threads(self, flat):
        T = self.threads
        self.workers = min(T, cores())  # more would wait for each other
        self.shares, partial = np.zeros((T, machine.SCRATCH), np.int64), np.zeros(2 * T)
        tall = int(self.words[:, 2].max()) * self.rows
        widest = int(self.words[:, 3:5].max(where=self.words[:, 1:2] < FLAT, initial=1))
        self.scratch = [
            Scratch(self.shares[t], t, T, self.rows, tall, widest, self.dtype, partial,
                    small_products())
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

    def _make_room(self):
        """Give each thread room for the entries of a batch, now that they are to be read."""
        self.has_room = True
        for i, (now, _) in list(self.by_entries.items())[1:2]:
            D, H = map(int, self.words[i, 3:5])
            rows = min(CHUNK, self.rows) if now[1] == ROWS else self.rows
            for scratch in self.scratch:
                scratch.add_entries(rows, D, H, self.dtype)

    def reads(self, x):
        """Whether rows of x can be read where they are.

        Args:
            x: an ndarray, or a sparse matrix as `starts` (int64), `columns` (ascending within a
                row) and `values`.
        """
        if isinstance(x, np.ndarray):
            return dtype_number(x) is not None and x[0].flags.c_contiguous
        if not hasattr(x, "starts") or dtype_number(x.values) is None:
            return False
        if self.by_csr is None:
            self.by_csr = self._twins(CSR)
        return len(self.by_csr) > 1 and x.columns.dtype in (np.int32, np.int64)

    def reads_targets(self, y):
        """Whether rows of these targets, one for each row of x, can be read where they are."""
        return bool(self.of_targets) and isinstance(y, np.ndarray) and self.reads(y)

    def look_at(self, x):
        """Decide by the zeros in x whether products leave them out, until other data come."""
        self.seen = weakref.ref(x)
        self.sparse = int(density(x) < SPARSE_BELOW)
        if self.sparse and not self.has_room:
            self._make_room()

    def _read(self, x, index):
        """Have the program gather rows of an ndarray, or take them from where they are."""
        words, start = self.words, address_of(x)
        number = dtype_number(x)
        words[0, HEAD], words[0, 6], words[0, 7] = start, number, x.strides[0]
        if self.seen is None or self.seen() is not x:
            self.look_at(x)
        self._choose(DTYPES[number])
        if self._in_place(x, index):
            words[0, 3] = 0  # it has nothing to gather
            self._put(self.places[0], start + int(index[0]) * x.strides[0],
                      self.rows * x.strides[0])  # fmt: skip
        else:
            self._gather_again()

    def _in_place(self, x, index):
        """Whether rows of x can take the place of a batch: as they are, one after the other."""
        entries = self.sparse and self.by_entries
        if not self.reads_only or entries or x.dtype != self.dtype or not x.flags.c_contiguous:
            return False
        return len(index) == 1 or (
            index[-1] - index[0] == len(index) - 1 and bool((np.diff(index) == 1).all())
        )

    def _gather_again(self):
        """Have the program read the batch's array, into which rows are gathered, after rows of
        another call were read where they were."""
        if self.words[0, 3] == 0:
            self._put(self.places[0], address_of(self.inputs[0]), 0)
            self.words[0, 3] = self.inputs[0].size // self.rows

    def _put(self, places, address, step):
        """Have operands at these places begin at an address, so many bytes later in each step."""
        for i, k, offset in places:
            self.words[i, k], self.words[i, k + 2] = address + offset, step

    def _read_entries(self, x, index):
        """Have the program gather the entries of a sparse matrix; returns what must be kept."""
        words, N = self.words, self.rows
        self._gather_again()
        self._choose()
        counts = (x.starts[index + 1] - x.starts[index]).reshape(-1, N)
        starts = np.zeros((len(counts), N + 1), np.int64)
        np.cumsum(counts, axis=1, out=starts[:, 1:])
        most = int(starts[:, -1].max())
        if most > self.room or not self.room:
            self.room = most * 5 // 4 + 1  # other batches have other numbers of entries
            self.entries = (
                np.zeros(N + 1, np.int64), np.zeros(self.room, np.int32),
                np.zeros(self.room, self.dtype),
            )  # fmt: skip
            places = (machine.BATCH_STARTS, machine.BATCH_COLUMNS, machine.BATCH_VALUES)
            for place, array in zip(places, self.entries, strict=True):
                for scratch in self.scratch:
                    scratch.words[place] = address_of(array)
        words[0, 6], words[0, 7] = dtype_number(x.values), x.columns.itemsize
        for i, array in ((0, x.values), (3, x.starts), (4, x.columns), (5, starts)):
            words[0, HEAD + 3 * i] = address_of(array)
        words[0, HEAD + 17] = (N + 1) * 8
        return starts

    def _read_targets(self, targets):
        """Have the program gather rows of all targets, or none: these come in their order."""
        word, batch = self.words[self.of_targets], self.inputs[1]
        word[3] = 0
        if targets is not None:
            y, index = targets
            address = INSTRUCTIONS[f"gather_{DTYPES[dtype_number(y)]}"].address(self.dtype)
            word[0], word[3], word[7] = address, batch.size // self.rows, y.strides[0]
            word[HEAD], word[HEAD + 3], word[HEAD + 5] = (
                address_of(y), address_of(index), self.rows * 8
            )  # fmt: skip
            self._put(self.places[1], address_of(batch), 0)

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
            machine.replay(
                words, self.numbers, self.numbers_now[worker], self.stages, scalars, steps,
                first_step, CHUNK, self.shares, meeting, worker, self.workers, losses, self.like,
            )  # fmt: skip

        run_together(work, self.workers)
        del kept
        return losses.sum(axis=0) if self.threads > 1 else losses[0]


_ALONE = np.zeros(MEETING, np.int64)  # where one worker meets nobody
_NUMBERS = {np.dtype(name): i for i, name in enumerate(DTYPES)} | {np.dtype(bool): 0}


def dtype_number(array):
    """The number of an array's dtype for `gather`, or None where it can't be read as it is."""
    return _NUMBERS.get(array.dtype) if array.flags.aligned else None


def density(x, rows=200):
    """Share of entries that are not zero, in some rows spread over the data."""
    some = x[:: max(len(x) // rows, 1)]
    return np.count_nonzero(some) / max(some.size, 1)
