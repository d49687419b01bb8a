"""Recorded steps, replayed by the device: many batches without coming back to Python in between.

A step that can't be recorded is done eagerly, with the same numbers, and `reasons` says why.
"""

import contextlib
import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.versions import latest_version
from ..data import SeveralRows, SparseRows
from ..data.arrays import check_finite
from ..data.sparse import is_sparse
from .batch import shapes_of, targets
from .eager import Eager
from .record import NotRecordable, Program

SECONDS_PER_CALL = 0.05  # how long a replay may keep Python waiting: progress, callbacks, Ctrl-C


class _Again(NamedTuple):
    """What was found out about a batch, as long as nothing has changed since."""

    version: object
    step: Callable
    forms: list  # of each input, see `_form`
    program: Program
    index: np.ndarray


class Replay(Eager):
    """Records each kind of step once per batch size, and replays it for all batches of a call."""

    MOST_BYTES = 1 << 26  # of arrays kept from call to call, and of rows copied in a call
    MOST_PROGRAMS = 16

    def __init__(self, model):
        super().__init__(model)
        self.programs, self.seconds = {}, {}
        self.whole = None  # (data set, the outputs for all of its rows) of `predict`
        self.again = None  # the last single batch that was predicted
        self.last, self.copied = None, 0  # bytes per step, of rows that could not be read in place

    def length(self):
        if self.last is None or not self.model.metrics_are_sums():
            return 1
        most = SECONDS_PER_CALL / self.seconds[self.last]
        if self.copied:
            most = min(most, self.MOST_BYTES / self.copied)
        return max(1, int(most))

    def program(self, kind, rows, data, counted=None):
        """The recorded step for batches of N rows, or None where it can't be recorded.

        Args:
            data: the Dataset whose batches they are; its rows may have a length of their own.
            counted: metrics that the device counts, see `Collection.matches`.
        """
        key = (*self._key(kind, rows), data.row_shape)
        state = (*self._state(kind), counted)
        known = self.programs.get(key)
        if known is None or known[0] != state:
            try:
                program = Program(self.model, kind, rows, data, counted)
                self.reasons.pop(kind, None)
            except NotRecordable as reason:
                program = None
                self.reasons[kind] = str(reason)
            except MemoryError as error:
                raise self._too_large(kind, rows, data, error) from None
            known = self.programs[key] = (state, program)
            if len(self.programs) > 2 * self.MOST_PROGRAMS:  # batches of many sizes
                del self.programs[next(iter(self.programs))]
        return known[1]

    def _too_large(self, kind, rows, data, error):
        """The error for a batch that memory is too small for; frees the recorded steps' arrays."""
        self.programs.clear()
        self.model.context.release()
        self.release()
        hint = ""
        with contextlib.suppress(MemoryError):
            one = Program(self.model, kind, 1, data).nbytes
            free = getattr(error, "free", None)
            hint = f"; a batch takes {one * rows:,} bytes, about {one:,} a row"
            if free is not None:
                hint += f", so that {max(int(0.9 * free / max(one, 1)), 1):,} rows would fit"
        return MemoryError(f"a batch of {rows} rows is too large: {error}{hint}")

    def _key(self, kind, rows):
        """What a recording goes by; of several ranks also which part of a batch they are."""
        part = self.model.step_context.part
        return (kind, rows) if part.total is None else (kind, rows, part)

    def _state(self, kind):
        """All that a recording depends on; kept objects can't be mistaken for later ones."""
        model = self.model
        step = getattr(model, f"{kind}_step")
        state = (step, model.layout, model.flat, model.run_eagerly, model.fused)
        if kind == "predict":
            return state
        return (*state, model.loss.version, model.optimizer.version)

    def take_steps(self, data, batches):
        if not self._measured("train", data, batches):
            super().take_steps(data, batches)

    def test(self, data, batches):
        if not self._measured("test", data, batches):
            super().test(data, batches)

    def predict(self, data, batches):
        self.model.ensure_flat()
        index = _index(batches)
        rows = len(index) // len(batches)
        key = self._key("predict", rows)
        parts = [(0, len(index), rows)]
        if len(key) == 2:  # not of a rank
            parts = self._parts(data, rows, len(batches))
        outputs, calls, seconds, copied = None, self.model.step_context.calls, 0.0, 0
        for first, last, rows in parts:
            program = self.program("predict", rows, data)
            if program is None:
                return super().predict(data, batches)
            if outputs is None:
                outputs = self._room(data, index, program)
            some, start = len(program.inputs.outputs) // rows, time.perf_counter()
            program.run(data.x, index[first:last], room=outputs[first * some : last * some])
            seconds, copied = seconds + time.perf_counter() - start, copied + program.copied
        self.model.step_context.calls = calls + len(batches)
        self._took(key, len(batches), seconds, copied)
        if program.columns is not None:
            return [np.array(part) for part in program.split(outputs, data.output_shape)]
        forms = [_form(part) for part in getattr(data.x, "parts", [data.x])]
        if None not in forms and len(batches) == len(parts) == 1 and len(key) == 2:
            self.again = _Again(latest_version(), self.model.predict_step, forms, program, index)
        return outputs

    def _parts(self, data, rows, batches):
        """How so many batches are predicted: (first row, last row, rows of a step) of each part.

        Where outputs for a row depend on no other row, small batches are put together, which reads
        each W less often, and large ones are cut, so that what a step computes stays in the cores'
        caches.
        """
        whole, at_once = rows * batches, getattr(self.model.context.ops, "rows_at_once", None)
        most = at_once() if at_once else rows
        step = rows if 2 * rows <= 3 * most else _step_of(rows, most)
        program = self.program("predict", step, data)
        if program is None or not program.by_rows:
            return [(0, whole, rows)]
        if step < rows:
            starts = [0] if rows % step == 0 else range(0, whole, rows)
            length = whole // len(starts)
            parts = [part for start in starts for part in (
                (start, start + length - length % step, step),
                (start + length - length % step, start + length, length % step))]  # fmt: skip
        else:
            together = min(most // rows, batches, self.MOST_BYTES // max(2 * program.nbytes, 1))
            step *= 1 << max(together, 1).bit_length() - 1  # few sizes, each of which is recorded
            last = whole - whole % step
            parts = [(0, last, step), (last, whole, rows)]
        return [part for part in parts if part[0] < part[1]]

    def _room(self, data, index, program):
        """An array for the outputs of these rows: a part of one for all rows, if they come in
        order, so that a call's outputs need not be put together at its end.
        """
        like, first, end = program.inputs.outputs, int(index[0]), int(index[-1]) + 1
        shape, dtype = like.shape[1:], self.model.dtype
        in_order = end - first == len(index) < len(data) and len(like) == program.rows
        if program.columns is None and in_order:
            if first == 0:
                self.whole = data, np.empty((len(data), *shape), dtype)
            of, whole = self.whole or (None, None)
            if of is data and whole.shape[1:] == shape:  # no other thread predicts in between
                return whole[first:end]
        return np.empty((len(index) * len(like) // program.rows, *shape), dtype)

    def predict_again(self, x):
        last, model = self.again, self.model
        if (
            last is None or last.version is not latest_version()
            or model.predict_step != last.step
        ):  # fmt: skip
            return None
        several, x = len(last.forms) > 1, SparseRows.of(x, "x") if is_sparse(x) else x
        inputs = x if several and type(x) in (list, tuple) else [x]
        if [_form(part) for part in inputs] != last.forms:
            return None
        dtype = last.program.inputs.x.dtype
        if several:
            with np.errstate(over="ignore", invalid="ignore"):
                x = SeveralRows(inputs).dense(dtype)
                if not np.isfinite(x.sum()):  # found out, and told, the long way
                    return None
        else:
            check_finite(x, "x", dtype=dtype)
        model.check_values(list(inputs) if several else x, "x")
        return last.program.run(x, last.index)[1]

    def _measured(self, kind, data, batches):
        """Replay the batches and count their losses and metrics; False where that can't be done."""
        with self.parted(data, batches) as own:
            return self._replayed(kind, data, own)

    def _replayed(self, kind, data, batches):
        model, index = self.model, _index(batches)
        model.ensure_flat()
        rows = len(index) // len(batches)
        program = self.program(kind, rows, data, self._counted(data.y))
        if program is None:
            return False
        key, steps = self._key(kind, rows), len(batches)
        if data.sample_weight is None and program.reads_targets(data.y):
            _, w = self._target_rows(data, data.y[:rows], None, rows, steps)
            given = None, w, data.y
        else:
            y, weight = targets(data, index)
            given = program.packed(*self._target_rows(data, y, weight, rows, steps))
        start = time.perf_counter()
        losses, outputs = program.run(data.x, index, *given)
        self._took(key, steps, time.perf_counter() - start, program.copied)
        several = program.columns is not None
        sums = program.losses(outputs, len(batches)) if several else None
        self.track(losses, np.full(len(losses), rows), sums)  # the same sum as step by step
        if program.counted is not None:
            if model.counts_here():
                model.compiled_metrics.count(outputs.sum(axis=0), len(index))
            return True
        if several:
            predictions = program.split(outputs, data.output_shape)
        else:
            predictions = outputs.reshape(len(index), *data.output_shape[1:])
        model.update_metrics(y, predictions, weight, rows)
        return True

    def _counted(self, y):
        """The metrics, where the device counts all of them; None: its results are predictions."""
        model = self.model
        if isinstance(y, SeveralRows):
            return None
        if not model.compiled_metrics.items:
            return []
        if not hasattr(model.context.ops, "count_matches_instructions"):
            return None
        if model.loss.valid(y[:1]) is not None:  # targets that the loss leaves out are not kept
            return None
        return model.compiled_metrics.matches(y, model.output_shape, model.loss.integer_targets)

    def _target_rows(self, data, y, weight, rows, steps):
        """Targets and row weights of the batches, as the loss wants them; lists for several."""
        shape = shapes_of(data.output_shape, rows)
        if not isinstance(y, SeveralRows):
            return self._rows_of_one(self.model.loss, y, weight, shape, steps)
        weights = [None] * len(y.parts) if weight is None else weight.parts
        found = [(None, None) if loss is None else self._rows_of_one(loss, *one, steps)
                 for loss, *one in zip(self.model.loss.losses, y.parts, weights, shape,
                                       strict=True)]  # fmt: skip
        return map(list, zip(*found, strict=True))

    def _rows_of_one(self, loss, y, weight, shape, steps):
        """Targets and row weights of one output, end to end."""
        rows = shape[0]
        if weight is None and loss.valid(y) is None:
            w = loss.as_rows(y[:rows], shape, self.model.dtype, None)[1]
            w = w if steps == 1 else np.tile(w, steps)
            y = y.reshape(-1) if loss.integer_targets else y.reshape(-1, shape[-1])
        else:
            parts = [slice(i, i + rows) for i in range(0, len(y), rows)]
            weights = [None if weight is None else weight[part] for part in parts]
            of_batches = [loss.as_rows(y[part], shape, self.model.dtype, w)
                          for part, w in zip(parts, weights, strict=True)]  # fmt: skip
            y, w = map(np.concatenate, zip(*of_batches, strict=True))
        return y, w

    def _took(self, key, steps, seconds, copied):
        """Keep what steps took, by which `length` goes; `copied`: bytes of their rows."""
        self.last, self.seconds[key], self.copied = key, seconds / steps, copied / steps

    def release(self):
        self.again = self.whole = None
        total = 0
        for key, (_, program) in list(self.programs.items())[::-1]:  # the newest first
            total += program.nbytes if program is not None else 0
            if total > self.MOST_BYTES or len(self.programs) > self.MOST_PROGRAMS:
                del self.programs[key]
        super().release()


def _form(x):
    """Shape, dtype and kind of an array or a sparse matrix; None of anything else."""
    return (x.shape, x.dtype, type(x)) if type(x) in (np.ndarray, SparseRows) else None


@functools.cache
def _step_of(rows, most):
    """Rows of a step into which so many are cut: about `most`, and a divisor if there is one."""
    near = sorted(range(max(most // 2, 1), most * 3 // 2 + 1), key=lambda n: abs(n - most))
    return next((n for n in near if rows % n == 0), most)


def _index(batches):
    """The row numbers of the batches, in order."""
    parts = [np.arange(r.start, r.stop) if isinstance(r, slice) else r for r in batches]
    together = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return np.ascontiguousarray(together, np.int64)
