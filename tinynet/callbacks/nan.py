"""TerminateOnNaN: training ends when the loss is NaN or infinite, and says where that began."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..inspecting.untouched import untouched
from .base import Callback

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Logs, State


class TerminateOnNaN(Callback):
    """Ends training when the loss of a batch is NaN or infinite.

    Args:
        raise_error: raise a RuntimeError instead.
        explain: say where it first came up: in which step, in the output of which layer, in the
            loss, in which gradient or update. Also notices weights that are not finite,
            before the next loss shows it. Costs a copy of the weights per batch; at the end the
            last batch is gone through once more, layer by layer.

    Attributes:
        found: with `explain`, the nan_search.NotFinite that was found, or None.
    """

    before: Any
    explain: bool
    found: Any
    raise_error: bool

    def __init__(self, raise_error: bool = False, explain: bool = False) -> None:
        super().__init__()
        self.raise_error, self.explain = raise_error, explain
        self.before = self.found = None

    def get_state(self) -> State:
        return {}

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if self.explain:
            self.before = self.model.get_state()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        reason = None if loss is None or math.isfinite(loss) else f"the loss is {loss}"
        if reason is None and self.explain:
            values = np.asarray(self.model.context.ops.to_host(self.model.flat.values))
            reason = None if np.isfinite(values).all() else "weights are no numbers any more"
        if reason is None:
            return
        message = f"Batch {batch}: {reason}, training ends"
        if self.explain:
            self.found = self._search()
            message += f". First, in {self.found}" if self.found else (
                ". Going through the batch once more, layer by layer, brought up nothing"
            )  # fmt: skip
        self.before = None
        if self.raise_error:
            raise RuntimeError(message)
        print(message)
        self.model.stop_training = True

    def _search(self):
        """Take the batch once more, from the state before it; return what is found or None."""
        from ..inspecting.nan_search import find

        model, (data, batches) = self.model, self.model.course.segment
        with untouched(model):
            model.set_state(self.before)
            return find(model, *model.batch(data, batches[-1]))
