"""Callbacks that follow one value: EarlyStopping and ReduceLROnPlateau."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_number
from .base import Callback, attributes

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Logs


class Monitor(Callback):
    """A callback that watches logs[monitor] and knows what an improvement is.

    Args:
        monitor: a name that History has, e.g. "val_loss".
        mode: "min", "max" or "auto": the loss down, a metric in its own direction.
        min_delta: a change below this is no improvement.
    """

    best: Any
    min_delta: float
    monitor: str
    sign: Any

    def __init__(self, monitor: str = "val_loss", mode: str = "auto",
                 min_delta: float = 0.0) -> None:  # fmt: skip
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'mode must be "auto", "min" or "max", received {mode!r}')
        check_number(f"{type(self).__name__}: min_delta", min_delta)
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.best, self.sign = None, None

    def check_monitor(self) -> None:
        """Raise if training will not log the monitored value."""
        names = self.model.log_names
        if self.monitor not in names and not self.model.log_names_may_grow:
            raise ValueError(self._missing(names))

    def _missing(self, names):
        hint = ""
        if self.monitor.startswith("val_") and self.monitor[4:] in names:
            hint = "; pass validation_data or validation_split to fit"
        return (
            f"{type(self).__name__}: monitor={self.monitor!r} is not measured{hint}. "
            f"There is: {', '.join(names)}"
        )

    def value(self, logs: Logs) -> float | None:
        """Return the monitored value, or None in an epoch without validation."""
        if self.monitor in (logs or {}):
            value = logs[self.monitor]
            if np.size(value) != 1:
                raise ValueError(f"{type(self).__name__}: monitor={self.monitor!r} has "
                                 f"{np.size(value)} values, expected one; let the metric average "
                                 "them")  # fmt: skip
            return np.asarray(value).item()
        if self.monitor not in self.model.log_names:
            raise ValueError(self._missing(list(logs or {})))
        return None

    def improves(self, value: float, best: float) -> bool:
        """Return whether `value` beats `best` by more than min_delta; NaN never does."""
        if math.isnan(value):
            return False
        if self.sign is None:
            self.sign = self._direction()
        if best is None:
            return True
        # the order of operations is Keras's, so that rounding decides a tie as it does there
        return value - self.min_delta > best if self.sign > 0 else value + self.min_delta < best

    def _direction(self):
        if self.mode != "auto":
            return 1 if self.mode == "max" else -1
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return -1
        higher = self.model.metric_direction(name)
        if higher is None:
            raise ValueError(
                f"{type(self).__name__}: can't tell whether {self.monitor!r} should rise or fall; "
                'say mode="max" or mode="min"'
            )
        return 1 if higher else -1


class EarlyStopping(Monitor):
    """Ends training when a value has stopped improving.

    Every epoch without an improvement counts; at `patience` of them training stops (but never in
    the first epoch). NaN is never an improvement.

    Args:
        monitor, min_delta, mode: see Monitor.
        patience: epochs to wait, >= 0.
        verbose: 1 prints a line when it stops.
        baseline: the count only starts over when this is beaten too.
        restore_best_weights: at the end of training go back to the best epoch's weights, stopped
            early or not.
        start_from_epoch: epochs before this one are ignored.

    Attributes:
        stopped_epoch: number, from 0, of the epoch that ended training early; else 0.
        best_epoch: number of the best epoch.
    """

    best: Any
    sign: Any

    baseline: float | None
    best_epoch: int
    best_weights: Any
    patience: bool | int
    restore_best_weights: bool
    start_from_epoch: int
    stopped_epoch: int
    verbose: int
    wait: int

    get_state: Any
    set_state: Any
    get_state, set_state = attributes("best", "best_weights", "wait", "stopped_epoch", "best_epoch")

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0,
                 verbose: int = 0, mode: str = "auto", baseline: float | None = None,
                 restore_best_weights: bool = False,
                 start_from_epoch: int = 0) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        number = isinstance(patience, int | float | np.number) and not isinstance(patience, bool)
        if not (number and patience >= 0):  # infinity: only to restore the best weights
            raise ValueError(f"EarlyStopping: patience must be >= 0, received {patience!r}")
        if baseline is not None:
            check_number("EarlyStopping: baseline", baseline)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._reset()

    def _reset(self):
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = self.sign = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()
        self.check_monitor()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = self.value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(
                f"Epoch {self.stopped_epoch + 1}: early stopping, {self.monitor} has not improved "
                f"on {self.best} since epoch {self.best_epoch + 1}"
            )
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)
            if (history := getattr(self.model, "history", None)) is not None:
                history.kept_epoch = self.best_epoch


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when a value has stopped improving.

    Adds "learning_rate" to the logs.

    Args:
        monitor, mode, min_delta: see Monitor.
        factor: in (0, 1).
        patience: epochs without improvement before it acts.
        verbose: 1 prints a line when it does.
        cooldown: epochs after it that do not count.
        min_lr: floor of the rate.
    """

    best: Any
    sign: Any

    cooldown_counter: int
    factor: float
    patience: int
    verbose: int
    wait: int

    get_state: Any
    set_state: Any
    get_state, set_state = attributes("best", "wait", "cooldown_counter")

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10,
                 verbose: int = 0, mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0,
                 min_lr: float = 0.0) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        check_number("ReduceLROnPlateau: factor", factor, above=0, below=1)
        check_number("ReduceLROnPlateau: patience", patience, 0, kind="")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown: float = check_number("ReduceLROnPlateau: cooldown", cooldown, 0)
        self.min_lr: float = check_number("ReduceLROnPlateau: min_lr", min_lr, 0)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.check_monitor()
        self.best, self.sign, self.wait, self.cooldown_counter = None, None, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        current = self.value(logs)
        if logs is not None:
            logs["learning_rate"] = float(optimizer.learning_rate)
        if current is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(current, self.best):
            self.best, self.wait = current, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            # In float32, as steps take it: 0.05 * 0.4 is above 0.02 by a float64 residue alone.
            above = np.float32(optimizer.learning_rate) > np.float32(self.min_lr)
            if self.wait >= self.patience and above:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                if self.verbose > 0:
                    print(f"Epoch {epoch + 1}: learning rate reduced to {optimizer.learning_rate}")
                self.cooldown_counter, self.wait = self.cooldown, 0
