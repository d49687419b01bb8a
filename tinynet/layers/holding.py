"""Layers that hold layers: a class of the user's own with layers in attributes, lists, dicts.

They are parts of the layer: trained, counted, frozen and saved with it, and within its `forward`
they compute with its arrays. Where the class has only a `call`, which applies layers, it needs no
`backward`: `call` is recorded once as a graph of layers, see `models.subclassed`.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING

from ..core.held import held, held_layers
from ..core.locks import join
from .config import own_shape

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Shape

NOTHING = contextlib.nullcontext()
# what a class whose `call` is recorded may define beside it, and still be replayed
BESIDE_CALL = frozenset({"build", "compute_output_shape", "from_config", "get_config", "may_hold"})


class Holding:
    """Base of Layer: what it does with layers that it holds.

    Attributes:
        unrecorded: why `call` can't be recorded as a graph of layers; None where it was.
        recorded: what the recording was made of.
    """

    graphs: Any
    output_shape: Any
    recorded: Any
    unrecorded: Any

    unrecorded = recorded = None
    graphs_of_call = None  # set by `models`, which are made of layers

    def as_whole(self, training: bool) -> Any:
        """Context manager: the layers inside compute as parts of this one, in its mode."""
        return self._as_whole(training) if self.may_hold else NOTHING

    @contextlib.contextmanager
    def _as_whole(self, training):
        context = self.context
        for part in self.layout.parts:
            if part.context is not context:
                join(self, part)
                part.context = context
        outer, context.within = context.within, bool(training)
        try:
            yield
        finally:
            context.within = outer

    @property
    def formula_names(self) -> Any:
        """What the class may bring along and still be replayed, if its `call` is recorded."""
        return None if self.graphs is None else BESIDE_CALL

    def plan_held(self, needs_dx: bool) -> None:
        """Plan the backward pass of the layers inside, whose order is known where it is a graph."""
        if self.graphs is not None:
            for graph in self.graphs.values():
                graph.plan_backward(needs_dx)
        elif self.may_hold:
            for layer in held_layers(self):
                layer.plan_backward(True)

    # ------------------------------------------------------------------------------- building

    def build_held(self, input_shape: Shape) -> None:
        """Record `call` as a graph of layers; else have the layers inside built by a trial."""
        layers = held_layers(self)
        if (self.graphs, self.unrecorded) != (None, None):  # else it is no change of the layer
            self.graphs = self.unrecorded = None
        for one in layers:
            if one.dtype != self.dtype:
                raise self.invalid(f"it is {self.dtype}, and holds {one.name!r}, which is "
                                   f"{one.dtype}: give both one dtype")  # fmt: skip
        if self.is_call_alone():
            importlib.import_module("tinynet.models")  # which sets `graphs_of_call`
            try:
                self.graphs = self.graphs_of_call(input_shape)
                self.plan_held(needs_dx=True)
            except Exception as error:  # of any kind: `call` expects arrays, and gets symbols
                self.unrecorded = str(error)
        if self.graphs is None and any(not one.built for one in layers):
            own_shape(self, input_shape)
        if not self.learns and (self.trainable or self.trainable_weights):
            self.trainable = False

    def refresh(self) -> bool:
        """Record `call` anew if the layer or what it holds was changed; return whether it was."""
        if self.recorded is None or self.recorded == self.recorded_now():
            return False
        self.build_held(self.input_shape)
        if self.shape_is_tried_out:
            output_shape = tuple(self.compute_output_shape(self.input_shape))
            if output_shape != self.output_shape:
                self.output_shape = output_shape
        self.recorded = self.recorded_now()
        return True

    def recorded_now(self) -> list[Any]:
        """What a recording is made of: the layer's attributes, and what they hold."""
        return [self.version, *map(id, held(self))]
