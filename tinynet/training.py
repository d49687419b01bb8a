"""The training loop: `fit`, `evaluate`, `predict`; `fit` reads as the algorithm."""

import numpy as np

from .callbacks import Callback, CallbackList, History, ProgbarLogger
from .data import Batches, Dataset, as_array, check_count, split_point, unpack
from .execution import stretches
from .losses import check_finite
from .random import draw_seed
from .step import Step


class Trainer(Step):
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
    ):
        """Train; everything is checked before the first step.

        Args:
            x: inputs (N, ...), any real dtype; cast batch by batch.
            y: targets: class ids (N,), or (N, C).
            batch_size: rows per step, 32 by default; a last partial batch is kept.
            epochs: number of the last epoch, so that epochs - initial_epoch are run.
            verbose: 0 silent, 1 (or "auto") a live line, 2 one line per epoch.
            callbacks: list of Callback.
            validation_split: share of the last rows to hold out, taken before shuffling.
            validation_data: (x, y) or (x, y, sample_weight); wins over validation_split.
            shuffle: True, False, or "batch" (only within batches).
            class_weight: dict of class id -> weight.
            sample_weight: weight per row (N,).
            initial_epoch: number of the first epoch, from 0.
            steps_per_epoch, validation_steps: batches per epoch; None: all.
            validation_batch_size: None: batch_size.
            validation_freq: validate every so many epochs, or a list of epochs counted from 1.

        Returns:
            History: `.history` has one list per name: loss, metrics, val_loss, val_metrics.

        Raises:
            ValueError, TypeError: input that does not fit; says what was expected and received.
            RuntimeError: the model is not compiled.
        """
        self._require_compiled("fit")
        check_count("epochs", epochs, least=0)
        check_count("initial_epoch", initial_epoch, least=0)
        for name, value in (
            ("batch_size", batch_size),
            ("steps_per_epoch", steps_per_epoch),
            ("validation_steps", validation_steps),
            ("validation_batch_size", validation_batch_size),
        ):
            if value is not None:
                check_count(name, value)
        validate_after = _validation_epochs(validation_freq)
        train, validation = self._datasets(
            x, y, sample_weight, class_weight, validation_split, validation_data
        )
        self.shuffle_seed = draw_seed() if self.shuffle_seed is None else self.shuffle_seed
        batches = Batches(
            len(train), batch_size, steps_per_epoch, shuffle, self.shuffle_seed, self.passes_taken
        )
        validation_batches = validation and Batches(
            len(validation), validation_batch_size or batches.batch_size, validation_steps
        )
        self._prepare(train.y.shape)
        history = History()
        callbacks = self._callback_list(
            callbacks, verbose, [history], epochs=epochs, steps=batches.steps
        )
        self.history = history
        self._announce_logs(callbacks, validation is not None)

        self.stop_training = False
        logs = {}
        try:
            callbacks.call("on_train_begin", {})
            for epoch in range(initial_epoch, epochs):
                callbacks.call("on_epoch_begin", epoch, {})
                self.reset_metrics()
                for step, stretch in self._stretches(batches, callbacks, "train"):
                    callbacks.call("on_train_batch_begin", step, {})
                    self.execution.train(train, stretch)
                    self._end_batch(callbacks, "on_train_batch_end", step + len(stretch) - 1)
                    if self.stop_training:
                        break
                self.passes_taken = batches.passes
                logs = self.logs()
                if validation and validate_after(epoch):
                    measured = self._evaluate(validation, validation_batches, callbacks)
                    logs.update({f"val_{name}": value for name, value in measured.items()})
                callbacks.call("on_epoch_end", epoch, logs)
                if self.stop_training:
                    break
            callbacks.call("on_train_end", logs)
        finally:
            self._finish(callbacks)
        return self.history

    def _datasets(self, x, y, sample_weight, class_weight, validation_split, validation_data):
        """The checked training set, and the validation set or None."""
        if x is None or y is None:
            raise ValueError("fit needs x and y")
        if validation_data is not None:
            vx, vy, vw = unpack(validation_data, "validation_data")
        elif validation_split:
            x, y = as_array(x, "x"), as_array(y, "y")
            Dataset.check_lengths(x, y=y, sample_weight=sample_weight)
            cut = split_point(len(x), validation_split)
            x, vx, y, vy = x[:cut], x[cut:], y[:cut], y[cut:]
            vw = None
            if sample_weight is not None:
                sample_weight, vw = np.split(as_array(sample_weight, "sample_weight"), [cut])
        train = Dataset(self, x, y, sample_weight, class_weight)
        if validation_data is None and not validation_split:
            return train, None
        where = "validation " if validation_data is not None else f"validation (from row {cut}) "
        return train, Dataset(self, vx, vy, vw, where=where)

    def _stretches(self, batches, callbacks, kind):
        """Batches that are carried out together: one at a time if a callback wants to see each."""
        hooks = (f"on_{kind}_batch_begin", f"on_{kind}_batch_end")
        single = any(callbacks.wants(hook) for hook in hooks)
        length = (lambda: 1) if single else self.execution.length
        return stretches(batches.epoch(), batches.batch_size, length)

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
        """`log_names`: what an epoch will measure; a user's callback may add to it."""
        names = ["loss", *(name for name, *_ in self.compiled_metrics.items)]
        if validating:
            names += [f"val_{name}" for name in names]
        names.append("learning_rate")
        self.log_names, self.log_names_may_grow = names, not callbacks.all_ours()

    def _finish(self, callbacks):
        callbacks.close()
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
        if x is None or y is None:
            raise ValueError("evaluate needs x and y")
        data = Dataset(self, x, y, sample_weight)
        batches = Batches(len(data), batch_size, steps)
        self._prepare(data.y.shape)
        callbacks = self._callback_list(callbacks, verbose, [], steps=batches.steps)
        try:
            logs = self._evaluate(data, batches, callbacks)
        finally:
            self._finish(callbacks)
        return logs if return_dict else _flat(logs)

    def _evaluate(self, data, batches, callbacks):
        callbacks.call("on_test_begin", {})
        self.reset_metrics()
        batches.restart()
        for step, stretch in self._stretches(batches, callbacks, "test"):
            callbacks.call("on_test_batch_begin", step, {})
            self.execution.test(data, stretch)
            self._end_batch(callbacks, "on_test_batch_end", step + len(stretch) - 1)
        logs = self.logs()
        callbacks.call("on_test_end", logs)
        return logs

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """The outputs for all rows of x, a NumPy array (N, ...); needs no `compile`."""
        x = as_array(x, "x")
        self.build_for(x, "x")
        check_finite(x, "x")
        self._prepare_execution()
        batches = Batches(len(x), batch_size, steps)
        callbacks = self._callback_list(callbacks, verbose, [], steps=batches.steps)
        rows_wanted = min(len(x), batches.steps * batches.batch_size)
        result = np.empty((rows_wanted, *self.output_shape[1:]), self.dtype)
        try:
            callbacks.call("on_predict_begin", {})
            done = 0
            for step, stretch in self._stretches(batches, callbacks, "predict"):
                callbacks.call("on_predict_batch_begin", step, {})
                outputs = self.execution.predict(x, stretch)
                result[done : done + len(outputs)] = outputs
                done += len(outputs)
                if callbacks.wants("on_predict_batch_end"):
                    callbacks.call("on_predict_batch_end", step, {"outputs": outputs})
                callbacks.progress(step + len(stretch) - 1)
            callbacks.call("on_predict_end", {"outputs": None})
        finally:
            callbacks.close()
            self.context.release()
            self.execution.release()
        return result

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
        x = as_array(x, "x")
        self.build_for(x, "x")
        check_finite(x, "x")
        self._prepare_execution()
        return self.execution.predict(x, [slice(0, len(x))])


def _validation_epochs(frequency):
    """Function of the epoch's number from 0: whether to validate after it."""
    if isinstance(frequency, (list, tuple, set)):
        for epoch in frequency:
            check_count("validation_freq", epoch)
        return lambda epoch: epoch + 1 in frequency
    check_count("validation_freq", frequency)
    return lambda epoch: (epoch + 1) % frequency == 0


def _flat(logs):
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
