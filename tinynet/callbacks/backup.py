"""BackupAndRestore: go on with a fit that was interrupted."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from typing import TYPE_CHECKING

from ..configs.checks import check_integer, is_integer
from ..core.state import check_like, pack
from ..saving import state_files
from ..saving.atomic import refusing, replace
from .base import Callback

if TYPE_CHECKING:
    from ..configs.types import Logs, Path


class BackupAndRestore(Callback):
    """Backs training up while it runs; the same `fit` in a new process goes on from there.

    A backup holds the state of the model (weights, optimizer, what dropout depends on) and of the
    training data, and the numbers of epoch and batch. It is written whole or not at all. Other
    callbacks and History begin anew, and so do the metrics of an epoch that was interrupted: they
    cover its remaining batches. (`fit(resume=...)`, which Keras lacks, keeps those as well.)

    Args:
        backup_dir: folder for the file `backup.npz`; made if need be.
        save_freq: "epoch", or a number of batches.
        double_checkpoint: keep the backup before the last one, and use it if the last is damaged.
        delete_checkpoint: delete the file when training has ended.

    Raises:
        ValueError: an argument is none of these; or, when `fit` begins, the backup is damaged or of
            another model: then nothing was changed.
    """

    backup_dir: pathlib.Path
    batches: int
    delete_checkpoint: bool
    double_checkpoint: bool
    due: bool
    save_freq: str

    def __init__(self, backup_dir: Path, save_freq: str = "epoch", double_checkpoint: bool = False,
                 delete_checkpoint: bool = True) -> None:  # fmt: skip
        super().__init__()
        if not backup_dir:
            raise ValueError("BackupAndRestore: backup_dir must not be empty")
        if save_freq != "epoch" and not is_integer(save_freq, 1):
            raise ValueError(f'save_freq must be "epoch" or an int >= 1, received {save_freq!r}')
        self.backup_dir, self.save_freq = pathlib.Path(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.path: pathlib.Path = self.backup_dir / "backup.npz"
        self.previous: pathlib.Path = self.backup_dir / "previous.npz"
        self.batches, self.due = 0, False
        if save_freq != "epoch":  # else batches may be carried out together
            self.on_train_batch_end = self._count_batch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.batches, self.due = 0, False
        if not self.path.exists():
            return
        try:
            self._restore(self.path)
        except ValueError:
            if not (self.double_checkpoint and self.previous.exists()):
                raise
            self._restore(self.previous)

    def _count_batch(self, batch, logs=None):
        self.batches += 1
        if self.batches % self.save_freq == 0:
            self.due = batch + 1 == self.params.get("steps")  # then the epoch ends at once
            if not self.due:
                self._save(self.model.course.epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch" or self.due:
            self._save(epoch + 1, 0)
            self.due = False

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.delete_checkpoint and (self.model is None or self.model.ranks.rank == 0):
            for path in (self.path, self.previous):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty: it holds other files
                self.backup_dir.rmdir()

    def _save(self, epoch, batch):
        if self.model.ranks.rank > 0:
            return
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self.path.exists():
            shutil.copyfile(self.path, f"{self.previous}.part")
            replace(f"{self.previous}.part", self.previous)
        arrays, model = [], self.model
        state = {"epoch": epoch, "batch": batch, "model": model.get_state(),
                 "train": model.course.train.get_state()}  # fmt: skip
        state_files.write(self.path, {"state": pack(state, arrays)}, arrays)

    def _restore(self, path):
        refusal = "this can't be loaded"
        found = state_files.read(path, refusal)
        model, course = self.model, self.model.course
        with refusing(path, refusal):
            state, before = state_files.state_in(*found), model.get_state()
            model.set_state(state["model"])
            try:
                check_like(state, {"epoch": 0, "batch": 0, "train": {}}, "it")
                epoch, batch = (check_integer(name, state[name], 0) for name in ("epoch", "batch"))
                course.train.set_state(state["train"])
            except Exception:
                model.set_state(before)
                raise
        course.epoch, course.batch = epoch, batch
