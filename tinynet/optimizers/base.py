"""The base of all optimizers: the learning rate, clipping, weight decay, and one `apply`.

An optimizer works on flat vectors: all trainable weights of a model end to end, and their
gradients in the same order. So the update rule is written once, for one vector.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import numpy as np

from .. import constraints
from ..configs.checks import check_number, is_number
from ..configs.custom_objects import custom_object_scope
from ..configs.naming import snake_case
from ..configs.registry import Configurable, Registry
from ..core.context import StepContext
from ..core.devices import load_ops
from ..core.parameters import slices_of
from ..core.variable import same
from ..core.versions import Versioned
from . import schedules, variables
from .averaging import Averaging
from .changes import Changing
from .checks import check_options
from .own_loop import OwnLoop, as_parameter
from .vectors import Vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, Config, LearningRate, Ops, State
    from ..core.parameters import Parameter

_registry = Registry("optimizer", "optimizers", "rule_keys")
register = _registry.register


class Optimizer(Averaging, Changing, OwnLoop, Vectors, Configurable, Versioned):
    """Base of all optimizers.

    One of your own is a class with its rule, which changes arrays in place entry by entry:

        class SignMomentum(keras.optimizers.Optimizer):
            rule_keys = ("beta",)

            def __init__(self, learning_rate=0.01, beta=0.9, **options):
                super().__init__(learning_rate, **options)
                self.beta = beta

            @staticmethod
            def rule(g, lr, beta, *, w, m):
                m += (1 - beta) * (g - m)
                w -= lr * np.sign(m)

    The numbers behind g come from `scalars` (lr) or from attributes; the arrays beside w are
    moments, zero at first. The devices compile the rule from its source text; `kernels/translate`
    has what it may use. One with anything else runs by NumPy, with the same numbers. A rule with
    sums over the whole vector overrides `make_state` and `update` instead.

    Order within one step, as in Keras: `unscale` the gradients, accumulate (`collect`), clip them,
    decay the weights, update (`descend`), average the weights, apply their constraints (`finish`).

    Args:
        learning_rate: a number >= 0, a schedule of the step number, or a function without
            arguments, called whenever the rate is needed.
        weight_decay: each step first does w -= weight_decay lr w; the gradient is left as it is.
        clipnorm: each parameter's gradient is scaled down to this norm.
        clipvalue: each gradient entry is cut to [-clipvalue, clipvalue].
        global_clipnorm: all gradients together are scaled down to this norm. Only one of the three.
        use_ema: keep a moving average of the weights, a = m a + (1 - m) w after each step; `fit`
            puts it in their place when it ends (Polyak and Juditsky 1992). With accumulation it
            follows each of the k steps, also those that leave the weights alone, as in Keras.
        ema_momentum: m, in [0, 1].
        ema_overwrite_frequency: every so many updates the average takes the weights' place.
        loss_scale_factor: the loss is multiplied by it before the backward pass, the gradients are
            divided by it before the update; keeps small gradients from vanishing.
        gradient_accumulation_steps: k >= 2: update in every k-th step only, by the mean of the k
            gradients.
        name: shown in messages.

    Attributes:
        step_number: steps so far; learning-rate schedules see this number.
        iterations: updates so far: the same, or with accumulation step_number // k.
        average, total: flat vectors of use_ema and of gradient_accumulation_steps, or None.
    """

    average: Any
    state: Any
    total: Any

    clipnorm: float | None
    clipvalue: float | None
    ema_momentum: float
    global_clipnorm: float | None
    parameters: Any
    slices: list[slice[Any, Any, Any]]
    use_ema: bool

    rule = None
    on_host = False  # whether it computes with NumPy alone, on every device
    rule_keys: tuple[str, ...] = ()
    # what a class of the user's may bring along and still be recorded
    formula_names: frozenset[str] = frozenset(
        {"rule", "rule_keys", "stored", "scalars", "make_state", "get_config"}
    )
    # this rule's moments as Keras stores them: in each group parameter by parameter, interleaved
    stored: tuple[Any, ...] = ()  # of groups of (name in `state`, name in Keras)
    divides_by_rate = False  # whether the rule has no step of rate 0
    # scalars of a step beside those of the rule
    shared_scalars: tuple[str, ...] = ("due", "moves", "decay", "ema_momentum", "ema_overwrite")
    unversioned: frozenset[str] = frozenset(
        {"step_number", "iterations", "learning_rate", "_rate", "ops", "average_in_weights"}
    )

    def __init__(self, learning_rate: LearningRate, weight_decay: float | None = None,
                 clipnorm: float | None = None, clipvalue: float | None = None,
                 global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None,
                 loss_scale_factor: float | None = None,
                 gradient_accumulation_steps: int | None = None,
                 name: str | None = None) -> None:  # fmt: skip
        self.name: str = name or snake_case(type(self).__name__)
        self.step_number: int = 0
        self._schedule = None
        self.learning_rate = learning_rate
        self.first_rate: float | None = None if self._schedule is not None else self._rate
        check_options(self.name, weight_decay, loss_scale_factor, ema_momentum,
                      ema_overwrite_frequency, gradient_accumulation_steps, clipnorm=clipnorm,
                      clipvalue=clipvalue, global_clipnorm=global_clipnorm)  # fmt: skip
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = bool(use_ema), ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.no_decay: Any = ((), ())  # parameters, and parts of paths, without weight decay
        self.parameters, self.state, self.slices = None, {}, []
        self.average = self.total = None
        # what it keeps for parameters that it does not update at present
        self.resting: dict[Any, Any] = {}
        self.average_in_weights: bool = False  # whether `swap_average` has exchanged them
        self.ops: Any = load_ops("reference")

    # without self and name
    option_keys: tuple[str, ...] = tuple(inspect.signature(__init__).parameters)[1:-1]

    def set_checked(self, below: float | None = None, **values: Any) -> None:
        """Attributes of these names, each a number >= 0 and, where that is given, < `below`."""
        for name, value in values.items():
            label = f"{type(self).__name__}: {name}"
            setattr(self, name, check_number(label, value, 0, below=below))

    # --------------------------------------------------------------------------- learning rate

    @property
    def learning_rate(self) -> float:
        """The rate of the coming step, a float with Keras's `assign`, `numpy` and `value`."""
        return variables.Rate(self, "learning_rate", self.rate(self.step_number))

    @property
    def schedule(self) -> Any:
        """The learning-rate schedule (or function), or None."""
        return self._schedule

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, from 0."""
        if self._schedule is None:
            return self._rate
        scheduled = isinstance(self._schedule, schedules.LearningRateSchedule)
        return float(self._schedule(step) if scheduled else self._schedule())

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        if isinstance(value, dict):
            value = schedules.deserialize(value)
        if callable(value):
            self._schedule = value
            return
        if not (is_number(value) and value >= 0):
            raise ValueError(f"{self.name}: learning_rate must be a number >= 0 or a schedule, "
                             f"received {value!r}")  # fmt: skip
        if self._schedule is not None:
            raise TypeError(f"{self.name}: the learning rate follows {self._schedule!r} and can't "
                            "be set")  # fmt: skip
        self._rate = float(value)

    lr: Any = learning_rate  # its name in Keras 2

    def exclude_from_weight_decay(self, var_list: Sequence[Parameter] | None = None,
                                  var_names: Sequence[str] | None = None) -> None:  # fmt: skip
        """Parameters (or parts of their paths) that weight_decay leaves alone."""
        self.no_decay = (tuple(var_list or ()), tuple(var_names or ()))

    # -------------------------------------------------------------------------------- the rule

    @property
    def iterations(self) -> int:
        """The number of updates so far, an int with Keras's `assign`, `numpy` and `value`."""
        count = self.step_number // (self.gradient_accumulation_steps or 1)
        return variables.Count(self, "iterations", count)

    @iterations.setter
    def iterations(self, count: int) -> None:
        count = variables.whole(f"{self.name}: iterations", count)
        self.step_number = count * (self.gradient_accumulation_steps or 1)

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        """Name -> flat vector of this rule's moments; `zeros()` makes one."""
        stored = [name for group in self.stored for name, _ in group]
        return {name: zeros() for name in (self._names_of_rule()[1] if self.rule else stored)}

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        """The numbers that `update` needs for update number t (from 1) at the rate lr."""
        return {"lr": lr}

    def update(self, w: Array, g: Array, **given: Any) -> None:
        """One step on the flat vector w (P,) with the gradient g (P,), in place."""
        if self.rule is None:
            raise NotImplementedError(f"{type(self).__name__} needs update(w, g, ...)")
        numbers, moments = self._names_of_rule()
        numbers = tuple(given[n] if n in given else getattr(self, n) for n in numbers)
        self.ops.update(self.rule, g, numbers, w=w, moments={n: given[n] for n in moments})

    def _names_of_rule(self):
        """(the numbers that the rule takes behind g, the moments that it has beside w)."""
        parameters = inspect.signature(self.rule).parameters.values()
        changed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        numbers = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY][1:]
        return numbers, [name for name in changed if name != "w"]

    # ----------------------------------------------------------------------------------- a step

    def build(self, parameters: Sequence[Parameter], ops: Ops | None = None) -> None:
        """Make the moments for these parameters, all zero, and their slices of the flat vectors."""
        self.parameters = [as_parameter(p, i) for i, p in enumerate(parameters)]
        self.ops = ops or self.ops
        dtype = self.parameters[0].dtype if self.parameters else np.dtype("float32")
        self.slices, size = slices_of(self.parameters), sum(p.size for p in self.parameters)
        self.state = self.make_state(lambda: self.ops.zeros(size, dtype))
        self.average = self.ops.zeros(size, dtype) if self.use_ema else None
        self.total = self.ops.zeros(size, dtype) if self.gradient_accumulation_steps else None
        self.average_in_weights, self.resting = False, {}
        return self

    def updates(self, parameters: Sequence[Parameter]) -> bool:
        """Return whether the moments are those of exactly these Parameters."""
        return self.parameters is not None and same(self.parameters, parameters)

    def step(self, w: Array, g: Array, context: Any = None) -> None:
        """One step for the flat weights w with their gradients g (not scaled), both (P,).

        Args:
            context: of the model's step, see `core.context.StepContext`; None outside a model.
        """
        context = context or StepContext(self.ops)
        scalars = context.scalars(self.step_scalars(self.step_number))
        self.collect(g, scalars)
        moves = scalars.get("moves", scalars.get("due", True))
        context.run_if(moves, self.descend, w, g, scalars)
        self.finish(w, scalars)
        self.step_number += 1

    def step_scalars(self, step: int) -> Any:
        """All numbers of step `step` (from 0) that change from step to step: name -> float."""
        self._check_unchanged()
        k, lr = self.gradient_accumulation_steps or 1, self.rate(step)
        done, scalars = step // k, {}  # updates before this step
        if k > 1:
            scalars["due"] = float((step + 1) % k == 0)
        if self.divides_by_rate:  # a step at rate 0 is left out
            scalars["moves"] = float(lr != 0) * scalars.get("due", 1.0)
        if self.weight_decay:
            scalars["decay"] = 1 - self.weight_decay * lr
        if self.use_ema:
            every = self.ema_overwrite_frequency
            scalars["ema_momentum"] = self.ema_momentum if done else 0.0  # at first it is a copy
            scalars["ema_overwrite"] = float(bool(every) and (done + 1) % every == 0)
        return scalars | self.scalars(done + 1, lr)

    def scalars_of_steps(self, steps: int) -> list[Any]:
        """The values of `step_scalars` for many steps: a tuple for each, in the same order.

        A recording on a fast device spends no more time on a step than this takes in Python, so
        the common case goes straight to the rule.
        """
        self._check_unchanged()
        if (self.gradient_accumulation_steps or self.weight_decay or self.use_ema
                or self.divides_by_rate):  # fmt: skip
            return [tuple(self.step_scalars(step).values()) for step in steps]
        rate, scalars = self.rate, self.scalars
        return [tuple(scalars(step + 1, rate(step)).values()) for step in steps]

    def _check_unchanged(self):
        """Raise where an option was changed that decides which arrays there are."""
        if self.use_ema != (self.average is not None):
            raise RuntimeError(f"{self.name}: use_ema was changed after the first step")
        if bool(self.gradient_accumulation_steps) != (self.total is not None):
            raise RuntimeError(f"{self.name}: accumulation was changed after the first step")

    def unscale(self, g: Array) -> None:
        """Undo the scale of the loss; `fit` adds the penalties' gradients after that."""
        if self.loss_scale_factor is not None:
            self.ops.scale_(1 / self.loss_scale_factor, x=g)

    def collect(self, g: Array, scalars: Any) -> None:
        """Add up the gradients of several steps; in the step that is `due`, g is their mean."""
        if self.total is not None:
            steps = self.gradient_accumulation_steps
            self.ops.accumulate(scalars["due"], steps, g=g, total=self.total)

    def descend(self, w: Array, g: Array, scalars: Any) -> None:
        """Clip, decay, update; nothing here but `scalars` depends on the step."""
        self._clip(g)
        if self.weight_decay:
            for place in self._decayed():
                self.ops.scale_(scalars["decay"], x=w[place])
        of_rule = {name: x for name, x in scalars.items() if name not in self.shared_scalars}
        self.update(w, g, **of_rule, **self.state)

    def finish(self, w: Array, scalars: Any) -> None:
        """Let the average follow, in every step; then the parameters' constraints."""
        if self.average is not None:
            momentum, overwrite = scalars["ema_momentum"], scalars["ema_overwrite"]
            self.ops.ema(momentum, overwrite, w=w, average=self.average)
        for p, place in zip(self.parameters, self.slices, strict=True):
            if p.constraint is not None:
                constraints.apply(p.constraint, self.ops, w[place].reshape(p.shape))

    def scale_loss(self, loss: float) -> float:
        """The loss (or its gradient, an array) times loss_scale_factor; a new array."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def scaled(self, dy: Array, context: Any) -> Any:
        """The same for the gradient of a step, on the device, in an array of `context`."""
        if self.loss_scale_factor is None:
            return dy
        context.loss_scale = self.loss_scale_factor  # also for penalties on what layers put out
        scaled = context.empty(dy.shape, dy.dtype)
        context.ops.affine(dy, self.loss_scale_factor, 0.0, y=scaled)
        return scaled

    def _clip(self, g):
        if self.clipvalue is not None:
            self.ops.clip_by_value(self.clipvalue, g=g)
        elif self.global_clipnorm is not None:
            self.ops.clip_by_norm(self.global_clipnorm, g=g)
        elif self.clipnorm is not None:
            for place in self.slices:
                self.ops.clip_by_norm(self.clipnorm, g=g[place])

    def decays(self, p: Parameter) -> bool:
        """Return whether weight decay applies to a Parameter; see `exclude_from_weight_decay`."""
        excluded, names = self.no_decay
        left_out = any(p is e or p.value is getattr(e, "value", e) for e in excluded)
        return not left_out and not any(name in p.path for name in names)

    def _decayed(self):
        if not any(self.no_decay):
            return [slice(None)]
        pairs = zip(self.parameters, self.slices, strict=True)
        return [place for p, place in pairs if self.decays(p)]

    def moments(self) -> Any:
        """This rule's share of `variables`: its moments, parameter by parameter."""
        known = {key for group in self.stored for key, _ in group}
        groups = [tuple((self.state[k], name) for k, name in group) for group in self.stored]
        groups += [((a, key),) for key, a in self.state.items() if key not in known]
        return variables.parts(self, groups)

    @property
    def variables(self) -> list[Any]:
        """All numbers that this optimizer keeps, in Keras's order, each with `name`, `shape`,
        `dtype`, `numpy()` and `assign(value)`: iteration, learning rate (unless scheduled), then
        the vectors parameter by parameter."""
        return variables.of(self)

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Assign arrays to `variables`.

        Raises:
            ValueError: another number of arrays, or another shape; nothing was changed.
        """
        variables.assign_all(self, weights)

    def get_state(self) -> State:
        """Return what later steps depend on: `variables`, and whether averages are in use."""
        return {
            "variables": [v.numpy() for v in self.variables],
            "average_in_weights": self.average_in_weights,
        }

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` returned; raises as `set_weights` does."""
        self.set_weights(state["variables"])
        self.average_in_weights = state["average_in_weights"]

    def get_config(self) -> Config:
        keys = ("name", *self.option_keys, *self.rule_keys)
        config = {key: getattr(self, key) for key in keys}
        scheduled = self._schedule is not None
        rate = schedules.serialize(self._schedule) if scheduled else self._rate
        config["learning_rate"] = rate
        return config

    def __repr__(self) -> str:
        if self._schedule is None or hasattr(self._schedule, "get_config"):
            return super().__repr__()
        return f"<{type(self).__name__} name={self.name} learning_rate={self._schedule!r}>"

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        """An equal optimizer, with no steps behind it, from `get_config()`'s dict."""
        with custom_object_scope(custom_objects):
            return cls(**config)


get, serialize, deserialize = _registry.get, _registry.serialize, _registry.deserialize
