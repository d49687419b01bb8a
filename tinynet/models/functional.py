"""Functional models: any graph of layers without loops, with several inputs and outputs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..core import graph
from ..core.graph import KerasTensor
from ..core.locks import join
from ..data.several import SeveralRows, as_inputs
from ..layers import InputLayer, Layer
from ..layers.base import register
from . import graph_config
from .model import Model, output_activation

if TYPE_CHECKING:
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, Config, Shape


@register("Model")
class Functional(Model):
    """The model between symbolic inputs and outputs; made by `Model(inputs, outputs)`.

        a, b = Input((4,)), Input((3,))
        h = Concatenate()([Dense(8)(a), Dense(8)(b)])
        model = Model([a, b], Dense(1)(h))

    A layer that is applied several times, by itself or inside of others, has one set of weights,
    whose gradient is the sum over the applications. An input may be any tensor: the model then
    begins there, and shares its layers with the one that the tensor is part of.

    Args:
        inputs: what `Input` or a layer gave; a list, or a dict by name, where there are several.
        outputs: a symbolic tensor; a list, or a dict by name, where there are several.
        name: None: "functional" with a counter.

    Raises:
        TypeError: something else than symbolic tensors.
        ValueError: an input that is missing, or leads nowhere; two layers of one name.
    """

    inner_layers: tuple[Any, ...]
    saved: Any

    inputs: list[Any]
    inputs_as_given: Any
    learning: list[Any]
    outputs: list[Any]
    outputs_as_given: Any
    taught: list[Any]
    wanted: set[Any]

    keras_module = "keras.src.models.functional"

    def __init__(self, inputs: Any, outputs: Any, trainable: bool = True,
                 name: str | None = None) -> None:  # fmt: skip
        for label, given in (("inputs", inputs), ("outputs", outputs)):
            tensors = graph.flat(given)
            if not tensors or not all(isinstance(t, KerasTensor) for t in tensors):
                raise TypeError(f"Model: {label} must be symbolic tensors, received {given!r}")
        inputs, outputs = _from_inputs(inputs, outputs)
        nodes, layers = graph.order(graph.flat(inputs), graph.flat(outputs))
        super().__init__(name=name)
        self.inputs_as_given, self.outputs_as_given = inputs, outputs
        self.inputs, self.outputs = graph.flat(inputs), graph.flat(outputs)
        self.check_addition(*layers)
        self.inner_layers = list(layers)
        join(self, *layers)
        self.nodes_in_order: list[Any] = [node for node in nodes if node.inputs]
        self.uses: dict[Any, Any] = {}  # layer -> its nodes in this model
        for node in self.nodes_in_order:
            self.uses.setdefault(node.layer, []).append(node)
        times = Counter(leaf for node in self.nodes_in_order for leaf in node.layer.leaves())
        for layer in self.uses:
            if any(
                times[leaf] > 1 and getattr(leaf, "activity_regularizer", None) is not None
                for leaf in layer.leaves()
            ):
                raise ValueError(f"Model: layer {layer.name!r} has an activity_regularizer, so it "
                                 "can be applied only once; put ActivityRegularization after each "
                                 "application")  # fmt: skip
        self.sharing: dict[Any, Any] = dict(self.uses)  # see `plan_backward`
        shapes = [tensor.shape for tensor in self.inputs]
        self.input_shape: Any = shapes if len(shapes) > 1 else shapes[0]
        shapes = [tensor.shape for tensor in self.outputs]
        self.output_shape: Any = shapes if len(shapes) > 1 else shapes[0]
        self.built = True
        if not trainable:
            self.trainable = False

    @property
    def input(self) -> Any:
        """The symbolic inputs as they were given: a tensor, a list or a dict."""
        return graph.like(self.inputs_as_given, self.inputs)

    @property
    def output(self) -> Any:
        """The symbolic outputs as they were given: a tensor, a list or a dict."""
        return graph.like(self.outputs_as_given, self.outputs)

    @property
    def names_of_inputs(self) -> list[str]:
        """How a dict of arrays names them: by the keys of `inputs`, or by their layers."""
        return _names(self.inputs_as_given, self.inputs)

    @property
    def names_of_outputs(self) -> list[str]:
        """How dicts of targets, losses and metrics name them: as `names_of_inputs`."""
        return _names(self.outputs_as_given, self.outputs)

    @property
    def output_names(self) -> list[Any]:
        """The names of the layers that give the outputs."""
        return [tensor.name for tensor in self.outputs]

    def packed(self, outputs: Any) -> Any:
        """Outputs, a list, as the model returns them: a dict by name, a list, or the only one."""
        if isinstance(self.outputs_as_given, dict):
            return graph.like(self.outputs_as_given, outputs)
        return list(outputs) if len(outputs) > 1 else outputs[0]

    def connect(self, x: ArrayLike, training: bool | None = None) -> Any:
        """The symbolic outputs for symbolic inputs: a tensor, a list, or a dict by input's name."""
        return super().connect(graph.by_name(self.names_of_inputs, x, self.name), training)

    def build(self, input_shape: Any) -> None:
        """Nothing is left to do: the layers were built when they were connected."""
        self.check_input_shape(input_shape)

    def check_shapes(self) -> None:
        for node in self.nodes_in_order:
            shapes = [tensor.shape for tensor in node.inputs]
            given = [tensor.shape for tensor in node.outputs]
            self.check_still_fits(node.layer, shapes if node.many else shapes[0],
                                  given if len(given) > 1 else given[0])  # fmt: skip

    def output_shape_of(self, input_shape: Shape) -> Any:
        shapes = dict(zip(self.inputs, _as_list(input_shape), strict=True))
        for node in self.nodes_in_order:
            given = [shapes[tensor] for tensor in node.inputs]
            shape = node.layer.compute_output_shape(given if node.many else given[0])
            shapes.update(zip(node.outputs, _as_list(shape), strict=True))
        found = [shapes[tensor] for tensor in self.outputs]
        return found if len(found) > 1 else found[0]

    # --------------------------------------------------------------------- forward and backward

    @property
    def last_layer(self) -> Layer:
        return self.outputs[0].node.layer

    @property
    def activations(self) -> Any:
        """That of each output's layer, None where the output has other readers as well."""
        read = [tensor for node in self.nodes_in_order for tensor in node.inputs] + self.outputs
        found = []
        for tensor in self.outputs:
            layer = tensor.node.layer
            alone = read.count(tensor) == 1 and len(self.uses.get(layer, ())) == 1
            found.append(output_activation(layer, tensor.index) if alone else None)
        return found

    def forward(self, x: Any, training: bool = False, logits: bool = False) -> Any:
        """Outputs of a batch: an array, or a list where there are several outputs.

        Args:
            x: an array (N, ...), or a list of them in the order of `inputs`.
            training: whether dropout and the like are on.
            logits: leave the last activation away; where there are several outputs a list.
        """
        values = dict(zip(self.inputs, _as_list(x), strict=True))
        self.saved = {}  # node -> what its layer and those inside saved, where others share them
        bare = self._without_activation(logits)
        outer = self.context.use  # this model may be applied several times in another one
        for node in self.nodes_in_order:
            layer, inputs = node.layer, [values[tensor] for tensor in node.inputs]
            sharing = self.sharing[layer]
            self.context.use = outer * len(sharing) + sharing.index(node)
            inputs = inputs if node.many else inputs[0]
            mode = training if node.training is None else node.training
            y = layer.forward_pass(inputs, mode, _flags(node, bare))
            values.update(zip(node.outputs, _as_list(y), strict=True))
            if len(sharing) > 1:
                self.saved[node] = [part.saved for part in layer.layout.parts]
        self.context.use = outer
        outputs = [values[tensor] for tensor in self.outputs]
        return outputs if len(outputs) > 1 else outputs[0]

    def backward(self, dy: Array, logits: bool = False) -> Any:
        """Write every parameter's gradient; dy is the gradient by what `forward` returned.

        What several nodes read has the sum of their gradients, and so has a layer that is used
        several times, or is inside of several others. Parts below which nothing learns are left
        out. Of several outputs dy is a list, with None for one that the loss does not depend on:
        what leads only there has the gradient 0.
        """
        gradients, bare = {}, self._without_activation(logits)
        touched, summed = set(), set()  # layers; parameters of those that share some
        for tensor, d in zip(self.outputs, _as_list(dy), strict=True):
            self._add_gradient(gradients, tensor, d)
        for node in reversed(self.learning):
            layer, dys = node.layer, [gradients.pop(tensor, None) for tensor in node.outputs]
            if all(d is None for d in dys):
                continue
            learning = ()
            if len(self.sharing[layer]) > 1:
                learning = layer.trainable_weights
                for part, saved in zip(layer.layout.parts, self.saved[node], strict=True):
                    part.saved = saved
            dy, flags = dys if len(dys) > 1 else dys[0], _flags(node, bare)
            dx = self._add_to_gradients([p for p in learning if p in summed], layer, dy, flags)
            touched.add(layer)
            summed.update(learning)
            for tensor, d in zip(node.inputs, dx if node.many else [dx], strict=True):
                if tensor in self.wanted:
                    self._add_gradient(gradients, tensor, d)
        for layer in self.taught:
            for p in () if layer in touched else layer.trainable_weights:
                if p not in summed:
                    self.ops.scale_(0.0, x=p.grad)
        dx = [gradients.get(tensor) for tensor in self.inputs]
        return dx if len(dx) > 1 else dx[0]

    def _add_gradient(self, gradients, tensor, d):
        before = gradients.get(tensor)
        if d is not None:
            both = before is not None
            gradients[tensor] = self.result_of(self.ops.add, before, d) if both else d

    def _add_to_gradients(self, again, layer, dy, logits):
        """Backward of a layer, of which some parameters have got gradients before in this step."""
        before = [p.grad for p in again]
        for p in again:
            p.grad = self.context.empty(p.shape, p.dtype)
        dx = layer.backward_pass(dy, logits)
        for p, total in zip(again, before, strict=True):
            self.context.ops.add_to(p.grad, total=total)
            p.grad = total
        return dx

    def _without_activation(self, logits):
        """The outputs, symbolic, whose last activation is left away."""
        flags = logits if isinstance(logits, list) else [logits]
        return {t for t, bare in zip(self.outputs, flags, strict=False) if bare}

    def readers(self, k: int) -> Any:
        outputs = [(tensor.node.layer, 0) for tensor in self.outputs if tensor is self.inputs[k]]
        return outputs + [(node.layer, i) for node in self.nodes_in_order
                          for i, tensor in enumerate(node.inputs)
                          if tensor is self.inputs[k]]  # fmt: skip

    def plan_backward(self, needs_dx: bool) -> None:
        vars(self)["needs_dx"] = needs_dx
        self.wanted = set(self.inputs) if needs_dx else set()  # tensors whose gradient is needed
        self.learning = []
        for node in self.nodes_in_order:
            below = any(tensor in self.wanted for tensor in node.inputs)
            if below or node.layer.trainable_weights:
                self.learning.append(node)
                self.wanted.update(node.outputs)
        self.taught = [layer for layer in self.uses if layer.trainable_weights]
        if not self.learning:  # everything is frozen: `backward` still begins at the output
            self.learning = [tensor.node for tensor in self.outputs if tensor.node.inputs][:1]
        times = Counter(p for node in self.nodes_in_order for p in node.layer.layout.parts)
        for layer, nodes in self.uses.items():
            alone = all(times[part] == len(nodes) for part in layer.layout.parts)
            # the nodes that use it; all, where other layers have parts of it
            self.sharing[layer] = nodes if alone else self.nodes_in_order
            below = any(tensor in self.wanted for node in nodes for tensor in node.inputs)
            layer.plan_backward(below or not alone)  # one plan for all that have the part

    # ---------------------------------------------------------------------------------- inputs

    def check_number_of_inputs(self, shape: Shape) -> None:
        count = len(shape) if isinstance(shape, list) else 1
        if count != len(self.inputs):
            raise ValueError(f"{self.name} takes {len(self.inputs)} inputs, received {count}")

    def check_values(self, x: ArrayLike, where: str) -> None:
        values = dict(zip(self.inputs, _as_list(x), strict=True))
        for node in self.nodes_in_order:  # as far as the values come through unchanged
            if len(node.inputs) == 1 and node.inputs[0] in values:
                node.layer.check_values(values[node.inputs[0]], where)
                if node.layer.preserves_values:
                    values[node.outputs[0]] = values[node.inputs[0]]

    preserves_values = False

    def build_for(self, x: ArrayLike, where: str = "x") -> Any:
        """x, or its parts, in the shapes of the inputs; see Model."""
        if len(self.inputs) == 1:
            return super().build_for(x, where)
        parts = [
            self.fitted(part, tensor.shape[1:], f"{where}[{tensor.name!r}]")
            for tensor, part in zip(self.inputs, x if isinstance(x, list) else x.parts, strict=True)
        ]
        self.check_values(parts, where)
        return parts if isinstance(x, list) else SeveralRows(parts)

    def as_input(self, x: ArrayLike) -> Any:
        x = as_inputs(self.names_of_inputs, x, self.name)
        parts = x.parts if hasattr(x, "parts") else [x]
        parts = [Layer.as_input(self, part) for part in parts]
        return parts if len(parts) > 1 else parts[0]

    def accepts(self, shape: Shape) -> bool:
        expected, given = [tensor.shape for tensor in self.inputs], _as_list(shape)
        return len(expected) == len(given) and all(map(graph.fits, given, expected))

    # --------------------------------------------------------------------------------- config

    def get_config(self) -> Config:
        """Name, layers, how they are connected, inputs and outputs, as plain values.

        A subclass whose constructor takes no inputs and outputs is made by that constructor again.
        """
        if not self.is_made_of("inputs", "outputs"):
            return super().get_config()
        return graph_config.written(self)

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        """A model of the same architecture with new weights.

        What a subclass adds to the config goes to its constructor.
        """
        if "layers" not in config:
            return super().from_config(config, custom_objects)
        own = {key: value for key, value in config.items() if key not in graph_config.KEYS}
        return cls(*graph_config.read(config, custom_objects), name=config.get("name"),
                   **({} if cls is Functional else own))  # fmt: skip


def _from_inputs(inputs, outputs):
    """The inputs and outputs, with a new Input in place of each input that a layer gives."""
    known = {}
    for tensor in graph.flat(inputs):
        if tensor.node.inputs and tensor not in known:
            name = f"{tensor.name}_input" + (f"_{tensor.index}" if tensor.index else "")
            batch, *shape = tensor.shape
            known[tensor] = InputLayer(shape, batch, tensor.dtype, name=name).output
    if not known:
        return inputs, outputs
    new_inputs = [known.get(tensor, tensor) for tensor in graph.flat(inputs)]
    new_outputs = graph.rebuilt(graph.flat(outputs), known)
    return graph.like(inputs, new_inputs), graph.like(outputs, new_outputs)


def _names(given, tensors):
    return sorted(given) if isinstance(given, dict) else [tensor.name for tensor in tensors]


def _as_list(x):
    return x if isinstance(x, list) else [x]


def _flags(node, bare):
    """Whether a node's output is without the last activation; a list where it has several."""
    flags = [tensor in bare for tensor in node.outputs]
    return flags if len(flags) > 1 else flags[0]


Model.functional = Functional
