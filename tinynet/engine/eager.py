"""Steps carried out one by one, kernel by kernel."""

import contextlib

import numpy as np

from ..core.ranks import WHOLE
from .batch import targets


class Eager:
    """Runs `train_step`, `test_step` and `predict_step` for each of some batches.

    Batches are rows (a slice, or an array of row numbers) of a Dataset.
    """

    def __init__(self, model):
        self.model = model
        self.reasons = {}  # kind of step -> why it can't be recorded

    def length(self):
        """How many batches may be carried out in one call."""
        return 1

    def train(self, data, batches):
        """A training step for each batch."""
        with self.parted(data, batches) as batches:
            for rows in batches:
                y, weight = self._run(self.model.train_step, data, rows)
                self.model.steps_taken += 1
                self._count(y, weight)

    def test(self, data, batches):
        """Loss and metrics of each batch."""
        with self.parted(data, batches) as batches:
            for rows in batches:
                self._count(*self._run(self.model.test_step, data, rows))

    @contextlib.contextmanager
    def parted(self, data, batches):
        """Within the block, steps are of this rank's rows of the batches, which it returns."""
        model = self.model
        batches, part = model.ranks.part(data, batches)
        if part is WHOLE:
            yield batches
            return
        context = model.step_context
        context.take_part(part)
        try:
            yield batches
        finally:
            context.take_part(WHOLE)

    def _run(self, step, data, rows):
        """Carry out a step; returns the targets and sample weights as the data set holds them."""
        model, (y, weight) = self.model, targets(data, rows)
        model.begin_step()
        step(model.input_rows(data.x, rows), *model.target_rows(y, weight))
        return y, weight

    def _count(self, y, weight):
        """Count the loss and the metrics of the last step."""
        model = self.model
        predictions = model.context.ops.to_host(model.predictions())  # (R, C)
        predictions = predictions.reshape(len(y), *model.output_shape[1:])
        self.track(model.context.loss, [len(y)])
        model.update_metrics(y, predictions, weight)

    def track(self, losses, rows):
        """Count the losses of steps, and their rows: a mean counts with its rows."""
        part = self.model.step_context.part
        if part is not WHOLE:  # the losses are this rank's terms of the batches' means
            rows = np.asarray(rows)
            losses, rows = losses * (part.total / rows), rows / part.copies
        self.model.loss_tracker.update_state(losses, rows)

    def predict(self, data, batches):
        """The outputs for the rows of the batches."""
        model, parts = self.model, []
        for rows in batches:
            model.begin_step()
            outputs = model.predict_step(model.input_rows(data.x, rows))
            to_host = model.context.ops.to_host
            if isinstance(outputs, list):
                parts.append([np.array(to_host(a)) for a in outputs])
            else:
                parts.append(np.array(to_host(outputs)))
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
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
