"""The layer: parameters, `forward`, and `backward` directly below it.

A layer of your own needs only these two (`build` where it has parameters), and works in Sequential
at once:

    class Scale(tinynet.layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")  # (D,)

        def forward(self, x, training=False):
            self.saved = x
            return x * self.factor.value                # (N, D)

        def backward(self, dy):
            x = self.recall()
            self.factor.grad[...] = (dy * x).sum(axis=0)   # reverses y = x f, by f: (D,)
            return dy * self.factor.value               # and by x: (N, D)

Check it with `tinynet.gradcheck(Scale(), x)`. As in Keras, `forward` may also be called `call`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import activations, constraints, initializers, regularizers
from ..config import float_dtype
from ..configs.arguments import check_arguments
from ..configs.checks import is_integer
from ..configs.custom_objects import custom_object_scope, is_registered
from ..configs.keras import adapt, constructor_names
from ..configs.naming import unique_name
from ..configs.registry import Registry
from ..core.context import StepContext
from ..core.copying import CopiedWhole
from ..core.devices import load_ops
from ..core.graph import is_symbolic
from ..core.held import owned
from ..core.locks import exclusive
from ..core.parameters import Parameter, assign_all, claim
from ..core.versions import Versioned
from ..core.weights import Weights
from .building import built_once, check_unchanged
from .config import own_shape, takes_training, with_training
from .fixed_dtype import FixedDtype
from .holding import Holding
from .symbolic import Symbolic
from .taking import Taking

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, Config, DType, Named, Shape, State

_registry = Registry("layer", "layers", "config_keys")
register = _registry.register

# The arguments that may be names of objects, by how the argument's name ends.
OBJECTS = {"activation": activations, "initializer": initializers, "regularizer": regularizers,
           "constraint": constraints}  # fmt: skip


class Layer(FixedDtype, Symbolic, Taking, Holding, Weights, CopiedWhole, Versioned):
    """Base of all layers.

    Args:
        name: unique within a model; None: the class's name with a counter, as in Keras.
        trainable: False freezes the layer's parameters.
        dtype: "float32" or "float64"; None: `config.floatx()`.
        input_shape: shape of one row of input, so that the layer can be built at once.
        input_dim: the same for a vector: `input_shape=(input_dim,)`.

    Attributes:
        saved: what `forward` keeps for `backward`.
        needs_dx: whether the gradient by the input is needed; not by a model's first layer.
    """

    may_hold: bool
    input_shape: Any
    output_shape: Any
    config_keys: tuple[str, ...] = ()
    preserves_values = False  # whether the output holds the very values of the input
    unversioned: Any = frozenset({"saved", "context", "known_layout", "recorded", "unchanged"})
    building = False  # whether `build` is running
    unchanged = None  # the version at which `check_unchanged` found the weights as it wants them
    check_unchanged: Any = check_unchanged
    on_host = False  # whether it computes with NumPy alone, on every device
    input_spec = None  # an InputSpec, or a list of one for each input
    path: Any = property(lambda self: self.name, doc="The name, as in Keras.")
    derived: dict[str, Any] = {"saved": None, "known_layout": None}  # noqa: RUF012

    def __new__(cls, *args: Any, **options: Any) -> Self:
        check_arguments(cls, args, options)
        return super().__new__(cls)

    def __init__(self, *, name: str | None = None, trainable: bool = True,
                 dtype: DType | None = None, input_shape: Shape | None = None,
                 input_dim: int | None = None) -> None:  # fmt: skip
        self.name: str = unique_name(type(self).__name__) if name is None else str(name)
        self.own_dtype: str = float_dtype(dtype)
        self.learns: bool = bool(trainable)  # whether parameters that can learn do
        self.own_parameters: Any = []
        self.nodes: list[Any] = []  # where it was applied to symbolic tensors
        self.built = False
        self.input_shape = self.output_shape = None  # with None for the number of rows
        self.context: Any = StepContext(load_ops("reference"))
        self.saved: Any = None
        self.needs_dx = True
        if input_dim is not None:
            input_shape = (input_dim,)
        if input_shape is not None:
            input_shape = (input_shape,) if np.ndim(input_shape) == 0 else tuple(input_shape)
            if not all(size is None or is_integer(size, 0) for size in input_shape):
                raise self.invalid(f"input_shape must hold integers, received {input_shape!r}")
        self.declared_input_shape = input_shape

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there: weights, say, before they are made."""
        if hasattr(type(self), name):  # a property that has raised an AttributeError of its own
            return object.__getattribute__(self, name)
        hint = ""
        if f"{name}_initializer" in vars(self) and not self.built:
            hint = (f": layer {self.name!r} is not built yet, so it has no {name}; call it on "
                    "data, call build(input_shape), or put it into a model with an "
                    "Input")  # fmt: skip
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}",
                             name=name, obj=self)  # fmt: skip

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.may_hold = cls.__module__.partition(".")[0] != "tinynet"
        if "build" in vars(cls):
            cls.build = built_once(cls.build)
        if "forward" in vars(cls):
            cls.forward = with_training(cls.forward)

    def store(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments, `locals()`, that `config_keys` names as attributes.

        Names of activations, initializers, regularizers and constraints become objects.
        """
        for key in self.config_keys:
            module = OBJECTS.get(key.rpartition("_")[2])
            setattr(self, key, module.get(arguments[key]) if module else arguments[key])

    # -------------------------------------------------------------------- what a layer defines

    @built_once
    def build(self, input_shape: Any) -> None:
        """Create the parameters for inputs of `input_shape` (its first entry, None, is N)."""

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Shape of the output, None for N; without a rule it is found by `own_shape`."""
        return own_shape(self, input_shape)

    def forward(self, x: Any, training: bool = False) -> Any:
        """The output for a batch x (N, ...); Keras's name for it, `call`, serves as well."""
        if self.graphs is not None:
            graph = self.graphs[bool(training)]
            self.saved = (graph,)
            return graph.forward(x, training=training)
        call = getattr(self, "call", None)
        if call is None:
            raise NotImplementedError(f"layer {self.name!r} ({type(self).__name__}) needs a "
                                      "forward(x, training=False), or a call(inputs, "
                                      "training=False)")  # fmt: skip
        return call(x, training=training) if takes_training(type(self).call) else call(x)

    def backward(self, dy: Array) -> Any:
        """Write the gradients of the parameters, return dx; dy is the gradient by the output."""
        if self.graphs is not None:
            return self.recall()[0].backward(dy)
        why = f" (call is no graph of layers: {self.unrecorded})" if self.unrecorded else ""
        raise NotImplementedError(f"layer {self.name!r} ({type(self).__name__}) needs a "
                                  "backward(dy): it writes each parameter's gradient to its .grad "
                                  "and returns the gradient by the input; nothing here "
                                  f"differentiates by itself{why}")  # fmt: skip

    supports_masking = False  # whether the output has padding where the input has

    def compute_mask(self, inputs: Any, previous_mask: ArrayLike = None) -> Any:
        """The mask (N, T) of the output, 0 where it is padding, or None; see `context.Masks`."""
        return previous_mask if self.supports_masking else None

    def forward_pass(self, x: ArrayLike, training: bool = False, logits: bool = False) -> Any:
        """`forward` as a model calls it: the padding mask of x becomes that of the output.

        Args:
            logits: leave out the activation.
        """
        with self.as_whole(training):
            y = self.logits(x) if logits else self.forward(x, training=training)
        mask = self.compute_mask(x, self.context.masks.of(x))
        if mask is not None and y is not x:
            self.context.masks.set(y, mask)
        return y

    def backward_pass(self, dy: Array, logits: bool = False) -> Any:
        """`backward` as a model calls it; with `logits`, dy is the gradient by the logits."""
        if dy is None:
            raise self.invalid("its backward was called without a gradient: the layer that reads "
                               "it returned None, as one does whose needs_dx is False; "
                               "backward(dy) returns the gradient by its input")  # fmt: skip
        return self.backward_from_logits(dy) if logits else self.backward(dy)

    def is_call_alone(self) -> bool:
        """Whether `call` is all that the class says about what it computes."""
        cls = type(self)
        own = (cls.forward, cls.backward) != (Layer.forward, Layer.backward)
        return hasattr(cls, "call") and not own

    def check_backward(self) -> None:
        """Raise unless the layer can be trained: before the first step, not within it."""
        if type(self).backward is Layer.backward and self.graphs is None:
            self.backward(None)

    def check_values(self, x: ArrayLike, where: str) -> None:
        """Raise unless the entries of x, a model's input as the user gave it, fit this layer."""

    # ------------------------------------------------------------------------ what it can use

    @property
    def ops(self) -> Any:
        """The kernels of the device that the layer runs on."""
        return self.context.ops

    def invalid(self, message: str) -> ValueError:
        """A ValueError with this message that names the layer."""
        return ValueError(f"layer {self.name!r}: {message}")

    def empty(self, shape: Shape) -> Array:
        """An array of the layer's dtype for a result of this step."""
        return self.context.empty(shape, self.dtype)

    def result_of(self, kernel: Callable[..., Any], *inputs: Any,
                  shape: Shape | None = None) -> Array:  # fmt: skip
        """The y of `kernel(*inputs, y=y)`, a new array of `shape` (None: as the first input)."""
        y = self.empty(inputs[0].shape if shape is None else shape)
        kernel(*inputs, y=y)
        return y

    def add_weight(self, shape: Shape = (), initializer: Named = None, name: str = "weight",
                   trainable: bool = True, regularizer: Named = None, constraint: Named = None,
                   dtype: DType | None = None) -> Parameter:  # fmt: skip
        """A new Parameter; gradients are written to its `.grad`.

        Args:
            shape: a tuple, or an int for a vector.
            initializer: None: "glorot_uniform", or "zeros" for a single number.
            name, trainable, regularizer, constraint: as in Keras; pass them by keyword.
            dtype: None, or the layer's own.
        """
        shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
        path = f"{self.name}/{name}"
        if dtype is not None and float_dtype(dtype) != self.dtype:
            raise ValueError(f"{path}: a weight has its layer's dtype, {self.dtype}; received "
                             f"{dtype!r}")  # fmt: skip
        if initializer is None:
            initializer = "glorot_uniform" if shape else "zeros"
        initializer = initializers.get(initializer)
        if claim(path, shape, np.dtype(self.dtype).itemsize) and isinstance(
            initializer, initializers.RandomInitializer
        ):
            value = np.zeros(shape, self.dtype)
        else:
            value = np.array(initializer(shape, dtype=self.dtype), self.dtype)
        if value.shape != shape:
            raise ValueError(f"{path}: the initializer gave shape {value.shape}, expected {shape}")
        regularizer, constraint = regularizers.get(regularizer), constraints.get(constraint)
        constraints.check(constraint, path, shape)
        parameter = Parameter(value, name, trainable and self.learns, regularizer, path,
                              constraint)  # fmt: skip
        parameter.learnable = trainable  # moving statistics never become trainable
        self.own_parameters = [*self.own_parameters, parameter]
        return parameter

    def named_weight(self, name: str, shape: Shape, trainable: bool = True) -> Parameter:
        """A new Parameter by this layer's `{name}_initializer`, `_regularizer`, `_constraint`."""
        kinds = ("initializer", "regularizer", "constraint")
        chosen = {kind: getattr(self, f"{name}_{kind}", None) for kind in kinds}
        return self.add_weight(shape, name=name, trainable=trainable, **chosen)

    def set_data_format(self, data_format: str) -> None:
        """Note whether the features stand on axis 1 ("channels_first") or on the last one."""
        if data_format not in (None, "channels_last", "channels_first"):
            raise self.invalid(
                f'data_format must be "channels_last" or "channels_first", received {data_format!r}'
            )
        self.data_format = data_format or "channels_last"

    @property
    def features_first(self) -> bool:
        """Whether the features stand on axis 1."""
        return self.data_format == "channels_first"

    def add_loss(self, loss: float) -> Any:
        """Not supported: nothing could differentiate it."""
        raise NotImplementedError(f"layer {self.name!r}: add_loss is not supported: put "
                                  "ActivityRegularization after the layer, give its weights a "
                                  "regularizer, or subclass losses.Loss")  # fmt: skip

    def recall(self) -> Any:
        """Return what `forward` saved for `backward`; a RuntimeError if it has not run."""
        if self.saved is None:
            raise RuntimeError(f"layer {self.name!r}: backward() needs what forward() computed; "
                               "call layer(x, training=True) first")  # fmt: skip
        return self.saved

    # ----------------------------------------------------------------------------- calling it

    @exclusive
    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The outputs for a NumPy array (or anything like one); built at the first call.

        For a symbolic tensor, which `Input(shape)` begins with: the symbolic output.

        Args:
            mask: None alone: padding is found by layers of the model, see `check_call`.
        """
        self.check_call(training, mask)
        if is_symbolic(inputs):
            return self.connect(inputs, training)
        if self.context.within is not None:
            return self.call_within(inputs, training)
        self.refresh()
        training = bool(training)
        x = self.as_input(inputs)
        shape, declared = _shape_of(x), self.declared_input_shape
        if not self.built and declared not in (None, shape[1:]):
            raise self.invalid(f"declared with input_shape={declared}, received {shape[1:]}")
        self.build_once(shape)
        self.check_unchanged()
        self.check_input_shape(shape)
        shared = self.context
        if shared.reuse:  # a model's arrays are used again by its steps; the result stays as it is
            self.context = StepContext(shared.ops)
            self.context.step, self.context.first_row = shared.next_call(), shared.first_row
        elif training:
            shared.step += 1
        try:
            x = [self.ops.from_host(a) for a in x] if isinstance(x, list) else self.ops.from_host(x)
            return self.ops.to_host(self.forward_pass(x, training))
        finally:
            self.context = shared

    def call_within(self, x: ArrayLike, training: bool) -> Any:
        """The output for arrays of a step, as part of a layer that holds this one."""
        shape = _shape_of(x)
        self.check_number_of_inputs(shape)
        self.build_once(shape)
        self.check_input_shape(shape)
        return self.forward_pass(x, self.context.within if training is None else bool(training))

    def build_once(self, input_shape: Shape) -> None:
        """Build for this shape unless that is done; its first entry, None, is N."""
        if not self.built:
            self.build(input_shape)

    @property
    def shape_is_tried_out(self) -> bool:
        """Whether the output shape is found by calling the layer, see `own_shape`."""
        return type(self).compute_output_shape is Layer.compute_output_shape

    def plan_backward(self, needs_dx: bool) -> None:
        """Before a step: whether the gradient by the input is needed."""
        vars(self)["needs_dx"] = needs_dx  # no change of the user's, which would be planned anew
        self.plan_held(needs_dx)

    # ---------------------------------------------------------------------------------- state

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of a copy: without the models that the layer is used in."""
        return super().__getstate__() | {"nodes": [n for n in self.nodes if not n.inputs]}

    def get_state(self) -> State:
        """Return what training changes: weights, and where the layer's random generators are.

        Layers that it holds have a state of their own. A layer of your own that remembers more adds
        it here, and takes it back in `set_state`.
        """
        generators = {
            name: value.bit_generator.state for name, value in vars(self).items()
            if isinstance(value, np.random.Generator)
        }  # fmt: skip
        return {"weights": [p.numpy() for p in owned(self)], "generators": generators}

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` returned.

        Raises:
            ValueError: weights of other shapes.
        """
        assign_all(owned(self), state["weights"], repr(self.name))
        for name, kept in state["generators"].items():
            getattr(self, name).bit_generator.state = kept

    # --------------------------------------------------------------------------------- config

    def get_config(self) -> Config:
        """The constructor's arguments as plain values."""
        config = {"name": self.name, "trainable": self.learns, "dtype": self.dtype}
        taken = constructor_names(type(self))
        config = {key: value for key, value in config.items() if taken is None or key in taken}
        for key in self.config_keys:
            value, module = getattr(self, key), OBJECTS.get(key.rpartition("_")[2])
            known = module is activations or hasattr(value, "get_config") or is_registered(value)
            config[key] = module.serialize(value) if module and known else value
        return config

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        """An equal layer, not built, from `get_config()`'s dict, or from Keras's.

        Args:
            custom_objects: name -> class, for what the config names and tinynet does not know.
        """
        with custom_object_scope(custom_objects):
            return cls(**adapt(cls, config))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name} built={self.built}>"


def _shape_of(x):
    return [(None, *a.shape[1:]) for a in x] if isinstance(x, list) else (None, *x.shape[1:])


get, serialize, deserialize = _registry.get, _registry.serialize, _registry.deserialize
