"""Keras's Progbar: a progress line for a loop of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .progress import ProgressBar

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike


class Progbar:
    """A progress line with the means of named values.

        bar = keras.utils.Progbar(100)
        for step in range(100):
            ...
            bar.add(1, values=[("loss", loss)])

    Args:
        target: number of steps; None if it is not known.
        verbose: 0 nothing, 1 a live line, 2 one line when finished.
        stateful_metrics: names whose last value is shown, and not their mean over the steps.
        width, interval, unit_name: accepted as in Keras.
        stateless_metrics: instead: names whose mean is shown, and of the others the last value.

    Raises:
        ValueError: both kinds of names.
    """

    target: Any

    last: dict[Any, Any]
    seen: int
    stateful: Any
    stateless: Any
    sums: dict[Any, Any]

    def __init__(self, target: ArrayLike, width: int = 20, verbose: int = 1, interval: float = 0.05,
                 stateful_metrics: Any = None, stateless_metrics: Any = None,
                 unit_name: str = "step") -> None:  # fmt: skip
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar: give stateful_metrics or stateless_metrics, not both; "
                             f"received {stateful_metrics} and {stateless_metrics}")  # fmt: skip
        self.target, self.stateful = target, set(stateful_metrics or ())
        self.stateless = None if stateless_metrics is None else set(stateless_metrics)
        self.bar: Any = ProgressBar(target, verbose=verbose)
        self.seen, self.sums, self.last = 0, {}, {}

    def update(self, current: Any, values: ArrayLike = None, finalize: Any = None) -> None:
        """Say that `current` steps are done.

        Args:
            values: pairs (name, value) of the steps since the last call; of a list of numbers the
                mean counts.
            finalize: whether this is the end; None: where `target` is reached.
        """
        new = max(current - self.seen, 1)
        for name, value in values or ():
            value = float(np.mean(value))
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name], self.last[name] = (total + value * new, count + new), value
        self.seen = current
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        (self.bar.finish if finalize else self.bar.update)(current, self.logs)

    def add(self, n: int, values: ArrayLike = None) -> None:
        """Say that n more steps are done."""
        self.update(self.seen + n, values)

    def logs(self) -> dict[str, Any]:
        """Return name -> mean so far, or the last value of `stateful_metrics`."""
        return {name: self.last[name] if self._shows_last(name) else total / count
                for name, (total, count) in self.sums.items()}  # fmt: skip

    def _shows_last(self, name):
        return name in self.stateful if self.stateless is None else name not in self.stateless
