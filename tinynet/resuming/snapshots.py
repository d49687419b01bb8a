"""`Snapshots`: the state of a training is written down now and then, and found again."""

import math
import time
import warnings

from ..callbacks import BackupAndRestore, Callback, Snapshot
from ..core.state import pack
from ..data import Stream
from ..saving.atomic import refusing
from ..saving.state_files import state_in
from . import fingerprint
from .files import Folder
from .interrupts import Terminated

BEGINS_ANEW = "what it remembers begins anew after a resume"


class Snapshots:
    """What `fit` writes to the folder of a `Snapshot`; without one nothing is written.

    Args:
        course: the Training, which says what its state is.
        arguments: those of `fit` that the result depends on, name -> value.

    Attributes:
        found: the state to go on from, or None.
        folder: None where there is no Snapshot.

    Raises:
        ValueError: the snapshot belongs to another run; says what differs. Nothing was changed.
        OSError, RuntimeError: the folder can't be used.
    """

    def __init__(self, course, arguments):
        self.course, self.folder, self.found, self.saved = course, None, None, None
        self.pending = None  # a state to be written if training ends before the next one
        self.warned, self.failed = set(), False
        options = [c for c in course.callbacks.callbacks if isinstance(c, Snapshot)]
        if not options:
            return
        if len(options) > 1:
            raise ValueError("fit takes one Snapshot, received several (resume= makes one, too)")
        self.options = options[0]
        if any(isinstance(c, BackupAndRestore) for c in course.followers):
            raise ValueError("fit: BackupAndRestore and a Snapshot both restore; use one")
        for callback in course.followers:
            if _may_remember(callback):
                self._warn(callback, f"has no get_state() and set_state(state): {BEGINS_ANEW}")
        self.fingerprint = fingerprint.of_run(
            course.model, course.followers, course.train, course.validation, arguments
        )
        self.folder, self.ranks = Folder(self.options.folder), course.ranks
        self.ranks.first(self.folder.open)
        try:
            newest = self.ranks.first(self.folder.read)
            if newest is not None:
                self._accept(*newest)
        except BaseException:
            self.folder.close()
            raise

    def _accept(self, header, arrays, path, wrong):
        """Take a snapshot as the state to go on from, if it is of this run."""
        if wrong:
            warnings.warn(f"{wrong}. Going on from {path}", stacklevel=5)
        with refusing(path, "training can't go on from this snapshot"):
            changed = fingerprint.difference(header["fingerprint"], self.fingerprint)
            if changed:
                raise ValueError(f"it is of another run: {changed}. Another folder, or an empty "
                                 "one, begins anew")  # fmt: skip
            state = state_in(header, arrays)
            if state["epoch"] > self.course.last:
                raise ValueError(f"{state['epoch']} epochs are behind it, "
                                 f"epochs={self.course.last} are asked for")  # fmt: skip
            self.saved = _words(path, header["progress"])
            self.course.model.set_state(state["model"])  # or refuse it before anything is begun
        self.found = state

    # ------------------------------------------------------------------------------ when to write

    def begin(self):
        """Write the first snapshot, which shows that the folder can be written to."""
        self.written, self.batches = time.monotonic(), 0
        if self.folder is not None and self.ranks.first(lambda: self.folder.newest) is None:
            self._write(*self._collect())

    def batches_left(self):
        """Return how many batches there are until a snapshot is due."""
        often = None if self.folder is None else self.options.batches
        return math.inf if often is None else often - self.batches

    def after_batches(self, count):
        """Write a snapshot if one is due after `count` more batches."""
        if self.folder is not None:
            self.batches += count
            if self._due() and self._complete():
                self._try_to_write()

    def keep(self):
        """Keep the state in memory that would be lost if validation were interrupted."""
        if self.folder is not None and self._complete():
            self.pending = self._collect()

    def after_epoch(self, last):
        """Write a snapshot after an epoch if one is due, or it was the last."""
        self.pending = None
        if self.folder is not None and (last or self._due()):
            self._try_to_write()

    def end(self, error):
        """Write the last whole state before an error; the error says what was saved."""
        if self.folder is None:
            return
        try:
            if error is not None:
                if self.pending is None and self.course.fetching and self._complete():
                    self.pending = self._collect()
                try:
                    if self.pending is not None:
                        self._write(*self.pending)
                except OSError as failure:
                    self.saved = f"{self.saved} ({failure})"
                text = f"Training ended in epoch {self.course.epoch + 1}. {self._said()}"
                if isinstance(error, Terminated):
                    print(f"SIGTERM. {text}", flush=True)
                else:
                    error.add_note(text)
        finally:
            self.folder.close()

    # ------------------------------------------------------------------------------- writing

    def _due(self):
        return self.ranks.first(self._due_here)

    def _due_here(self):
        often, seconds = self.options.batches, self.options.seconds
        if often is not None and self.batches >= often:
            return True
        return seconds is not None and time.monotonic() - self.written >= seconds

    def _complete(self):
        """Return whether the state within an epoch is all there is: no metric hides its sums."""
        model = self.course.model
        if model.stop_training:
            return False  # the end of the epoch comes at once
        for _, metric, _ in model.compiled_metrics.items:
            own = type(metric).__module__.partition(".")[0] == "tinynet"
            if not own and not metric.get_state():
                self._warn(metric, "keeps its sums where get_state() does not find them: snapshots "
                                   "are written between epochs only")  # fmt: skip
                return False
        return True

    def _collect(self):
        course, arrays = self.course, []
        progress = {"epoch": course.epoch, "batch": course.batch}
        try:
            state = pack(course.get_state(), arrays)
        except TypeError as error:
            raise TypeError(f"the state of a layer, metric or data set: {error}") from error
        return {"fingerprint": self.fingerprint, "progress": progress, "state": state}, arrays

    def _write(self, header, arrays):
        self.written, self.batches, self.failed = time.monotonic(), 0, False
        if self.ranks.rank > 0:
            return
        self.folder.write(header, arrays)
        self.saved = _words(self.folder.path / self.folder.newest, header["progress"])

    def _try_to_write(self):
        """Write; a full disk is no reason to lose what was trained."""
        try:
            self._write(*self._collect())
        except OSError as error:
            self.written, self.batches = time.monotonic(), 0
            if not self.failed:
                self.failed = True
                warnings.warn(f"no snapshot could be written: {error}; training goes on. "
                              f"{self._said()}", stacklevel=5)  # fmt: skip

    def _said(self):
        if self.saved is None:
            return "Nothing was saved"
        text = f"Saved is {self.saved}; the same command goes on from there"
        if isinstance(self.course.train, Stream):
            text += f" (that {self.course.train.kind} then gives the same batches is not checked)"
        return text

    def state_of(self, callback):
        """Return the state of a callback; None, with a warning, if it can't be written.

        None, too, of one that only writes, where another rank does.
        """
        if callback.writes and self.ranks.rank > 0:
            return None
        try:
            state = callback.get_state()
            pack(state, [])
        except TypeError as error:
            self._warn(callback, f"has a state that can't be kept ({error}): {BEGINS_ANEW}")
            return None
        return state

    def _warn(self, owner, what):
        """Warn of a kind of callback or metric, once."""
        kind = type(owner).__name__
        if kind not in self.warned:
            self.warned.add(kind)
            warnings.warn(f"{kind} {what}", stacklevel=5)


def _may_remember(callback):
    """Return whether a callback of the user's has attributes, and no way to tell its state."""
    if type(callback).get_state is not Callback.get_state:
        return False
    if type(callback).__module__.partition(".")[0] == "tinynet":
        return False
    return bool(set(vars(callback)) - {"model", "params"})


def _words(path, progress):
    when = f"epoch {progress['epoch'] + 1}, after batch {progress['batch']}"
    if not progress["batch"]:
        when = f"after epoch {progress['epoch']}"
    return f"{path} ({when})"
