"""Symbolic tensors: which layer is applied to what, written down before there is any data.

`Dense(10)(Input((784,)))` computes nothing. It makes a Node (this layer, these inputs) and returns
a KerasTensor, the promise of the node's output. `Model(inputs, outputs)` follows the nodes back
from its outputs; `order` says in which order they are then carried out.
"""


class KerasTensor:
    """The output of a node before there is data: a shape and a dtype.

    Attributes:
        shape: with None for the number of rows.
        dtype: "float32" or "float64".
        node: the Node that gives it.
    """

    def __init__(self, shape, dtype, node):
        self.shape, self.dtype, self.node = tuple(shape), dtype, node

    @property
    def name(self):
        """The name of the layer that computes it."""
        return self.node.layer.name

    @property
    def ndim(self):
        return len(self.shape)

    def __array__(self, *args, **kwargs):
        raise TypeError(f"{self!r} holds no numbers yet: make a model of it, Model(inputs, "
                        "outputs), and call the model on arrays")  # fmt: skip

    def __bool__(self):
        raise TypeError(f"{self!r} holds no numbers yet, so it is neither true nor false")

    def __repr__(self):
        return f"<KerasTensor shape={self.shape} dtype={self.dtype} of {self.name!r}>"


class Node:
    """One application of a layer.

    Attributes:
        layer: what is applied.
        inputs: list of KerasTensor; none for an InputLayer.
        many: whether the layer was called with a list.
        output: KerasTensor.
    """

    def __init__(self, layer, inputs, many, output_shape):
        self.layer, self.inputs, self.many = layer, list(inputs), many
        self.output = KerasTensor(output_shape, layer.dtype, self)
        self.training = None  # True or False where the call fixed it
        layer.nodes.append(self)

    def __setstate__(self, state):
        vars(self).update(state)
        if self.inputs:  # a copied layer has the nodes of the models that it was copied with
            self.layer.nodes.append(self)

    @property
    def number(self):
        """Which call of its layer this was."""
        return self.layer.nodes.index(self)

    def below(self):
        """The nodes that this one reads."""
        return [tensor.node for tensor in self.inputs]


def is_symbolic(x):
    """Whether x is a KerasTensor, or a list with one among its entries."""
    if isinstance(x, (list, tuple)):
        return any(isinstance(entry, KerasTensor) for entry in x)
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
    for node in nodes:
        if not node.inputs and all(node.output is not tensor for tensor in inputs):
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


def _below(outputs):
    """The nodes that outputs depend on, each after its inputs; and layer -> when it was met."""
    finished, seen, met = [], set(), {}
    for tensor in outputs:
        stack = [iter([tensor.node])]  # nodes still to be visited, one level below the other
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
                stack.append(iter(node.below()))
    return finished, met
