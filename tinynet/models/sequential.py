"""Sequential: layers one after the other."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from ..core.graph import KerasTensor, Node, fits, is_list_of_arrays, is_list_of_shapes
from ..core.locks import exclusive, join
from ..core.undo import undone_on_error
from ..layers import InputLayer
from ..layers import deserialize as deserialize_layer
from ..layers import serialize as serialize_layer
from ..layers.base import register
from .model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, Config, Shape
    from ..layers.base import Layer


@register()
class Sequential(Model):
    """A stack of layers.

        model = Sequential([Input((784,)), Dense(100, activation="relu"), Dense(10)])

    Without an Input, and without `input_shape` in the first layer, the shape is found at the first
    use.

    Args:
        layers: list of layers; more come with `add`.
        name: None: "sequential" with a counter.
    """

    compiled_metrics: Any
    flat: Any
    inner_layers: tuple[Any, ...]
    input_shape: Any
    output_shape: Any

    built: bool
    first_trained: int

    keras_module = "keras"

    def __init__(self, layers: Sequence[Layer] | None = None, trainable: bool = True,
                 name: str | None = None) -> None:  # fmt: skip
        super().__init__(name=name)
        self.input_layer: Any = None
        self.chain: list[Any] = []  # the nodes of its layers, see `graph`
        for layer in layers or ():
            self.add(layer)
        if not trainable:
            self.trainable = False

    # ------------------------------------------------------------------------------ the stack

    @exclusive
    def add(self, layer: Layer) -> None:
        """Put a layer on top.

        Raises:
            TypeError: it is no layer.
            ValueError: its name is taken, or its input does not fit; the model stays as it was.
        """
        if isinstance(layer, KerasTensor) and not layer.node.inputs:
            layer = layer.node.layer  # Input(shape)
        self.check_not_training("add")
        self.check_addition(layer)
        join(self, layer)
        if isinstance(layer, InputLayer):
            if self.inner_layers or self.input_layer is not None:
                raise ValueError(f"{self.name}: an Input comes first and only once")
            self.input_layer = layer
            return
        if self.inner_layers and layer.dtype != self.inner_layers[0].dtype:
            raise ValueError(f"{self.name}: layer {layer.name!r} is {layer.dtype}, the others are "
                             f"{self.inner_layers[0].dtype}")  # fmt: skip
        if not self.built:
            below, self.inner_layers = self.inner_layers, [*self.inner_layers, layer]
            try:
                self._stack_changed()
            except BaseException:
                self.inner_layers = below
                raise
            return
        with undone_on_error(layer):  # and what is inside: a look at all layers takes n^2 time
            shape = self._connected(layer, self.output_shape)
        self.output_shape = shape
        self.inner_layers = [*self.inner_layers, layer]
        self.chain.append(Node(layer, self.chain[-1].outputs, False, self.output_shape))
        self.flat = self.compiled_metrics = None

    def _connected(self, layer, shape):
        """The shape that a layer, built if need be, makes of `shape`."""
        layer.build_once(shape)
        layer.check_input_shape(shape)
        layer.take_context(self.context)
        shape = layer.compute_output_shape(shape)
        if is_list_of_shapes(shape):
            raise ValueError(f"{self.name}: {layer.name!r} has {len(shape)} outputs, a layer of a "
                             "Sequential has one; use Model(inputs, outputs)")  # fmt: skip
        return tuple(shape)

    @exclusive
    def pop(self) -> Layer:
        """Take the last layer off and return it."""
        self.check_not_training("pop")
        if not self.inner_layers:
            raise ValueError(f"{self.name}: there are no layers to pop")
        *self.inner_layers, layer = self.inner_layers
        self.flat = self.compiled_metrics = None
        if not self.inner_layers:
            self._unchain()
            self._stack_changed()
        elif self.built:
            layer.nodes.remove(self.chain.pop())
            self.output_shape = self.chain[-1].outputs[0].shape
        return layer

    def _stack_changed(self):
        self.flat = self.compiled_metrics = None
        self.built, self.input_shape, self.output_shape = False, None, None
        shape = self._declared_shape()
        if shape is not None and self.inner_layers:
            self.build((None, *shape))

    def _declared_shape(self):
        if self.input_layer is not None:
            return self.input_layer.shape
        if not self.inner_layers:
            return None
        first = self.inner_layers[0]
        return first.input_shape[1:] if first.built else first.declared_input_shape

    def build(self, input_shape: Any) -> None:
        """Create all parameters for inputs of `input_shape`, whose first entry, None, is N."""
        if not self.inner_layers:
            raise ValueError(f"{self.name}: add a layer first")
        batch = None if self.input_layer is None else self.input_layer.batch_size
        shape = (batch, *tuple(input_shape)[1:])
        shapes = [shape]
        with undone_on_error(self):
            for layer in self.inner_layers:
                shapes.append(shape := self._connected(layer, shape))
        self.input_shape, self.output_shape = shapes[0], shape
        self.built = True
        self._make_chain(shapes)

    def check_shapes(self) -> None:
        for below, node in itertools.pairwise(self.chain):
            self.check_still_fits(node.layer, below.outputs[0].shape, node.outputs[0].shape)

    def output_shape_of(self, input_shape: Shape) -> Any:
        shape = tuple(input_shape)
        for layer in self.inner_layers:
            layer.check_input_shape(shape)
            shape = tuple(layer.compute_output_shape(shape))
        return shape

    def accepts(self, shape: Shape) -> bool:
        """Whether the layers take such a batch; without an Input, its axes may have other sizes."""
        if fits(shape, self.input_shape):
            return True
        declared = self.input_layer or self.inner_layers[0].declared_input_shape
        if declared is not None or len(shape) != len(self.input_shape):
            return False
        try:
            self.output_shape_of(shape)
        except ValueError:
            return False
        return True

    def fitted(self, x: ArrayLike, shape: Shape, where: str) -> Any:
        return x if self.accepts(x.shape) else super().fitted(x, shape, where)

    def _make_chain(self, shapes):
        """The symbolic tensors of the stack, so that another model can begin inside it."""
        self._unchain()
        first = self.input_layer
        if first is None or first.shape != shapes[0][1:]:
            name = f"{self.inner_layers[0].name}_input"
            first = InputLayer(shapes[0][1:], name=name, dtype=self.dtype)
        self.chain = [first.nodes[0]]
        for layer, shape in zip(self.inner_layers, shapes[1:], strict=True):
            self.chain.append(Node(layer, self.chain[-1].outputs, False, shape))

    def _unchain(self):
        for node in self.chain[1:]:
            node.layer.nodes.remove(node)
        self.chain = []

    @property
    def input(self) -> Any:
        """The symbolic input."""
        self.require_built("input")
        return self.chain[0].outputs[0]

    @property
    def output(self) -> Any:
        """The symbolic output."""
        self.require_built("output")
        return self.chain[-1].outputs[0]

    inputs: Any = property(lambda self: [self.input], doc="[the symbolic input]")
    outputs: Any = property(lambda self: [self.output], doc="[the symbolic output]")

    # --------------------------------------------------------------------- forward and backward

    def forward(self, x: Any, training: bool = False, logits: bool = False) -> Any:
        """Outputs of a batch x (N, ...); with `logits`, without the last activation."""
        *below, last = self.inner_layers
        for layer in below:
            x = layer.forward_pass(x, training)  # (N, ...)
        return last.forward_pass(x, training, logits)

    def backward(self, dy: Array, logits: bool = False) -> Any:
        """Write every parameter's gradient; dy is the gradient by what `forward` returned.

        Layers below the first one with trainable parameters have nothing to learn and are left out.
        """
        *below, last = self.inner_layers[self.first_trained :]
        dy = last.backward_pass(dy, logits)
        for layer in reversed(below):
            dy = layer.backward_pass(dy)  # (N, ...)
        return dy

    def check_backward(self) -> None:
        """Raise where two layers side by side hold the same one, and both would use its `grad`."""
        owners = {}
        for layer in self.inner_layers:
            for leaf in layer.leaves():
                owner = owners.setdefault(leaf, layer)
                if owner is not layer and leaf.weights:
                    raise ValueError(f"{self.name}: layer {leaf.name!r} is inside {owner.name!r} "
                                     f"and {layer.name!r}: one gradient would overwrite the other; "
                                     "apply it several times in one Model(inputs, outputs), or in "
                                     "one call")  # fmt: skip

    def readers(self, k: int) -> list[Any]:
        return [(self.inner_layers[0], 0)]

    def plan_backward(self, needs_dx: bool) -> None:
        trained = [i for i, layer in enumerate(self.inner_layers) if layer.trainable_weights]
        self.first_trained = trained[0] if trained else len(self.inner_layers) - 1
        if needs_dx:
            self.first_trained = 0
        vars(self)["needs_dx"] = needs_dx
        for i, layer in enumerate(self.inner_layers):
            layer.plan_backward(needs_dx or i > self.first_trained)

    def check_values(self, x: ArrayLike, where: str) -> None:
        for layer in self.inner_layers:  # e.g. ids that an Embedding does not have
            layer.check_values(x, where)
            if not layer.preserves_values:
                break

    @property
    def preserves_values(self) -> bool:
        return all(layer.preserves_values for layer in self.inner_layers)

    def as_input(self, x: ArrayLike) -> Any:
        if not self.inner_layers:
            raise ValueError(f"{self.name}: add a layer first")
        one = np.asarray(x) if is_list_of_arrays(x) else x  # rows: a stack has one input
        return self.inner_layers[0].as_input(one)

    # --------------------------------------------------------------------------------- config

    def get_config(self) -> Config:
        """Name, layers and input shape as plain values."""
        if not self.is_made_of("layers"):
            return super().get_config()
        inputs = [] if self.input_layer is None else [self.input_layer]
        return {
            "name": self.name,
            "layers": [serialize_layer(layer) for layer in (*inputs, *self.inner_layers)],
            "build_input_shape": self.input_shape,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        """A model of the same architecture with new weights."""
        if "layers" not in config:
            return super().from_config(config, custom_objects)
        layers = [deserialize_layer(c, custom_objects) for c in config["layers"]]
        model = cls(layers, name=config.get("name"))
        if config.get("build_input_shape") and not model.built:
            model.build(config["build_input_shape"])
        return model


Model.stack = Sequential
