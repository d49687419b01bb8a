"""Symbolic tensors: which layer is applied to what, written down before there is any data.

`Dense(10)(Input((784,)))` computes nothing. It makes a Node (this layer, these inputs) and returns
a KerasTensor, the promise of the node's output. `Model(inputs, outputs)` follows the nodes back
from its outputs; `order` says in which order they are then carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import DType, Shape


class KerasTensor:
    """The output of a node before there is data: a shape and a dtype.

    Attributes:
        shape: with None for the number of rows.
        dtype: "float32" or "float64".
        node: the Node that gives it.
        index: which of the node's outputs it is.
    """

    dtype: DType

    index: int
    node: Any
    shape: Shape

    def __init__(self, shape: Shape, dtype: DType, node: Any, index: int = 0) -> None:
        self.shape, self.dtype, self.node, self.index = tuple(shape), dtype, node, index

    @property
    def name(self) -> str:
        """The name of the layer that computes it."""
        return self.node.layer.name

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self!r} holds no numbers yet: make a model of it, Model(inputs, "
                        "outputs), and call the model on arrays")  # fmt: skip

    def __bool__(self) -> Any:
        raise TypeError(f"{self!r} holds no numbers yet, so it is neither true nor false")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape} dtype={self.dtype} of {self.name!r}>"


class Node:
    """One application of a layer.

    Attributes:
        layer: what is applied.
        inputs: list of KerasTensor; none for an InputLayer.
        many: whether the layer was called with a list.
        outputs: list of KerasTensor; several only of a model with several outputs.
    """

    def __init__(self, layer, inputs, many, output_shape):
        self.layer, self.inputs, self.many = layer, list(inputs), many
        shapes = output_shape if is_list_of_shapes(output_shape) else [output_shape]
        self.outputs = [KerasTensor(s, layer.dtype, self, i) for i, s in enumerate(shapes)]
        self.training = None  # True or False where the call fixed it
        layer.nodes.append(self)

    def __setstate__(self, state):
        vars(self).update(state)
        if self.inputs:  # a copied layer has the nodes of the models that it was copied with
            self.layer.nodes.append(self)

    @property
    def output(self):
        """What the call returned: a KerasTensor; a list or dict where the model gives one."""
        return self.layer.packed(self.outputs)

    @property
    def number(self):
        """Which call of its layer this was."""
        return self.layer.nodes.index(self)

    def below(self):
        """The nodes that this one reads."""
        return [tensor.node for tensor in self.inputs]


def is_list_of_shapes(shape):
    """Whether it is a list of the shapes of several arrays, and not one shape."""
    return isinstance(shape, list) and bool(shape) and isinstance(shape[0], (list, tuple))


def is_list_of_arrays(x):
    """Whether it is a list or tuple of arrays, and not one of rows or numbers."""
    return isinstance(x, (list, tuple)) and bool(x) and all(getattr(a, "ndim", 0) for a in x)


def is_symbolic(x):
    """Whether x is a KerasTensor, or a list or dict with one among its entries."""
    if isinstance(x, (list, tuple, dict)):
        return any(isinstance(entry, KerasTensor) for entry in flat(x))
    return isinstance(x, KerasTensor)


def fits(shape, expected) -> bool:
    """Whether a shape is the expected one, where None is any size; the first axis is N."""
    return len(shape) == len(expected) and all(
        e in (None, s) for e, s in zip(expected[1:], shape[1:], strict=True)
    )


def flat(x):
    """The entries of a list, tuple or dict, or x alone, as a list."""
    if isinstance(x, dict):
        return [x[key] for key in sorted(x)]
    return list(x) if isinstance(x, (list, tuple)) else [x]


def by_name(names, x, where):
    """The entries of a dict by these names, as a list; other keys are left out.

    A list or tuple becomes a list. What is neither, and the only entry of a list where there is
    one name, is handed back as it is.

    Raises:
        ValueError: a name that is missing, or another number of entries.
    """
    if isinstance(x, dict):
        if any(name not in x for name in names):
            raise ValueError(f"{where}: expected the inputs {names}, received {sorted(x)}")
        x = [x[name] for name in names]
    if not isinstance(x, (list, tuple)):
        return x
    return list(x) if len(x) != 1 or len(names) > 1 else x[0]


def like(given, entries):
    """The entries of `flat(given)`, exchanged for others, in the form of `given`."""
    if isinstance(given, dict):
        return dict(zip(sorted(given), entries, strict=True))
    return list(entries) if isinstance(given, (list, tuple)) else entries[0]


def each(function, *values):
    """function(value), or a list of its results where the values are lists of equal lengths."""
    if isinstance(values[0], list):
        return [function(*entries) for entries in zip(*values, strict=True)]
    return function(*values)


def rebuilt(outputs, known):
    """The outputs, computed from other tensors: known, a dict of tensor -> the other one.

    All nodes on the way to the outputs are made anew.
    """
    nodes, _ = _below(outputs, known)
    for node in nodes:
        if node.inputs and node.outputs[0] not in known:
            shapes = [tensor.shape for tensor in node.outputs]
            inputs = [known.get(tensor, tensor) for tensor in node.inputs]
            twin = Node(node.layer, inputs, node.many, shapes)
            twin.training = node.training
            known.update(zip(node.outputs, twin.outputs, strict=True))
    return [known.get(tensor, tensor) for tensor in outputs]


def order(inputs, outputs):
    """(nodes, layers) between inputs and outputs, each after all that it reads, as Keras has them.

    A node's depth is the longest way from it to an output; the deepest come first, and of equal
    depth the layer that was met first on the way down from the outputs.

    Args:
        inputs, outputs: lists of KerasTensor.

    Raises:
        ValueError: an output depends on an Input that is not among `inputs`, or an input leads
            nowhere.
    """
    nodes, met = _below(outputs)
    given = set(map(id, inputs))
    for node in nodes:
        if not node.inputs and id(node.outputs[0]) not in given:
            raise ValueError(f"the outputs depend on the input {node.layer.name!r} of shape "
                             f"{node.output.shape}, "
                             "which is not among the model's inputs")  # fmt: skip
    of_node, of_layer = {}, {}  # depths
    for node in reversed(nodes):
        depth = max(of_node.get(node, 0), of_layer.get(node.layer, 0))
        of_node[node] = of_layer[node.layer] = depth
        for lower in node.below():
            of_node[lower] = max(of_node.get(lower, 0), depth + 1)
    for tensor in inputs:
        if tensor.node not in of_node:
            raise ValueError(f"no output depends on the input {tensor.name!r}")
    nodes.sort(key=lambda node: -of_node[node])
    layers = sorted(of_layer, key=lambda layer: (-of_layer[layer], met[layer]))
    return nodes, layers


def _below(outputs, known=()):
    """The nodes that outputs depend on, each after its inputs; and layer -> when it was met.

    Args:
        known: tensors whose nodes are not looked for.
    """
    finished, seen, met = [], set(), {}
    for tensor in outputs:
        # nodes still to be visited, one level below the other
        stack = [iter([] if tensor in known else [tensor.node])]
        above = []
        while stack:
            node = next(stack[-1], None)
            if node is None:  # all below is finished
                stack.pop()
                if above:
                    finished.append(above.pop())
                continue
            met.setdefault(node.layer, len(met))
            if node not in seen:
                seen.add(node)
                above.append(node)
                stack.append(iter([t.node for t in node.inputs if t not in known]))
    return finished, met
