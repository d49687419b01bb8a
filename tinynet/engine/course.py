"""Courses: all that goes on around the steps of `fit`, `evaluate` and `predict`.

A course hands out the batches, in segments that may be carried out together, calls the callbacks'
hooks around them, shows progress, and gives memory back in the end. The course of `fit`, a
`Training`, also hands out the epochs, stops, holds signals back, and goes on from snapshots.
"""

import contextlib
import functools
import warnings

from .. import random
from ..callbacks import Callback, CallbackList, EarlyStopping, History, ProgbarLogger, Snapshot
from ..config import is_interactive_logging_enabled
from ..configs.checks import check_integer
from ..core.locks import lock_of, locked
from ..core.ranks import ALONE
from ..core.state import check_like, known_of
from ..data import Table, validation_due
from ..inspecting.coach import Coach, coach_is_wanted
from ..resuming import Interrupts, Snapshots
from .agreement import agree, keep_equal

# what a hook sets to end a loop over batches
STOPS = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}


class Course:
    """One call of `evaluate` or `predict`.

    Args:
        model: prepared for its first step.
        sources: of data, which are closed in the end.
        callbacks, verbose: as for `fit`.
        more: callbacks after those of the user.
        ranks: the model's, where they share the batches.
        **params: what callbacks see as `params`.

    Attributes:
        segment: (Dataset, [rows of a batch, ...]), what is or was last carried out.
        resumed: whether it goes on from a snapshot.
        set_aside: what its metrics have counted while they measure for another one.
        announced: what the device was told of the data that are read.
        ranks: the processes that take part.
    """

    ranks = ALONE
    resumed, segment, set_aside, lock, announced = False, None, None, None, None

    def __init__(self, model, sources, callbacks, verbose, more=(), ranks=ALONE, **params):
        given = [callbacks] if isinstance(callbacks, Callback) else callbacks or ()
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"callbacks: expected a list of callbacks, received {given!r}")
        if verbose == "auto":
            verbose = 1 if is_interactive_logging_enabled() else 2
        if verbose not in (0, 1, 2):
            raise ValueError(f'verbose must be 0, 1, 2 or "auto", received {verbose!r}')
        bar = ProgbarLogger() if verbose and ranks.rank == 0 else None
        self.model, self.sources, self.ranks = model, sources, ranks
        self.whole = not given and all(isinstance(source, Table) for source in sources)
        self.callbacks = CallbackList([*given, *more], model, bar, ranks.rank == 0,
                                      verbose=verbose, **params)  # fmt: skip
        self.call = self.callbacks.call

    def __enter__(self):
        data = [source.data.x for source in self.sources if isinstance(source, Table)]
        self.announced = self.run(self.model.execution.announce, data)
        if self.whole:  # nothing of the user's runs within: all rows see the same weights
            self.lock = lock_of(self.model).take()
        return self

    def __exit__(self, kind, error, trace):
        self.ranks.failed(error)
        try:
            self.callbacks.close()
            for source in self.sources:
                source.close()
            self.run(self._give_back)
        finally:
            if self.lock is not None:
                self.lock.give()

    def _give_back(self):
        """Have the model keep no arrays that its next call can do without."""
        model, self.announced = self.model, None
        model.context.release()
        model.execution.release()
        model.measured_for = None
        for part in model.layout.parts:
            part.saved = None
        if model.loss is not None:
            model.loss.release()

    def run(self, method, *args):
        """Call a method of the model while no other thread computes with it; return its result.

        The model's metrics are then those of this call of `fit` or `evaluate`. Hooks and data sets
        run outside of this: other threads, and hooks, may use the model in between.
        """
        with locked(self.model):
            self.model.measure_for(self)
            return method(*args)

    def batches(self, kind, source, logs=None):
        """Yield the segments of an epoch, with hooks and progress around each.

        Args:
            kind: "train", "test" or "predict".
            logs: function that returns what callbacks see after a batch, called if one looks;
                None: loss and metrics so far.
        """
        here = logs or functools.partial(self.run, self.model.logs_here)  # what progress shows
        logs = logs or functools.partial(self.run, self.model.logs)
        begin, end = f"on_{kind}_batch_begin", f"on_{kind}_batch_end"
        looked_at, group = self.callbacks.wants(end), self.model.steps_per_execution
        together, done = looked_at or self.callbacks.wants(begin), source.done

        def most():
            return group - done % group if together else self.most()

        for step, data, rows in self.fetched(kind, source.epoch(most)):
            if step % group == 0:
                self.call(begin, step, {})
            self.segment = data, rows
            yield self.segment
            done = step + len(rows)
            if looked_at and done % group == 0:
                self.call(end, done - 1, logs())
            self.callbacks.progress(done - 1, here)
            if self.stops_after(kind, done, len(rows)):
                return
        if looked_at and done % group:
            self.call(end, done - 1, logs())

    def most(self):
        """Return how many batches may be carried out together, the same number on all ranks."""
        length = self.run(self.model.execution.length)
        return -int(self.ranks.most(-length)[0])

    def stops_after(self, kind, done, count):
        """Return whether the batches end after `done` of them, `count` more than before."""
        return getattr(self.model, STOPS[kind])

    def fetched(self, kind, segments):
        """Return an iterator over the segments."""
        tables = all(isinstance(source, Table) for source in self.sources)
        return segments if tables else self.ranks.in_step(segments)  # the same rows everywhere


class Training(Course):
    """One call of `fit`.

    Args:
        model: prepared for its first step.
        train, validation: sources of data; the second may be None.
        callbacks, verbose, epochs, resume, coach: as for `fit`.
        arguments: the others of `fit` that the result depends on, name -> value.

    Attributes:
        epoch, batch: number of the present epoch, and how many of its batches are done.
        followers: the callbacks, without a Snapshot.

    Raises:
        ValueError, TypeError: callbacks or arguments that don't fit; a snapshot of another run, of
            which it says what differs. Nothing was changed.
        OSError, RuntimeError: the folder for snapshots can't be used.
    """

    def __init__(self, model, train, validation, callbacks, verbose, epochs, resume, arguments,
                 coach=False):  # fmt: skip
        self.history, self.last, self.logs = History(), epochs, {}
        more = [self.history] if resume is None else [Snapshot(resume), self.history]
        self.train, self.validation = train, validation
        sources = [train] if validation is None else [train, validation]
        super().__init__(model, sources, callbacks, verbose, more, model.ranks, epochs=epochs,
                         steps=train.steps)  # fmt: skip
        self.followers = [c for c in self.callbacks.callbacks if not isinstance(c, Snapshot)]
        stops = any(isinstance(c, EarlyStopping) for c in self.followers)
        wanted = self.ranks.rank == 0 and coach_is_wanted(coach, verbose)
        self.coach = Coach(model, train, validation, stops) if wanted else None
        self.epoch, self.batch = arguments["initial_epoch"], 0
        self.due = validation_due(arguments["validation_freq"])
        self.fetching = self.unfinished = False
        self.whole = False
        with locked(model):
            model.check_not_training("fit")
            self.fit_lock = model.fit_lock.take()
        try:
            agree(self, arguments)
            self.snapshots = Snapshots(self, arguments)
        except BaseException:
            self.fit_lock.give()
            raise
        self.resumed = self.snapshots.found is not None
        train.notes = self.snapshots.folder is not None
        self.interrupts = Interrupts(terminate=self.snapshots.folder is not None)
        self.agreed_signal = 0  # that all ranks have, or will end by

    def __enter__(self):
        with locked(self.model):
            self._begin(self.model)
        self.interrupts.__enter__()
        return super().__enter__()

    def _begin(self, model):
        self.outer, model.course = model.course, self
        model.history, model.stop_training = self.history, False
        model.log_names = [*model.metrics_names, "learning_rate"]
        if self.validation is not None:
            model.log_names[-1:-1] = [f"val_{name}" for name in model.metrics_names]
        known = self.callbacks.all_ours() and model.compiled_metrics.names_are_known()
        model.log_names_may_grow = not known

    def __exit__(self, kind, error, trace):
        self.ranks.failed(error)
        with contextlib.ExitStack() as last:  # from the last one up, whichever fails
            last.callback(self.interrupts.__exit__, kind, error, trace)
            last.callback(self.fit_lock.give)
            last.callback(self.run, setattr, self.model, "course", self.outer)
            last.callback(super().__exit__, kind, error, trace)
            if self.unfinished:
                last.callback(self.model.optimizer.finalize_variable_values)
            last.callback(self.call, "on_train_exit")
            self.snapshots.end(error)

    def epochs(self):
        """Yield the numbers of the epochs, from 0, until the last or one that ends training."""
        model, found = self.model, self.snapshots.found
        self.call("on_train_begin", {})  # BackupAndRestore goes on from its backup here
        if found is not None:
            self.snapshots.go_on(found)
        self.unfinished = True
        if self.coach is not None:
            self.coach.begin()
        self.snapshots.begin()
        ended = self.resumed and model.stop_training
        for epoch in range(self.last if ended else self.epoch, self.last):
            if not self.train.ready():
                self._warn_of_the_end(self.last - epoch)
                break
            self.call("on_epoch_begin", epoch, {})
            self.run(model.reset_metrics)
            if found is not None and self.batch:  # hooks have begun the epoch anew
                self.snapshots.go_on(found)
            found = self.snapshots.found = None
            yield epoch
            if model.stop_training:
                break
        self.unfinished = False
        model.optimizer.finalize_variable_values()
        self.call("on_train_end", self.logs)
        self._agree()  # the files that the first rank's callbacks write are there now

    def batches(self, kind, source, logs=None):
        yield from super().batches(kind, source, logs)
        if kind == "train":
            self.run(setattr, self.model, "passes_taken", source.passes)
            if self.validates(self.epoch):
                self.snapshots.keep()

    def most(self):
        return min(super().most(), self.snapshots.batches_left())

    def fetched(self, kind, segments):
        """Yield the same segments; while one is waited for, signals come through."""
        segments, segment = iter(super().fetched(kind, segments)), ()
        while segment is not None:
            self.fetching = kind == "train"
            with self.interrupts.allowed() if self._may_end() else contextlib.nullcontext():
                segment = next(segments, None)
            self.fetching = False
            if segment is not None:
                yield segment

    def _may_end(self):
        """Return whether a signal may end training here: not where another rank would wait."""
        return self.ranks is ALONE or self.agreed_signal > 0

    def _agree(self):
        """Follow what other ranks have been told: to stop, by a callback or by a signal."""
        if self.ranks is ALONE:
            return
        model, signals = self.model, self.interrupts
        stop, signal = self.ranks.most(bool(model.stop_training), signals.waiting or 0)
        if stop and not model.stop_training:
            model.stop_training = True
        if signal:
            self.agreed_signal = signals.waiting = int(signal)

    def stops_after(self, kind, done, count):
        if kind == "train":
            self.batch = done
            self._agree()
            self.snapshots.after_batches(count)
        return super().stops_after(kind, done, count)

    def validates(self, epoch):
        """Return whether validation follows the training of an epoch."""
        return self.validation is not None and self.due(epoch)

    def end_epoch(self, logs):
        """Let callbacks see an epoch's logs, which History keeps; then a snapshot may be due."""
        for source in self.sources:
            source.end_epoch()
        self.call("on_epoch_end", self.epoch, dict(logs))  # on_train_end sees nothing they add
        if self.coach is not None:
            self.coach.after_epoch(logs)
        self._agree()
        self.run(keep_equal, self.model)
        self.logs, self.epoch, self.batch = logs, self.epoch + 1, 0
        self.snapshots.after_epoch(self.model.stop_training or self.epoch == self.last)

    def get_state(self):
        """Return all that the rest of the training depends on, as plain values."""
        streams, before = random.get_state(), self.train.before
        if before is not None and self.train.waiting is None:  # the batch was asked for in vain
            streams, before = before[1], None
        self.run(self.model.collect_metrics)
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "stop": bool(self.model.stop_training),
            "logs": self.logs,
            "model": self.run(self.model.get_state),
            "sources": [source.get_state() for source in self.sources],
            "callbacks": [self.snapshots.state_of(callback) for callback in self.followers],
            "random": streams,
            "random before the next batch": None if before is None else before[1],
        }

    def set_state(self, state):
        """Go on from what `get_state` returned.

        Raises:
            ValueError: it can't be that; some of it may be in place.
        """
        own = {"epoch": 0, "batch": 0, "stop": False, "logs": {}, "sources": []}
        check_like(state, own, "the training's state")
        for name in ("epoch", "batch"):
            check_integer(f"the number of the {name}", state[name], 0)
        self.epoch, self.batch, self.logs = state["epoch"], state["batch"], state["logs"]
        self.run(self.model.set_state, state["model"])
        self.model.stop_training = state["stop"]
        for source, kept in zip(self.sources, state["sources"], strict=True):
            source.set_state(kept)
        for callback, kept in zip(self.followers, state["callbacks"], strict=True):
            if kept is not None and not (callback.writes and self.ranks.rank > 0):
                label = f"the state of {type(callback).__name__}"
                check_like(kept, known_of(callback), label, loose=True)
                callback.set_state(kept)
        before = state.get("random before the next batch")
        if before is not None and self.train.waiting is None:
            random.set_state(before)
            self.train.ready()  # takes it again
        if self.ranks.rank > 0:
            self.run(self.model.reset_metrics)  # the first rank has what all had counted
        random.set_state(state["random"])  # last: the others may have drawn

    def _warn_of_the_end(self, epochs):
        warnings.warn(f"the data ended after {self.train.total} batches; {epochs} more epochs were "
                      "asked for. A generator can be read only once: one without an end (with "
                      "steps_per_epoch) "
                      "or a utils.PyDataset lasts for all epochs", stacklevel=4)  # fmt: skip
