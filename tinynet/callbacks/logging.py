"""Callbacks that write or watch: ProgbarLogger, CSVLogger, LambdaCallback,
LearningRateScheduler.
"""

from __future__ import annotations

import csv
import inspect
import pathlib
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..showing.progress import ProgressBar
from .base import Callback

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Logs, Path, State


class ProgbarLogger(Callback):
    """The progress line of `fit`, `evaluate` and `predict`; validation within `fit` has none."""

    params: dict[str, Any]

    bar: Any
    done: int

    def __init__(self) -> None:
        super().__init__()
        self.bar, self.done = None, 0

    def _open(self, title=None):
        self.close()
        self.done = 0
        self.bar = ProgressBar(self.params["steps"], title=title, verbose=self.params["verbose"])

    def batch_done(self, step: int, logs: Logs | None = None) -> None:
        """After every batch; `logs` is a function that is called only if something is drawn."""
        if self.params["validating"]:
            return
        self.done = step + 1
        self.bar.update(self.done, logs)

    def close(self) -> None:
        """End a line that is not finished, e.g. after an exception."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def set_params(self, params: dict[str, Any]) -> None:
        # a copy: `params` belongs to all callbacks, "validating" to this one
        self.params = {"validating": False, **params}

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._open(f"Epoch {epoch + 1}/{self.params['epochs']}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.bar.finish(self.done, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if "epochs" in self.params:
            self.params["validating"] = True
        else:
            self._open()

    def on_test_end(self, logs: Logs | None = None) -> None:
        if self.params["validating"]:
            self.params["validating"] = False
        else:
            self.bar.finish(self.done, logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._open()

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self.bar.finish(self.done)


class CSVLogger(Callback):
    """One line per epoch in a CSV file: the epoch's number from 0, then the logs.

    Args:
        filename: path of the file.
        separator: between the values.
        append: go on after what the file holds, without a second header.
    """

    append: bool
    filename: pathlib.Path
    header: Any
    separator: str

    writes = True

    def get_state(self) -> State:
        size = self.filename.stat().st_size if self.filename.exists() else 0
        return {"fields": self.fields, "header": self.header, "size": size}

    def set_state(self, state: State) -> None:
        self.fields, self.header = state["fields"], state["header"]
        size = self.filename.stat().st_size if self.filename.exists() else 0
        if size < state["size"]:
            warnings.warn(f"CSVLogger: {self.filename} lacks lines that it had when the snapshot "
                          "was written", stacklevel=2)  # fmt: skip
            return
        with self.filename.open("ab") as file:  # lines after it are written anew
            file.truncate(state["size"])

    def __init__(self, filename: Path, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, received {separator!r}")
        self.filename, self.separator, self.append = pathlib.Path(filename), separator, append
        self.fields: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        going_on = self.append and self.filename.exists() and self.filename.stat().st_size > 0
        self.fields, self.header = None, not going_on
        if self.model.resumed:
            self.filename.touch()
        elif not going_on:
            self.filename.write_text("")  # and fail now, not after the first epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        with self.filename.open("a", newline="") as file:  # closed again, whatever comes
            writer = csv.writer(file, delimiter=self.separator)
            if self.fields is None:
                self.fields = list(logs)
                if not any(name.startswith("val_") for name in logs):
                    # validation may come in a later epoch (validation_freq); as in Keras
                    self.fields += [f"val_{name}" for name in logs]
                if self.header:
                    writer.writerow(["epoch", *self.fields])
            writer.writerow([epoch, *(_cell(logs.get(name, "NA")) for name in self.fields)])


def _cell(value):
    """Return a metric's value as one cell; of several values, [a, b, ...]."""
    return f"[{', '.join(map(str, value))}]" if np.ndim(value) else value


class LambdaCallback(Callback):
    """Hooks given as functions: `LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))`."""

    any_keywords = True

    def __init__(self, **hooks: Any) -> None:
        super().__init__()
        for name, function in hooks.items():
            if not (name.startswith("on_") and hasattr(Callback, name)):
                raise TypeError(f"LambdaCallback: there is no hook {name!r}")
            if not callable(function):
                raise TypeError(f"LambdaCallback: {name} must be a function, received {function!r}")
            setattr(self, name, function)


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch; adds "learning_rate" to the logs.

    Args:
        schedule: function of (epoch from 0, current rate), or of the epoch alone -> float.
        verbose: 1 prints a line per epoch.
    """

    takes_rate: bool
    verbose: int

    def __init__(self, schedule: Callable[[int, float], float] | Callable[[int], float],
                 verbose: int = 0) -> None:  # fmt: skip
        super().__init__()
        if not callable(schedule):
            raise TypeError("LearningRateScheduler: schedule must be a function of (epoch, rate), "
                            f"received {schedule!r}")  # fmt: skip
        self.schedule, self.verbose = schedule, verbose
        try:
            inspect.signature(schedule).bind(0, 0.0)
            self.takes_rate = True
        except (TypeError, ValueError):
            self.takes_rate = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        args = (epoch, optimizer.learning_rate) if self.takes_rate else (epoch,)
        rate = self.schedule(*args)
        if not hasattr(rate, "__float__") or isinstance(rate, (bool, int)):
            raise ValueError("LearningRateScheduler: schedule must return a float, received "
                             f"{rate!r}")  # fmt: skip
        optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            print(f"Epoch {epoch + 1}: learning rate set to {optimizer.learning_rate}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate
