"""Functional models: any graph of layers without loops, with one or several inputs."""

from ..core import graph
from ..core.graph import KerasTensor
from ..core.locks import join
from ..data.several import SeveralRows, as_inputs
from ..layers import InputLayer, Layer
from ..layers import deserialize as deserialize_layer
from ..layers import serialize as serialize_layer
from ..layers.base import register
from .model import Model


@register("Model")
class Functional(Model):
    """The model between symbolic inputs and outputs; made by `Model(inputs, outputs)`.

        a, b = Input((4,)), Input((3,))
        h = Concatenate()([Dense(8)(a), Dense(8)(b)])
        model = Model([a, b], Dense(1)(h))

    A layer that is applied several times has one set of weights, whose gradient is the sum over
    the applications. With a list of outputs the model can be called and can predict; `fit` needs
    one output.

    Args:
        inputs: what `Input` gave; a list, or a dict by name, where there are several.
        outputs: a symbolic tensor, or a list of them.
        name: None: "functional" with a counter.

    Raises:
        TypeError: something else than symbolic tensors.
        ValueError: an input that is missing, or leads nowhere; two layers of one name.
    """

    keras_module = "keras.src.models.functional"
    derived = Model.derived | {"kept": {}}

    def __init__(self, inputs, outputs, trainable=True, name=None):
        for label, given in (("inputs", inputs), ("outputs", outputs)):
            tensors = graph.flat(given)
            if not tensors or not all(isinstance(t, KerasTensor) for t in tensors):
                raise TypeError(f"Model: {label} must be symbolic tensors, received {given!r}")
        for tensor in graph.flat(inputs):
            if tensor.node.inputs:
                raise ValueError("Model: inputs must come from Input(), received the output of "
                                 f"{tensor.name!r}")  # fmt: skip
        nodes, layers = graph.order(graph.flat(inputs), graph.flat(outputs))
        super().__init__(name)
        self.input_names = sorted(inputs) if isinstance(inputs, dict) else None
        self.many_inputs = isinstance(inputs, (list, tuple, dict))
        self.many_outputs = isinstance(outputs, (list, tuple, dict))
        self.inputs, self.outputs = graph.flat(inputs), graph.flat(outputs)
        for layer in layers:
            self.check_addition(layer)
            self.inner_layers = [*self.inner_layers, layer]
        join(self, *layers)
        self.nodes_in_order = [node for node in nodes if node.inputs]
        self.uses = {}  # layer -> its nodes in this model
        for node in self.nodes_in_order:
            self.uses.setdefault(node.layer, []).append(node)
        for layer, uses in self.uses.items():
            if len(uses) > 1 and any(
                getattr(leaf, "activity_regularizer", None) is not None for leaf in layer.leaves()
            ):
                raise ValueError(f"Model: layer {layer.name!r} has an activity_regularizer, so it "
                                 "can be applied only once; put ActivityRegularization after each "
                                 "application")  # fmt: skip
        self.kept = {}  # node -> what its layer saved, where a layer has several
        shapes = [tensor.shape for tensor in self.inputs]
        self.input_shape = shapes if len(shapes) > 1 else shapes[0]
        shapes = [tensor.shape for tensor in self.outputs]
        self.output_shape = shapes if self.many_outputs else shapes[0]
        self.built = True
        if not trainable:
            self.trainable = False

    @property
    def names_of_inputs(self):
        """How a dict of arrays names them: by the keys of `inputs`, or by their layers."""
        return self.input_names or [tensor.name for tensor in self.inputs]

    def build(self, input_shape):
        """Nothing is left to do: the layers were built when they were connected."""
        self.check_input_shape(input_shape)

    def check_shapes(self):
        for node in self.nodes_in_order:
            shapes = [tensor.shape for tensor in node.inputs]
            self.check_still_fits(node.layer, shapes if node.many else shapes[0], node.output.shape)

    # --------------------------------------------------------------------- forward and backward

    @property
    def last_layer(self):
        return self.outputs[0].node.layer

    @property
    def activation(self):
        """That of the last layer, None where its output has other readers as well."""
        node = self.outputs[0].node
        read = any(node.output is t for other in self.nodes_in_order for t in other.inputs)
        if self.many_outputs or read or len(self.uses.get(node.layer, ())) != 1:
            return None
        return super().activation

    def forward(self, x, training=False, logits=False):
        """Outputs of a batch: an array, or a list where there are several outputs.

        Args:
            x: an array (N, ...), or a list of them in the order of `inputs`.
            training: whether dropout and the like are on.
            logits: leave the last activation away.
        """
        arrays = x if isinstance(x, list) else [x]
        values = dict(zip(self.inputs, arrays, strict=True))
        outer = self.context.use  # this model may be applied several times in another one
        for node in self.nodes_in_order:
            layer, inputs = node.layer, [values[tensor] for tensor in node.inputs]
            self.context.use = outer * len(self.uses[layer]) + self.uses[layer].index(node)
            inputs = inputs if node.many else inputs[0]
            mode = training if node.training is None else node.training
            last = node.output is self.outputs[0]
            values[node.output] = layer.forward_pass(inputs, mode, logits and last)
            if len(self.uses[layer]) > 1:
                self.kept[node] = layer.saved
        self.context.use = outer
        outputs = [values[tensor] for tensor in self.outputs]
        return outputs if self.many_outputs else outputs[0]

    def backward(self, dy, logits=False):
        """Write every parameter's gradient; dy is the gradient by what `forward` returned.

        What several nodes read has the sum of their gradients, and so has a layer that is used
        several times. Parts below which nothing learns are left out.
        """
        gradients, touched = {self.outputs[0]: dy}, set()
        for node in reversed(self.learning):
            layer, dy = node.layer, gradients.pop(node.output)
            if len(self.uses[layer]) > 1:
                layer.saved = self.kept.pop(node)
            last = logits and node.output is self.outputs[0]
            if layer in touched:
                dx = self._add_to_gradients(layer, dy, last)
            else:
                dx = layer.backward_pass(dy, last)
            touched.add(layer)
            for tensor, d in zip(node.inputs, dx if node.many else [dx], strict=True):
                if tensor in self.wanted:
                    before = gradients.get(tensor)
                    both = before is not None
                    gradients[tensor] = self.result_of(self.ops.add, before, d) if both else d
        dx = [gradients.get(tensor) for tensor in self.inputs]
        return dx if self.many_inputs else dx[0]

    def _add_to_gradients(self, layer, dy, logits):
        """Backward of a layer whose parameters have got gradients before in this step."""
        learning = layer.trainable_weights
        before = [p.grad for p in learning]
        for p in learning:
            p.grad = self.context.empty(p.shape, p.dtype)
        dx = layer.backward_pass(dy, logits)
        for p, total in zip(learning, before, strict=True):
            self.context.ops.add_to(p.grad, total=total)
            p.grad = total
        return dx

    def first_layers(self):
        return [node.layer for node in self.nodes_in_order if self.inputs[0] in node.inputs]

    def plan_backward(self, needs_dx):
        self.needs_dx = needs_dx
        self.wanted = set(self.inputs) if needs_dx else set()  # tensors whose gradient is needed
        self.learning = []
        for node in self.nodes_in_order:
            below = any(tensor in self.wanted for tensor in node.inputs)
            if below or node.layer.trainable_weights:
                self.learning.append(node)
                self.wanted.add(node.output)
        if not self.learning:  # everything is frozen: `backward` still begins at the output
            self.learning = [self.outputs[0].node]
        for layer, nodes in self.uses.items():
            layer.plan_backward(any(t in self.wanted for node in nodes for t in node.inputs))

    # ---------------------------------------------------------------------------------- inputs

    def check_number_of_inputs(self, shape):
        count = len(shape) if isinstance(shape, list) else 1
        if count != len(self.inputs):
            raise ValueError(f"{self.name} takes {len(self.inputs)} inputs, received {count}")

    def check_values(self, x, where):
        values = dict(zip(self.inputs, x if isinstance(x, list) else [x], strict=True))
        for node in self.nodes_in_order:  # as far as the values come through unchanged
            if len(node.inputs) == 1 and node.inputs[0] in values:
                node.layer.check_values(values[node.inputs[0]], where)
                if node.layer.preserves_values:
                    values[node.output] = values[node.inputs[0]]

    preserves_values = False

    def build_for(self, x, where="x"):
        """x, or its parts, in the shapes of the inputs; see Model."""
        if len(self.inputs) == 1:
            return super().build_for(x, where)
        parts = [
            self.fitted(part, tensor.shape[1:], f"{where}[{tensor.name!r}]")
            for tensor, part in zip(self.inputs, x if isinstance(x, list) else x.parts, strict=True)
        ]
        self.check_values(parts, where)
        return parts if isinstance(x, list) else SeveralRows(parts)

    def as_input(self, x):
        x = as_inputs(self.names_of_inputs, x, self.name)
        parts = x.parts if hasattr(x, "parts") else [x]
        parts = [Layer.as_input(self, part) for part in parts]
        return parts if len(parts) > 1 else parts[0]

    def accepts(self, shape):
        expected = [tensor.shape for tensor in self.inputs]
        given = shape if isinstance(shape, list) else [shape]
        return len(expected) == len(given) and all(map(graph.fits, given, expected))

    # --------------------------------------------------------------------------------- config

    def get_config(self) -> dict:
        """Name, layers, how they are connected, inputs and outputs, as plain values."""
        numbers = {
            node: i
            for nodes in self.uses.values()
            for i, node in enumerate(sorted(nodes, key=lambda n: n.number))
        }

        def place(tensor):
            return [tensor.name, numbers.get(tensor.node, 0), 0]

        def written(tensor):
            config = {"shape": tensor.shape, "dtype": tensor.dtype, "keras_history": place(tensor)}
            return {"class_name": "__keras_tensor__", "config": config}

        layers = []
        for layer in self.layers:
            calls = []
            for node in sorted(self.uses.get(layer, ()), key=lambda n: n.number):
                tensors = [written(tensor) for tensor in node.inputs]
                options = {} if node.training is None else {"training": node.training}
                calls.append({"args": [tensors if node.many else tensors[0]], "kwargs": options})
            layers.append({**serialize_layer(layer), "name": layer.name, "inbound_nodes": calls})
        inputs, outputs = map(list, (map(place, self.inputs), map(place, self.outputs)))
        if self.input_names is not None:
            inputs = dict(zip(self.input_names, inputs, strict=True))
        return {
            "name": self.name,
            "trainable": True,
            "layers": layers,
            "input_layers": inputs if self.many_inputs else inputs[0],
            "output_layers": outputs if self.many_outputs else outputs[0],
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """A model of the same architecture with new weights."""
        made = {c["config"]["name"]: deserialize_layer(c, custom_objects) for c in config["layers"]}
        tensors = {}  # (layer, number of the call) -> output
        for name, layer in made.items():
            if isinstance(layer, InputLayer):
                tensors[name, 0] = layer.output
        waiting = [
            (c["config"]["name"], number, call)
            for c in config["layers"]
            for number, call in enumerate(c["inbound_nodes"])
            if call["args"]
        ]
        while waiting:
            later = []
            for name, number, call in waiting:
                first = all((name, i) in tensors for i in range(number))
                try:
                    x = _read(call["args"][0], tensors)
                except KeyError:
                    x = None
                if x is None or not first:
                    later.append((name, number, call))
                else:
                    training = call.get("kwargs", {}).get("training")
                    tensors[name, number] = made[name].connect(x, training)
            if len(later) == len(waiting):
                raise ValueError(f"functional config: {later[0][0]!r} reads what no layer gives")
            waiting = later[::-1]  # so a graph that is listed from its end takes one turn more
        inputs = _places(config["input_layers"], tensors)
        return cls(inputs, _places(config["output_layers"], tensors), name=config.get("name"))


def _read(written, tensors):
    """Tensors for a serialized argument."""
    if isinstance(written, (list, tuple)):
        return [_read(one, tensors) for one in written]
    name, number, _ = written["config"]["keras_history"]
    return tensors[name, number]


def _places(written, tensors):
    """Tensors for [name, call, 0], a list or a dict of such."""
    if isinstance(written, dict):
        return {key: _places(one, tensors) for key, one in written.items()}
    if written and isinstance(written[0], str):
        return tensors[written[0], written[1]]
    return [_places(one, tensors) for one in written]


Model.functional = Functional
