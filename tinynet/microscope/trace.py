"""`trace`: one real training step, with all its arrays.

The step is the model's own `train_step`, kernel by kernel on its device. A `Listener` records it;
then everything is put back (`untouched`).
"""

import dataclasses

import numpy as np

from .. import activations
from ..core.locks import exclusive
from ..inspecting.listen import Listener
from ..inspecting.records import LossTrace
from ..inspecting.untouched import untouched
from ..showing.encoding import printable


@dataclasses.dataclass(eq=False, repr=False)
class Trace:
    """One training step as objects: `layers`, `loss`, `parameters`, `update`.

    print(trace) shows tables; a notebook shows them by itself. Arrays are copies: keep them.

    Attributes:
        x, y, sample_weight: the batch, as the model got it.
        outputs: the model's predictions for the batch, in training mode.
        layers: LayerTrace per call, from the input up.
        parameters: path -> ParameterTrace.
        numbers: what the optimizer's rule used in this step: lr or alpha, decay.
        learning_rate, iteration: of this step; the optimizer's count of steps before it.
        input_gradient: dL / dx like x; None where the backward pass ends above it.
    """

    model: object
    x: object
    y: object
    sample_weight: object
    outputs: object
    layers: list
    loss: LossTrace
    parameters: dict
    numbers: dict
    learning_rate: float
    iteration: int
    input_gradient: object = None

    def layer(self, name):
        """Return the LayerTrace of the layer of this name; the first call of it."""
        for found in self.layers:
            if found.name == name:
                return found
        raise ValueError(f"there is no layer {name!r}; there are "
                         f"{[traced.name for traced in self.layers]}")  # fmt: skip

    @property
    def gradients(self) -> dict:
        """Parameter's path -> gradient: what `model.gradients(x, y)` returns."""
        return {path: p.gradient for path, p in self.parameters.items() if p.gradient is not None}

    def __str__(self):
        from .tables import as_text

        return printable(as_text(self))

    __repr__ = __str__

    def _repr_html_(self):
        from .tables import as_html

        return as_html(self)


@exclusive
def trace(model, x, y, sample_weight=None):
    """Return the Trace of the training step that (x, y) would cause; the model stays as it is.

    Args:
        model: compiled; it is built if need be, as `fit` would.
        x, y, sample_weight: one batch, as for `fit`.
    """
    batch = prepare(model, x, y, sample_weight)
    with untouched(model):
        found = run(model, batch)
        after = run(model, batch, update=False)  # the same batch and masks, at the new weights
    found.loss.after = after.loss.before
    return found


def prepare(model, x, y, sample_weight=None):
    """Return the checked batch, x on the model's device, and prepare the model for it.

    Sparse rows become full ones: the trace shows every number.
    """
    model._require_compiled("trace")
    if hasattr(model.loss, "losses"):
        raise ValueError(f"{model.name} has several outputs, and a trace follows one loss: make a "
                         "model of one of them, Model(inputs, output), which shares the layers, "
                         "and compile it")  # fmt: skip
    data = model.dataset(x, y, sample_weight)
    model._prepare(data.target_shape)
    x = model.input_rows(data.x, slice(None))
    if hasattr(x, "toarray"):
        x = model.context.ops.from_host(x.toarray())
    return x, data.y, data.sample_weight


def run(model, batch, update=True):
    """Record one `train_step`. It changes the model: call it within `untouched`."""
    (x, y, sample_weight), listener = batch, Listener(model, update)
    before = {p.path: p.numpy() for p in model.parameters}
    lr, iteration = model.optimizer.learning_rate, model.optimizer.iterations
    numbers = dict(model.optimizer.step_scalars(iteration))
    model.begin_step()
    with listener:
        model.train_step(x, *model.target_rows(y, sample_weight, model.output_shape_for(x)))
    for call in listener.calls:
        if getattr(call.layer, "activation", None) is activations.linear and not call.fused:
            call.z = call.dz = None  # there y is z
    loss = listener.loss
    loss.before = model.context.loss
    loss.penalty = loss.before - float(loss.values.sum(dtype=np.float64))
    return Trace(
        model=model, x=listener.copy(x), y=listener.copy(y),
        sample_weight=listener.copy(sample_weight), outputs=listener.outputs(),
        layers=listener.calls, loss=loss, parameters=listener.parameters(before), numbers=numbers,
        learning_rate=float(lr), iteration=int(iteration), input_gradient=listener.input_gradient(),
    )  # fmt: skip
