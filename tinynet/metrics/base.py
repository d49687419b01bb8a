"""What all metrics share: variables that are filled batch by batch, read any time, and set to zero
again; and the names that metrics and functions go by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import initializers
from ..config import floatx
from ..configs.naming import snake_case
from ..configs.registry import Configurable, Registry
from ..core.parameters import claim
from ..core.variable import Variable

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Config, DType, Named, Shape, State
    from ..core.parameters import Parameter

_registry = Registry("metric", "metrics", "config_keys", takes_functions=True)
register = _registry.register
functions = _registry.functions  # name -> function of (y_true, y_pred); filled in __init__

EPSILON = 1e-7  # Keras's: where probabilities are clipped, and what keeps 0 / 0 away


class Metric(Configurable):
    """Base of all metrics: `update_state` per batch, `result` any time, `reset_state` per epoch.

    One of your own is written as in Keras, with NumPy:

        class Largest(keras.metrics.Metric):
            def __init__(self, name="largest", **kwargs):
                super().__init__(name=name, **kwargs)
                self.value = self.add_weight(name="value", initializer="zeros")

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.value.assign(max(self.value, y_pred.max()))

            def result(self):
                return self.value

    `result` is a number, an array, or a dict of them (each then is logged under its own name).

    Args:
        dtype: of the variables that `add_variable` makes; a name, or what a Keras config has there.
            The metrics of this package count in float64, whatever it says.
        name: None: the class's name in snake case. (Keras also counts objects: the second AUC of a
            process is its "auc_1", whichever model it belongs to.)
    """

    config_keys: tuple[str, ...] = ("name", "dtype")
    counts_rows = True  # whether it does not matter where a batch ends; asked of tinynet's only
    counts = True  # whether its sums, without weights, are of whole numbers
    match = None  # where it is the share of rows that a kernel finds to match: (its name, *numbers)
    adds_in_order = False  # whether not even the rounding of its sums depends on where a batch ends

    def __init__(self, dtype: DType | None = None, name: str | None = None) -> None:
        self.name: str = snake_case(type(self).__name__) if name is None else str(name)
        self.dtype: str = dtype_name(dtype)
        self._variables = []

    def add_variable(self, shape: Shape = (), initializer: Named = None, dtype: DType | None = None,
                     aggregation: str | None = None, name: str | None = None) -> Any:  # fmt: skip
        """Return a new variable of this metric; `reset_state` sets it to zero.

        Args:
            shape: tuple of ints.
            initializer: a name or an Initializer; None: zeros.
            dtype: None: the metric's.
            aggregation: accepted as in Keras; there is one device, and nothing to aggregate.
            name: shown in messages.
        """
        self._check_super_called()
        claim(f"{self.name}/{name or 'variable'}", shape)
        initial = initializers.get("zeros" if initializer is None else initializer)(shape)
        dtype = self.dtype if dtype is None else dtype_name(dtype)
        variable = Variable(initial, dtype=dtype, trainable=False, name=name or "variable")
        self._variables.append(variable)
        return variable

    def add_weight(self, shape: Shape = (), initializer: Named = None, dtype: DType | None = None,
                   name: str | None = None) -> Parameter:  # fmt: skip
        """Do what `add_variable` does, by its older name."""
        return self.add_variable(shape, initializer, dtype, name=name)

    def _add_sums(self, shape, *names):
        """Make variables that sums are kept in, in float64, as attributes of these names."""
        for name in names:
            setattr(self, name, self.add_variable(shape, dtype="float64", name=name))

    @property
    def variables(self) -> list[Any]:
        """All variables: its own, then those of metrics that it holds."""
        self._check_super_called()
        held = [m for value in vars(self).values() for m in _metrics_in(value)]
        return [*self._variables, *(v for metric in held for v in metric.variables)]

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike,
                     sample_weight: ArrayLike = None) -> Any:  # fmt: skip
        """Add a batch: targets and predictions with N rows, weights (N,)."""
        raise NotImplementedError(f"{type(self).__name__} needs update_state")

    def result(self) -> Any:
        """Return the value over all batches since `reset_state`."""
        raise NotImplementedError(f"{type(self).__name__} needs result")

    def reset_state(self) -> None:
        """Set every variable to zero."""
        for variable in self.variables:
            variable.value.fill(0)

    def get_state(self) -> State:
        """Return the variables' arrays by name, and the states of metrics that this one holds."""
        state = {}
        for name, value in vars(self).items():
            if isinstance(value, Variable):
                state[name] = value.numpy()
            elif isinstance(value, Metric):
                state[name] = value.get_state()
        return state

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` returned, in this process or another."""
        for name, value in state.items():
            own = getattr(self, name, None)
            if isinstance(own, Metric):
                own.set_state(value)
                continue
            if not isinstance(own, Variable):  # one that would come with the first batch
                own = self.add_variable(value.shape, dtype=value.dtype, name=name)
                setattr(self, name, own)
            own.assign(value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and return the value so far."""
        self._check_super_called()
        self.update_state(*args, **kwargs)
        return self.result()

    @property
    def higher_is_better(self) -> bool | None:
        """True, False, or None where it is not known; a class of your own may set `_direction` to
        "up" or "down", as in Keras, or override this.
        """
        return {"up": True, "down": False}.get(getattr(self, "_direction", None))

    def _check_super_called(self):
        if "_variables" not in vars(self):
            raise RuntimeError(f"{type(self).__name__}.__init__ must call super().__init__() "
                               "before anything else")  # fmt: skip


def _metrics_in(value):
    if isinstance(value, Metric):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [m for m in value if isinstance(m, Metric)] if isinstance(value, (list, tuple)) else []


def dtype_name(dtype=None) -> str:
    """Return a dtype or policy, as users and Keras's configs write it, as NumPy's name for it."""
    given = dtype
    if dtype is None:
        return floatx()
    if isinstance(dtype, dict):
        dtype = (dtype.get("config") or {}).get("name")
    if isinstance(dtype, str):
        dtype = dtype.removeprefix("mixed_")
        dtype = {"int": "int32", "float": "float32"}.get(dtype, dtype)
    try:
        name = np.dtype(dtype).name if dtype is not None else ""
    except TypeError:
        name = ""
    if not name.startswith(("float", "int", "uint", "bool")):
        raise ValueError(
            f'dtype: expected the name of a NumPy dtype like "float32", received {given!r}'
        )
    return name


# ------------------------------------------------------------------------------ names and configs


serialize = _registry.serialize


def deserialize(config: Config, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the metric (or function) that `serialize`, or Keras, wrote."""
    inside = config.get("config") if isinstance(config, dict) else None
    if isinstance(inside, dict) and isinstance(inside.get("fn"), dict):
        fn = deserialize(inside["fn"], custom_objects)
        config = {**config, "config": {**inside, "fn": fn}}
    return _registry.deserialize(config, custom_objects)


def get(identifier: Named, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the metric or function that a name, config dict, class or object stands for."""
    if isinstance(identifier, dict):
        return deserialize(identifier, custom_objects)
    return _registry.get(identifier, custom_objects)
