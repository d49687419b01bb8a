"""The training loop: `fit`, `evaluate`, `predict`, and one step of each.

`fit` reads as the algorithm; `train_step` is one step of gradient descent in five lines.
"""

import numpy as np

from . import losses, metrics, optimizers
from .callbacks import Callback, CallbackList, History, ProgbarLogger
from .data import Batches, Dataset, as_array, check_count, split_point, unpack
from .devices import load_ops, resolve
from .execution import Eager, Replay, stretches
from .losses import check_finite
from .metrics.collection import Collection, check_names, is_sum
from .random import draw_seed


class Trainer:
    """What a model can do with data; `Sequential` adds the layers."""

    def __init__(self):
        self.optimizer = self.loss = self.flat = self.execution = None
        self.device, self.run_eagerly, self.fused = resolve("auto"), False, False
        self.compiled_metrics = None  # made when the shapes of targets and outputs are known
        self.loss_tracker = metrics.Mean(name="loss")
        self.history = None
        self.stop_training = False
        self.steps_taken = 0  # training steps since the model was made: keys the dropout masks
        self.passes_taken = 0  # shuffled passes over data: keys the permutations
        self.shuffle_seed = None
        self.log_names, self.log_names_may_grow = [], True  # what fit's logs will hold

    # ------------------------------------------------------------------------------- compile

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
        device="auto",
    ):
        """Choose optimizer, loss, metrics and device; the same optimizer object keeps its state.

        Args:
            optimizer: a name or an Optimizer.
            loss: a name or a Loss.
            metrics: a name, a Metric, or a list of them; they ignore sample weights.
            weighted_metrics: the same; they use them.
            run_eagerly: step through the kernels one by one instead of replaying a recorded step;
                "reference" always does.
            device: "cpu" (compiled), "reference" (NumPy, the readable one), or "auto": the
                environment variable TINYNET_DEVICE, else "cpu".
            loss_weights: None: there is one output.
            steps_per_execution, jit_compile, auto_scale_loss: accepted as in Keras; they change
                nothing here.

        Raises:
            ValueError: an unknown name (the nearest one is suggested) or device; the model stays
                as it was.
        """
        if loss_weights is not None:
            raise ValueError("loss_weights needs a model with several outputs")
        new_loss, new_optimizer = losses.get(loss), optimizers.get(optimizer)
        if loss is not None and not isinstance(new_loss, losses.Loss):
            raise TypeError(
                f"loss: expected a name or a Loss, received {loss!r}; a loss of your own "
                "subclasses losses.Loss, whose forward leaves the gradient in self.dp"
            )
        if not isinstance(new_optimizer, optimizers.Optimizer):
            raise TypeError(f"optimizer: expected a name or an Optimizer, received {optimizer!r}")
        if new_loss is not None and new_loss.reduction in ("none", None):
            raise ValueError('a loss with reduction "none" gives no number to train on')
        check_names(metrics)
        check_names(weighted_metrics)
        device = resolve(device)

        self.optimizer, self.loss = new_optimizer, new_loss
        self.metrics_given, self.weighted_metrics_given = metrics, weighted_metrics
        self.run_eagerly, self.device = run_eagerly, device
        self.compiled_metrics = None
        self.context.ops = load_ops(device)

    def _prepare(self, target_shape):
        """Before the first step: flat parameters, moments, metrics; nothing if all is there."""
        self._prepare_execution()
        trained = self.trainable_weights
        if self.optimizer.parameters != trained or self.optimizer.ops is not self.context.ops:
            self.optimizer.build(trained, self.context.ops)
        self.fused = self._loss_takes_logits()
        self.loss.context = self.context
        if self.compiled_metrics is None:
            self.compiled_metrics = Collection(
                self.metrics_given, self.weighted_metrics_given, target_shape, self.output_shape
            )

    def _prepare_execution(self):
        """The flat parameters and the way steps are carried out; nothing if all is there."""
        self.ensure_flat()
        way = Replay if hasattr(self.context.ops, "Machine") else Eager
        if type(self.execution) is not way:
            self.execution = way(self)

    def ensure_flat(self):
        """Have our parameters in our own vectors; other models may share our layers."""
        ours = all(layer.context is self.context for layer in self.layers)
        if self.flat is None or not ours or not self.flat.holds(self.parameters):
            self.flatten_parameters()

    def revision(self, kind):
        """Changes whenever a recorded step would come out differently."""
        parts = [*self.layers, self.loss, self.optimizer] if kind != "predict" else self.layers
        state = () if kind == "predict" else (self.fused, id(self.loss), id(self.optimizer.state))
        return (self.flat, self.run_eagerly, *state, *(part.revision for part in parts))

    def metrics_are_sums(self):
        """Whether all metrics give for several batches at once what they give one by one."""
        compiled = [] if self.compiled_metrics is None else self.compiled_metrics.items
        return all(is_sum(metric) for _, metric, _ in compiled)

    def explain_execution(self) -> str:
        """How the steps are carried out: replayed by the device, or eagerly and why."""
        if not isinstance(self.execution, Replay):
            return f'eagerly, kernel by kernel: device "{self.device}"'
        reasons = [f"{kind}: {reason}" for kind, reason in self.execution.reasons.items()]
        return "; ".join(["eagerly", *reasons]) if reasons else "recorded once and replayed"

    def _loss_takes_logits(self):
        """Whether the last activation is the one that the loss is fused with."""
        last = getattr(self.layers[-1], "activation", None)
        if last is None or self.loss.from_logits or self.loss.logits_of != last.name:
            return False
        return last.options.get("axis", -1) in (-1, len(self.output_shape) - 1)

    def _require_compiled(self, doing):
        if self.optimizer is None:
            raise RuntimeError(f"call compile(optimizer=..., loss=...) before {doing}")
        if self.loss is None:
            raise RuntimeError(f"{doing} needs a loss: compile(loss=...)")

    # -------------------------------------------------------------------------------- one step

    def train_step(self, x, y, sample_weight=None):
        """One step of gradient descent on a batch that fits: forward, loss, backward, update."""
        self.begin_step()
        outputs = self.forward(x, training=True, logits=self.fused)  # (N, C)
        self.measure(y, outputs, sample_weight)
        self.backward(self.loss.backward().reshape(outputs.shape), logits=self.fused)
        self.add_penalty_gradients()
        self.optimizer.step(self.flat.trainable, self.flat.grads)
        self.steps_taken += 1

    def test_step(self, x, y, sample_weight=None):
        """Loss and metrics of a batch; nothing is trained."""
        self.begin_step()
        outputs = self.forward(x, training=False, logits=self.fused)  # (N, C)
        self.measure(y, outputs, sample_weight)

    def begin_step(self):
        """Our arrays and step number for the layers; they may have served another model since."""
        self.context.begin(self.steps_taken)
        self.ensure_flat()

    def measure(self, y, outputs, sample_weight):
        """The loss of a batch, and everything that the epoch's logs need of it."""
        rows_y, rows, w = self.loss.as_rows(y, outputs, sample_weight)
        values = self.loss.forward(rows_y, rows, w, logits=self.fused)  # (N,)
        loss = float(values.sum(dtype=np.float64)) + self.penalty()
        self.loss_tracker.update_state(loss, [len(outputs)])
        predictions = self.loss.probabilities if self.fused else rows
        predictions = self.context.ops.to_host(predictions.reshape(outputs.shape))
        self.compiled_metrics.update(y, predictions, sample_weight)

    def logs(self) -> dict:
        """Loss and metrics since the last reset."""
        return {"loss": self.loss_tracker.result(), **self.compiled_metrics.results()}

    def reset_metrics(self):
        """Forget the batches measured so far."""
        self.loss_tracker.reset_state()
        if self.compiled_metrics is not None:
            self.compiled_metrics.reset()

    def penalty(self) -> float:
        """Sum of the regularizers' penalties on the trainable parameters."""
        return sum(float(p.regularizer(p.numpy())) for p in self.parameters
                   if p.regularizer is not None and p.trainable)  # fmt: skip

    def add_penalty_gradients(self, ops=None):
        """grad += the penalty's gradient, for each parameter that has a regularizer."""
        ops = ops or self.context.ops
        for p in self.parameters:
            r = p.regularizer
            if r is None or not p.trainable:
                continue
            if hasattr(r, "l1"):
                ops.penalty_grad(p.value, r.l1, r.l2, dw=p.grad)
            else:
                p.grad[...] += ops.from_host(r.gradient(p.numpy()))

    # ------------------------------------------------------------------------------------- fit

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

    def batch(self, data, rows):
        """The rows of a step on the device: inputs in the model's dtype, targets, weights."""
        y = None if data.y is None else data.y[rows]
        w = None if data.sample_weight is None else data.sample_weight[rows]
        return self.inputs(data.x, rows), y, w

    def inputs(self, x, rows):
        first = x[rows] if isinstance(rows, slice) else None
        if first is not None and first.dtype == self.dtype:
            return self.context.ops.from_host(first)  # nothing to gather, nothing to cast
        count = len(rows) if first is None else len(first)
        batch = np.empty((count, *x.shape[1:]), self.dtype)  # (N, ...)
        self.context.ops.gather(x, rows, out=batch)
        return batch

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
        for layer in self.layers:
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

    def gradients(self, x, y, sample_weight=None, training=True):
        """The gradient of the loss, penalties included: parameter's path -> array of its shape.

        Nothing is updated, and moving statistics stay as they were.
        """
        return self.loss_and_gradients(x, y, sample_weight, training)[1]

    def loss_and_gradients(self, x, y, sample_weight=None, training=True):
        """The loss of a batch, and what `gradients` returns."""
        self._require_compiled("gradients")
        data = Dataset(self, x, y, sample_weight)
        self._prepare(data.y.shape)
        self.reset_metrics()
        frozen = [p.numpy() for p in self.non_trainable_weights]
        self.begin_step()
        x, y, w = self.batch(data, slice(None))
        outputs = self.forward(x, training=training, logits=self.fused)
        self.measure(y, outputs, w)
        self.backward(self.loss.backward().reshape(outputs.shape), logits=self.fused)
        self.add_penalty_gradients()
        for p, value in zip(self.non_trainable_weights, frozen, strict=True):
            p.assign(value)
        to_host = self.context.ops.to_host
        grads = {p.path: np.array(to_host(p.grad)) for p in self.trainable_weights}
        return self.loss_tracker.result(), grads

    def predict_on_batch(self, x):
        """The outputs for these rows."""
        x = as_array(x, "x")
        self.build_for(x, "x")
        check_finite(x, "x")
        self._prepare_execution()
        return self.execution.predict(x, [slice(0, len(x))])

    # --------------------------------------------------------------------------------- metrics

    @property
    def metrics(self):
        """The loss's mean and the compiled metrics."""
        compiled = [] if self.compiled_metrics is None else self.compiled_metrics.items
        return [self.loss_tracker, *(metric for _, metric, _ in compiled)]

    @property
    def metrics_names(self):
        """Names of what `evaluate` returns."""
        compiled = [] if self.compiled_metrics is None else self.compiled_metrics.items
        return ["loss", *(name for name, *_ in compiled)]

    def metric_direction(self, name):
        """True: higher is better, False: lower, None: there is no metric of this name."""
        for known, metric, _ in self.compiled_metrics.items:
            if known == name:
                return metric.higher_is_better
        return None


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
