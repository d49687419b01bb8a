"""Models and layers with a `call` that applies layers: `call` is recorded as a graph, once.

Nothing here differentiates arithmetic, but the backward pass of a graph of layers is known. So
`call` is called with symbolic tensors, as by `Model(inputs, outputs)`: once for training and once
for prediction, if it asks which of them it is. It runs again only after an attribute has changed.
"""

from ..core.graph import KerasTensor, by_name, flat
from ..core.held import held_layers
from ..core.undo import undone_on_error
from ..data.several import OPEN, SeveralRows, as_inputs
from ..layers import Input, Layer
from ..layers.config import takes_training
from ..layers.holding import Holding
from .functional import Functional
from .model import Model


def graphs_of_call(layer, input_shape, names=None):
    """Record the `call` of a layer or model for inputs of this shape (or these shapes).

    Args:
        names: of the inputs, where `call` is to get them in a dict; in the order of the alphabet.

    Returns:
        {False: functional model for prediction, True: the one for training}.

    Raises:
        TypeError: `call` returns no symbolic tensor, or makes layers with weights of its own.
        Exception: whatever `call` raises.
    """
    asks = takes_training(type(layer).call)
    graphs = {mode: _graph(layer, input_shape, names, {"training": mode} if asks else {})
              for mode in ((False, True) if asks else (False,))}  # fmt: skip
    return {False: graphs[False], True: graphs[asks]}


def _graph(layer, input_shape, names, options):
    several = isinstance(input_shape, list)
    inputs = [Input(shape[1:], dtype=layer.dtype, name=f"{layer.name}_input_{i}")
              for i, shape in enumerate(input_shape if several else [input_shape])]  # fmt: skip
    if names:
        inputs = dict(zip(names, inputs, strict=True))
    elif not several:
        (inputs,) = inputs
    nodes = [(part, list(part.nodes)) for part in layer.layout.parts]
    try:
        output = layer.call(inputs, **options)
        given = flat(output)
        if not given or not all(isinstance(one, KerasTensor) for one in given):
            raise TypeError(f"call returned {type(output).__name__}, expected what a layer gives")
        graph = Functional(inputs, output, name=layer.name)
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
    """Base of models of the user's own whose `call` applies the layers in their attributes.

    Attributes:
        input_names: of the inputs, where `call` gets them in a dict.
    """

    may_hold = True
    input_names = None

    @property
    def inner_layers(self):
        return held_layers(self)

    def build(self, input_shape):
        """Record `call`, which creates all parameters.

        Args:
            input_shape: of the input; for several ones a list or a dict of shapes, as `call` is to
                get them.
        """
        with undone_on_error(self):
            self.input_names = sorted(input_shape) if isinstance(input_shape, dict) else None
            was_open = self.open_outputs
            self.build_held(flat(input_shape) if self.input_names else input_shape)
            if was_open:
                self.outputs_are_known()

    @property
    def open_outputs(self):
        return not self.built

    def build_open(self, x, where=""):
        if not self.built:
            self.build_for(as_inputs(OPEN, x, f"{where}x"), f"{where}x")

    def build_held(self, input_shape):
        several = isinstance(input_shape, list)
        shapes = [(None, *shape[1:]) for shape in (input_shape if several else [input_shape])]
        self.input_shape = shapes if several else shapes[0]
        try:
            self.graphs = graphs_of_call(self, self.input_shape, self.input_names)
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
        if not self.built:
            return OPEN
        return self.graph.names_of_inputs if isinstance(self.input_shape, list) else None

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
        """x, or its parts, in the shapes of the inputs; the first ones decide what `call` gets."""
        several = isinstance(x, SeveralRows)
        if not self.built:
            shapes = [part.shape for part in x.parts] if several else x.shape
            names = x.names if several else None
            self.build(dict(zip(names, shapes, strict=True)) if names else shapes)
        return self.graph.build_for(x.parts[0] if several and len(x.parts) == 1 else x, where)

    def as_input(self, x):
        if not self.built:
            given = as_inputs(OPEN, x, self.name)
            if not isinstance(given, SeveralRows):
                return Layer.as_input(self, x)
            self.build_for(given)
        return self.graph.as_input(x)

    def connect(self, x, training=None):
        if isinstance(x, dict):
            self.build_once({name: tensor.shape for name, tensor in x.items()})
            x = by_name(self.graph.names_of_inputs, x, self.name)
        return super().connect(x, training)

    def accepts(self, shape):
        return self.graph.accepts(shape)


Holding.graphs_of_call = graphs_of_call
Model.subclassed = Subclassed
