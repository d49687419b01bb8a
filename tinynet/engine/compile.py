"""`compile`: optimizer, loss, metrics, device; and preparation before the first step."""

from .. import distribution, losses, optimizers
from ..configs.checks import check_integer
from ..core.devices import is_open, load_ops, resolve
from ..core.locks import Lock, exclusive, join
from ..core.ranks import ALONE
from ..data import SeveralRows
from ..measuring.choice import choose, density_of
from ..metrics import Metric
from ..metrics.collection import Collection, as_list, check_names
from .eager import Eager
from .replay import Replay

PARTS = losses.Loss, optimizers.Optimizer, Metric  # what several models may be compiled with


class Compiled:
    """Base of Trainer: the optimizer, loss, metrics and device, and how steps are carried out."""

    def __init__(self):
        super().__init__()
        self.optimizer = self.loss = self.flat = self.execution = None
        self.device, self.run_eagerly, self.fused = resolve(), False, False
        self.jit_compile, self.steps_per_execution = "auto", 1
        self.choosing, self.choice = False, None  # device="auto": whether, and what was taken
        self.ranks = ALONE  # the processes that train it together
        self.history = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.course = None  # of the `fit` that goes on
        self.fit_lock = Lock()  # taken as long as `fit` lasts
        self.steps_taken = 0  # training steps since the model was made: keys the dropout masks
        self.passes_taken = 0  # shuffled passes over data: keys the permutations
        self.shuffle_seed = None
        self.log_names, self.log_names_may_grow = [], True  # what fit's logs will hold

    @exclusive
    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None,
                weighted_metrics=None, run_eagerly=False, steps_per_execution=1,
                jit_compile="auto", auto_scale_loss=True, device=None,
                distribute=None):  # fmt: skip
        """Choose optimizer, loss, metrics and device; the same optimizer object keeps its state.

        Args:
            optimizer: a name or an Optimizer.
            loss: a name, a Loss or one of Keras's loss functions, also as the only entry of a list
                or dict; "crossentropy" is the one that fits the targets.
            metrics: a name, a Metric, or a list of them; they ignore sample weights.
            weighted_metrics: the same; they use them.
            run_eagerly: step through the kernels one by one instead of replaying a recorded step;
                "reference" always does.
            device: "cpu" (compiled), "gpu" (an NVIDIA card), "reference" (NumPy, the readable
                one), or "auto", the faster of cpu and gpu: where there is a usable card, `fit`
                measures both for some seconds on copies of the model, for its batch size, and keeps
                what it found (see `measuring.choice`). None: the environment variable
                TINYNET_DEVICE, else "cpu".
            distribute: a `distribution.DataParallel`, to train on all processes that mpiexec has
                started. None: as the environment variable TINYNET_DISTRIBUTE says: "mpi", or not.
            loss_weights: None: there is one output.
            steps_per_execution: callbacks' hooks for batches are called around so many batches.
            jit_compile, auto_scale_loss: accepted as in Keras; they change nothing here.

        Raises:
            ValueError: an unknown name (the nearest one is suggested) or device; the model stays
                as it was.
            RuntimeError: there is no usable card for "gpu"; says what is missing.
        """
        if isinstance(self.output_shape, list):
            raise ValueError(f"{self.name} has {len(self.output_shape)} outputs; it can predict, "
                             "but training needs one output")  # fmt: skip
        if loss_weights is not None:
            raise ValueError("loss_weights needs a model with several outputs")
        check_integer("steps_per_execution", steps_per_execution)
        loss = _only_one("loss", loss)
        new_loss, new_optimizer = losses.get(loss), optimizers.get(optimizer)
        if loss is not None and not isinstance(new_loss, losses.Loss):
            raise TypeError(f"loss: expected a name or a Loss, received {loss!r}; a function has "
                            "no derivative to train with: subclass losses.Loss with call(y, p) "
                            "and derivative(y, p), or give it its derivative, "
                            "losses.LossFunctionWrapper(fn, derivative=...), or central "
                            "differences, numeric=True")  # fmt: skip
        if not isinstance(new_optimizer, optimizers.Optimizer):
            raise TypeError(f"optimizer: expected a name or an Optimizer, received {optimizer!r}")
        if new_loss is not None and new_loss.reduction in ("none", None):
            raise ValueError('a loss with reduction "none" gives no number to train on')
        check_names(metrics)
        check_names(weighted_metrics)
        ranks = distribution.ranks_for(distribute)
        choosing, device = is_open(device), resolve(device)
        ops = load_ops(device)
        self.check_not_training("compile")
        objects = (new_loss, new_optimizer, *as_list(metrics), *as_list(weighted_metrics))
        join(self, *(one for one in objects if isinstance(one, PARTS)))

        self.optimizer, self.loss = new_optimizer, new_loss
        self.metrics_given, self.weighted_metrics_given = metrics, weighted_metrics
        self.run_eagerly, self.jit_compile = run_eagerly, jit_compile
        self.steps_per_execution = steps_per_execution
        self.choosing, self.choice = choosing, None
        self.compiled_metrics, self.ranks = None, ranks
        self._take_device(device, ops)

    @property
    def compiled(self):
        """Whether `compile` was called."""
        return self.optimizer is not None

    def check_not_training(self, doing):
        """Raise RuntimeError while another thread is in the model's `fit`."""
        if self.fit_lock.is_taken():
            raise RuntimeError(f"{doing}: {self.name} is being trained by the fit of another "
                               "thread; wait for it, or train a copy of the model")  # fmt: skip

    def _take_device(self, device, ops):
        """From the next step on, kernels and arrays are this device's."""
        if ops is not self.step_context.ops:
            self.step_context.release()  # arrays of the other device
        self.device, self.step_context.ops = device, ops

    @exclusive
    def _choose_device(self, x, batch, verbose):
        """Settle device="auto" for `fit` on x with batches of so many rows."""
        if not self.choosing:
            return
        self.choice = self.ranks.first(self._measured_choice, x, batch)
        self._take_device(self.choice.device, load_ops(self.choice.device))
        if verbose and self.choice.compared:
            print(self.choice)

    def _measured_choice(self, x, batch):
        several = isinstance(x, SeveralRows)
        shapes = [p.shape[1:] for p in x.parts] if several else x.shape[1:]
        return choose(self, batch, shapes, density_of(x))

    @exclusive
    def _prepare(self, target_shape):
        """Before the first step: flat parameters, moments, metrics; nothing if all is there."""
        self._prepare_execution()
        for layer in self.leaves():
            if layer.needs_dx or layer.trainable_weights:
                layer.check_backward()
        trained = self.trainable_weights
        if not self.optimizer.updates(trained):
            self.optimizer.build(trained, self.context.ops)
        self.optimizer.move_to(self.context.ops)
        self.loss.check_dtype(self.dtype)
        self.fused = self._loss_takes_logits()
        self.loss.context = self.context
        if self.compiled_metrics is None:
            self.compiled_metrics = Collection(
                self.metrics_given, self.weighted_metrics_given, target_shape, self.output_shape,
                self.loss.from_logits,
            )  # fmt: skip

    @exclusive
    def _prepare_execution(self):
        """The flat parameters and the way steps are carried out; nothing if all is there."""
        self.ensure_flat()
        way = Replay if hasattr(self.context.ops, "Machine") else Eager
        if type(self.execution) is not way:
            self.execution = way(self)

    def explain_execution(self) -> str:
        """How the steps are carried out: replayed by the device, or eagerly and why.

        With device="auto", also which device `fit` took, and why; of several ranks, which this is.
        """
        chosen = [] if self.choice is None else [str(self.choice)]
        chosen += [self.loss.note] if getattr(self.loss, "note", None) else []
        chosen += filter(None, [self.ranks.describe()])
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
        if doing == "fit":
            self.check_not_training(doing)


def _only_one(name, given):
    """Return what a list, or a dict of outputs' names, holds for the one output there is."""
    of_outputs = isinstance(given, dict) and "class_name" not in given
    if not (of_outputs or isinstance(given, (list, tuple))):
        return given
    if len(given) != 1:
        raise ValueError(f"{name}: expected one entry, because there is one output, received "
                         f"{given!r}")  # fmt: skip
    return next(iter(given.values() if of_outputs else given))
