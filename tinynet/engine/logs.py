"""The loss and the metrics of the batches since the last reset: the logs of an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import metrics
from ..core.graph import each
from ..core.ranks import ALONE
from ..data import SeveralRows
from ..metrics.collection import added_states, is_sum

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike


class Logs:
    """Base of Trainer: the loss and metrics measured since the last reset.

    Attributes:
        loss_tracker: the mean loss.
        compiled_metrics: metrics.collection.Collection; None until the shapes are known.
        measured_for: the Course whose batches these have counted, or None.
    """

    compiled_metrics: Any
    loss_tracker: Any
    measured_for: Any

    def __init__(self) -> None:
        self.measured_for = None
        self.loss_tracker, self.compiled_metrics = metrics.Mean(name="loss"), None
        self.measured_for = None

    def measure_for(self, course: Any) -> None:
        """Have the metrics count for another call of `fit` or `evaluate`, or for none (None).

        What they have counted for a Course is `set_aside` there until it measures again.
        """
        before, metrics = self.measured_for, self.compiled_metrics
        if course is before or metrics is None:
            return
        if before is not None:
            before.set_aside = self.loss_tracker.get_state(), metrics, metrics.get_state()
        self.measured_for = course
        if course is not None and course.set_aside is not None:
            loss, of, kept = course.set_aside
            if of is metrics:  # the model was not compiled anew
                self.loss_tracker.set_state(loss)
                metrics.set_state(kept)

    def counts_here(self) -> Any:
        """Whether rows of the running batch count here: those that all ranks have, on the first."""
        part = self.step_context.part
        return part.copies == 1 or part.ranks.rank == 0

    def update_metrics(self, y: ArrayLike, predictions: ArrayLike, weight: Any,
                       rows: Any = None) -> None:  # fmt: skip
        """Count this rank's rows of some batches, see `Collection.update`.

        Metrics that are no sums over rows see the rows of all ranks, on each of them.
        """
        part, metrics = self.step_context.part, self.compiled_metrics
        if part.ranks is ALONE:
            metrics.update(y, predictions, weight, rows)
            return
        if self.counts_here():
            metrics.update(y, predictions, weight, rows, which=is_sum)
        if not self.metrics_are_sums():
            given = (y, each(np.array, predictions), weight)
            if part.copies == 1:
                given = map(_of_all_ranks, zip(*part.ranks.gather(given), strict=True))
            metrics.update(*given, which=lambda metric: not is_sum(metric))

    def collect_metrics(self) -> None:
        """Have the first rank's metrics hold what all ranks have counted; others begin anew."""
        if self.ranks is ALONE:
            return
        sums = [self.loss_tracker, *(m for _, m, _ in self._items() if is_sum(m))]
        states = self.ranks.gather([metric.get_state() for metric in sums])
        for metric, *of_ranks in zip(sums, *states, strict=True):
            if self.ranks.rank == 0:
                metric.set_state(added_states(of_ranks))
            else:
                metric.reset_state()

    def logs(self) -> dict[str, Any]:
        """Loss and metrics since the last reset, of the rows of all ranks."""
        self.collect_metrics()
        return self.ranks.first(self.logs_here)

    def logs_here(self) -> dict[str, Any]:
        """Loss and metrics since the last reset, of this rank's rows."""
        return {"loss": self.loss_tracker.result(), **self.compiled_metrics.results()}

    def get_metrics_result(self) -> dict[str, Any]:
        """Loss and metrics of the batches since the last reset, name -> value."""
        loss = {"loss": self.loss_tracker.result()}
        return loss if self.compiled_metrics is None else self.logs()

    def reset_metrics(self) -> None:
        """Forget the batches measured so far."""
        self.loss_tracker.reset_state()
        if self.compiled_metrics is not None:
            self.compiled_metrics.reset()

    def _items(self):
        """(name, metric, whether it is weighted) of each compiled metric."""
        return [] if self.compiled_metrics is None else self.compiled_metrics.items

    def metrics_are_sums(self) -> Any:
        """Whether all metrics give for several batches at once what they give one by one."""
        return all(is_sum(metric) for _, metric, _ in self._items())

    @property
    def metrics(self) -> list[Any]:
        """The loss's mean and the compiled metrics."""
        return [self.loss_tracker, *(metric for _, metric, _ in self._items())]

    @property
    def metrics_names(self) -> list[Any]:
        """Names of what `evaluate` returns."""
        return ["loss", *(name for name, *_ in self._items())]

    def metric_direction(self, name: str) -> Any:
        """True: higher is better, False: lower, None: there is no metric of this name."""
        for known, metric, _ in self._items():
            if known == name:
                is_loss = metric in self.compiled_metrics.losses.values()
                return False if is_loss else metric.higher_is_better
        return None


def _of_all_ranks(parts):
    """Return the rows of all ranks in one; None if they have none."""
    if isinstance(parts[0], SeveralRows):
        return SeveralRows(_of_all_ranks([part.parts for part in parts]))
    if isinstance(parts[0], list):
        return [_of_all_ranks(one) for one in zip(*parts, strict=True)]
    return None if parts[0] is None else np.concatenate(parts)
