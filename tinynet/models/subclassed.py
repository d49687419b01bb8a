"""Models and layers with a `call` that applies layers: `call` is recorded as a graph, once.

Nothing here differentiates arithmetic, but the backward pass of a graph of layers is known. So
`call` is called with symbolic tensors, as by `Model(inputs, outputs)`: once for training and once
for prediction, if it asks which of them it is. It runs again only after an attribute has changed.
"""

from ..core.graph import KerasTensor, flat
from ..core.held import held_layers
from ..core.undo import undone_on_error
from ..layers import Input, Layer
from ..layers.config import takes_training
from ..layers.holding import Holding
from .functional import Functional
from .model import Model


def graphs_of_call(layer, input_shape):
    """Record the `call` of a layer or model for inputs of this shape (or these shapes).

    Returns:
        {False: functional model for prediction, True: the one for training}.

    Raises:
        TypeError: `call` returns no symbolic tensor, or makes layers with weights of its own.
        Exception: whatever `call` raises.
    """
    asks = takes_training(type(layer).call)
    graphs = {mode: _graph(layer, input_shape, {"training": mode} if asks else {})
              for mode in ((False, True) if asks else (False,))}  # fmt: skip
    return {False: graphs[False], True: graphs[asks]}


def _graph(layer, input_shape, options):
    several = isinstance(input_shape, list)
    inputs = [Input(shape[1:], dtype=layer.dtype, name=f"{layer.name}_input_{i}")
              for i, shape in enumerate(input_shape if several else [input_shape])]  # fmt: skip
    nodes = [(part, list(part.nodes)) for part in layer.layout.parts]
    try:
        output = layer.call(inputs if several else inputs[0], **options)
        given = flat(output)
        if not given or not all(isinstance(one, KerasTensor) for one in given):
            raise TypeError(f"call returned {type(output).__name__}, expected what a layer gives")
        graph = Functional(inputs if several else inputs[0], output, name=layer.name)
    finally:
        for one, known in nodes:  # the applications count in this graph only
            one.nodes[:] = known
    parts = layer.layout.parts
    for one in graph.inner_layers:
        if one not in parts and one.weights:
            raise TypeError(f"call makes {one.name!r} ({type(one).__name__}) anew each time: make "
                            "it in __init__, and keep it as an attribute")  # fmt: skip
    return graph


class Subclassed(Model):
    """Base of models of the user's own whose `call` applies the layers in their attributes."""

    may_hold = True

    @property
    def inner_layers(self):
        return held_layers(self)

    def build(self, input_shape):
        """Record `call`, which creates all parameters, for inputs of a shape or a list of them."""
        with undone_on_error(self):
            self.build_held(input_shape)

    def build_held(self, input_shape):
        several = isinstance(input_shape, list)
        shapes = [(None, *shape[1:]) for shape in (input_shape if several else [input_shape])]
        self.input_shape = shapes if several else shapes[0]
        try:
            self.graphs = graphs_of_call(self, self.input_shape)
        except ValueError:  # e.g. a shape that does not fit
            raise
        except Exception as error:
            raise NotImplementedError(
                f"{self.name}: the call of {type(self).__name__} is no graph of layers: {error}. "
                "Nothing here differentiates arithmetic by itself: a model's call may only apply "
                "layers, such as Add or Activation; what computes otherwise is a Layer with "
                "forward and backward"
            ) from error
        self.output_shape, self.built = self.graphs[False].output_shape, True
        if not self.learns:
            self.trainable = False
        self.recorded = self.recorded_now()

    # --------------------------------------------------------------------- forward and backward

    @property
    def graph(self):
        """The recorded graph that predicts."""
        self.require_built("this")
        return self.graphs[False]

    @property
    def last_layer(self):
        return self.graph.last_layer

    @property
    def activations(self):
        found = [graph.activations for graph in self.graphs.values()]
        return [one if one is other else None for one, other in zip(*found, strict=True)]

    def forward(self, x, training=False, logits=False):
        graph = self.graphs[bool(training)]
        self.saved = (graph,)
        return graph.forward(x, training=training, logits=logits)

    def backward(self, dy, logits=False):
        return self.recall()[0].backward(dy, logits=logits)

    def plan_backward(self, needs_dx):
        vars(self)["needs_dx"] = needs_dx
        self.plan_held(needs_dx)

    def check_shapes(self):
        for graph in self.graphs.values():
            graph.check_shapes()

    def readers(self, k):
        return self.graph.readers(k)

    def output_shape_of(self, input_shape):
        return self.graph.output_shape_of(input_shape)

    def packed(self, outputs):
        return self.graph.packed(outputs)

    # ---------------------------------------------------------------------------------- inputs

    @property
    def names_of_inputs(self):
        several = self.built and len(self.graph.inputs) > 1
        return self.graph.names_of_inputs if several else None

    @property
    def names_of_outputs(self):
        """As of a functional model; None until it is built."""
        return self.graph.names_of_outputs if self.built else None

    def check_values(self, x, where):
        self.graph.check_values(x, where)

    def check_number_of_inputs(self, shape):
        if self.built:
            self.graph.check_number_of_inputs(shape)

    def build_for(self, x, where="x"):
        if not self.built:
            self.build((None, *x.shape[1:]))
        return self.graph.build_for(x, where)

    def as_input(self, x):
        return self.graph.as_input(x) if self.built else Layer.as_input(self, x)

    def accepts(self, shape):
        return self.graph.accepts(shape)


Holding.graphs_of_call = graphs_of_call
Model.subclassed = Subclassed
