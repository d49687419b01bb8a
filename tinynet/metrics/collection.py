"""The metrics of a compiled model: names, "accuracy" resolved by shape, weighted or not."""

import inspect

import numpy as np

from ..core.graph import each
from ..data.several import in_order
from ..losses.crossentropy import kind_by_shape
from .accuracy import BinaryAccuracy
from .base import Metric, _registry, get
from .reduction import Mean, MeanMetricWrapper, Sum, object_name

LOSS = "loss"
BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")  # names that mean one of three metrics


class Collection:
    """Metrics of one model, in the order of `compile`.

    Args:
        metrics: a name, an object, a function, or a list of them; ignore sample weights.
        weighted_metrics: the same; use them.
        target_shape, output_shape: of the data and the model, to say which accuracy is meant; for
            several outputs lists of them.
        logits: whether the outputs are logits for the loss, for several a list: then names such as
            "accuracy" mean metrics of logits.
        outputs: (name, whether it has a loss) of each output; None where there is one.

    Attributes:
        items: (name, metric, whether it is weighted) of each.
        of: the number of the output that each is for; LOSS for the means of several losses.
        losses: number of the output -> the mean of its loss, where there are several.
        have_counted: whether a training step went through: what then fails is not of their making.
    """

    have_counted = False

    def __init__(self, metrics, weighted_metrics, target_shape, output_shape, logits=False,
                 outputs=None):  # fmt: skip
        self.items, self.of, self.losses = [], [], {}
        taken = {"loss"}  # names
        several = outputs is not None and len(outputs) > 1
        names = [name for name, _ in outputs] if several else None
        self.target_shape = list(target_shape) if several else tuple(target_shape)
        trained = [k for k, (_, has_loss) in enumerate(outputs or ()) if has_loss]
        for k in trained if len(trained) > 1 else ():
            self.losses[k] = Mean(name="loss")
            self._append(taken, f"{names[k]}_", "loss", self.losses[k], False, LOSS)
        about = [(target_shape, output_shape, logits)]
        if several:
            about = list(zip(target_shape, output_shape, logits, strict=True))
        for given, weighted in ((metrics, False), (weighted_metrics, True)):
            for k, entries in enumerate(by_output(given, names)):
                for entry in as_list(entries):
                    if about[k][0] is None:
                        raise ValueError(f"y: the output {names[k]!r} has metrics, but no targets")
                    metric, name = _resolve(entry, *about[k])
                    output = f"{names[k]}_" if several else ""
                    self._append(taken, output, name, metric, weighted, k)
        if not several:
            self.of = [None] * len(self.items)

    def _append(self, taken, output, name, metric, weighted, k):
        """Add a metric under a name that no other has, and that is `taken` from now on."""
        stem = f"{output}{name}"
        if stem in taken and weighted:
            stem = f"{output}weighted_{name}"
        name, count = stem, 1
        while name in taken:
            name, count = f"{stem}_{count}", count + 1
        taken.add(name)
        self.items.append((name, metric, weighted))
        self.of.append(k)

    def reset(self):
        for _, metric, _ in self.items:
            metric.reset_state()

    def get_state(self):
        """Return what the metrics have counted, and the shape of the targets they are for."""
        states = [metric.get_state() for _, metric, _ in self.items]
        return {"target_shape": self.target_shape, "metrics": states}

    def set_state(self, state):
        """Go on from what `get_state` returned."""
        for (_, metric, _), kept in zip(self.items, state["metrics"], strict=True):
            metric.set_state(kept)

    def update(self, y_true, y_pred, sample_weight, batch_size=None, which=None):
        """Count a batch; or several at once, of `batch_size` rows each, to the same bits.

        Args:
            which: function of a metric: whether it counts them; None: all do.
        """
        if not all(_ours(metric) for _, metric, _ in self.items):
            y_pred = each(np.array, y_pred)  # a user may keep it, and the next step writes over it
        given = y_true, y_pred, sample_weight
        for (_, metric, weighted), k in zip(self.items, self.of, strict=True):
            if k == LOSS or (which is not None and not which(metric)):
                continue
            y_true, y_pred, weight = given if k is None else _of_output(k, *given)
            weight = weight if weighted else None
            # counts are exact in any order, sums of other numbers are not
            if batch_size is None or metric.adds_in_order or (weight is None and metric.counts):
                metric.update_state(y_true, y_pred, weight)
                continue
            for i in range(0, len(y_true), batch_size):
                rows = slice(i, i + batch_size)
                part = None if weight is None else weight[rows]
                metric.update_state(y_true[rows], y_pred[rows], part)

    def count_losses(self, sums, rows):
        """Count the losses of several outputs.

        Args:
            sums: per output, of one or several batches; None without a loss.
            rows: of each batch.
        """
        for k, mean in self.losses.items():
            mean.update_state(sums[k], rows)

    def matches(self, y, output_shape, integer_targets):
        """Return what a device can count in place of `update`, matches of rows; None if not all.

        Args:
            y: the targets.
            output_shape: of the model; rows (N, C) are counted.
            integer_targets: whether y are class ids for the loss, or rows.

        Returns:
            For each metric (kernel, *numbers).
        """
        found = [getattr(metric, "match", None) if _ours(metric) and not weighted else None
                 for _, metric, weighted in self.items]  # fmt: skip
        if None in found or len(output_shape) != 2 or y.dtype.kind not in "biuf":
            return None
        names = {name for name, *_ in found}
        fits = names <= ({"sparse_matches"} if integer_targets else
                         {"binary_matches", "categorical_matches"})  # fmt: skip
        if "binary_matches" in names and output_shape[-1] != 1:
            return None  # a row counts with the share of its entries
        exact = integer_targets or y.dtype.kind != "f" or y.dtype.itemsize <= 4
        return found if fits and exact else None

    def count(self, hits, rows):
        """Count rows of which the device found so many to match, in the order of `matches`.

        Args:
            hits: (metrics,), whole numbers.
            rows: how many there were.
        """
        for (_, metric, _), matching in zip(self.items, hits, strict=True):
            metric.total.value += matching
            metric.count.value += rows

    def results(self) -> dict:
        """Return name -> number, or array where a metric has several values.

        A metric whose result is a dict is not listed itself; what is in it comes last, sorted by
        name, as Keras lists it.
        """
        values = {name: _plain(metric.result()) for name, metric, _ in self.items}
        inside = {}
        for name in [name for name, value in values.items() if isinstance(value, dict)]:
            inside.update(values.pop(name))
        return {**values, **{name: inside[name] for name in sorted(inside)}}

    def names_are_known(self) -> bool:
        """Return whether `results` has one entry for each item, under the item's name."""
        return all(_ours(metric) for _, metric, _ in self.items)


def _plain(result):
    """Return a metric's result as a float, an array of its own, or a dict of those."""
    if isinstance(result, dict):
        return {name: _plain(value) for name, value in result.items()}
    array = np.array(result)
    if array.dtype.kind not in "biuf":
        return result
    return array if array.ndim else float(array)


def _of_output(k, y_true, y_pred, sample_weight):
    """Return the same of one of several outputs."""
    weight = None if sample_weight is None else sample_weight.parts[k]
    return y_true.parts[k], y_pred[k], weight


def by_output(metrics, names, what="metrics"):
    """Return what is given for each output, as a list; see `Collection`."""
    if names is None or len(names) < 2:
        return [metrics]
    if metrics is None or (isinstance(metrics, (list, tuple)) and not metrics):
        return [None] * len(names)
    if not isinstance(metrics, (list, tuple, dict)):
        raise TypeError(f"{what}: expected a list or dict with an entry for each of the outputs "
                        f"{list(names)}, received {metrics!r}")  # fmt: skip
    return in_order(list(names), metrics, what)


def as_list(metrics):
    """None, a name, a metric or a list of them as a flat list.

    A dict stands for a list if it names one output, {"output": metrics}; the model has no more.
    """
    if metrics is None:
        return []
    if isinstance(metrics, dict) and "class_name" not in metrics:
        if len(metrics) != 1:
            raise ValueError("metrics: expected one entry, because there is one output, received "
                             f"{metrics!r}")  # fmt: skip
        return as_list(next(iter(metrics.values())))
    if isinstance(metrics, (list, tuple)):
        nested = len(metrics) == 1 and isinstance(metrics[0], (list, tuple))
        return list(metrics[0] if nested else metrics)
    return [metrics]


def check_names(metrics):
    """Raise for a name that no metric has, before anything is built."""
    for entry in as_list(metrics):
        if isinstance(entry, str):
            if entry.lower() in BY_SHAPE:
                continue
            entry = _registry.lookup(entry)
        if not isinstance(entry, (Metric, type, dict)) and not callable(entry):
            raise TypeError(f"metrics: expected names, metrics or functions, received {entry!r}")
        if isinstance(entry, type):
            try:
                inspect.signature(entry).bind()
            except TypeError as error:
                raise TypeError(f"metrics: {entry.__name__} needs arguments ({error}); pass an "
                                f"object, {entry.__name__}(...)") from None  # fmt: skip
        if entry in (Mean, Sum) or type(entry) in (Mean, Sum):
            name = entry.__name__ if isinstance(entry, type) else type(entry).__name__
            raise TypeError(f"metrics: {name} takes values, not targets and predictions; wrap a "
                            "function of both in MeanMetricWrapper")  # fmt: skip


def is_sum(metric):
    """Return whether the metric adds up rows, so that it does not matter where a batch ends."""
    return _ours(metric) and metric.counts_rows


def added_states(states):
    """Return the sum of what metrics of one kind, each a sum over rows, have counted."""
    total = {}
    for state in states:
        for name, value in state.items():
            if isinstance(value, dict):
                total[name] = added_states([total.get(name, {}), value])
            else:
                total[name] = total[name] + value if name in total else value
    return total


def _ours(metric):
    return type(metric).__module__.startswith("tinynet.")


def _resolve(entry, target_shape, output_shape, logits):
    """Return the metric object and the name it is shown under."""
    if isinstance(entry, str) and entry.lower() in BY_SHAPE:
        metric = _by_shape(entry, target_shape, output_shape)
    else:
        metric = get(entry)
    if not isinstance(metric, Metric):  # a function, or a Loss
        metric = MeanMetricWrapper(metric, name=object_name(metric))
    if not isinstance(entry, str):
        return metric, metric.name
    metric.name = entry
    if logits and isinstance(metric, BinaryAccuracy):
        metric.threshold = 0.0  # where the sigmoid is 0.5
    elif logits and getattr(metric, "from_logits", None) is False:
        metric.from_logits = True
    return metric, entry


def _by_shape(name, target_shape, output_shape):
    word = "Accuracy" if name.lower() in ("accuracy", "acc") else "Crossentropy"
    return _registry.lookup(kind_by_shape(target_shape, output_shape) + word)()
