"""What all optimizers share: the learning rate, clipping, weight decay, and one `apply`.

An optimizer works on flat vectors: all trainable weights of a model end to end, and their
gradients in the same order. So the update rule is written once, for one vector.
"""

import numpy as np

from ..devices import load_ops
from ..registry import Configurable, Registry, Revised
from . import schedules

_registry = Registry("optimizer", "optimizers")
register = _registry.register


class Optimizer(Configurable, Revised):
    """Base of all optimizers; `update` is the rule.

    Order within one step, as in Keras: clip the gradients, decay the weights, update.

    Args:
        learning_rate: a number > 0, or a schedule of the step number.
        weight_decay: each step first does w -= weight_decay lr w, apart from the gradient.
        clipnorm: each parameter's gradient is scaled down to this norm.
        clipvalue: each gradient entry is cut to [-clipvalue, clipvalue].
        global_clipnorm: all gradients together are scaled down to this norm. Only one of the three.
        name: shown in messages.
    """

    option_keys = ("learning_rate", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue")
    rule_keys: tuple = ()
    volatile = frozenset({"iterations", "learning_rate", "_rate", "ops"})

    def __init__(
        self,
        learning_rate,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        name=None,
    ):
        self.name = name or type(self).__name__.lower()
        self.iterations = 0
        self._schedule = None
        self.learning_rate = learning_rate
        limits = {
            "clipnorm": clipnorm,
            "clipvalue": clipvalue,
            "global_clipnorm": global_clipnorm,
        }
        for key, value in {**limits, "weight_decay": weight_decay}.items():
            if value is None:
                continue
            decay = key == "weight_decay"
            if not (_is_number(value) and (value >= 0 if decay else value > 0)):
                raise ValueError(
                    f"{self.name}: {key} must be a number {'>= 0' if decay else '> 0'}, "
                    f"received {value!r}"
                )
        given = [key for key, value in limits.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"{self.name}: only one way of clipping, received {given}")
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.no_decay = ((), ())  # parameters, and parts of paths, without weight decay
        self.parameters, self.state, self.slices = None, {}, []
        self.ops = load_ops("reference")

    # --------------------------------------------------------------------------- learning rate

    @property
    def learning_rate(self) -> float:
        """The rate of the coming step."""
        return self.rate(self.iterations)

    def rate(self, step) -> float:
        """The learning rate of step `step`, from 0."""
        return self._rate if self._schedule is None else float(self._schedule(step))

    @learning_rate.setter
    def learning_rate(self, value):
        if isinstance(value, dict):
            value = schedules.deserialize(value)
        if isinstance(value, schedules.LearningRateSchedule):
            self._schedule = value
            return
        if not (_is_number(value) and value >= 0):
            raise ValueError(
                f"{self.name}: learning_rate must be a number >= 0 or a schedule, "
                f"received {value!r}"
            )
        if self._schedule is not None:
            raise TypeError(
                f"{self.name}: the learning rate follows {self._schedule!r} and can't be set"
            )
        self._rate = float(value)

    lr = learning_rate  # the posts' dialect

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Parameters (or parts of their paths) that weight_decay leaves alone."""
        self.no_decay = (tuple(var_list or ()), tuple(var_names or ()))

    # -------------------------------------------------------------------------------- the rule

    def make_state(self, zeros):
        """Name -> flat vector of this rule's moments; `zeros()` makes one."""
        return {}

    def scalars(self, step):
        """The numbers of step `step` (from 0) that `update` needs; the learning rate is one."""
        return {"lr": self.rate(step)}

    def update(self, w, g, lr, **state):
        """One step on the flat vector w (P,) with the gradient g (P,), in place."""
        raise NotImplementedError(f"{type(self).__name__} needs update(w, g, ...)")

    # ----------------------------------------------------------------------------------- a step

    def build(self, parameters, ops=None):
        """Make the moments for these parameters, all zero, and remember their places."""
        if self.parameters is not None:
            self.iterations = 0  # Adam's bias correction counts the steps behind its moments
        self.parameters = list(parameters)
        self.ops = ops or self.ops
        dtype = self.parameters[0].dtype if self.parameters else np.dtype("float32")
        self.slices, start = [], 0
        for p in self.parameters:
            self.slices.append(slice(start, start + p.size))
            start += p.size
        self.state = self.make_state(lambda: self.ops.zeros(start, dtype))
        return self

    def step(self, w, g):
        """One update of the flat weights w by the flat gradients g, both (P,), in place."""
        self.apply_rule(w, g, self.numbers(self.iterations))
        self.iterations += 1

    def numbers(self, step):
        """All numbers of step `step` that change from step to step: name -> float."""
        decay = {"decay": 1 - self.weight_decay * self.rate(step)} if self.weight_decay else {}
        return {**decay, **self.scalars(step)}

    def apply_rule(self, w, g, numbers):
        """Clip, decay, update; nothing here depends on the step but `numbers`."""
        self._clip(g)
        scalars = dict(numbers)
        if self.weight_decay:
            factor = scalars.pop("decay")
            for place in self._decayed():
                self.ops.scale_(factor, x=w[place])
        self.update(w, g, **scalars, **self.state)

    def _clip(self, g):
        if self.clipvalue is not None:
            self.ops.clip_by_value(self.clipvalue, g=g)
        elif self.global_clipnorm is not None:
            self.ops.clip_by_norm(self.global_clipnorm, g=g)
        elif self.clipnorm is not None:
            for place in self.slices:
                self.ops.clip_by_norm(self.clipnorm, g=g[place])

    def _decayed(self):
        excluded, names = self.no_decay
        if not excluded and not names:
            return [slice(None)]
        return [
            place
            for p, place in zip(self.parameters, self.slices, strict=True)
            if not any(p is e or p.value is e for e in excluded)
            and not any(name in p.path for name in names)
        ]

    # ------------------------------------------------------------------------ for one's own loop

    def apply(self, grads, parameters=None):
        """One step on any list of Parameters (or float arrays), with gradients of their shapes.

        Args:
            grads: list of arrays; left untouched.
            parameters: the first call fixes the list; None means the same ones again.

        Raises:
            ValueError, TypeError: lengths or shapes that differ, something else than numbers, or
                other parameters than before; nothing was changed.
        """
        parameters = self.parameters if parameters is None else list(parameters)
        if not parameters:
            raise ValueError(f"{self.name}: there are no parameters to update")
        grads = [np.asarray(g) for g in grads]
        if len(grads) != len(parameters):
            raise ValueError(
                f"{self.name}: {len(grads)} gradients for {len(parameters)} parameters"
            )
        for i, (g, p) in enumerate(zip(grads, parameters, strict=True)):
            if g.dtype.kind not in "fiub":
                raise TypeError(f"{self.name}: gradient {i} has dtype {g.dtype}, expected numbers")
            dtype = getattr(p, "dtype", type(p).__name__)
            if getattr(dtype, "kind", None) != "f":
                raise TypeError(
                    f"{self.name}: parameter {i} must be a Parameter or an array of floats that "
                    f"can be changed in place, received {dtype}"
                )
            if g.shape != p.shape:
                raise ValueError(
                    f"{self.name}: gradient {i} has shape {g.shape}, its parameter {p.shape}"
                )
        if self.parameters is None:
            self.build(_as_parameters(parameters))
        elif len(parameters) != len(self.parameters) or any(
            a is not b.value and a is not b
            for a, b in zip(parameters, self.parameters, strict=True)
        ):
            raise ValueError(
                f"{self.name} already updates other parameters; make a new optimizer for these"
            )
        dtype = self.parameters[0].dtype
        w = np.concatenate([np.asarray(p).ravel() for p in self.parameters]).astype(dtype)
        g = np.concatenate([g.ravel() for g in grads]).astype(dtype)
        self.step(w, g)
        for p, place in zip(self.parameters, self.slices, strict=True):
            p.assign(w[place].reshape(p.shape))

    def apply_gradients(self, grads_and_parameters):
        """`apply` for pairs (gradient, Parameter), as in Keras."""
        pairs = list(grads_and_parameters)
        self.apply([g for g, _ in pairs], [p for _, p in pairs])

    def state_size(self):
        """(numbers, bytes) that the moments take."""
        arrays = [a for a in self.state.values() if a is not None]
        return sum(a.size for a in arrays), sum(a.nbytes for a in arrays)

    def get_config(self) -> dict:
        config = {"name": self.name}
        for key in self.option_keys + self.rule_keys:
            config[key] = getattr(self, key)
        if self._schedule is not None:
            config["learning_rate"] = schedules.serialize(self._schedule)
        return config


def _as_parameters(arrays):
    from ..parameters import Parameter

    return [a if isinstance(a, Parameter) else Parameter(a, f"array_{i}")
            for i, a in enumerate(arrays)]  # fmt: skip


def _is_number(value):
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and np.isfinite(value)
    )


def share(label, value, low=0.0, high=1.0):
    """`value` as a float in [low, high), or an error; for decay rates and the like."""
    if not (_is_number(value) and low <= value < high):
        raise ValueError(f"{label} must be in [{low:g}, {high:g}), received {value!r}")
    return float(value)


def small(label, value):
    """`value` as a float >= 0, or an error; for an epsilon."""
    if not (_is_number(value) and value >= 0):
        raise ValueError(f"{label} must be a number >= 0, received {value!r}")
    return float(value)


def get(identifier, custom_objects=None):
    """An optimizer from its name, its config, a class or an optimizer."""
    return (
        identifier
        if isinstance(identifier, Optimizer)
        else _registry.get(identifier, custom_objects)
    )


serialize, deserialize = _registry.serialize, _registry.deserialize
