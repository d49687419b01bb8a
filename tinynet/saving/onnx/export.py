"""ONNX export: what predicts, as a graph that other engines run; needs the `onnx` package.

Each kind of layer has a function that adds its nodes. A layer of your own joins with

    @tinynet.saving.onnx.export.converts("Scale")
    def scale(graph, layer, x):
        return graph.node("Mul", x, layer.factor.numpy())

Operators and their equations: onnx.ai/onnx/operators (opset 17).
"""

import math

import numpy as np

from ...configs.extras import needs

OPSET = 17
_layers, _activations = {}, {}


def converts(*names):
    """Decorator: f(graph, layer, x) adds the nodes of layers of these classes to a graph.

    x is the name of the layer's input (a list of names where it has several); f returns the name
    of its output.
    """
    return _register(_layers, names)


def activates(*names):
    """Decorator: f(graph, x, **options) adds the nodes of the activations of these names."""
    return _register(_activations, names)


def _register(table, names):
    def decorate(function):
        table.update(dict.fromkeys(names, function))
        return function

    return decorate


class Graph:
    """Nodes and constants, in "float32" or "float64", of a graph under construction."""

    def __init__(self, dtype):
        with needs("onnx", "export writes with the onnx package"):
            import onnx
        self.onnx, self.dtype, self.nodes, self.constants = onnx, np.dtype(dtype), [], []
        self.masks = {}  # name of a tensor -> name of its mask (N, T), 1 where it is no padding

    def node(self, operator, *inputs, **attributes):
        """Add a node; return its output's name. Inputs are names of tensors, or constants."""
        output, make = f"{operator.lower()}_{len(self.nodes)}", self.onnx.helper.make_node
        inputs = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(make(operator, inputs, [output], name=output, **attributes))
        return output

    def nodes_of(self, operator, count, *inputs, **attributes):
        """Return the names of the `count` outputs of an operator that has several."""
        first = self.node(operator, *inputs, **attributes)
        names = [first, *(f"{first}_{i}" for i in range(1, count))]
        self.nodes[-1].output.extend(names[1:])
        return names

    def constant(self, value, dtype=None):
        """Return the name of a constant tensor."""
        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(value, dtype or self.dtype)
        self.constants.append(
            self.onnx.numpy_helper.from_array(array.reshape(np.shape(value)), name)
        )
        return name

    def activation(self, x, activation):
        """Return the name of activation(x)."""
        if activation.name not in _activations or hasattr(activation, "origin"):  # the user's
            raise ValueError(f"the activation {activation.name!r} has no ONNX nodes yet")
        return _activations[activation.name](self, x, **activation.options)

    def layer(self, layer, x):
        """Return the name of layer(x), as in prediction."""
        for cls in type(layer).__mro__:
            if cls.__name__ in _layers:
                y = _layers[cls.__name__](self, layer, x)
                if layer.supports_masking and x in self.masks:
                    self.masks[y] = self.masks[x]
                return y
        raise ValueError(f"layer {layer.name!r}: {type(layer).__name__} has no ONNX nodes yet; add "
                         "them with saving.onnx.converts")  # fmt: skip


def graph(model, opset_version=OPSET, dtype="float32"):
    """Return the ONNX model of a built model: "input" (N, ...) and "output"; several are numbered.

    Args:
        dtype: of the graph's numbers; float64 is allowed, but engines lack many of its operators.

    Raises:
        ImportError: the onnx package is missing.
        ValueError: a layer or an activation that has no nodes here.
    """
    g = Graph(dtype)
    helper = g.onnx.helper
    shapes = [s if isinstance(s, list) else [s] for s in (model.input_shape, model.output_shape)]
    inputs, outputs = (
        [stem] if len(many) == 1 else [f"{stem}_{i}" for i in range(len(many))]
        for stem, many in zip(("input", "output"), shapes, strict=True)
    )
    results = g.layer(model, inputs if len(inputs) > 1 else inputs[0])
    for name, result in zip(outputs, results if isinstance(results, list) else [results],
                            strict=True):  # fmt: skip
        g.node("Identity", result)
        g.nodes[-1].output[0] = name
    kind = helper.np_dtype_to_tensor_dtype(g.dtype)
    declared = [
        [helper.make_tensor_value_info(name, kind, ["N", *shape[1:]])
         for name, shape in zip(names, many, strict=True)]
        for names, many in zip((inputs, outputs), shapes, strict=True)
    ]  # fmt: skip
    body = helper.make_graph(g.nodes, model.name, *declared, g.constants)
    opset = helper.make_opsetid("", opset_version)
    made = helper.make_model(body, producer_name="tinynet", opset_imports=[opset], ir_version=8)
    g.onnx.checker.check_model(made, full_check=True)
    return made


def chain(g, layers, x):
    """Return the name of what layers, one after the other, make of x."""
    for layer in layers:
        x = g.layer(layer, x)
    return x


# -------------------------------------------------------------------------------------- layers


converts("Sequential")(lambda g, model, x: chain(g, model.layers, x))


@converts("Functional")
def _functional(g, model, x):
    values = dict(zip(model.inputs, x if isinstance(x, list) else [x], strict=True))
    for node in model.nodes_in_order:
        inputs = [values[tensor] for tensor in node.inputs]
        y = g.layer(node.layer, inputs if node.many else inputs[0])
        values.update(zip(node.outputs, y if isinstance(y, list) else [y], strict=True))
    outputs = [values[tensor] for tensor in model.outputs]
    return outputs if len(outputs) > 1 else outputs[0]


converts("Concatenate")(lambda g, layer, inputs: g.node("Concat", *inputs, axis=layer.axis))


def _merge(operator):
    def merge(g, layer, inputs):
        total = inputs[0]
        for x in inputs[1:]:
            total = g.node(operator, total, x)
        return total

    return merge


for _name, _operator in (("Add", "Add"), ("Subtract", "Sub"), ("Multiply", "Mul"),
                         ("Maximum", "Max"), ("Minimum", "Min")):  # fmt: skip
    converts(_name)(_merge(_operator))


@converts("Average")
def _average(g, layer, inputs):
    return g.node("Div", _merge("Add")(g, layer, inputs), float(len(inputs)))


for _name in ("InputLayer", "Identity", "ActivityRegularization", "Dropout", "GaussianNoise",
              "GaussianDropout", "AlphaDropout"):  # fmt: skip
    converts(_name)(lambda g, layer, x: x)


@converts("Dense")
def _dense(g, layer, x):
    z = g.node("MatMul", x, layer.kernel.numpy())  # (N, ..., H)
    if layer.bias is not None:
        z = g.node("Add", z, layer.bias.numpy())
    return g.activation(z, layer.activation)


@converts("Flatten", "Reshape")
def _reshape(g, layer, x):
    return g.node("Reshape", x, g.constant([-1, *layer.output_shape[1:]], "int64"))


@converts("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")
def _activation_layer(g, layer, x):
    return g.activation(x, layer.activation)


@converts("PReLU")
def _prelu(g, layer, x):
    below = g.node("Mul", g.node("Min", x, 0.0), layer.alpha.numpy())
    return g.node("Add", g.node("Max", x, 0.0), below)


@converts("BatchNormalization")
def _batch_normalization(g, layer, x):
    mean, var = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    scale = 1 / np.sqrt(var + np.asarray(layer.epsilon, var.dtype))  # (D,)
    scale = scale if layer.gamma is None else scale * layer.gamma.numpy()
    y = g.node("Mul", g.node("Sub", x, along(layer, [layer.axis], mean)),
               along(layer, [layer.axis], scale))  # fmt: skip
    if layer.beta is None:
        return y
    return g.node("Add", y, along(layer, [layer.axis], layer.beta.numpy()))


def along(layer, axes, value):
    """Return numbers for some axes of the layer's input, in a shape that broadcasts to it."""
    shape = [1] * len(layer.input_shape)
    for axis, size in zip(axes, np.shape(value), strict=True):
        shape[axis] = size
    return np.reshape(value, shape)


# --------------------------------------------------------------------------------- activations


def _one_node(operator):
    return lambda g, x, **options: g.node(operator, x, **options)


for _name, _operator in (("sigmoid", "Sigmoid"), ("tanh", "Tanh"), ("exponential", "Exp"),
                         ("softsign", "Softsign"), ("softplus", "Softplus"), ("selu", "Selu"),
                         ("softmax", "Softmax"), ("log_softmax", "LogSoftmax")):  # fmt: skip
    activates(_name)(_one_node(_operator))
activates("linear")(lambda g, x: x)
activates("leaky_relu")(
    lambda g, x, negative_slope=0.2: g.node("LeakyRelu", x, alpha=float(negative_slope))
)
activates("elu")(lambda g, x, alpha=1.0: g.node("Elu", x, alpha=float(alpha)))
activates("silu", "swish")(lambda g, x: g.node("Mul", x, g.node("Sigmoid", x)))
activates("hard_sigmoid")(lambda g, x: g.node("HardSigmoid", x, alpha=1 / 6, beta=0.5))
activates("mish")(lambda g, x: g.node("Mul", x, g.node("Tanh", g.node("Softplus", x))))


@activates("relu")
def _relu(g, x, negative_slope=0.0, max_value=None, threshold=0.0):
    if not negative_slope and max_value is None and not threshold:
        return g.node("Relu", x)
    above = g.node("Where", g.node("GreaterOrEqual", x, threshold), x, 0.0)
    if max_value is not None:
        above = g.node("Min", above, max_value)
    below = g.node("Min", g.node("Sub", x, threshold), 0.0)
    return g.node("Add", above, g.node("Mul", below, negative_slope))


@activates("gelu")
def _gelu(g, x, approximate=False):
    if approximate:
        cube = g.node("Mul", g.node("Mul", x, x), x)
        inner = g.node("Add", x, g.node("Mul", cube, 0.044715))
        bell = g.node("Tanh", g.node("Mul", inner, math.sqrt(2 / math.pi)))
    else:
        bell = g.node("Erf", g.node("Mul", x, math.sqrt(0.5)))
    return g.node("Mul", g.node("Mul", x, 0.5), g.node("Add", bell, 1.0))
