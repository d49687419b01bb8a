"""The training loop: `fit`, `evaluate`, `predict`; `fit` reads as the algorithm."""

import warnings

from ..callbacks import Callback, CallbackList, History, ProgbarLogger, Snapshot
from ..configs.checks import check_integer
from ..data import Dataset, is_stream, source, sources
from ..random import draw_seed
from ..resuming import Run
from .batch import BatchLoading
from .compile import Compiled
from .eager import joined
from .gradients import Gradients
from .logs import Logs
from .step import Step


class Trainer(Step, Gradients, BatchLoading, Compiled, Logs):
    """What a model can do with data; `Sequential` adds the layers."""

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        resume=None,
    ):
        """Train; everything is checked before the first step.

        Args:
            x: inputs (N, ...), any real dtype, cast batch by batch: an array of NumPy, PyTorch,
                JAX or pandas, a mapped file, a sparse matrix of SciPy; or a source of batches
                (x, y) or (x, y, sample_weight): a generator, a `utils.PyDataset`, a DataLoader.
            y: targets: class ids (N,), or (N, C); None if x brings them.
            batch_size: rows per step, 32 by default; a last partial batch is kept.
            epochs: number of the last epoch, so that epochs - initial_epoch are run.
            verbose: 0 silent, 1 (or "auto") a live line, 2 one line per epoch.
            callbacks: list of Callback.
            validation_split: share of the last rows to hold out, taken before shuffling.
            validation_data: (x, y), (x, y, sample_weight) or a source of batches; wins over
                validation_split.
            shuffle: True, False, or "batch" (only within batches); of sources of batches, only a
                PyDataset is shuffled: whole batches.
            class_weight: dict of class id -> weight.
            sample_weight: weight per row (N,).
            initial_epoch: number of the first epoch, from 0.
            steps_per_epoch, validation_steps: batches per epoch; None: all.
            validation_batch_size: None: batch_size as it was given.
            validation_freq: validate every so many epochs, or a list of epochs counted from 1.
            resume: a folder for snapshots; the same command, started again after whatever ended it,
                goes on to the same bits. See `callbacks.Snapshot`.

        Returns:
            History: `.history` has one list per name: loss, metrics, val_loss, val_metrics.

        Raises:
            ValueError, TypeError: input that does not fit; says what was expected and received.
            RuntimeError: the model is not compiled.
        """
        self._require_compiled("fit")
        check_integer("epochs", epochs, least=0)
        check_integer("initial_epoch", initial_epoch, least=0)
        for name, value in (
            ("batch_size", batch_size),
            ("steps_per_epoch", steps_per_epoch),
            ("validation_steps", validation_steps),
            ("validation_batch_size", validation_batch_size),
        ):
            if value is not None:
                check_integer(name, value)
        validate_after = _validation_epochs(validation_freq)
        train, validation = sources(
            self, x, y, sample_weight, class_weight, batch_size, steps_per_epoch, shuffle,
            validation_split, validation_data, validation_batch_size, validation_steps,
            validations=sum(map(validate_after, range(initial_epoch, epochs))),
        )  # fmt: skip
        self._choose_device(*train.example(), verbose)
        self._prepare(train.target_shape)
        history = History()
        callbacks = self._callback_list(
            callbacks, verbose, [history] if resume is None else [Snapshot(resume), history],
            epochs=epochs, steps=train.steps,
        )  # fmt: skip
        run = Run(self, callbacks, (train, validation), {
            "batch_size": batch_size, "validation_split": validation_split, "shuffle": shuffle,
            "class_weight": class_weight, "initial_epoch": initial_epoch,
            "steps_per_epoch": steps_per_epoch, "validation_steps": validation_steps,
            "validation_batch_size": validation_batch_size, "validation_freq": validation_freq,
        }, epochs)  # fmt: skip
        self.history = history
        self._announce_logs(callbacks, validation is not None)

        self.stop_training = training = False
        self.initial_epoch, self.initial_batch = initial_epoch, 0  # BackupAndRestore sets them
        self.position = (self.passes_taken, 0, 0)
        try:
            with run:  # nothing interrupts a step; whatever ends this leaves a snapshot
                run.set_place()
                callbacks.call("on_train_begin", {})
                train.resume(self.shuffle_seed, self.position, self.initial_batch)
                run.restore()
                logs, training = run.logs, True
                run.begin()
                self.under_way = lambda: (data, stretch)
                for epoch in run.epochs(self.initial_epoch):
                    if not train.ready():
                        _warn_of_the_end(train, epochs - epoch)
                        break
                    if epoch != self.initial_epoch or not self.initial_batch:
                        self.position = train.position()  # a pass that was at its end has ended
                    callbacks.call("on_epoch_begin", epoch, {})
                    self.reset_metrics()
                    run.restore(within_epoch=True)
                    length = run.length(self._length(callbacks, "train"))
                    for step, data, stretch in run.fetched(train.epoch(length)):
                        callbacks.call("on_train_batch_begin", step, {})
                        self.execution.train(data, stretch)
                        done = step + len(stretch)
                        self._end_batch(callbacks, "on_train_batch_end", done - 1)
                        run.after_batches(epoch, done, len(stretch))
                        if self.stop_training:
                            break
                    self.passes_taken = train.passes
                    logs = self.logs()
                    if validation and validate_after(epoch):
                        run.before_validation()
                        measured = self._evaluate(validation, callbacks, run.letting)
                        logs.update({f"val_{name}": value for name, value in measured.items()})
                    self.position = train.position()
                    callbacks.call("on_epoch_end", epoch, dict(logs))  # what they add is not ours
                    run.after_epoch(epoch, logs)
                    if self.stop_training:
                        break
                training = False
                self.optimizer.finalize_variable_values()
                callbacks.call("on_train_end", logs)
        finally:
            if training:  # interrupted
                self.optimizer.finalize_variable_values()
            self._finish(callbacks, train, validation)
        return self.history

    def order(self):
        """What the permutations of the next pass over the data are drawn with."""
        self.shuffle_seed = draw_seed() if self.shuffle_seed is None else self.shuffle_seed
        return {"seed": self.shuffle_seed, "first_pass": self.passes_taken}

    def _length(self, callbacks, kind):
        """Function: how many batches may be carried out together, one if a callback wants each."""
        hooks = (f"on_{kind}_batch_begin", f"on_{kind}_batch_end")
        single = any(callbacks.wants(hook) for hook in hooks)
        return (lambda: 1) if single else self.execution.length

    def _end_batch(self, callbacks, hook, step):
        """The hook after a batch; the logs are only computed for those who look at them."""
        if callbacks.wants(hook):
            callbacks.call(hook, step, self.logs())
        callbacks.progress(step, self.logs)

    def _callback_list(self, callbacks, verbose, ours, **params):
        given = [callbacks] if isinstance(callbacks, Callback) else callbacks or ()
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"callbacks: expected a list of callbacks, received {given!r}")
        verbose = 1 if verbose == "auto" else verbose
        if verbose not in (0, 1, 2):
            raise ValueError(f'verbose must be 0, 1, 2 or "auto", received {verbose!r}')
        return CallbackList([*given, *ours], self, ProgbarLogger() if verbose else None,
                            verbose=verbose, **params)  # fmt: skip

    def _announce_logs(self, callbacks, validating):
        """`log_names`: what an epoch will measure; a user's callback or metric may add to it."""
        names = ["loss", *(name for name, *_ in self.compiled_metrics.items)]
        if validating:
            names += [f"val_{name}" for name in names]
        names.append("learning_rate")
        known = callbacks.all_ours() and self.compiled_metrics.names_are_known()
        self.log_names, self.log_names_may_grow = names, not known

    def _finish(self, callbacks, *sources):
        callbacks.close()
        for batches in sources:
            if batches is not None:
                batches.close()
        self.under_way = None
        self.context.release()
        self.execution.release()
        self.loss.probabilities = self.loss.dp = None
        for layer in self.leaves():
            layer.saved = None

    # ---------------------------------------------------------------------- evaluate and predict

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
    ):
        """Loss and metrics on data, without dropout, with moving statistics.

        Args:
            x, y, batch_size, verbose, callbacks, sample_weight: as for `fit`.
            steps: batches to look at; None: all.
            return_dict: name -> value instead of a list.

        Returns:
            [loss, *metrics] in the order of `compile`, or the loss alone if there are no metrics.
        """
        self._require_compiled("evaluate")
        if x is None or (y is None and not is_stream(x)):
            raise ValueError("evaluate needs x and y")
        data = source(self, x, y, sample_weight, batch_size=batch_size, steps=steps)
        self._prepare(data.target_shape)
        callbacks = self._callback_list(callbacks, verbose, [], steps=data.steps)
        try:
            logs = self._evaluate(data, callbacks)
        finally:
            self._finish(callbacks, data)
        return logs if return_dict else _flat(logs)

    def _evaluate(self, batches, callbacks, each=iter):
        batches.restart()
        if not batches.ready():
            warnings.warn("the validation data have ended: this epoch has no validation",
                          stacklevel=3)  # fmt: skip
            return {}
        callbacks.call("on_test_begin", {})
        self.reset_metrics()
        for step, data, stretch in each(batches.epoch(self._length(callbacks, "test"))):
            callbacks.call("on_test_batch_begin", step, {})
            self.execution.test(data, stretch)
            self._end_batch(callbacks, "on_test_batch_end", step + len(stretch) - 1)
        logs = self.logs()
        callbacks.call("on_test_end", logs)
        return logs

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """The outputs for all rows of x, a NumPy array (N, ...); needs no `compile`.

        Args:
            x: as for `fit`; of batches (x, y) only x is used.
            batch_size, verbose, steps, callbacks: as for `evaluate`.
        """
        batches = source(self, x, batch_size=batch_size, steps=steps, targets=False)
        if not batches.ready():
            raise ValueError(f"predict: {type(x).__name__} gave no batch")
        self._prepare_execution()
        callbacks = self._callback_list(callbacks, verbose, [], steps=batches.steps)
        parts = []
        try:
            callbacks.call("on_predict_begin", {})
            for step, data, stretch in batches.epoch(self._length(callbacks, "predict")):
                callbacks.call("on_predict_batch_begin", step, {})
                outputs = self.execution.predict(data, stretch)
                parts.append(outputs)
                if callbacks.wants("on_predict_batch_end"):
                    callbacks.call("on_predict_batch_end", step, {"outputs": outputs})
                callbacks.progress(step + len(stretch) - 1)
            callbacks.call("on_predict_end", {})
        finally:
            callbacks.close()
            batches.close()
            self.context.release()
            self.execution.release()
        return joined(parts)

    # ------------------------------------------------------------------------------ one batch

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One training step on exactly these rows; returns like `evaluate`."""
        return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Loss and metrics of exactly these rows."""
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    def _on_batch(self, kind, x, y, sample_weight, class_weight, return_dict):
        self._require_compiled(f"{kind}_on_batch")
        if y is None:
            raise ValueError(f"{kind}_on_batch needs y")
        data = Dataset(self, x, y, sample_weight, class_weight)
        self._prepare(data.y.shape)
        self.reset_metrics()
        run = self.execution.train if kind == "train" else self.execution.test
        run(data, [slice(0, len(data))])
        logs = self.logs()
        return logs if return_dict else _flat(logs)

    def predict_on_batch(self, x):
        """The outputs for these rows."""
        data = Dataset(self, x)
        self._prepare_execution()
        return self.execution.predict(data, [slice(0, len(data))])


def _warn_of_the_end(source, epochs):
    warnings.warn(
        f"the data ended after {source.total} batches; {epochs} more epochs were asked for. A "
        "generator can be read only once: one without an end (with steps_per_epoch) or a "
        "utils.PyDataset lasts for all epochs",
        stacklevel=3,
    )


def _validation_epochs(frequency):
    """Function of the epoch's number from 0: whether to validate after it."""
    if isinstance(frequency, (list, tuple, set)):
        for epoch in frequency:
            check_integer("validation_freq", epoch)
        return lambda epoch: epoch + 1 in frequency
    check_integer("validation_freq", frequency)
    return lambda epoch: (epoch + 1) % frequency == 0


def _flat(logs):
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
