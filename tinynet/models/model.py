"""Model: the base of Sequential and functional models, which may be layers of other models.

A model is a layer made of layers: it has `forward` and `backward`, so it can be put into another
model. The layers that do the work are its `leaves`; whichever model takes a step gives them its
arrays (`context`) and keeps their parameters in its flat vectors.
"""

from __future__ import annotations

import functools
import inspect
import operator
from typing import TYPE_CHECKING

import numpy as np

from .. import saving
from ..config import float_dtype
from ..configs.keras import constructor_names
from ..configs.naming import unique_name
from ..core.context import StepContext
from ..core.devices import load_ops, resolve
from ..core.graph import fits, flat, is_symbolic
from ..core.locks import exclusive
from ..core.parameters import FlatParameters
from ..core.versions import latest_version
from ..engine.fit import Trainer
from ..layers import Layer
from ..layers.holding import BESIDE_CALL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, Config, DType, Path, Shape
    from ..core.parameters import Parameter

# made from the layers
PLANS = {"fitting_layout", "first_trained", "learning", "wanted", "taught"}


def output_activation(layer, index=0):
    """The activation that gives a layer's output, with which a loss can be fused, or None."""
    if isinstance(layer, Model):
        return layer.activations[index]
    if getattr(layer, "activity_regularizer", None) is not None:
        return None  # the penalty needs the output itself
    return getattr(layer, "activation", None)


class Model(Trainer, Layer):
    """Base of all models; `Model(inputs, outputs)` makes a functional one.

        x = Input((784,))
        model = Model(x, Dense(10, activation="softmax")(Dense(100, activation="relu")(x)))

    A kind of model defines `forward(x, training, logits)` and `backward(dy, logits)`, where logits
    leaves the last activation out; `readers(k)`, (layer, which of its inputs) for all that reads
    input number k; `output_shape_of(input_shape)`; `check_shapes()`,
    which raises unless each layer still takes what those before it give; and
    `plan_backward(needs_dx)`, which notes what learns and which gradients are needed.

    Args:
        inputs, outputs: symbolic tensors, see `Input`; lists where there are several.
        name: None: the class's name with a counter.

    Attributes:
        layers: a list of them, in the order of the forward pass; layers come and go with `add` and
            `pop` of Sequential, or in a new model.
        input_shape, output_shape: with None for the number of rows.
    """

    flat: Any
    input_shape: Any
    learns: bool
    nodes: list[Any]
    output_shape: Any
    saved: Any

    inner_layers: tuple[Any, ...]

    functional = stack = subclassed = None  # Functional, Sequential, Subclassed: see `models`
    inner_layers, saved = (), None
    formula_names = BESIDE_CALL
    declared_input_shape = None
    derived: dict[str, Any | None] = Layer.derived | dict.fromkeys(
        ("flat", "execution", "course", "measured_for")
    )
    fitting_layout: Any = None  # what `check_shapes` has seen

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is not Model:
            if cls.forward is Layer.forward and hasattr(cls, "call"):
                _derive(cls, Model.subclassed)
            return super().__new__(cls)
        if not args and not {"inputs", "outputs"} <= set(kwargs):
            raise TypeError("Model needs inputs and outputs: Model(inputs, outputs). What `call` "
                            "would compute can't be differentiated here; a part with arithmetic "
                            "of its own is a Layer with forward and backward")  # fmt: skip
        return super().__new__(Model.functional)

    def __init__(self, inputs: Any = None, outputs: Any = None, *, name: str | None = None,
                 trainable: bool = True, dtype: DType | None = None) -> None:  # fmt: skip
        if inputs is not None or outputs is not None:
            if isinstance(self, Model.subclassed):
                raise TypeError(f"{type(self).__name__} has a call, which says what it computes: "
                                "super().__init__() takes no inputs and outputs then")  # fmt: skip
            _derive(type(self), Model.functional)
            Model.functional.__init__(self, inputs, outputs, trainable=trainable, name=name)
            return
        float_dtype(dtype)  # that of the layers counts
        before = frozenset(vars(self))  # set by a subclass
        Trainer.__init__(self)
        # training state, and what is derived from the layers, do not change the version
        self.unversioned: frozenset[str] = (
            Layer.unversioned | PLANS | (frozenset(vars(self)) - before)
        )
        self.name: str = unique_name(type(self).__name__) if name is None else str(name)
        self.learns, self.nodes = bool(trainable), []
        self.input_shape = self.output_shape = None
        self.built = False
        self.needs_dx = True
        self.step_context: Any = StepContext(load_ops(resolve()), reuse=True)
        self.context: Any = self.step_context

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of a copy; in `fit` a callback may ask for one."""
        self.check_not_training("copy")
        own = super().__getstate__()
        kept = {name: own[name] for name in own if name not in PLANS}
        # its nodes first, each after those that it reads: no recursion from layer to layer
        return {name: own[name] for name in ("chain", "nodes_in_order") if name in own} | kept

    names_of_inputs = None  # where x may be a list or a dict of arrays
    names_of_outputs = None  # where there may be several

    @property
    def last_layer(self) -> Layer:
        """The layer that gives the output."""
        return self.inner_layers[-1]

    # --------------------------------------------------------------------------- layers inside

    def __init_subclass__(cls, **options: Any) -> None:
        """A model's `build` may run again, when its layers have changed: it stays as it is.

        What a class of the user's builds in addition to a `call` is followed by its recording.
        """
        own = vars(cls).get("build")
        if own is not None and hasattr(cls, "call"):

            @functools.wraps(own)
            def build(self, input_shape):
                own(self, input_shape)
                if self.recorded is None or self.recorded != self.recorded_now():
                    Model.subclassed.build(self, input_shape)

            cls.build = build

    @property
    def layers(self) -> list[Layer]:
        """The layers in a list of their own: changing the list does not change the model."""
        return list(self.inner_layers)

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError(f"{self.name}: the layers can't be set; use add() and pop() of a "
                             "Sequential, or make a new model of the layers")  # fmt: skip

    def parts(self) -> Any:
        """All layers at any depth, models among them, without this model."""
        return self.layout.parts[1:]

    @property
    def activations(self) -> Any:
        """For each output the activation with which a loss can be fused; None if there is none."""
        return [output_activation(self.last_layer)]

    def takes_sparse(self, k: int = 0) -> bool:
        """Whether all that reads input number k can do with a sparse matrix."""
        return all(
            one.takes_sparse(i) if isinstance(one, Model) else "takes_sparse" in vars(type(one))
            for one, i in self.readers(k)
        )

    def add_weight(self, *args: Any, **options: Any) -> Parameter:
        """Not supported: a model's weights are those of its layers."""
        raise NotImplementedError(f"{self.name}: a model has no weights of its own; make a Layer "
                                  "with add_weight, forward and backward")  # fmt: skip

    def check_addition(self, *layers: Layer) -> None:
        """Raise unless these layers can stand beside the others, and this model is not inside."""
        taken = set(map(operator.attrgetter("name"), self.inner_layers))
        for layer in layers:
            if not isinstance(layer, Layer):
                name = getattr(layer, "__name__", None)
                hint = f"; {name} is to be called: {name}(...)" if callable(layer) and name else ""
                raise TypeError(f"{self.name}: expected a layer, received {layer!r} of type "
                                f"{type(layer).__name__}{hint}")  # fmt: skip
            if self in layer.layout.parts:
                raise ValueError(f"{self.name} can't become a layer inside itself")
            if layer.name in taken:
                raise ValueError(f"{self.name}: there is a layer named {layer.name!r} already; "
                                 "names must be unique")  # fmt: skip
            taken.add(layer.name)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its place.

        Raises:
            ValueError: there is none; lists those there are.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer takes a name or an index, and not both")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"{self.name} has {len(self.layers)} layers, no number {index}")
            return self.layers[index]
        known = {layer.name: layer for layer in self.layers}
        if name not in known:
            raise ValueError(f"{self.name} has no layer {name!r}; it has {list(known)}")
        return known[name]

    # ------------------------------------------------------------------------------ calling it

    @exclusive
    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Outputs for arrays, without batching; for symbolic tensors the symbolic output."""
        self.check_call(training, mask)
        if is_symbolic(inputs):
            return self.connect(inputs, training)
        if self.context.within is not None:
            return self.call_within(inputs, training)
        x = self.as_input(inputs)
        x = self.build_for(x)
        self.begin_call()
        ops = self.context.ops
        x = [ops.from_host(a) for a in x] if isinstance(x, list) else ops.from_host(x)
        y = self.forward(x, training=bool(training))
        return self.packed([ops.to_host(a).copy() for a in flat(y)])

    def forward_pass(self, x: ArrayLike, training: bool = False, logits: bool = False) -> Any:
        return self.forward(x, training=training, logits=logits)

    def backward_pass(self, dy: Array, logits: bool = False) -> Any:
        return self.backward(dy, logits=logits)

    # ------------------------------------------------------------------------------ building

    def build(self, input_shape: Any) -> None:
        """Create all parameters; a kind of model says how."""
        raise NotImplementedError(f"{self.name} ({type(self).__name__}) has nothing to compute "
                                  "with: give the class a call(inputs, training=False) that "
                                  "applies layers kept as attributes, or call super().__init__("
                                  "inputs=..., outputs=...)")  # fmt: skip

    def accepts(self, shape: Shape) -> bool:
        return fits(shape, self.input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.build_once(input_shape)
        self.check_input_shape(input_shape)
        return self.output_shape_of(input_shape)

    def build_for(self, x: ArrayLike, where: str = "x") -> Any:
        """x in the shape of the model's rows; builds for it unless that is done.

        A last axis of length 1 may be missing or left over, as in Keras: x (N,) for Input((1,)).
        """
        if not self.built:
            self.build((None, *x.shape[1:]))
        x = self.fitted(x, self.input_shape[1:], where)
        self.check_values(x, where)
        return x

    def fitted(self, x: ArrayLike, shape: Shape, where: str) -> Any:
        """x as rows of `shape`, or an error."""
        if isinstance(x, np.ndarray):
            if x.shape[1:] == (*shape, 1):
                x = x[..., 0]
            elif (*x.shape[1:], 1) == shape:
                x = x[..., None]
        if not fits(x.shape, (None, *shape)):
            raise ValueError(f"{where}: {self.name} expects rows of shape {shape}, received "
                             f"{x.shape[1:]} ({where} has shape {x.shape})"
                             f"{_meant(x, shape)}")  # fmt: skip
        return x

    def get_config(self) -> Config:
        """Name and trainability, where the constructor takes them; kinds of models add layers."""
        taken = constructor_names(type(self))
        config = {"name": self.name, "trainable": self.trainable}
        return {key: value for key, value in config.items() if key in taken}

    def is_made_of(self, *parts: Any) -> bool:
        """Whether the constructor takes these arguments; else it makes the layers by itself."""
        parameters = inspect.signature(type(self).__init__).parameters.values()
        passes_on = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        return passes_on or set(parts) <= {p.name for p in parameters}

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        """A model of the same architecture with new weights, from `get_config()`'s dict."""
        if cls is not Model:
            return super().from_config(config, custom_objects)
        kind = Model.functional if "input_layers" in config else cls.stack
        return kind.from_config(config, custom_objects)

    # ------------------------------------------------------------------------------ parameters

    def ensure_flat(self) -> None:
        """Have the parameters in this model's own vectors; other models may share its layers.

        Raises:
            ValueError: the layers no longer fit together, because one of them was changed.
        """
        layout, flat, ops = self.layout, self.flat, self.step_context.ops
        if flat is not None and flat.ops is ops and flat.checked is latest_version():
            return
        for part in layout.parts:
            if part.recorded and part.refresh():
                layout = self.layout
        if any(one.context is not self.step_context for one in layout.parts):
            self.take_context(self.step_context)
        if layout is not self.fitting_layout:
            for leaf in layout.leaves:
                leaf.check_unchanged()
            self.check_shapes()
        if flat is None or flat.ops is not ops or not flat.holds(layout.parameters):
            self.flat = FlatParameters(layout.parameters, ops)
        self.plan_backward(needs_dx=False)
        self.fitting_layout, self.flat.checked = self.layout, latest_version()

    def check_still_fits(self, layer: Layer, input_shape: Shape, output_shape: Shape) -> None:
        """Raise unless a layer still makes arrays of the one shape from arrays of the other."""
        if isinstance(layer, Model):
            layer.check_shapes()
        layer.check_input_shape(input_shape)
        tried = layer.shape_is_tried_out  # which is not done again
        now = layer.output_shape if tried else layer.compute_output_shape(input_shape)
        if tuple(now)[1:] != tuple(output_shape)[1:]:
            raise ValueError(f"{self.name}: layer {layer.name!r} was changed: it gives {now} for "
                             f"input of shape {input_shape}, where the model was built with "
                             f"{output_shape}; make a new model of the layers")  # fmt: skip

    @property
    def dtype(self) -> str:
        """The dtype of all layers."""
        return self.layout.dtype or float_dtype()

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was told, as plain values for `compile_from_config`; {} if it was not."""
        return {} if self.optimizer is None else saving.config.compile_config(self)

    def compile_from_config(self, config: Config) -> None:
        """Compile as `get_compile_config` says; the optimizer has no steps behind it."""
        saving.config.compile_model(self, config)

    def save(self, filepath: Path, overwrite: bool = True, zipped: bool | None = None,
             include_optimizer: bool = True) -> None:  # fmt: skip
        """Write the whole model to a `.keras` or `.h5` file, see `saving.save_model`.

        Of several ranks the first writes, and the others wait for it; so with `save_weights` and
        `export`.
        """
        self.ranks.first(saving.save_model, self, filepath, overwrite, zipped, include_optimizer)

    def save_weights(self, filepath: Path, overwrite: bool = True) -> None:
        """Write all weights, whole or not at all, see `saving.save_weights`."""
        self.require_built("save_weights")
        self.ranks.first(saving.save_weights, self, filepath, overwrite)

    def load_weights(self, filepath: Path, skip_mismatch: bool = False,
                     by_name: bool = False) -> None:  # fmt: skip
        """Read weights; a file that does not fit changes nothing, see `saving.load_weights`."""
        self.require_built("load_weights")
        saving.load_weights(self, filepath, skip_mismatch, by_name)

    def to_json(self, **options: Any) -> str:
        """Architecture and compile options as JSON, see `saving.model_from_json`."""
        return saving.model_to_json(self, **options)

    @classmethod
    def from_json(cls, json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
        """A model with new weights from `to_json()`'s text."""
        return saving.model_from_json(json_string, custom_objects)

    def export(self, filepath: Path, format: str | None = None, **options: Any) -> None:
        """Write the forward pass as an ONNX file, see `saving.onnx`."""
        self.require_built("export")
        self.ranks.first(functools.partial(saving.export, self, filepath, format, **options))

    def require_built(self, doing: str) -> None:
        if not self.built:
            raise ValueError(f"{self.name} has no weights yet, so {doing} can't work: give the "
                             "first layer an input_shape, start with Input(shape), or call "
                             "build(input_shape)")  # fmt: skip

    # --------------------------------------------------------------------------------- showing

    def summary(self, line_length: int | None = None, positions: Sequence[float] | None = None,
                print_fn: Callable[..., Any] | None = None, expand_nested: bool = False,
                show_trainable: bool = False,
                layer_range: Sequence[str] | None = None) -> None:  # fmt: skip
        """Print the table of layers, output shapes and parameter counts.

        Args:
            print_fn: takes the text instead of printing it.
            line_length, positions, show_trainable, layer_range: as in Keras.
        """
        from ..showing.summary import print_summary

        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable,
                      layer_range)  # fmt: skip

    def _repr_html_(self):
        """The model as HTML, for a notebook."""
        from ..showing.notebook import model_html

        return model_html(self)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} name={self.name} layers={len(self.layers)} built={self.built}>"
        )


def _meant(x, shape):
    """Return what was probably meant where the rows of x are not of this shape."""
    meant = ""
    if x.shape == shape:
        meant += "; one row is a batch of one: x[None], or x[:1] of many"
    if len(shape) > 1 and x.shape[1:] == shape[1:]:
        meant += f"; an input shape is that of one row, without the number of rows: {shape[1:]}"
    return meant


def _derive(cls, kind):
    """Have a class of the user's derive from a kind of model where it derives from Model."""
    if cls is Model:
        return kind
    if issubclass(cls, Model) and cls not in (Model.functional, Model.stack, Model.subclassed):
        cls.__bases__ = tuple(_derive(base, kind) for base in cls.__bases__)
    return cls
