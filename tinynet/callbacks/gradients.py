"""GradientMonitor: after each epoch, how large the gradients and the updates are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.checks import check_integer
from ..inspecting.observing import Histogram, histogram, sample, vital_signs
from .base import Callback

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from matplotlib.figure import Figure

    from ..configs.types import ArrayLike, Logs, State


class GradientMonitor(Callback):
    """Records at the end of each epoch what one more training step would look like.

        monitor = GradientMonitor(x, y)
        history = model.fit(x, y, callbacks=[monitor])
        monitor.plot()              # or tinynet.plotting.plot_gradients(history)
        monitor.plot_histograms()

    It looks at one batch, the same one in every epoch, and leaves the training as it is: with and
    without it the weights are bit-equal. In History, and only there, appear

        gradient_norm/PATH   |dW|, the norm of a parameter's gradient
        update_ratio/PATH    |step| / |W|; about 1e-3 is usual, 1e-6 is standstill, 1e-1 is wild
        dead_units/LAYER     share of units whose activation has slope 0 in every row

    `step` is what the optimizer would add next, with its moments, clipping and weight decay.

    Args:
        x, y, sample_weight: data to look at, as for `fit`; usually the training data.
        rows: how many of them, chosen at random once.
        seed: of this choice.
        bins: of the histograms of gradients and layer outputs; 0: none are kept.

    Attributes:
        history: name -> list with one value per epoch, as in History.
        histograms: {"gradients": path -> list, "outputs": layer -> list} of observing.Histogram.
        epoch: the numbers of the epochs, from 0.
    """

    epoch: Any
    histograms: Any
    history: Any

    def __init__(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike = None, *,
                 rows: int = 256, seed: int = 0, bins: int = 60) -> None:  # fmt: skip
        super().__init__()
        check_integer("GradientMonitor: rows", rows, kind="an int")
        if x is None or y is None:
            raise ValueError("GradientMonitor needs data to look at: GradientMonitor(x, y)")
        self.batch: Any = sample(x, y, sample_weight, rows=rows, seed=seed)
        self.bins = bins
        self._clear()

    def _clear(self):
        self.history, self.epoch = {}, []
        self.histograms = {"gradients": {}, "outputs": {}}

    def get_state(self) -> State:
        return {"history": self.history, "epoch": self.epoch,
                "histograms": _each(self.histograms, tuple)}  # fmt: skip

    def set_state(self, state: State) -> None:
        self.history, self.epoch = state["history"], state["epoch"]
        self.histograms = _each(state["histograms"], Histogram._make)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._clear()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.look(epoch)
        # not by the logs: a progress line has no room for them
        self.model.history.history.update({n: list(v) for n, v in self.history.items()})

    def look(self, epoch: int) -> None:
        """Record gradients, updates, outputs and dead units after this epoch."""
        x, y, weight = self.batch
        values, gradients, outputs = vital_signs(self.model, x, y, weight)
        speaking = [f.name for f in self.model.leaves() if f.parameters or hasattr(f, "activation")]
        outputs = {name: outputs[name] for name in speaking if name in outputs}
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)
        self.epoch.append(epoch)
        if self.bins:
            for kind, arrays in (("gradients", gradients), ("outputs", outputs)):
                for name, array in arrays.items():
                    kept = self.histograms[kind].setdefault(name, [])
                    kept.append(histogram(array, self.bins))

    def on_train_end(self, logs: Logs | None = None) -> None:
        history = self.model.history.history  # loss and metrics come first
        for name in self.history:
            history[name] = history.pop(name)

    def plot(self, axes: int | Sequence[int] | None = None) -> Figure:
        """Return a figure: gradient norms, update ratios and dead units against the epoch."""
        from ..plotting import plot_gradients

        return plot_gradients(self, axes=axes)

    def plot_histograms(self, kind: str = "gradients", names: Sequence[str] | None = None,
                        axes: int | Sequence[int] | None = None) -> Figure:  # fmt: skip
        """Return how gradients (or "outputs") are spread, epoch by epoch: a figure."""
        from ..plotting import plot_histograms

        return plot_histograms(self, kind, names, axes=axes)


def _each(histograms, convert):
    """Return the histograms, kind -> name -> list, with each of them converted."""
    return {kind: {name: [convert(one) for one in kept] for name, kept in known.items()}
            for kind, known in histograms.items()}  # fmt: skip
