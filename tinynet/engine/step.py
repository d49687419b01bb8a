"""One step of gradient descent: forward, loss, backward, update; and what `compile` fixes for it.

`train_step` is the algorithm in five lines. `fit` (in `fit.py`) repeats it.
"""

import numpy as np

from .. import losses, metrics, optimizers
from ..core.devices import is_open, load_ops, resolve
from ..data import SeveralRows, SparseRows
from ..measuring.choice import choose, density_of
from ..metrics.collection import Collection, check_names, is_sum
from .replay import Eager, Replay


class Step:
    """What `compile` chooses, and one step with it; `Trainer` repeats it."""

    def __init__(self):
        self.optimizer = self.loss = self.flat = self.execution = None
        self.device, self.run_eagerly, self.fused = resolve(), False, False
        self.choosing, self.choice = False, None  # device="auto": whether, and what was taken
        self.compiled_metrics = None  # made when the shapes of targets and outputs are known
        self.loss_tracker = metrics.Mean(name="loss")
        self.history = None
        self.stop_training = False
        self.course = None  # of the call of `fit`, `evaluate` or `predict` that goes on
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
        device=None,
    ):
        """Choose optimizer, loss, metrics and device; the same optimizer object keeps its state.

        Args:
            optimizer: a name or an Optimizer.
            loss: a name, a Loss or one of Keras's loss functions; "crossentropy" is the one that
                fits the targets.
            metrics: a name, a Metric, or a list of them; they ignore sample weights.
            weighted_metrics: the same; they use them.
            run_eagerly: step through the kernels one by one instead of replaying a recorded step;
                "reference" always does.
            device: "cpu" (compiled), "gpu" (an NVIDIA card), "reference" (NumPy, the readable
                one), or "auto", the faster of cpu and gpu: where there is a usable card, `fit`
                measures both for some seconds on copies of the model, for its batch size, and keeps
                what it found (see `measuring.choice`). None: the environment variable
                TINYNET_DEVICE, else "cpu".
            loss_weights: None: there is one output.
            steps_per_execution, jit_compile, auto_scale_loss: accepted as in Keras; they change
                nothing here.

        Raises:
            ValueError: an unknown name (the nearest one is suggested) or device; the model stays
                as it was.
            RuntimeError: there is no usable card for "gpu"; says what is missing.
        """
        if isinstance(self.output_shape, list):
            raise ValueError(
                f"{self.name} has {len(self.output_shape)} outputs; it can predict, but training "
                "needs one output"
            )
        if loss_weights is not None:
            raise ValueError("loss_weights needs a model with several outputs")
        new_loss, new_optimizer = losses.get(loss), optimizers.get(optimizer)
        if loss is not None and not isinstance(new_loss, losses.Loss):
            raise TypeError(
                f"loss: expected a name or a Loss, received {loss!r}; nobody derives a function of "
                "your own: subclass losses.Loss with call(y, p) and derivative(y, p)"
            )
        if not isinstance(new_optimizer, optimizers.Optimizer):
            raise TypeError(f"optimizer: expected a name or an Optimizer, received {optimizer!r}")
        if new_loss is not None and new_loss.reduction in ("none", None):
            raise ValueError('a loss with reduction "none" gives no number to train on')
        check_names(metrics)
        check_names(weighted_metrics)
        choosing, device = is_open(device), resolve(device)
        ops = load_ops(device)

        self.optimizer, self.loss = new_optimizer, new_loss
        self.metrics_given, self.weighted_metrics_given = metrics, weighted_metrics
        self.run_eagerly = run_eagerly
        self.choosing, self.choice = choosing, None
        self.compiled_metrics = None
        self._take_device(device, ops)

    def _take_device(self, device, ops):
        """From the next step on, kernels and arrays are this device's."""
        if ops is not self.own_context.ops:
            self.own_context.release()  # arrays of the other device
        self.device, self.own_context.ops = device, ops

    def _choose_device(self, x, batch, verbose):
        """Settle device="auto" for `fit` on x with batches of so many rows."""
        if not self.choosing:
            return
        several = isinstance(x, SeveralRows)
        shapes = [p.shape[1:] for p in x.parts] if several else x.shape[1:]
        self.choice = choose(self, batch, shapes, density_of(x))
        self._take_device(self.choice.device, load_ops(self.choice.device))
        if verbose and self.choice.compared:
            print(self.choice)

    def _prepare(self, target_shape):
        """Before the first step: flat parameters, moments, metrics; nothing if all is there."""
        self._prepare_execution()
        for layer in self.leaves():
            if layer.needs_dx or layer.trainable_weights:
                layer.check_backward()
        trained = self.trainable_weights
        if self.optimizer.parameters != trained:
            self.optimizer.build(trained, self.context.ops)
        self.optimizer.move_to(self.context.ops)
        self.loss.check_dtype(self.dtype)
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

    def revisions(self, kind):
        """Changes whenever a recorded step would come out differently."""
        parts = self.parts()
        if kind != "predict":
            parts += [self.loss, self.optimizer]
        return (self.flat, self.run_eagerly, self.fused, *(part.revision for part in parts))

    def metrics_are_sums(self):
        """Whether all metrics give for several batches at once what they give one by one."""
        compiled = [] if self.compiled_metrics is None else self.compiled_metrics.items
        return all(is_sum(metric) for _, metric, _ in compiled)

    def explain_execution(self) -> str:
        """How the steps are carried out: replayed by the device, or eagerly and why.

        With device="auto", also which device `fit` took, and why.
        """
        chosen = [] if self.choice is None else [str(self.choice)]
        if not isinstance(self.execution, Replay):
            return "; ".join([f'eagerly, kernel by kernel: device "{self.device}"', *chosen])
        reasons = [f"{kind}: {reason}" for kind, reason in self.execution.reasons.items()]
        way = ["eagerly", *reasons] if reasons else ["recorded once and replayed"]
        return "; ".join([*way, *chosen])

    def _loss_takes_logits(self):
        """Whether the last activation is the one that the loss is fused with."""
        last = self.activation
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
        dy = self.optimizer.scaled(self.loss.backward(), self.context)
        self.backward(dy.reshape(outputs.shape), logits=self.fused)
        self.optimizer.unscale(self.flat.grads)
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
        self.ensure_flat()
        self.context.begin(self.steps_taken)

    def measure(self, y, outputs, sample_weight):
        """The loss of a batch, and everything that the epoch's logs need of it."""
        if self.context.masks.of(outputs) is not None:
            raise ValueError(
                f"{self.name}: the padding that Embedding(mask_zero=True) marks reaches the loss, "
                "which can't leave places out: pool over the steps, or weigh them by sample_weight"
            )
        rows_y, rows, w = self.loss.as_rows(y, outputs, sample_weight)
        ops = self.context.ops
        values = self.loss.forward(
            ops.from_host(rows_y), rows, ops.from_host(w), logits=self.fused
        )  # (N,)
        loss = float(ops.to_host(values).sum(dtype=np.float64)) + self.penalty()
        self.loss_tracker.update_state(loss, [len(outputs)])
        predictions = self.loss.probabilities if self.fused else rows
        predictions = ops.to_host(predictions.reshape(outputs.shape))
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
        """Sum of the regularizers' penalties on the trainable parameters and on activities."""
        on_weights = (float(p.regularizer(p.numpy())) for p in self.parameters
                      if p.regularizer is not None and p.trainable)  # fmt: skip
        on_activities = (float(values.sum(dtype=np.float64)) for values in self.activity_losses())
        return sum(on_weights) + sum(on_activities)

    def activity_losses(self):
        """What the layers' activity regularizers found in the last forward, row by row."""
        return [layer.activity_losses for layer in self.leaves()
                if getattr(layer, "activity_regularizer", None) is not None]  # fmt: skip

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

    def batch(self, data, rows):
        """The rows of a step on the device: inputs in the model's dtype, targets, weights."""
        y = None if data.y is None else data.y[rows]
        w = None if data.sample_weight is None else data.sample_weight[rows]
        return self.input_rows(data.x, rows), y, w

    def input_rows(self, x, rows):
        """Some rows of x in the model's dtype, a list for several inputs.

        Sparse ones are SciPy's matrix, if it can be used.
        """
        if isinstance(x, SeveralRows):
            return [self.input_rows(part, rows) for part in x.parts]
        if isinstance(x, np.ndarray) and not isinstance(rows, slice):
            batch = self.context.ops.empty((len(rows), *x.shape[1:]), self.dtype)  # (N, ...)
            self.context.ops.gather(x, rows, out=batch)
            return batch
        part = x[rows]
        if isinstance(part, SparseRows):
            if self.takes_sparse:
                return part.matrix(self.dtype)
            part = part.dense(self.dtype)
        return self.context.ops.from_host(np.ascontiguousarray(part, self.dtype))

    def gradients(self, x, y, sample_weight=None, training=True):
        """The gradient of the loss, penalties included: parameter's path -> array of its shape.

        Nothing is updated, and moving statistics stay as they were.
        """
        return self.loss_and_gradients(x, y, sample_weight, training)[1]

    def loss_and_gradients(self, x, y, sample_weight=None, training=True):
        """The loss of a batch, and what `gradients` returns."""
        self._require_compiled("gradients")
        data = self.dataset(x, y, sample_weight)
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

    def trace(self, x, y, sample_weight=None):
        """Every number of the training step that (x, y) would cause; the model stays as it is.

        Returns a `tinynet.microscope.trace.Trace`; print it for tables.
        """
        from ..microscope.trace import trace

        return trace(self, x, y, sample_weight)

    def find_nan(self, x, y, sample_weight=None):
        """Where the training step that (x, y) would cause first has NaN or infinity.

        Returns:
            nan_search.NotFinite, which prints as a sentence, or None; the model stays as it is.
        """
        from ..inspecting.nan_search import find

        self._require_compiled("find_nan")
        data = self.dataset(x, y, sample_weight)
        self._prepare(data.y.shape)
        return find(self, *self.batch(data, slice(None)))

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
