"""`Run`: what `fit` sees of snapshots and signals."""

import time
import warnings

from ..callbacks import BackupAndRestore, Callback, Snapshot
from ..saving.atomic import refusing
from . import fingerprint, states
from .files import Folder
from .interrupts import Interrupts, Terminated

ANEW = "what it remembers begins anew after a resume"


class Run:
    """One call of `fit`: goes on from a snapshot, writes them, and lets nothing cut a step in two.

    Without a Snapshot among the callbacks it only sees to Ctrl-C.

    Args:
        model: prepared for its first step.
        callbacks: the CallbackList.
        sources: of training and validation data (or None).
        arguments: those of `fit` that the result depends on, name -> value.
        epochs: as for `fit`.

    Raises:
        ValueError: the snapshot belongs to another run; says what differs. Nothing was changed.
        OSError, RuntimeError: the folder can't be used.
    """

    def __init__(self, model, callbacks, sources, arguments, epochs):
        self.model, self.last = model, epochs
        self.train, self.validation = sources
        ours = [c for c in callbacks.callbacks if isinstance(c, Snapshot)]
        self.callbacks = [c for c in callbacks.callbacks if not isinstance(c, Snapshot)]
        if len(ours) > 1:
            raise ValueError("fit takes one Snapshot, received several (resume= makes one, too)")
        self.snapshot = ours[0] if ours else None
        self.interrupts = Interrupts(terminate=self.snapshot is not None)
        self.folder = self.found = self.pending = self.saved = None
        self.logs, self.place, self.fetching, self.here = {}, None, False, (0, 0)
        self.told, self.failed = set(), False
        if self.snapshot is not None:
            if any(isinstance(c, BackupAndRestore) for c in self.callbacks):
                raise ValueError("fit: BackupAndRestore and a Snapshot both restore; use one")
            self._begin(arguments)

    def _begin(self, arguments):
        model = self.model
        for callback in self.callbacks:
            if _may_remember(callback):
                self._tell(callback, "has no get_state() and set_state(state): " + ANEW)
        self.fingerprint = fingerprint.of_run(
            model, self.callbacks, self.train, self.validation, arguments
        )
        self.folder = Folder(self.snapshot.folder)
        self.folder.open()
        try:
            found = self.folder.read()
            if found is not None:
                self._accept(*found)
        except BaseException:
            self.folder.close()
            raise

    def _accept(self, header, arrays, path, wrong):
        """Use a snapshot if it is of this run."""
        with refusing(path, "training can't go on from this snapshot"):
            changed = fingerprint.difference(header["fingerprint"], self.fingerprint)
            if changed:
                raise ValueError(
                    f"it is of another run: {changed}. Another folder, or an empty one, begins anew"
                )
            states.check(self.model, header, arrays)
            place = header["place"]
            if place["epoch"] > self.last:
                raise ValueError(
                    f"{place['epoch']} epochs are behind it, epochs={self.last} are asked for"
                )
            self.logs = states.unpack(header["logs"], states.small_arrays(arrays))
            self.found, self.place = (header, arrays), place
        self.saved = _words(path, place)
        if wrong:
            warnings.warn(f"{wrong}. Going on from {path}", stacklevel=5)

    # ----------------------------------------------------------------------------- going on

    def set_place(self):
        """Tell the model where in the data to begin; before `on_train_begin`."""
        model = self.model
        model.resumed = self.found is not None
        self.here = (model.initial_epoch, 0)
        if self.found is not None:
            header, place = self.found[0], self.place
            self.here = place["epoch"], place["batch"]
            model.initial_epoch, model.initial_batch = self.here
            model.position = tuple(place["position"])
            model.shuffle_seed = header["shuffle_seed"]
            if self.validation is not None:
                self.validation.resume(None, place["validation"])

    def restore(self, within_epoch=False):
        """Put everything back; within an epoch after its beginning, else before it."""
        if self.found is not None and within_epoch == bool(self.place["batch"]):
            header, arrays = self.found
            sources = (self.train, self.validation)
            states.restore(self.model, self.callbacks, sources, header, arrays)
            self.model.stop_training = self.place["stop"]
            self.found = None

    # ----------------------------------------------------------------------------- the run

    def __enter__(self):
        self.interrupts.__enter__()
        self.interrupts.hold()
        return self

    def begin(self):
        """After `on_train_begin`: the first snapshot shows that the folder can be written to."""
        self.written, self.batches = time.monotonic(), 0
        if self.folder is not None and self.folder.newest is None:
            self._write(*self._collect(self.model.initial_epoch, 0))

    def epochs(self, first):
        """The numbers of the epochs that are left."""
        ended = self.model.stop_training and self.model.resumed
        return range(0) if ended else range(first, self.last)

    def fetched(self, stretches):
        """The same stretches; while one is waited for, signals come through."""
        stretches = iter(stretches)
        while True:
            self.fetching = True
            self.interrupts.let()
            try:
                one = next(stretches)
            except StopIteration:
                self.fetching = False
                return
            finally:
                self.interrupts.hold()
            self.fetching = False
            yield one

    def letting(self, stretches):
        """The same for validation: what is saved then is the state before it."""
        for one in stretches:
            self.interrupts.let()
            self.interrupts.hold()
            yield one

    def length(self, length):
        """Function: how many batches may be carried out together, so that none is due within."""
        if self.folder is None or self.snapshot.batches is None:
            return length
        return lambda: min(length(), self.snapshot.batches - self.batches)

    def after_batches(self, epoch, done, count):
        """`done` batches of this epoch are behind us, `count` more than the last time."""
        self.here = (epoch, done)
        if self.folder is None:
            return
        self.batches += count
        if self._due() and not self.model.stop_training and not self._metrics_hide():
            self._try(*self._collect(epoch, done))

    def before_validation(self):
        """Keep in memory what would be lost if validation were interrupted."""
        if self.folder is not None and not self.model.stop_training and not self._metrics_hide():
            self.pending = self._collect(*self.here)

    def after_epoch(self, epoch, logs):
        """The epoch's end is behind us, callbacks and all."""
        self.logs, self.here, self.pending = logs, (epoch + 1, 0), None
        if self.folder is None:
            return
        last = self.model.stop_training or epoch + 1 == self.last
        if last or self._due():
            self._try(*self._collect(epoch + 1, 0))

    def __exit__(self, kind, error, trace):
        try:
            if error is not None and self.folder is not None:
                self._save_what_there_is()
                self._say(error)
        finally:
            self.model.resumed = False
            if self.folder is not None:
                self.folder.close()
            self.interrupts.__exit__(kind, error, trace)

    # ------------------------------------------------------------------------------- writing

    def _due(self):
        often, seconds = self.snapshot.batches, self.snapshot.seconds
        if often is not None and self.batches >= often:
            return True
        return seconds is not None and time.monotonic() - self.written >= seconds

    def _collect(self, epoch, batch):
        model, sources = self.model, (self.train, self.validation)
        header, arrays = states.collect(model, self.callbacks, sources, self.logs, self._unkept)
        header["fingerprint"] = self.fingerprint
        header["place"] = {
            "epoch": epoch,
            "batch": batch,
            "position": list(model.position),
            "validation": None if self.validation is None else list(self.validation.position()),
            "stop": bool(model.stop_training),
        }
        return header, arrays

    def _write(self, header, arrays):
        self.folder.write(header, arrays)
        self.written, self.batches, self.failed = time.monotonic(), 0, False
        self.saved = _words(self.folder.path / self.folder.newest, header["place"])

    def _try(self, header, arrays):
        """Write; a full disk is no reason to lose what was trained."""
        try:
            self._write(header, arrays)
        except OSError as error:
            self.written, self.batches = time.monotonic(), 0
            if not self.failed:
                self.failed = True
                warnings.warn(
                    f"no snapshot could be written: {error}; training goes on. {self._state()}",
                    stacklevel=5,
                )

    def _save_what_there_is(self):
        """After an interruption or an error: the last moment at which everything fitted."""
        state = self.pending
        if self.fetching and not self._metrics_hide():
            state = self._collect(*self.here)
        if state is not None:
            try:
                self._write(*state)
            except OSError as error:
                self.saved = f"{self.saved} ({error})"

    def _say(self, error):
        text = f"Training ended in epoch {self.here[0] + 1}. {self._state()}"
        if isinstance(error, Terminated):
            print(f"SIGTERM. {text}", flush=True)
        else:
            error.add_note(text)

    def _state(self):
        if self.saved is None:
            return "Nothing was saved"
        return f"Saved is {self.saved}; the same command goes on from there"

    def _metrics_hide(self):
        """Whether a metric has sums that nobody can see: then only the end of an epoch will do."""
        for _, metric, _ in self.model.compiled_metrics.items:
            own = type(metric).__module__.partition(".")[0] == "tinynet"
            if not own and not metric.get_state():
                self._tell(metric, "keeps its sums where get_state() does not find them: snapshots "
                                   "are written between epochs only")  # fmt: skip
                return True
        return False

    def _unkept(self, owner, error):
        self._tell(owner, f"has a state that can't be kept ({error}): {ANEW}")

    def _tell(self, owner, what):
        kind = type(owner).__name__
        if kind not in self.told:
            self.told.add(kind)
            warnings.warn(f"{kind} {what}", stacklevel=5)


def _may_remember(callback):
    """Whether a callback of the user's has attributes of its own and no way to hand them on."""
    if type(callback).get_state is not Callback.get_state:
        return False
    if type(callback).__module__.partition(".")[0] == "tinynet":
        return False
    return bool(set(vars(callback)) - {"model", "params"})


def _words(path, place):
    where = f"epoch {place['epoch'] + 1}, after batch {place['batch']}"
    if not place["batch"]:
        where = f"after epoch {place['epoch']}"
    return f"{path} ({where})"
