"""The loss and the metrics of the batches since the last reset: the logs of an epoch."""

from .. import metrics
from ..metrics.collection import is_sum


class Logs:
    """Base of Trainer: the loss and metrics measured since the last reset.

    Attributes:
        loss_tracker: the mean loss.
        compiled_metrics: metrics.collection.Collection; None until the shapes are known.
        measured_for: the Course whose batches these have counted, or None.
    """

    def __init__(self):
        self.measured_for = None
        self.loss_tracker, self.compiled_metrics = metrics.Mean(name="loss"), None
        self.measured_for = None

    def measure_for(self, course):
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

    def logs(self) -> dict:
        """Loss and metrics since the last reset."""
        return {"loss": self.loss_tracker.result(), **self.compiled_metrics.results()}

    def get_metrics_result(self) -> dict:
        """Loss and metrics of the batches since the last reset, name -> value."""
        loss = {"loss": self.loss_tracker.result()}
        return loss if self.compiled_metrics is None else self.logs()

    def reset_metrics(self):
        """Forget the batches measured so far."""
        self.loss_tracker.reset_state()
        if self.compiled_metrics is not None:
            self.compiled_metrics.reset()

    def _items(self):
        """(name, metric, whether it is weighted) of each compiled metric."""
        return [] if self.compiled_metrics is None else self.compiled_metrics.items

    def metrics_are_sums(self):
        """Whether all metrics give for several batches at once what they give one by one."""
        return all(is_sum(metric) for _, metric, _ in self._items())

    @property
    def metrics(self):
        """The loss's mean and the compiled metrics."""
        return [self.loss_tracker, *(metric for _, metric, _ in self._items())]

    @property
    def metrics_names(self):
        """Names of what `evaluate` returns."""
        return ["loss", *(name for name, *_ in self._items())]

    def metric_direction(self, name):
        """True: higher is better, False: lower, None: there is no metric of this name."""
        directions = {known: metric.higher_is_better for known, metric, _ in self._items()}
        return directions.get(name)
