"""clone_model: the same architecture with new weights, or with other layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import graph
from ..layers import Input
from .functional import Functional
from .model import Model
from .sequential import Sequential

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def clone_model(model: Model, input_tensors: Any = None,
                clone_function: Callable[..., Any] | None = None,
                call_function: Callable[..., Any] | None = None,
                recursive: bool = False) -> Model:  # fmt: skip
    """Return a model of the same architecture with new weights, compiled alike if the model was.

    Args:
        model: a Sequential, a functional model, or one with a config of its own.
        input_tensors: symbolic tensors that the new model begins with, structured as the model's
            inputs; None: new ones.
        clone_function: takes a layer (no InputLayer), returns the one to use in its place; None:
            an equal one with new weights, made from its config.
        call_function: takes the new layer and its inputs, returns the output; None: `layer(x)`. For
            functional models.
        recursive: clone the layers of models inside the model by the same functions, instead of
            calling `clone_function` on such a model.

    Raises:
        ValueError: arguments that this kind of model does not take; inputs of another structure.
    """
    return _clone(model, input_tensors, clone_function, call_function, recursive, {})


def _clone(model, input_tensors, clone_function, call_function, recursive, done):
    if not isinstance(model, Model):
        raise ValueError(f"clone_model: expected a model, received {model!r}")

    def cloned(layer):  # a layer that is used several times has one clone
        if layer not in done:
            if recursive and isinstance(layer, (Sequential, Functional)):
                graphs = call_function if isinstance(layer, Functional) else None
                done[layer] = _clone(layer, None, clone_function, graphs, True, done)
            else:
                done[layer] = (clone_function or _equal)(layer)
        return done[layer]

    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("clone_model: call_function is for functional models; "
                             f"{model.name} is a Sequential")  # fmt: skip
        new = _sequential(model, input_tensors, cloned)
    elif isinstance(model, Functional):
        new = _functional(model, input_tensors, cloned, call_function or _called)
    else:
        if input_tensors is not None or clone_function is not None or call_function is not None:
            raise ValueError("clone_model: input_tensors, clone_function and call_function are for "
                             "Sequential and functional models; "
                             f"{model.name} is a {type(model).__name__}")  # fmt: skip
        new = _equal(model)
    if model.optimizer is not None and new.optimizer is None:
        new.compile_from_config(model.get_compile_config())
    return new


def _equal(layer):
    return type(layer).from_config(layer.get_config())


def _called(layer, x, **options):
    return layer(x, **options)


def _sequential(model, input_tensors, cloned):
    first = [] if model.input_layer is None else [_equal(model.input_layer)]
    if input_tensors is not None:
        first = graph.flat(input_tensors)
        if len(first) != 1 or not isinstance(first[0], graph.KerasTensor):
            raise ValueError("clone_model: a Sequential has one input; expected one symbolic "
                             f"tensor, received {input_tensors!r}")  # fmt: skip
    return Sequential([*first, *map(cloned, model.layers)], name=model.name)


def _functional(model, input_tensors, cloned, call):
    if input_tensors is None:
        new = [Input(t.shape[1:], t.shape[0], t.node.layer.input_dtype or t.dtype, name=t.name)
               for t in model.inputs]  # fmt: skip
        input_tensors = graph.like(model.inputs_as_given, new)
    given = graph.flat(input_tensors)
    names = [sorted(some) if isinstance(some, dict) else None
             for some in (input_tensors, model.inputs_as_given)]  # fmt: skip
    symbolic = all(isinstance(tensor, graph.KerasTensor) for tensor in given)
    if not symbolic or len(given) != len(model.inputs) or names[0] != names[1]:
        raise ValueError(f"clone_model: expected symbolic tensors like {model.input}, received "
                         f"{input_tensors!r}")  # fmt: skip
    values = dict(zip(model.inputs, given, strict=True))
    for node in model.nodes_in_order:
        x = [values[tensor] for tensor in node.inputs]
        options = {} if node.training is None else {"training": node.training}
        y = call(cloned(node.layer), x if node.many else x[0], **options)
        values.update(zip(node.outputs, graph.flat(y), strict=True))
    outputs = graph.like(model.outputs_as_given, [values[tensor] for tensor in model.outputs])
    alike = type(model).__init__ is Functional.__init__  # a subclass that is made as its base is
    return (type(model) if alike else Functional)(input_tensors, outputs, name=model.name)
