"""`compile`: optimizer, loss, metrics, device; and preparation before the first step."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .. import distribution, losses, optimizers
from ..configs.checks import check_flag, check_integer
from ..core.devices import is_open, load_ops, resolve
from ..core.graph import flat, is_list_of_shapes
from ..core.locks import Lock, exclusive, join
from ..core.ranks import ALONE
from ..core.undo import undone_on_error
from ..data import SeveralRows
from ..losses.several import as_outputs, of_outputs
from ..measuring.choice import choose, density_of
from ..metrics import Metric
from ..metrics.collection import Collection, as_list, by_output, check_names
from .eager import Eager
from .hooks import check_hooks
from .replay import Replay

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Config
    from ..optimizers.base import Optimizer

PARTS = losses.Loss, optimizers.Optimizer, Metric  # what several models may be compiled with


class Compiled:
    """Base of Trainer: the optimizer, loss, metrics and device, and how steps are carried out."""

    choice: Any
    choosing: bool
    compiled_metrics: Any
    device: str
    execution: Any
    flat: Any
    fused: bool
    jit_compile: str
    log_names: list[Any]
    log_names_may_grow: bool
    loss: Any
    metrics_given: Any
    optimizer: Any
    run_eagerly: bool
    steps_per_execution: int
    weighted_metrics_given: Any

    def __init__(self) -> None:
        super().__init__()
        self.optimizer = self.loss = self.flat = self.execution = None
        self.loss_given: Any = None  # to `compile`: loss and loss_weights
        self.device, self.run_eagerly, self.fused = resolve(), False, False
        self.jit_compile, self.steps_per_execution = "auto", 1
        self.choosing, self.choice = False, None  # device="auto": whether, and what was taken
        self.ranks: Any = ALONE  # the processes that train it together
        self.history: dict[str, list[Any]] = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.course: Any = None  # of the `fit` that goes on
        self.fit_lock: Any = Lock()  # taken as long as `fit` lasts
        self.steps_taken = 0  # training steps since the model was made: keys the dropout masks
        self.passes_taken = 0  # shuffled passes over data: keys the permutations
        self.shuffle_seed: Any = None
        self.log_names, self.log_names_may_grow = [], True  # what fit's logs will hold

    @exclusive
    def compile(self, optimizer: str | Optimizer | Config = "rmsprop", loss: Any = None,
                loss_weights: Any = None, metrics: Any = None, weighted_metrics: Any = None,
                run_eagerly: bool = False, steps_per_execution: int = 1, jit_compile: str = "auto",
                auto_scale_loss: bool = True, device: str | None = None,
                distribute: Any = None) -> None:  # fmt: skip
        """Choose optimizer, loss, metrics and device; the same optimizer object keeps its state.

        Args:
            optimizer: a name or an Optimizer.
            loss: a name, a Loss or one of Keras's loss functions; "crossentropy" is the one that
                fits the targets. For several outputs one for all of them, or a list, or a dict by
                their names (the keys of the model's outputs, or the names of the layers that give
                them); None for an output that is not trained.
            metrics: a name, a Metric, or a list of them; they ignore sample weights. For several
                outputs a list with an entry for each, or a dict by their names.
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
            loss_weights: factors of the losses in their sum, a list or a dict, for one output a
                number, too; None: all 1.
            steps_per_execution: callbacks' hooks for batches are called around so many batches.
            jit_compile, auto_scale_loss: accepted as in Keras; they change nothing here.

        Raises:
            NotImplementedError, TypeError: the class has a method that is not called here, or a
                step with other arguments, see `hooks`.
            ValueError: an unknown name (the nearest one is suggested) or device; the model stays
                as it was.
            RuntimeError: there is no usable card for "gpu"; says what is missing.
        """
        check_hooks(self)
        check_integer("steps_per_execution", steps_per_execution)
        names = self.names_of_outputs
        new_loss = self._loss_of_outputs(loss, loss_weights)
        new_optimizer = optimizers.get(optimizer)
        if not isinstance(new_optimizer, optimizers.Optimizer):
            raise TypeError(f"optimizer: expected a name or an Optimizer, received {optimizer!r}")
        run_eagerly = check_flag("run_eagerly", False if run_eagerly is None else run_eagerly)
        check_flag("auto_scale_loss", auto_scale_loss)
        if jit_compile not in ("auto", True, False, None):
            raise ValueError(f'jit_compile must be "auto", True or False, received {jit_compile!r}')
        if steps_per_execution not in ("auto", None):
            check_integer("steps_per_execution", steps_per_execution)
        given = [
            entry
            for some, what in ((metrics, "metrics"), (weighted_metrics, "weighted_metrics"))
            for of_one in (flat(some) if self.open_outputs else by_output(some, names, what))
            for entry in as_list(of_one)
        ]
        check_names(given)
        ranks = distribution.ranks_for(distribute)
        choosing, device = is_open(device), resolve(device)
        ops = load_ops(device)
        self.check_not_training("compile")
        objects = (*(new_loss.parts if new_loss else ()), new_optimizer, *given)
        join(self, *(one for one in objects if isinstance(one, PARTS)))

        self.optimizer, self.loss, self.loss_given = new_optimizer, new_loss, (loss, loss_weights)
        self.metrics_given, self.weighted_metrics_given = metrics, weighted_metrics
        self.run_eagerly, self.jit_compile = run_eagerly, jit_compile
        self.steps_per_execution = steps_per_execution
        self.choosing, self.choice = choosing, None
        self.compiled_metrics, self.ranks = None, ranks
        self._take_device(device, ops)

    open_outputs = False  # whether the model knows how many outputs it has once it is built

    def _loss_of_outputs(self, loss, loss_weights):
        """The Loss for the model's outputs; while they are open the first one stands for all."""
        if self.open_outputs:
            given = [one for one in as_outputs(loss) if one is not None]
            loss, loss_weights = given[0] if given else None, None
        return of_outputs(loss, loss_weights, self.names_of_outputs, losses.get)

    def outputs_are_known(self) -> None:
        """Have the loss for outputs that were open when `compile` was called."""
        if self.loss is None:
            return
        loss, weights = self.loss_given
        several = len(self.names_of_outputs) > 1
        if several or weights is not None or isinstance(loss, (list, tuple, dict)):
            self.loss = self._loss_of_outputs(loss, weights)
            join(self, *(one for one in self.loss.parts if isinstance(one, PARTS)))

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self.optimizer is not None

    def first_use(self, measures: bool = True) -> Any:
        """Context manager: where the first use of the model fails, it stays as it was.

        Args:
            measures: whether it takes the loss and the metrics.
        """
        prepared = not measures or self.optimizer is None or self.compiled_metrics is not None
        if prepared and self.built and self.execution is not None:
            return contextlib.nullcontext()
        others = [one for one in (self.optimizer, self.loss) if one is not None]
        return undone_on_error(self, *others)

    def check_not_training(self, doing: str) -> None:
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

    def _prepare_to_fit(self, source, verbose):
        """Settle the device, then what `_prepare` does."""
        self._choose_device(*source.example(), verbose)
        self._prepare(source.target_shape)

    @exclusive
    def _prepare(self, target_shape):
        """Before the first step: flat parameters, moments, metrics; nothing if all is there."""
        self._prepare_execution()
        for layer in self.layout.parts:
            if layer.needs_dx or layer.trainable_weights:
                layer.check_backward()
        trained = self.trainable_weights
        if not self.optimizer.updates(trained):
            self.optimizer.change_to(trained, self, self.context.ops)
        self.optimizer.move_to(self.context.ops)
        self.loss.check_dtype(self.dtype)
        self.fused = self._loss_takes_logits()
        self.loss.context = self.context
        if self.compiled_metrics is None:
            self.compiled_metrics = Collection(
                self.metrics_given, self.weighted_metrics_given, target_shape, self.output_shape,
                self.loss.from_logits, self.outputs_and_losses(),
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
        """Whether the last activation is the one that the loss is fused with; for several outputs
        a list."""
        if not is_list_of_shapes(self.output_shape):
            return _is_fused(*self.activations, self.loss, self.output_shape)
        return list(map(_is_fused, self.activations, self.loss.losses, self.output_shape))

    def _require_compiled(self, doing):
        if self.optimizer is None:
            raise RuntimeError(f"call compile(optimizer=..., loss=...) before {doing}")
        if self.loss is None:
            raise RuntimeError(f"{doing} needs a loss: compile(loss=...)")
        if doing == "fit":
            self.check_not_training(doing)


def _is_fused(activation, loss, output_shape):
    """Whether the activation of an output is the one that its loss takes in."""
    if activation is None or loss is None or loss.from_logits or loss.logits_of != activation.name:
        return False
    return activation.options.get("axis", -1) in (-1, len(output_shape) - 1)
