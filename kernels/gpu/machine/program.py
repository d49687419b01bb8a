"""A recorded step on the card: captured into a CUDA graph once, launched for every step.

All that changes from step to step is read from one small array on the card, the `Control` of
`cuda/common.cuh`: the number of the step, where the data, the row numbers and the step's scalars
lie, where losses and predictions go. The last launch of a step counts the step; so one graph serves
all steps of a batch size, several steps fit into one graph, and Python comes in only between
runs of steps.
"""

import math

import numpy as np

from ...recording import Unsupported
from ..card import runtime as card_runtime
from ..card.data import arrays_of, comes_in_pieces, dtype_number, fits, resident
from ..card.feed import steps_of_a_piece
from ..passes.epilogues import with_epilogues
from ..passes.fusion import counted, fused
from ..passes.persistent import Persistent
from ..passes.tiles import AMPERE, TensorCores, in_tiles
from .call import address_of, execute
from .launches import launch
from .options import debug_level, persistent_rows, tf32x3_rows

FIELDS = ("step", "first_step", "x", "x_stride", "x_dtype", "index", "starts", "columns",
          "column_bytes", "y", "w", "outputs", "losses", "scalars", "scalar_count",
          "counts")  # fmt: skip
TOGETHER = 16  # steps in one graph, where there are many and their kernels are short
SHORT = 1024  # rows of a batch up to which they are


class Graphs(dict):
    """A dictionary that can be referred to weakly, and is compared as itself."""

    __hash__, __eq__ = object.__hash__, object.__eq__


class Machine:
    """The launches of one step, ready to run many times.

    Args:
        instructions: the launches, in order.
        others: see the cpu's Machine; x is not looked at. Without outputs among the inputs, what
            comes back from a run is what the steps have counted.
    """

    def __init__(self, instructions, rows, known, inputs, flat, dtype, x=None):
        self.runtime = card_runtime.current()
        self.rows, self.inputs, self.dtype = rows, inputs, np.dtype(dtype).name
        self.keep = (known, flat)  # their memory is addressed from here on
        self.control = self.runtime.zeros((len(FIELDS),), "int64")
        _check_known(instructions, known)
        self.bare = [*instructions, *self._stores()]  # for the persistent kernel, which fuses more
        if self._on_tensor_cores():
            instructions = in_tiles(instructions, TensorCores(self.runtime))
        self.step = counted([*fused(instructions), *self._stores()], self.dtype)
        if self.runtime.cublaslt is not None:
            self.step = with_epilogues(self.step)
        self.graphs = Graphs()  # (whether x is sparse, steps, conditions met) -> graph, launches
        self.runtime.graphs.add(self.graphs)
        self.persistent = {}  # whether x is sparse -> Persistent, where the step runs that way

    def _on_tensor_cores(self):
        wanted = 0 < tf32x3_rows() <= self.rows and self.dtype == "float32"
        return wanted and self.runtime.capability >= AMPERE

    def _stores(self):
        """Its predictions."""
        outputs = self.inputs.outputs
        if outputs is not None:
            words = outputs.nbytes // 4
            yield launch("store_step", dtype=self.dtype, outputs=outputs, n=words)

    def _gather(self, sparse):
        """The first launch of a step: rows, targets and weights."""
        x, N, loads = self.inputs.x, self.rows, {}
        for name, array in (("y", self.inputs.y), ("w", self.inputs.w)):
            loads |= {name: array, f"{name}_words": 0 if array is None else array.nbytes // 4}
        D = x.size // N
        if sparse:
            return launch("gather_csr_step", R=N, C=D, out=x, **loads)
        return launch("gather_step", N=N, D=D, out=x, **loads)

    # ----------------------------------------------------------------------------------- data

    def reads(self, x):
        """Whether rows of x can be read on the card: its dtype is one of `DTYPES`.

        Args:
            x: an ndarray, which may be larger than the card; one that gives its rows when they are
                asked for (`in_pieces`); or a sparse matrix that fits, as `starts` (int64),
                `columns` and `values`.
        """
        if isinstance(x, np.ndarray) or getattr(x, "in_pieces", False):
            return dtype_number(x) is not None
        return (
            hasattr(x, "starts")
            and dtype_number(x.values) is not None
            and x.columns.dtype in (np.int32, np.int64)
            and fits(*arrays_of(x))
        )

    def look_at(self, x):
        """Do nothing: only the cpu chooses its products by how many zeros rows of the data have."""

    def _place(self, x):
        """Fields of the control for x, and the arrays on the card that they point to."""
        if isinstance(x, np.ndarray):
            there = resident.get(x)
            return self._fields_of(there, x), [there]
        arrays = [resident.get(a) for a in arrays_of(x)]
        fields = dict(zip(("x", "starts", "columns"), arrays, strict=True))
        fields |= {"x_dtype": dtype_number(x.values), "column_bytes": x.columns.itemsize}
        return fields, arrays

    # -------------------------------------------------------------------------------- running

    def run(self, x, index, inputs, scalars, steps, first_step):
        """Run `steps` steps on rows of x, which `reads` takes; returns the losses (steps,)."""
        with self.runtime.lock:
            return self._run(x, index, inputs, scalars, steps, first_step)

    def _run(self, x, index, inputs, scalars, steps, first_step):
        runtime = self.runtime
        to_card = runtime.to_card
        feed = self._feed(x, steps) if comes_in_pieces(x) else None
        losses = runtime.zeros((steps,), "float64")
        results = "counts" if self.inputs.outputs is None else "outputs"
        outputs = runtime.empty(inputs.outputs.shape, inputs.outputs.dtype.name)
        if feed is None:
            fields, keep = self._place(x)
            place = index
        else:
            fields, keep = self._fields_of(feed.card, x), [feed]
            place = np.arange(len(index)) % (2 * feed.rows)  # pieces take turns in its halves
        fields |= {
            "first_step": first_step, "index": to_card(place), "losses": losses,
            results: outputs, "scalars": to_card(scalars), "scalar_count": scalars.shape[1],
        }  # fmt: skip
        for name, array in (("y", inputs.y), ("w", inputs.w)):
            if array is not None:
                fields[name] = to_card(array)
        words = [fields.get(name, 0) for name in FIELDS]
        words = [w if isinstance(w, (int, np.integer)) else address_of(w) for w in words]
        self.control[...] = to_card(np.array(words, np.int64))
        if feed is None:
            self._run_steps(hasattr(x, "starts"), scalars)
        else:
            self._run_pieces(feed, x, index, scalars)
        inputs.outputs[...] = runtime.to_host(outputs)
        result = runtime.to_host(losses)
        del keep
        return result

    def _feed(self, x, steps):
        """Room for the pieces of x, two of which fit into what is free."""
        row_shape = x.shape[1:]
        dtype = np.dtype("uint8") if x.dtype == bool else x.dtype
        row_bytes = dtype.itemsize * math.prod(row_shape)
        free = self.runtime.free_bytes()[0]
        some = steps_of_a_piece(row_bytes, self.rows, steps, free)
        return resident.feed(some * self.rows, row_shape, dtype)

    def _fields_of(self, there, x):
        stride = there.itemsize * math.prod(x.shape[1:])
        return {"x": there, "x_stride": stride, "x_dtype": dtype_number(x)}

    def _run_pieces(self, feed, x, index, scalars):
        """The same as `_run_steps` on rows of x that come in pieces.

        Where a piece can't be read, the steps before it have been made: the error says how many
        (`steps_done`).
        """
        some, done = feed.rows // self.rows, 0
        parts = [scalars[i : i + some] for i in range(0, len(scalars), some)]
        plans = None if debug_level() else [self._plan(False, part) for part in parts]
        self.runtime.synchronize()
        try:
            for k, part in enumerate(parts):
                rows = index[done * self.rows : (done + len(part)) * self.rows]
                feed.put(k, x, rows)
                if plans is None:
                    feed.wait()
                    self._run_steps(False, part)
                else:
                    with self.runtime.stream:
                        plans[k]()
                feed.done(k)
                done += len(part)
        except Exception as error:
            error.steps_done = done
            raise
        finally:
            feed.wait()

    def _run_steps(self, sparse, scalars):
        """The steps with these scalars, (steps, K)."""
        if debug_level():  # one kernel after another, each looked at
            for numbers in scalars:
                for one in self._launches(sparse, self._due(numbers)):
                    for part in getattr(one, "parts", (one,)):
                        execute(part, self.runtime, address_of(self.control))
            return
        plan = self._plan(sparse, scalars)
        self.runtime.synchronize()  # what the graphs read is there
        with self.runtime.stream as stream:
            plan()
            stream.synchronize()

    def _plan(self, sparse, scalars):
        """A function that starts the steps with these scalars on the current stream; all that
        takes time once has been done."""
        persistent = self._persistent(sparse)
        if persistent is not None:
            return lambda: persistent.start(self.control, len(scalars))
        graphs = self._graphs(sparse, scalars)
        return lambda: [graph.launch(self.runtime.stream) for graph in graphs]

    def _persistent(self, sparse):
        """The step as a program of the persistent kernel; None where it goes into graphs, as with
        a sum over ranks, which only the host can start."""
        if self.rows > persistent_rows() or any(one.name == "all_reduce" for one in self.bare):
            return None
        if sparse not in self.persistent:
            launches = [self._gather(sparse), *self.bare]
            self.persistent[sparse] = Persistent(launches, self.runtime, self.dtype)
        made = self.persistent[sparse]
        return made if made.fits else None

    def _graphs(self, sparse, scalars):
        """The graphs to launch, in order: of many steps first, then one by one."""
        steps = len(scalars)
        if any(one.when is not None for one in self.step):
            return [self._graph(sparse, 1, self._due(numbers)) for numbers in scalars]
        many = steps // TOGETHER if steps >= 2 * TOGETHER and self.rows <= SHORT else 0
        sizes = [TOGETHER] * many + [1] * (steps - many * TOGETHER)
        return [self._graph(sparse, size) for size in sizes]

    def _due(self, numbers):
        """Which conditions of `when` a step meets: the slots that are not 0."""
        slots = {one.when.index for one in self.step if one.when is not None}
        return frozenset(slot for slot in slots if numbers[slot] != 0)

    def _launches(self, sparse, due):
        """All launches of one step."""
        step = [one for one in self.step if one.when is None or one.when.index in due]
        return [self._gather(sparse), *step]

    def _graph(self, sparse, steps, due=frozenset()):
        """The graph of so many steps; captured at first use."""
        key = (sparse, steps, due)
        if key not in self.graphs:
            launches, control = self._launches(sparse, due), address_of(self.control)
            self._prepare(launches)

            def work():
                for _ in range(steps):
                    for one in launches:
                        one.start(self.runtime, control)

            self.graphs[key] = (self.runtime.capture(work), launches)
        return self.graphs[key][0]

    def _prepare(self, launches):
        """Compile and load everything on the stream that is going to be captured."""
        self.runtime.synchronize()  # what reads the arrays that are overwritten here has ended
        with self.runtime.recorder as stream:
            for one in launches:
                one.prepare(self.runtime)
            stream.synchronize()


def _check_known(launches, known):
    """Raise for an array that was not asked of the context: a copy made on the way."""
    spans = [(address_of(a), address_of(a) + a.nbytes) for a in known if a.size]
    for one in launches:
        own = {address_of(a) for a in one.own}
        for array in one.arrays:
            low, high = address_of(array), address_of(array) + array.nbytes
            inside = any(a <= low and high <= b for a, b in spans)
            if array.size and low not in own and not inside:
                raise Unsupported(f"{one.name}: an array that is made anew at each step")
