"""The metrics of a compiled model: names, "accuracy" resolved by shape, weighted or not."""

from . import accuracy
from .base import MeanMetricWrapper, Metric, _registry

BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")  # names that mean one of three metrics


class Collection:
    """Metrics of one model, in the order of `compile`.

    Args:
        metrics: a name, an object, or a list of them; ignore sample weights.
        weighted_metrics: the same; use them.
        shapes: (target shape of one row or None, output shape), to say which accuracy is meant.
    """

    def __init__(self, metrics, weighted_metrics, target_shape, output_shape):
        self.items, taken = [], {"loss"}
        for given, weighted in ((metrics, False), (weighted_metrics, True)):
            for entry in as_list(given):
                metric, name = _resolve(entry, target_shape, output_shape)
                if name in taken and weighted:
                    name = f"weighted_{name}"
                stem, k = name, 1
                while name in taken:
                    name, k = f"{stem}_{k}", k + 1
                taken.add(name)
                self.items.append((name, metric, weighted))

    def reset(self):
        for _, metric, _ in self.items:
            metric.reset_state()

    def update(self, y_true, y_pred, sample_weight):
        for _, metric, weighted in self.items:
            metric.update_state(y_true, y_pred, sample_weight if weighted else None)

    def results(self) -> dict:
        return {name: metric.result() for name, metric, _ in self.items}


def as_list(metrics):
    """None, a name, a metric or a list of them as a flat list."""
    if metrics is None:
        return []
    if isinstance(metrics, (list, tuple)):
        nested = len(metrics) == 1 and isinstance(metrics[0], (list, tuple))
        return list(metrics[0] if nested else metrics)
    return [metrics]


def check_names(metrics):
    """Raise for a name that no metric has, before anything is built."""
    for entry in as_list(metrics):
        if isinstance(entry, str):
            if entry.lower() not in BY_SHAPE:
                _registry.lookup(entry)
        elif not isinstance(entry, (Metric, type, dict)) and not callable(entry):
            raise TypeError(f"metrics: expected names, metrics or functions, received {entry!r}")


def is_sum(metric):
    """Whether the metric adds up rows, so that it does not matter where a batch ends."""
    return type(metric).__module__.startswith("tinynet.") and not isinstance(
        metric, MeanMetricWrapper
    )


def _resolve(entry, target_shape, output_shape):
    """The metric object and the name it is shown under."""
    if isinstance(entry, str) and entry.lower() in BY_SHAPE:
        return _by_shape(entry.lower(), target_shape, output_shape), entry
    if not isinstance(entry, (str, dict, type, Metric)) and callable(entry):
        entry = MeanMetricWrapper(entry)
    metric = _registry.get(entry)
    return metric, entry if isinstance(entry, str) else metric.name


def _by_shape(name, target_shape, output_shape):
    from . import regression

    kinds = (
        (accuracy.BinaryAccuracy, accuracy.SparseCategoricalAccuracy, accuracy.CategoricalAccuracy)
        if name in ("accuracy", "acc")
        else (
            regression.BinaryCrossentropy,
            regression.SparseCategoricalCrossentropy,
            regression.CategoricalCrossentropy,
        )
    )
    if output_shape[-1] == 1:
        return kinds[0]()
    sparse = len(target_shape) < len(output_shape) or target_shape[-1] == 1
    return kinds[1 if sparse else 2]()
