"""Steps carried out one by one, kernel by kernel."""

import contextlib

import numpy as np

from ..core.graph import each
from ..core.ranks import WHOLE
from .batch import shapes_of, targets


class Eager:
    """Runs `train_step`, `test_step` and `predict_step` for each of some batches.

    Batches are rows (a slice, or an array of row numbers) of a Dataset.
    """

    def __init__(self, model):
        self.model = model
        self.reasons = {}  # kind of step -> why it can't be recorded

    def predict_again(self, x):
        """The outputs for x, where the last call was for such a batch; None: look at it anew."""

    def length(self):
        """How many batches may be carried out in one call."""
        return 1

    def train(self, data, batches):
        """A training step for each batch; where the first ones fail, the model is as before.

        Steps that were made before a row could not be read count.
        """
        metrics = self.model.compiled_metrics
        before = None if metrics.have_counted else self.model.get_state()
        try:
            self.take_steps(data, batches)
        except Exception as error:
            if before is not None and not getattr(error, "steps_done", 0):
                self.model.set_state(before)
            raise
        metrics.have_counted = True

    def take_steps(self, data, batches):
        with self.parted(data, batches) as batches:
            for rows in batches:
                self.model.begin_step()
                y, weight = self._run(self.model.train_step, data, rows)
                self.model.steps_taken += 1
                self._count(data, y, weight)

    def test(self, data, batches):
        """Loss and metrics of each batch."""
        with self.parted(data, batches) as batches:
            for rows in batches:
                self.model.begin_call()
                self._count(data, *self._run(self.model.test_step, data, rows))

    def parted(self, data, batches):
        """Within the block, steps are of this rank's rows of the batches, which it returns."""
        batches, part = self.model.ranks.part(data, batches)
        return contextlib.nullcontext(batches) if part is WHOLE else self._of_part(batches, part)

    @contextlib.contextmanager
    def _of_part(self, batches, part):
        context = self.model.step_context
        context.take_part(part)
        try:
            yield batches
        finally:
            context.take_part(WHOLE)

    def _run(self, step, data, rows):
        """Carry out a step; returns the targets and sample weights as the data set holds them."""
        model, (y, weight) = self.model, targets(data, rows)
        step(model.input_rows(data.x, rows), *model.target_rows(y, weight, data.output_shape))
        return y, weight

    def _count(self, data, y, weight):
        """Count the loss and the metrics of the last step."""
        model, to_host = self.model, self.model.context.ops.to_host

        def on_host(predictions, shape):  # (R, C)
            return to_host(predictions).reshape(shape)

        shapes = shapes_of(data.output_shape, len(y))
        predictions, sums = each(on_host, model.predictions(), shapes), None  # (N, ..., C)
        if isinstance(predictions, list):
            sums = [None if values is None else to_host(values).sum(dtype=np.float64)
                    for values in model.loss.terms]  # fmt: skip
        self.track(model.context.loss, [len(y)], sums)
        model.update_metrics(y, predictions, weight)

    def track(self, losses, rows, of_outputs=None):
        """Count the losses of steps, and their rows: a mean counts with its rows.

        Args:
            of_outputs: the same losses by output, where there are several; see `count_losses`.
        """
        model, part = self.model, self.model.step_context.part
        if part.total is not None:  # the losses are this rank's terms of the batches' means
            rows = np.asarray(rows)
            share, rows = part.total / rows, rows / part.copies
            losses = losses * share
            of_outputs = of_outputs and [None if s is None else s * share for s in of_outputs]
        model.loss_tracker.update_state(losses, rows)
        if of_outputs is not None:
            model.compiled_metrics.count_losses(of_outputs, rows)

    def predict(self, data, batches):
        """The outputs for the rows of the batches."""
        model, parts = self.model, []
        for rows in batches:
            model.begin_call()
            outputs = model.predict_step(model.input_rows(data.x, rows))
            parts.append(each(np.array, each(model.context.ops.to_host, outputs)))
        return joined(parts)

    def announce(self, data):
        """Return what tells the device, while it lives, that a call reads these data sets."""
        return getattr(self.model.context.ops, "announce", lambda data: None)(data)

    def release(self):
        """Give memory back that the next call can do without."""
        getattr(self.model.context.ops, "release", lambda: None)()


def joined(parts):
    """Outputs of several batches as one array, or list of arrays."""
    if isinstance(parts[0], list):
        return [joined(list(arrays)) for arrays in zip(*parts, strict=True)]
    if len({part.shape[1:] for part in parts}) > 1:
        shapes = sorted({part.shape[1:] for part in parts})
        raise ValueError("predict: the rows of the batches differ in their length, so that their "
                         f"outputs have the shapes {shapes}, which no one array can hold: take "
                         "predict_on_batch for each")  # fmt: skip
    whole = parts[0].base
    of_one = whole is not None and all(part.base is whole for part in parts)
    if of_one and sum(map(len, parts)) == len(whole):  # written there, one after the other
        return whole
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
