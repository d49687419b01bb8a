"""How a recorded step reads a data set: gathered, where it is, its zeros left out, or sparse."""

import weakref

import numpy as np

from . import loop as machine
from .call import Instruction
from .compiling import INSTRUCTIONS, prepare
from .loop import COLUMNS, DTYPES, HEAD, ROWS, WORDS, address_of

CHUNK = 256  # rows that go through a run of ROWS instructions together
# Share of entries of x that are not zero: measured with zeros anywhere, 784-300-200-100-10 gains 8
# to 26 % at 0.3 with any batch size and between -3 and 13 % at 0.4.
SPARSE_BELOW = 0.35
# products of few rows, which take less time without the rows of W that zeros are multiplied with
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


class Reading:
    """What of a `Machine` has to do with the rows that it is given.

    The first instruction gathers rows of x; that before the loss can gather targets. By what the
    data are, instructions are exchanged for twins, and operands for addresses of the data.

    Attributes:
        reads_only: whether nothing is written to x but what is gathered.
        names: of the instructions, "gather" for the first; words: as the loop reads them.
        trains: whether there are gradients of weights.
        places: of each input, where its address stands in the words.
    """

    reads_only = False
    seen = None  # a reference to the data whose density is known
    by_csr = None  # twins for a sparse matrix, found when one comes
    sparse = 0  # whether zeros of x are left out
    way = None  # how the words now say that x is read, see `_choose`
    room = 0  # entries of a batch of a sparse matrix for which there is room
    has_room = False  # whether there is room for those of a batch of an array

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

    def _entries_twins(self):
        """Instructions that read the entries of x instead of x, where all do; see `_twins`."""
        for names in (ENTRIES, PART_ENTRIES):
            twins = self._twins(names)
            if len(twins) == 2 + self.trains:  # gather, the product, and its gradient
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

    def _wanted(self, x):
        """Names of the twins that x, the first data that are read, will want, and validation."""
        if x is None or dtype_number(x) is None or density(x) >= SPARSE_BELOW:
            return []
        cast = "" if x.dtype == self.dtype else "_cast"
        for table in (ENTRIES, PART_ENTRIES):
            found = [twin for name, (twin, _) in table.items()
                     if name in self.names or ZEROS.get(name) in self.names]  # fmt: skip
            if len(found) == 2 + self.trains:
                if table is PART_ENTRIES:
                    found += [twin for twin, _ in list(ENTRIES.values())[:2]]
                return [f"{one}{cast}" if one.startswith("gather") else one for one in found]
        return []

    def _use(self, twins, which, dtype=None):
        """Have these instructions be themselves (0) or their twins (1), which may read a dtype."""
        cast = dtype not in (None, self.dtype.name)
        names = {i: f"{twin}_cast" if cast and i == 0 else twin for i, (_, (twin, _)) in
                 twins.items()}  # fmt: skip
        if which:
            prepare([INSTRUCTIONS[name] for name in names.values()], self.dtype)
        for i, (now, (_, mode)) in twins.items():
            address = INSTRUCTIONS[names[i]].address
            self.words[i, :2] = (address(self.dtype), mode) if which else now

    def _choose(self, dtype=None):
        """Have the instructions read an array of a dtype, whose zeros may be left out, or the
        entries of a sparse matrix (None)."""
        way = dtype, self.sparse
        if way == self.way:
            return
        self.way = None
        self._use(self.by_csr or {}, dtype is None)
        if dtype is not None:
            self._use(self.by_zeros or self.by_entries, self.sparse, dtype)
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


_NUMBERS = {np.dtype(name): i for i, name in enumerate(DTYPES)} | {np.dtype(bool): 0}


def dtype_number(array):
    """The number of an array's dtype for `gather`, or None where it can't be read as it is."""
    return _NUMBERS.get(array.dtype) if array.flags.aligned else None


def density(x, rows=200):
    """Share of entries that are not zero, in some rows spread over the data."""
    some = x[:: max(len(x) // rows, 1)]
    return np.count_nonzero(some) / max(some.size, 1)
