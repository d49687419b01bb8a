"""The config of a functional model: its layers, and how they are connected, as Keras writes it."""

from ..core import graph
from ..layers import InputLayer
from ..layers import deserialize as deserialize_layer
from ..layers import serialize as serialize_layer
from ..saving.hdf5 import keras_2
from .graph_masks import without_masks

KEYS = {"name", "trainable", "layers", "input_layers", "output_layers"}


def written(model) -> dict:
    """Return name, layers, calls, inputs and outputs of a model as plain values."""
    numbers = {
        node: i
        for nodes in model.uses.values()
        for i, node in enumerate(sorted(nodes, key=lambda n: n.number))
    }

    def place(tensor):
        return [tensor.name, numbers.get(tensor.node, 0), tensor.index]

    def end(tensor):  # there Keras counts making a functional model as its first call
        name, number, index = place(tensor)
        return [name, number + _is_functional(tensor.node.layer), index]

    def tensor_config(tensor):
        config = {"shape": tensor.shape, "dtype": tensor.dtype, "keras_history": place(tensor)}
        return {"class_name": "__keras_tensor__", "config": config}

    layers = []
    for layer in model.layers:
        calls = []
        for node in sorted(model.uses.get(layer, ()), key=lambda n: n.number):
            tensors = [tensor_config(tensor) for tensor in node.inputs]
            options = {"mask": None} if _is_functional(layer) else {}
            if node.training is not None:
                options["training"] = node.training
            calls.append({"args": [tensors if node.many else tensors[0]], "kwargs": options})
        layers.append({**serialize_layer(layer), "name": layer.name, "inbound_nodes": calls})
    return {
        "name": model.name,
        "trainable": True,
        "layers": layers,
        "input_layers": graph.like(model.inputs_as_given, list(map(end, model.inputs))),
        "output_layers": graph.like(model.outputs_as_given, list(map(end, model.outputs))),
    }


def read(config, custom_objects=None):
    """Return (inputs, outputs) of new layers, connected as a config of Keras's or tinynet's says.

    Raises:
        ValueError: a call that reads what no layer gives.
    """
    config = keras_2.with_calls(config)
    entries = without_masks(config["layers"])
    made = {c["config"]["name"]: deserialize_layer(c, custom_objects) for c in entries}
    tensors = {}  # (layer, number of the call) -> outputs
    for name, layer in made.items():
        if isinstance(layer, InputLayer):
            tensors[name, 0] = layer.nodes[0].outputs
    waiting = [
        (c["config"]["name"], number, call)
        for c in entries
        for number, call in enumerate(c["inbound_nodes"])
        if call["args"]
    ]
    first = {  # calls of functional models count from 1 in Keras's lists of inputs and outputs
        name: int(_is_functional(made[name]) and "mask" in call.get("kwargs", {}))
        for name, _, call in waiting
    }
    while waiting:
        later = []
        for name, number, call in waiting:
            before = all((name, i) in tensors for i in range(number))
            try:
                x = _arguments(call["args"][0], tensors)
            except KeyError:
                x = None
            if x is None or not before:
                later.append((name, number, call))
            else:
                made[name].connect(x, call.get("kwargs", {}).get("training"))
                tensors[name, number] = made[name].nodes[-1].outputs
        if len(later) == len(waiting):
            raise ValueError(f"functional config: {later[0][0]!r} reads what no layer gives")
        waiting = later[::-1]  # so a graph that is listed from its end takes one turn more

    def end(name, number, index):
        return tensors[name, number - first.get(name, 0)][index]

    return tuple(_ends(config[key], end) for key in ("input_layers", "output_layers"))


def _is_functional(layer):
    return hasattr(layer, "nodes_in_order")


def _arguments(written, tensors):
    """Return the tensors for a serialized argument."""
    if isinstance(written, (list, tuple)):
        return [_arguments(one, tensors) for one in written]
    if "class_name" not in written:  # a dict by the names of a model's inputs
        return {name: _arguments(one, tensors) for name, one in written.items()}
    name, number, index = written["config"]["keras_history"]
    return tensors[name, number][index]


def _ends(written, end):
    """Return the tensors for [name, call, output], a list or a dict of such."""
    if isinstance(written, dict):
        return {key: _ends(one, end) for key, one in written.items()}
    if written and isinstance(written[0], str):
        return end(*written[:3])
    return [_ends(one, end) for one in written]
