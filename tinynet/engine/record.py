"""A step, recorded: the program that `cpu` and `gpu` run in `fit`, `evaluate` and `predict`.

The model's own `train_step`, `test_step` or `predict_step` is run once in a `RecordingContext`: a
`Recorder` in place of the kernels writes down what the layers, the loss and the optimizer call.
The result is a `Program`, which the device then runs step after step without coming back to Python.

What can't be recorded (a layer of the user's own, an unusual layout) raises `NotRecordable`, and
the model carries its steps out one by one, with the same numbers.
"""

import collections
import itertools
import math
import weakref

import numpy as np

from ..core.context import CALLS, StepContext
from ..data import SeveralRows, SparseRows
from .batch import shapes_of
from .blocks import Block


class NotRecordable(Exception):
    """Why a step runs eagerly."""


class Recorder:
    """Looks like a kernel module, and writes down the calls instead of making them."""

    def __init__(self, ops):
        self.ops, self.instructions = ops, []
        self.written = []  # the arrays that kernels were told to write to
        self.constants = []  # arrays that a part brought to the device, the same at every step
        self.called = set()  # names of the kernels

    def _constant(self, array):
        self.constants.append(self.ops.from_host(array))
        return self.constants[-1]

    def __getattr__(self, name):
        function = getattr(self.ops, name)
        if name in ("empty", "zeros", "to_host"):
            return function
        if name == "from_host":
            return self._constant
        instructions = getattr(function, "instructions", None)
        if instructions is None:
            raise NotRecordable(f"{name}: the device has no instruction for it")

        def record(*args, **outputs):
            self.called.add(name)
            self.written += [a for a in outputs.values() if isinstance(a, np.ndarray)]
            try:
                self.instructions.extend(instructions(*args, **outputs))
            except self.ops.Unsupported as reason:
                raise NotRecordable(f"{name}: {reason}") from None

        return record


class RecordingContext(StepContext):
    """The context of a step that is recorded instead of carried out.

    Attributes:
        scalar_names: of the numbers that change from step to step, in the order of their slots.
    """

    def __init__(self, ops, part, flat):
        super().__init__(Recorder(ops), reuse=True)
        self.device, self.step, self.scalar_names = ops, ops.RunningStep(), []
        self.flat = flat
        self.take_part(part)

    def add_loss(self, values):
        self.ops.instructions.append(self.device.add_loss_instruction(values))

    def add_penalty(self, regularizer, parameter):
        """Record nothing: in a program, `penalty_grad` adds the penalty to the loss."""

    def exchange(self, function, *arrays):
        make = getattr(self.device, "exchange_instruction", None)
        if make is None:
            raise NotRecordable("an exchange with other ranks within a step")
        flat = any(array is self.flat.grads for array in arrays)
        self.ops.instructions.append(make(function, arrays, flat))

    def sum_over_ranks(self, array):
        """Record the sum over all ranks, made by the device itself where it can."""
        make, ranks = getattr(self.device, "sum_instruction", None), self.part.ranks
        if make is None or ranks.size == 1:
            super().sum_over_ranks(array)
            return
        try:
            self.ops.instructions.append(make(ranks, array))
        except self.device.Unsupported as reason:
            raise NotRecordable(f"the sum over ranks is made on the host: {reason}") from None

    def scalars(self, values):
        self.scalar_names = list(values)
        slots = enumerate(values.items())
        return {name: self.device.Slot(value, i) for i, (name, value) in slots}

    def run_if(self, condition, function, *args):
        first = len(self.ops.instructions)
        function(*args)
        if isinstance(condition, self.device.Slot):
            for one in self.ops.instructions[first:]:
                one.when = condition


HARMLESS = frozenset({"__module__", "__doc__", "__init__", "__annotations__", "__dict__",
                      "__weakref__", "__static_attributes__", "__firstlineno__"})  # fmt: skip


def _of_tinynet(part):
    """Whether a part's class is tinynet's, or a user's that brings nothing but its formula."""
    own = (cls for cls in type(part).__mro__ if cls.__module__.partition(".")[0] == "tinynet")
    base, may_bring = next(own, None), getattr(part, "formula_names", None)
    if base is type(part) or base is None or may_bring is None:
        return base is type(part)
    others = type(part).__mro__[: type(part).__mro__.index(base)]
    brings = {name for cls in others for name in vars(cls) if hasattr(base, name)}
    return brings <= may_bring | HARMLESS


def check_recordable(model):
    """Raise NotRecordable where a part is not of tinynet: it may compute without the kernels."""
    layout = model.layout
    parts = [*layout.parts, *(model.loss.parts if model.loss else ()), model.optimizer]
    parts += [getattr(leaf, "activation", None) for leaf in layout.leaves]
    parts += [one for p in layout.parameters for one in (p.regularizer, p.constraint)]
    for part in parts:
        if part is None:
            continue
        label = getattr(part, "name", None) or type(part).__name__
        if not _of_tinynet(part):
            raise NotRecordable(f"{label!r} ({type(part).__name__}) is not one of tinynet's own")
        if getattr(part, "on_host", False):
            raise NotRecordable(f"{label!r} ({type(part).__name__}) computes with NumPy")
        for name in vars(part):  # a method that was exchanged on this object alone
            if callable(getattr(type(part), name, None)):
                raise NotRecordable(f"{label!r} has a {name} of its own")
    if model.run_eagerly:
        raise NotRecordable("compile(run_eagerly=True)")


ALL_LOOKED_AT = 200  # rows of a data set of which each is looked at for zeros; of more, so many

# arrays that another array takes the place of in every replay, row by row or step by step
Inputs = collections.namedtuple("Inputs", "x y w outputs")


class Program:
    """The recorded step of a model for batches of N rows.

    Args:
        model: built, and for "train" and "test" compiled.
        kind: "train", "test" or "predict".
        rows: N.
        data: a Dataset with rows of the shapes that the step takes and returns.
        counted: metrics that the device counts, see `Collection.matches`; None: what `run` returns
            are predictions.

    Attributes:
        columns: of several outputs, which stand side by side in what `run` returns, and behind them
            of the values of their losses: a slice each. None for one output.
        blocks: the `Block` of targets and that of weights for several outputs, else None.
        by_rows: whether what is computed for a row of the batch depends on no other one.
    """

    columns = blocks = None

    def __init__(self, model, kind, rows, data, counted=None):
        check_recordable(model)
        self.model, self.kind, self.rows, self.counted = model, kind, rows, counted
        ops = model.step_context.ops
        self.context = RecordingContext(ops, model.step_context.part, model.flat)
        self.copied = 0
        self.whole = None  # a reference to the data set that `_look_at` has seen
        saved = [(layer, layer.saved) for layer in model.layout.parts]
        model.take_context(self.context)
        try:
            self.inputs = self._record(data)
        finally:
            model.take_context(model.step_context)
            for layer, kept in saved:
                layer.saved = kept
        try:
            x = data.x if isinstance(data.x, np.ndarray) else None
            self.machine = ops.Machine(self.context.ops.instructions, rows, self._known_arrays(),
                                       self.inputs, model.flat, model.dtype, x)  # fmt: skip
        except ops.Unsupported as reason:
            raise NotRecordable(str(reason)) from None
        written, called = self.context.ops.written, self.context.ops.called
        kind = getattr(ops, "ROWS", None)  # of an instruction that takes rows as they come
        self.by_rows = (
            kind is not None and called.isdisjoint(("dropout_mask", "normal_mask"))
            and all(one.mode == kind for one in self.context.ops.instructions)
        )  # fmt: skip
        self.machine.reads_only = not any(np.may_share_memory(a, self.inputs.x) for a in written)

    def _record(self, data):
        """Run the model's own step with arrays that a replay fills; returns these arrays."""
        model, (x, inputs) = self.model, self._inputs(data)
        if self.kind == "predict":
            outputs = model.predict_step(inputs)
            if isinstance(outputs, list):
                outputs = self._side_by_side(outputs)
            _check_outputs(outputs, x)
            return Inputs(x, None, None, outputs)
        loss, optimizer = model.loss, model.optimizer
        before = loss.context, optimizer.ops, optimizer.step_number
        loss.context, optimizer.ops = self.context, self.context.ops
        try:
            step = model.train_step if self.kind == "train" else model.test_step
            y, w = self._targets(data.output_shape)
            if self.blocks is not None:
                step(inputs, *(block.parts for block in self.blocks))
                return Inputs(x, y, w, self._side_by_side([*model.predictions(), *loss.terms]))
            step(inputs, y, w)
            _check_outputs(self.context.outputs, x)
            predictions = model.predictions()  # (R, C)
            if self.counted is None:
                return Inputs(x, y, w, predictions)
            return Inputs(x, y, w, self._record_matches(predictions, y))
        finally:
            loss.context, optimizer.ops, optimizer.step_number = before
            loss.release()

    def _targets(self, output_shape):
        """Arrays for the targets and the weights of the rows; for several outputs `blocks`."""
        ops, loss, dtype = self.context.device, self.model.loss, self.model.dtype
        shapes = shapes_of(output_shape, self.rows)
        if not isinstance(shapes, list):
            return [ops.empty(*one) for one in _kinds(loss, shapes, dtype)]
        pairs = [(None, None) if one is None else _kinds(one, shape, dtype)
                 for one, shape in zip(loss.losses, shapes, strict=True)]  # fmt: skip
        self.blocks = [Block(ops, kinds) for kinds in zip(*pairs, strict=True)]
        return [block.array for block in self.blocks]

    def packed(self, y, w):
        """Targets and weights of several batches as `run` takes them."""
        if self.blocks is None:
            return np.ascontiguousarray(y, self.inputs.y.dtype), w
        return [block.packed(rows) for block, rows in zip(self.blocks, (y, w), strict=True)]

    def _side_by_side(self, arrays):
        """Record the copying of arrays with N times some rows into one (N, ...); None has none."""
        widths = [0 if a is None else a.size // self.rows for a in arrays]
        ends = itertools.accumulate(widths)
        self.columns = [slice(end - width, end) for width, end in zip(widths, ends, strict=True)]
        whole = self.context.empty((self.rows, sum(widths)), self.model.dtype)
        for array, place in zip(arrays, self.columns, strict=True):
            if array is not None:
                self.context.ops.put_columns(array.reshape(self.rows, -1), place.start, y=whole)
        return whole

    def split(self, outputs, output_shape):
        """The predictions among what `run` returned, a list of an array per output."""
        shapes = shapes_of(output_shape, len(outputs))
        return [outputs[:, place].reshape(shape)
                for place, shape in zip(self.columns, shapes, strict=False)]  # fmt: skip

    def losses(self, outputs, steps):
        """The sums (steps,) of each output's loss among what `run` returned; 0 without one."""
        places = self.columns[len(self.columns) // 2 :]
        parts = [outputs[:, place].reshape(steps, -1) for place in places]
        return [part.sum(axis=1, dtype=np.float64) for part in parts]

    def _record_matches(self, predictions, y):
        """Record the counting of matches, for metrics that the device counts; returns where the
        counts are, unless that is the device's affair.
        """
        device, count = self.context.device, len(self.counted)
        room = getattr(device, "room_for_counts", None)
        counts = room(count) if room and count else None
        for k, (name, *options) in enumerate(self.counted):
            hits = self.context.empty((len(y),), self.model.dtype)  # (R,)
            where = count if counts is None else counts
            self.context.ops.instructions.extend(
                device.count_matches_instructions(name, predictions, y, options, hits, k, where)
            )
        return counts

    def _inputs(self, data):
        """The array that the machine gathers a batch into, and the model's inputs, parts of it.

        Several inputs stand side by side in the array, and are cut out of it first.
        """
        shapes, empty, dtype = data.row_shape, self.context.empty, self.model.dtype
        if not isinstance(data.x, SeveralRows):
            x = empty((self.rows, *shapes), dtype)  # (N, ...)
            return x, x
        parts = [empty((self.rows, *shape), dtype) for shape in shapes]
        x, first = empty((self.rows, sum(part[0].size for part in parts)), dtype), 0
        for part in parts:
            self.context.ops.take_columns(x, first, x=part.reshape(self.rows, -1))
            first += part[0].size
        return x, parts

    def _known_arrays(self):
        """Everything whose address stays the same from step to step."""
        known = [array for pool in self.context.arrays.values() for array in pool]
        known += [a for a in self.inputs if a is not None]
        known += self.context.ops.constants
        known.append(self.model.flat.values)
        if self.kind == "train":
            known.append(self.model.flat.grads)
            known += self.model.optimizer.arrays()
        return known

    @property
    def nbytes(self):
        """Memory of the step's arrays."""
        return sum(a.nbytes for pool in self.context.arrays.values() for a in pool)

    def reads_targets(self, y):
        """Whether `run` takes a data set's targets y as they are: nothing else looks at them."""
        reads = getattr(self.machine, "reads_targets", None)
        return self.counted is not None and reads is not None and reads(y)

    def run(self, x, index, y=None, w=None, targets=None, room=None):
        """Replay one step for every N entries of `index`.

        Args:
            x: the data set's rows, (rows, ...): an ndarray, SparseRows or MappedRows.
            index: which of its rows, (steps * N,) int64.
            y, w: targets and weights of just these rows, in this order.
            targets: in place of y, where `reads_targets` takes them: the data set's.
            room: an array for the outputs; None: a new one.

        Returns:
            (losses (steps,), outputs): penalties are in the losses; outputs (steps * N, ..., C), or
            what was counted, (steps, metrics) float64.
        """
        model, ops, steps = self.model, self.context.device, len(index) // self.rows
        whole, given = x, {} if targets is None else {"targets": (targets, index)}
        x, index = self._within_reach(x, index)
        if x is not whole and not len(index) == len(whole) <= ALL_LOOKED_AT:
            self._look_at(whole)  # how to multiply is decided by the whole, not by these rows
            self.machine.seen = weakref.ref(x)
        names, first_step = self.context.scalar_names, model.steps_taken
        if self.kind != "train":
            first_step = CALLS + model.step_context.calls
        scalars = np.zeros((steps, max(len(names), 1)))
        if self.kind == "train":
            first = model.optimizer.step_number
            rows = model.optimizer.scalars_of_steps(range(first, first + steps))
            scalars[:, : len(names)] = rows
        if room is not None:
            outputs = room
        elif self.counted is None:
            like = self.inputs.outputs
            outputs = np.empty((steps * len(like), *like.shape[1:]), model.dtype)
        elif self.inputs.outputs is None:
            outputs = np.empty((steps, len(self.counted)))
        else:
            outputs = np.zeros((steps, *self.inputs.outputs.shape))  # (steps, shares, metrics)
        try:
            with ops.single_threaded_blas(self.machine):
                losses = self.machine.run(
                    x, index, Inputs(None, y, w, outputs), scalars, steps, first_step, **given
                )
        except KeyboardInterrupt:  # comes through when the compiled loop has ended: all is done
            self._count(steps)
            raise
        except Exception as error:  # rows that could not be read, after some steps were made
            self._count(getattr(error, "steps_done", 0))
            raise
        self._count(steps)
        if self.counted and outputs.ndim == 3:
            outputs = outputs.sum(axis=1)
        return losses, outputs

    def _look_at(self, x):
        """Let the machine know how many zeros a data set has that it can't read in place."""
        if self.whole is not None and self.whole() is x:
            return
        some = np.arange(0, len(x), max(len(x) // ALL_LOOKED_AT, 1), dtype=np.int64)
        copied = self.copied
        some, _ = self._within_reach(x, some)
        self.copied = copied
        if isinstance(some, np.ndarray):
            self.machine.look_at(some)
        self.whole = weakref.ref(x)

    def _within_reach(self, x, index):
        """x and row numbers that the machine can read: x itself, or a copy of just these rows."""
        self.copied = 0
        if self.machine.reads(x):
            return x, index
        x = x[index]
        if isinstance(x, SeveralRows):
            x = x.dense(self.model.dtype)
        if isinstance(x, SparseRows):
            x = x.astype(self.model.dtype)
            if not self.machine.reads(x):
                x = x.dense(self.model.dtype)
        if not self.machine.reads(x):
            x = np.ascontiguousarray(x, self.model.dtype)
        self.copied = x.nbytes
        return x, np.arange(len(index), dtype=np.int64)

    def _count(self, steps):
        if self.kind != "train":
            self.model.step_context.calls += steps
            return
        self.model.optimizer.step_number += steps
        self.model.steps_taken += steps


def _kinds(loss, shape, dtype):
    """(shape, dtype) of the targets and of the weights of outputs (N, ..., C)."""
    *lead, C = shape
    R, ids = math.prod(lead), loss.integer_targets
    return ((R,), np.dtype(np.int64)) if ids else ((R, C), dtype), ((R,), dtype)


def _check_outputs(outputs, x):
    """Raise NotRecordable unless the outputs have an array of their own."""
    if np.may_share_memory(outputs, x):
        raise NotRecordable("the model hands its input on")
