"""BackupAndRestore: go on with a fit that was interrupted."""

import contextlib
import os
import pathlib
import shutil

import numpy as np

from ..configs.checks import is_integer
from ..saving import load_arrays, save_arrays
from .base import Callback

# what a backup holds beside the arrays
NUMBERS = (
    "epoch", "batch", "steps_taken", "passes_taken", "shuffle_seed", "average_in_weights",
    "first_pass", "first_batch", "taken_before",
)  # fmt: skip


class BackupAndRestore(Callback):
    """Backs training up while it runs; the same `fit` in a new process goes on from there.

    A backup holds the weights, what the optimizer keeps, the place in the training (epoch and
    batch), and what the data order and dropout depend on. It is written whole or not at all. Other
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

    def __init__(self, backup_dir, save_freq="epoch", double_checkpoint=False,
                 delete_checkpoint=True):  # fmt: skip
        super().__init__()
        if not backup_dir:
            raise ValueError("BackupAndRestore: backup_dir must not be empty")
        if save_freq != "epoch" and not is_integer(save_freq, 1):
            raise ValueError(f'save_freq must be "epoch" or an int >= 1, received {save_freq!r}')
        self.backup_dir, self.save_freq = pathlib.Path(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.path = self.backup_dir / "backup.npz"
        self.previous = self.backup_dir / "previous.npz"
        self.epoch, self.batches, self.due = 0, 0, False
        if save_freq != "epoch":  # otherwise nobody has to look at every batch
            self.on_train_batch_end = self._count_batch

    def on_train_begin(self, logs=None):
        self.batches, self.due = 0, False
        if not self.path.exists():
            return
        try:
            self._restore(self.path)
        except ValueError:
            if not (self.double_checkpoint and self.previous.exists()):
                raise
            self._restore(self.previous)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def _count_batch(self, batch, logs=None):
        self.batches += 1
        if self.batches % self.save_freq == 0:
            self.due = batch + 1 == self.params.get("steps")  # then the epoch ends at once
            if not self.due:
                self._save(self.epoch, batch + 1)

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch" or self.due:
            self._save(epoch + 1, 0)
            self.due = False

    def on_train_end(self, logs=None):
        if self.delete_checkpoint:
            for path in (self.path, self.previous):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty: it is not ours alone
                self.backup_dir.rmdir()

    def _arrays(self, epoch=0, batch=0):
        model, optimizer = self.model, self.model.optimizer
        numbers = {
            "epoch": epoch,
            "batch": batch,
            "steps_taken": model.steps_taken,
            "passes_taken": model.passes_taken,
            "shuffle_seed": model.shuffle_seed,
            "average_in_weights": optimizer.average_in_weights,
        }
        place = ("first_pass", "first_batch", "taken_before")
        numbers |= dict(zip(place, model.position, strict=True))
        arrays = {f"training/{name}": np.int64(numbers[name]) for name in NUMBERS}
        arrays |= {f"weights/{i}": p.numpy() for i, p in enumerate(model.weights)}
        return arrays | {f"optimizer/{i}": v.numpy() for i, v in enumerate(optimizer.variables)}

    def _save(self, epoch, batch):
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self.path.exists():
            shutil.copyfile(self.path, f"{self.previous}.part")
            os.replace(f"{self.previous}.part", self.previous)
        save_arrays(self.path, self._arrays(epoch, batch))

    def _restore(self, path):
        model = self.model
        arrays = load_arrays(path, self._arrays())
        place = {name: int(arrays[f"training/{name}"]) for name in NUMBERS}
        kept = [p.numpy() for p in model.weights]
        try:
            model.set_weights([arrays[f"weights/{i}"] for i in range(len(kept))])
            moments = [a for name, a in arrays.items() if name.startswith("optimizer/")]
            model.optimizer.set_weights(moments)
        except ValueError:
            model.set_weights(kept)
            raise
        model.optimizer.average_in_weights = bool(place["average_in_weights"])
        model.steps_taken, model.passes_taken = place["steps_taken"], place["passes_taken"]
        model.shuffle_seed = place["shuffle_seed"]
        model.initial_epoch, model.initial_batch = place["epoch"], place["batch"]
        model.position = (place["first_pass"], place["first_batch"], place["taken_before"])
