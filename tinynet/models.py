"""Sequential: layers one after the other, all their weights in one flat vector."""

from . import saving
from .config import float_dtype
from .context import StepContext
from .devices import load_ops, resolve
from .layers import InputLayer, Layer
from .layers import deserialize as deserialize_layer
from .layers import serialize as serialize_layer
from .layers.base import assign_all
from .naming import unique_name
from .parameters import FlatParameters
from .training import Trainer


class Sequential(Trainer):
    """A stack of layers.

        model = Sequential([Input((784,)), Dense(100, activation="relu"), Dense(10)])

    Without an Input, and without `input_shape` in the first layer, the shape is found at the first
    use.

    Args:
        layers: list of layers; more come with `add`.
        name: None: "sequential" with a counter.
    """

    def __init__(self, layers=None, trainable=True, name=None):
        super().__init__()
        self.name = unique_name(type(self).__name__) if name is None else str(name)
        self.layers = []
        self.input_layer = None
        self.input_shape = self.output_shape = None  # with None for the number of rows
        self.built = False
        self.context = StepContext(load_ops(resolve("auto")), reuse=True)
        for layer in layers or ():
            self.add(layer)
        if not trainable:
            self.trainable = False

    # ------------------------------------------------------------------------------ the stack

    def add(self, layer):
        """Put a layer on top.

        Raises:
            TypeError: it is no layer.
            ValueError: its name is taken, or its input does not fit; the model stays as it was.
        """
        if not isinstance(layer, Layer):
            raise TypeError(
                f"{self.name}: expected a layer, received {layer!r} of type {type(layer).__name__}"
            )
        if isinstance(layer, InputLayer):
            if self.layers or self.input_layer is not None:
                raise ValueError(f"{self.name}: an Input comes first and only once")
            self.input_layer = layer
            return
        if any(layer.name == other.name for other in self.layers):
            raise ValueError(
                f"{self.name}: there is a layer named {layer.name!r} already; names must be unique"
            )
        if self.layers and layer.dtype != self.layers[0].dtype:
            raise ValueError(
                f"{self.name}: layer {layer.name!r} is {layer.dtype}, the others are "
                f"{self.layers[0].dtype}"
            )
        if self.built:
            layer.build_once(self.output_shape)
            layer.check_input_shape(self.output_shape)
        self.layers.append(layer)
        self._stack_changed()

    def pop(self):
        """Take the last layer off and return it."""
        if not self.layers:
            raise ValueError(f"{self.name}: there are no layers to pop")
        layer = self.layers.pop()
        self._stack_changed()
        return layer

    def _stack_changed(self):
        self.flat = self.compiled_metrics = None
        self.built = False
        shape = self._declared_shape()
        if shape is not None and self.layers:
            self.build((None, *shape))

    def _declared_shape(self):
        if self.input_layer is not None:
            return self.input_layer.shape
        if not self.layers:
            return None
        first = self.layers[0]
        return first.input_shape[1:] if first.built else first.declared_input_shape

    def build(self, input_shape):
        """Create all parameters for inputs of `input_shape`, whose first entry, None, is N."""
        if not self.layers:
            raise ValueError(f"{self.name}: add a layer first")
        shape = (None, *tuple(input_shape)[1:])
        for layer in self.layers:
            layer.build_once(shape)
            layer.check_input_shape(shape)
            layer.context = self.context
            shape = layer.compute_output_shape(shape)
        self.input_shape, self.output_shape = (None, *tuple(input_shape)[1:]), shape
        self.built = True

    def build_for(self, x, where="x"):
        """Build for the rows of x unless that is done; raise if they do not fit."""
        if not self.built:
            self.build((None, *x.shape[1:]))
        if x.shape[1:] != self.input_shape[1:]:
            raise ValueError(
                f"{where}: {self.name} expects rows of shape {self.input_shape[1:]}, received "
                f"{x.shape[1:]} (x has shape {x.shape})"
            )

    def get_layer(self, name=None, index=None):
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
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"{self.name} has no layer {name!r}; it has {[layer.name for layer in self.layers]}"
        )

    # --------------------------------------------------------------------- forward and backward

    def forward(self, x, training=False, logits=False):
        """Outputs of a batch x (N, ...); with `logits`, without the last activation."""
        for layer in self.layers[:-1]:
            x = layer.forward(x, training=training)
        last = self.layers[-1]
        return last.logits(x) if logits else last.forward(x, training=training)

    def backward(self, dy, logits=False):
        """Write every parameter's gradient; dy is the gradient by what `forward` returned.

        Layers below the first one with trainable parameters have nothing to learn and are left out.
        """
        *below, last = self.layers[self.first_trained :]
        dy = last.backward_from_logits(dy) if logits else last.backward(dy)
        for layer in reversed(below):
            dy = layer.backward(dy)
        return dy

    def __call__(self, x, training=False):
        """Outputs for a NumPy array (or anything like one), without batching."""
        if not self.layers:
            raise ValueError(f"{self.name}: add a layer first")
        x = self.layers[0].as_input(x)
        self.build_for(x)
        self.begin_step()
        y = self.forward(self.context.ops.from_host(x), training=training)
        return self.context.ops.to_host(y).copy()

    # ------------------------------------------------------------------------------- parameters

    def flatten_parameters(self):
        """Move all parameters into one vector, and say which layers need to hand a gradient on."""
        self.flat = FlatParameters(self.parameters, self.context.ops)
        trained = [i for i, layer in enumerate(self.layers) if layer.trainable_weights]
        self.first_trained = trained[0] if trained else len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            layer.context = self.context
            layer.needs_dx = i > self.first_trained

    @property
    def parameters(self):
        """All Parameters, layer by layer."""
        return [p for layer in self.layers for p in layer.weights]

    weights = variables = parameters

    @property
    def trainable_weights(self):
        return [p for p in self.parameters if p.trainable]

    @property
    def non_trainable_weights(self):
        return [p for p in self.parameters if not p.trainable]

    trainable_variables, non_trainable_variables = trainable_weights, non_trainable_weights

    @property
    def trainable(self):
        return any(layer.trainable for layer in self.layers)

    @trainable.setter
    def trainable(self, value):
        for layer in self.layers:
            layer.trainable = value

    @property
    def dtype(self):
        return self.layers[0].dtype if self.layers else float_dtype()

    def count_params(self) -> int:
        """How many numbers the model owns."""
        self._require_built("count_params")
        return sum(p.size for p in self.parameters)

    def get_weights(self):
        """Copies of all weights: layer by layer, the trainable ones of a layer first."""
        return [p.numpy() for p in self.parameters]

    def set_weights(self, arrays):
        """Overwrite all weights with arrays in the order of `get_weights`.

        Raises:
            ValueError: another number or another shape; nothing was changed.
        """
        self._require_built("set_weights")
        assign_all(self.parameters, arrays, self.name)

    def save_weights(self, filepath, overwrite=True):
        """Write all weights to a .npz file, whole or not at all."""
        self._require_built("save_weights")
        saving.save_weights(self.parameters, filepath, overwrite)

    def load_weights(self, filepath):
        """Read what `save_weights` wrote; a file that does not fit changes nothing."""
        self._require_built("load_weights")
        saving.load_weights(self.parameters, filepath)

    def _require_built(self, doing):
        if not self.built:
            raise ValueError(
                f"{self.name} has no weights yet, so {doing} can't work: give the first layer an "
                "input_shape, start with Input(shape), or call build(input_shape)"
            )

    # ---------------------------------------------------------------------------------- showing

    def summary(self, line_length=None, positions=None, print_fn=None, expand_nested=False,
                show_trainable=False, layer_range=None):  # fmt: skip
        """Print the table of layers, output shapes and parameter counts.

        Args:
            print_fn: takes the text instead of printing it.
            line_length, positions, show_trainable, layer_range: as in Keras.
        """
        from .summary import print_summary

        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable,
                      layer_range)  # fmt: skip

    def get_config(self) -> dict:
        """Name, layers and input shape as plain values."""
        inputs = [] if self.input_layer is None else [self.input_layer]
        return {
            "name": self.name,
            "layers": [serialize_layer(layer) for layer in inputs + self.layers],
            "build_input_shape": self.input_shape,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """A model of the same architecture with new weights."""
        layers = [deserialize_layer(c, custom_objects) for c in config["layers"]]
        model = cls(layers, name=config.get("name"))
        if config.get("build_input_shape") and not model.built:
            model.build(config["build_input_shape"])
        return model

    def __repr__(self):
        return f"<Sequential name={self.name} layers={len(self.layers)} built={self.built}>"
