"""Record one step, replay it: the CPU's way through `fit`, `evaluate` and `predict`.

The layers, the loss and the optimizer are run once with a `Recorder` in place of the kernels. It
writes down what they call; the arrays they ask for come from a context of the recording's own. The
result is a `Program`, which the machine in `kernels` then runs step after step without coming back
to Python. The mathematics stays where it was written: in the layers.

What can't be recorded (a layer of the user's own, an unusual layout) says so with `NotRecordable`,
and the model goes on step by step, with the same numbers.
"""

import collections
import contextlib
import weakref

import numpy as np

from ..core.context import StepContext
from ..data import SeveralRows, SparseRows


class NotRecordable(Exception):
    """Why a step runs eagerly."""


class Recorder:
    """Looks like a kernel module, and writes down the calls instead of making them."""

    def __init__(self, ops):
        self.ops, self.instructions = ops, []
        self.constants = []  # arrays that a part brought to the device, the same at every step

    @contextlib.contextmanager
    def only_when(self, slot):
        """What is recorded within is left out in steps where the number `slot` is 0."""
        first = len(self.instructions)
        yield
        for one in self.instructions[first:]:
            one.when = slot

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
            try:
                self.instructions.extend(instructions(*args, **outputs))
            except self.ops.Unsupported as reason:
                raise NotRecordable(f"{name}: {reason}") from None

        return record


def check_recordable(model):
    """Raise NotRecordable where a part is not of our own making: what it does can't be seen."""
    parts = [model, *model.parts()]
    if model.loss is not None:
        parts.append(model.loss)
    if model.optimizer is not None:
        parts.append(model.optimizer)
    parts += [layer.activation for layer in model.leaves() if hasattr(layer, "activation")]
    parts += [p.regularizer for p in model.parameters if p.regularizer is not None]
    parts += [p.constraint for p in model.parameters if p.constraint is not None]
    for part in parts:
        if type(part).__module__.partition(".")[0] != "tinynet":
            label = getattr(part, "name", None) or type(part).__name__
            raise NotRecordable(f"{label!r} ({type(part).__name__}) is not one of tinynet's own")
    for p in model.trainable_weights:
        if p.regularizer is not None and not hasattr(p.regularizer, "l1"):
            raise NotRecordable(f"{p.path}: {p.regularizer!r}")
    if getattr(model, "run_eagerly", False):
        raise NotRecordable("compile(run_eagerly=True)")


# arrays that another array takes the place of in every replay, row by row or step by step
Inputs = collections.namedtuple("Inputs", "x y w outputs")


class Program:
    """The recorded step of a model for batches of N rows.

    Args:
        model: built, and for "train" and "test" compiled.
        kind: "train", "test" or "predict".
        rows: N.
        counted: metrics that the device counts, see `Collection.matches`; None: what `run` returns
            are predictions.
    """

    def __init__(self, model, kind, rows, counted=None):
        check_recordable(model)
        self.model, self.kind, self.rows, self.counted = model, kind, rows, counted
        ops = model.own_context.ops
        self.recorder = Recorder(ops)
        self.context = StepContext(self.recorder, reuse=True)
        self.context.step = ops.RunningStep()
        self.scalar_names, self.copied = [], 0
        self.whole = None  # a reference to the data set that `_look_at` has seen
        saved = [(layer, layer.saved) for layer in model.leaves()]
        model.context = self.context
        try:
            self.inputs = self._record(ops)
        finally:
            model.context = model.own_context
            for layer, kept in saved:
                layer.saved = kept
        try:
            self.machine = ops.Machine(
                self.recorder.instructions, rows, self._known_arrays(),
                self.inputs, model.flat, model.dtype,
            )  # fmt: skip
        except ops.Unsupported as reason:
            raise NotRecordable(str(reason)) from None

    def _record(self, ops):
        model, context = self.model, self.context
        x, inputs = self._inputs()
        if self.kind == "predict":
            return Inputs(x, None, None, self._computed(x, model.forward(inputs, training=False)))
        loss, before = model.loss, (model.loss.context, model.optimizer.ops)
        loss.context, model.optimizer.ops = context, self.recorder
        try:
            training = self.kind == "train"
            outputs = self._computed(x, model.forward(inputs, training, logits=model.fused))
            if context.masks.of(outputs) is not None:
                raise NotRecordable("padding reaches the loss")  # the eager step says it better
            for values in model.activity_losses():
                self.recorder.instructions.append(ops.add_loss_instruction(values))
            R, C = outputs.size // outputs.shape[-1], outputs.shape[-1]
            rows = outputs.reshape(R, C)
            y = ((R,), np.dtype(np.int64)) if loss.integer_targets else ((R, C), model.dtype)
            y, w = ops.empty(*y), ops.empty((R,), model.dtype)
            values = loss.forward(y, rows, w, **({"logits": True} if model.fused else {}))  # (R,)
            self.recorder.instructions.append(ops.add_loss_instruction(values))
            predictions = loss.probabilities if model.fused else rows
            if self.kind == "test":
                for p in model.trainable_weights:
                    if p.regularizer is not None:
                        penalty = ops.penalty_instructions(p.value, p.regularizer)
                        self.recorder.instructions.extend(penalty)
            else:
                rule = model.optimizer
                dy = rule.scaled(loss.backward(), context).reshape(outputs.shape)
                model.backward(dy, logits=model.fused)
                rule.unscale(model.flat.grads)
                model.add_penalty_gradients(self.recorder)
                numbers = rule.numbers(rule.step_number)
                self.scalar_names = list(numbers)
                slots = {name: ops.Slot(v, i) for i, (name, v) in enumerate(numbers.items())}
                rule.collect(model.flat.grads, slots)
                with self.recorder.only_when(slots.get("due")):
                    rule.descend(model.flat.trainable, model.flat.grads, slots)
                rule.finish(model.flat.trainable, slots)
            if self.counted is None:
                return Inputs(x, y, w, predictions)
            for k, (name, *numbers) in enumerate(self.counted):
                hits = context.empty((R,), model.dtype)
                counting = ops.count_matches_instructions(name, predictions, y, numbers, hits, k,
                                                          len(self.counted))  # fmt: skip
                self.recorder.instructions.extend(counting)
            return Inputs(x, y, w, None)
        finally:
            loss.context, model.optimizer.ops = before
            loss.dp = loss.probabilities = None

    def _inputs(self):
        """The array that the machine gathers a batch into, and what the model takes of it.

        Several inputs stand side by side in the array, and are cut out of it first.
        """
        shapes, empty, dtype = self.model.input_shape, self.context.empty, self.model.dtype
        if not isinstance(shapes, list):
            x = empty((self.rows, *shapes[1:]), dtype)  # (N, ...)
            return x, x
        parts = [empty((self.rows, *shape[1:]), dtype) for shape in shapes]
        x, first = empty((self.rows, sum(part[0].size for part in parts)), dtype), 0
        for part in parts:
            self.recorder.take_columns(x, first, x=part.reshape(self.rows, -1))
            first += part[0].size
        return x, parts

    def _computed(self, x, outputs):
        """The outputs, which must have an array of their own."""
        if isinstance(outputs, list):
            raise NotRecordable("several outputs")
        if np.may_share_memory(outputs, x):
            raise NotRecordable("the model hands its input on")
        return outputs

    def _known_arrays(self):
        """Everything whose address stays the same from step to step."""
        known = [array for pool in self.context.arrays.values() for array in pool]
        known += [a for a in self.inputs if a is not None]
        known += self.recorder.constants
        known.append(self.model.flat.values)
        if self.kind == "train":
            known.append(self.model.flat.grads)
            known += self.model.optimizer.arrays()
        return known

    @property
    def nbytes(self):
        """Memory of the step's arrays."""
        return sum(a.nbytes for pool in self.context.arrays.values() for a in pool)

    def run(self, x, index, y=None, w=None):
        """Replay one step for every N entries of `index`.

        Args:
            x: the data set's rows, (rows, ...): an ndarray, SparseRows or MappedRows.
            index: which of its rows, (steps * N,) int64.
            y, w: targets and weights of just these rows, in this order.

        Returns:
            (losses (steps,), outputs): penalties are in the losses; outputs (steps * N, ..., C), or
            what was counted, (steps, metrics) float64.
        """
        model, ops, steps = self.model, self.recorder.ops, len(index) // self.rows
        whole = x
        x, index = self._within_reach(x, index)
        if x is not whole:  # how to multiply is decided by the whole, not by what a stretch holds
            self._look_at(whole)
            self.machine.seen = weakref.ref(x)
        scalars = np.zeros((steps, max(len(self.scalar_names), 1)))
        if self.kind == "train":
            first = model.optimizer.step_number
            numbers = model.optimizer.numbers_of(range(first, first + steps))
            scalars[:, : len(self.scalar_names)] = numbers
        if self.counted is None:
            like = self.inputs.outputs
            outputs = np.empty((steps * len(like), *like.shape[1:]), model.dtype)
        else:
            outputs = np.empty((steps, len(self.counted)))
        try:
            with ops.single_threaded_blas(self.rows):
                losses = self.machine.run(
                    x, index, Inputs(None, y, w, outputs), scalars, steps, model.steps_taken
                )
        except KeyboardInterrupt:  # comes through when the compiled loop has ended: all is done
            self._count(steps)
            raise
        except Exception as error:  # rows that could not be read, after some steps were made
            self._count(getattr(error, "steps_done", 0))
            raise
        self._count(steps)
        return losses, outputs

    def _look_at(self, x):
        """Let the machine know how many zeros a data set has that it can't read in place."""
        if self.whole is not None and self.whole() is x:
            return
        some = np.arange(0, len(x), max(len(x) // 200, 1), dtype=np.int64)
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
        if self.kind == "train":
            self.model.optimizer.step_number += steps
            self.model.steps_taken += steps
