"""ModelCheckpoint: files while the model trains."""

from __future__ import annotations

import contextlib
import os
import pathlib
from typing import TYPE_CHECKING

from ..configs.checks import check_number, is_integer
from ..saving import WEIGHTS, WHOLE, format_of
from .base import attributes
from .monitor import Monitor

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Logs, Path


class ModelCheckpoint(Monitor):
    """Saves the model after every epoch, after n batches, or whenever a value improves.

    A file is replaced only by a whole new one: whatever happens while it is written, the file
    before it survives.

    Args:
        filepath: may hold {epoch}, {batch} (both counted from 1) and any name from the logs, e.g.
            "best-{epoch:02d}-{val_loss:.3f}.keras". The suffix says which format: `.keras` and
            `.h5` hold the whole model, `.weights.h5`, `.npz` and `.safetensors` weights. A folder
            that is missing is made.
        monitor, mode: see Monitor; used with save_best_only.
        verbose: 1 prints a line per file.
        save_best_only: only when `monitor` improves; the best value outlives one `fit`.
        save_weights_only: have a `.h5` hold the weights alone.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: the value to beat at first.
        keep_last: keep so many of the files that this callback wrote, and remove the older ones
            once the new one is on disk; None: all.
    """

    best: Any

    batches: int
    epoch: int
    filepath: str
    keep_last: int | None
    save_best_only: bool
    save_freq: str
    save_weights_only: bool
    verbose: int
    written: list[Any]

    get_state: Any
    set_state: Any
    get_state, set_state = attributes("best", "batches", "epoch", "written")

    def __init__(self, filepath: Path, monitor: str = "val_loss", verbose: int = 0,
                 save_best_only: bool = False, save_weights_only: bool = False, mode: str = "auto",
                 save_freq: str = "epoch", initial_value_threshold: float | None = None,
                 keep_last: int | None = None) -> None:  # fmt: skip
        super().__init__(monitor, mode)
        suffix = format_of(filepath, (*WEIGHTS, *WHOLE), "ModelCheckpoint")
        if save_weights_only and suffix == ".keras":
            raise ValueError(f"ModelCheckpoint: {filepath} holds a whole model; with "
                             "save_weights_only=True "
                             f"the name ends in {', '.join(WEIGHTS)}")  # fmt: skip
        for label, value, other in (("save_freq", save_freq, "epoch"),
                                    ("keep_last", keep_last, None)):  # fmt: skip
            if value != other and not is_integer(value, 1):
                allowed = "None" if other is None else f'"{other}"'
                raise ValueError(f"{label} must be {allowed} or an int >= 1, received {value!r}")
        if initial_value_threshold is not None:
            check_number("ModelCheckpoint: initial_value_threshold", initial_value_threshold)
        self.filepath, self.verbose = str(pathlib.Path(filepath)), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.whole: bool = suffix in WHOLE and not save_weights_only
        self.save_freq, self.best = save_freq, initial_value_threshold
        self.keep_last, self.written = keep_last, []
        self.batches, self.epoch = 0, 0
        if save_freq != "epoch":  # "epoch" needs no hook for batches
            self.on_train_batch_end = self._count_batch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self.save_best_only:
            return
        self.check_monitor()
        if self.save_freq != "epoch" and self.monitor.startswith("val_"):
            raise ValueError(f"ModelCheckpoint: {self.monitor} is measured after an epoch, so it "
                             "can't "
                             f"be looked at every save_freq={self.save_freq} batches")  # fmt: skip

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch = epoch

    def _count_batch(self, batch, logs=None):
        self.batches += 1
        if self.batches % self.save_freq == 0:
            self._save(logs, batch)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(logs)

    def _save(self, logs, batch=None):
        label = f"Epoch {self.epoch + 1}"
        current = self.best
        if self.save_best_only:
            current = self.value(logs)
            if current is None:
                return
            if not self.improves(current, self.best):
                if self.verbose > 0:
                    print(f"{label}: {self.monitor} did not improve on {self.best}")
                return
        path = self._path(logs, batch)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        (self.model.save if self.whole else self.model.save_weights)(path)
        self.best = current
        if self.verbose > 0:
            print(f"{label}: {'model' if self.whole else 'weights'} saved to {path}")
        self._forget(path)

    def _path(self, logs, batch):
        fields = {"epoch": self.epoch + 1, **(logs or {})}
        if batch is not None:
            fields.setdefault("batch", batch + 1)
        try:
            return self.filepath.format(**fields)
        except KeyError as error:
            raise KeyError(f"ModelCheckpoint: {self.filepath!r} names {error}; there is: "
                           f"{', '.join(fields)}") from None  # fmt: skip

    def _forget(self, path):
        """Remove all but the `keep_last` newest of the files written; `path` is the newest."""
        self.written = [old for old in self.written if old != path] + [path]
        while self.keep_last is not None and len(self.written) > self.keep_last:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.written[0])
            del self.written[0]
