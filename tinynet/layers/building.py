"""Building a layer: once, for the shape of its input, by `build` or at the first call."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from ..core.graph import is_list_of_shapes
from ..core.parameters import Parameter
from ..core.undo import undone_on_error
from ..random import own_stream

if TYPE_CHECKING:
    from ..configs.types import T


def built_once(build: T) -> T:
    """Wrap a layer class's `build`: check the shape before it, set `built` and shapes after it.

    `layer.build(shape)`, `super().build(shape)` inside another build, and the first call of the
    layer all call the wrapper; the layer is built when the outermost of them has returned.

    Layers that the layer holds are built with it, see `holding`.

    Raises:
        ValueError: the shape does not fit, or the layer has weights already; nothing was changed.
    """

    @functools.wraps(build)
    def build_layer(self, *shape, **named):
        if self.building:
            return build(self, *shape, **named)
        if self.built and self.layout.parameters:
            raise ValueError(f"layer {self.name!r} is built already, for input of shape "
                             f"{self.input_shape}: "
                             "its weights can't be made a second time")  # fmt: skip
        shapes = [_any_rows(one) for one in (*shape, *named.values())]
        shape = shapes[0] if shapes else None
        with undone_on_error(self):
            self.building = True
            if shape is not None:
                output_shape = self.compute_output_shape(shape)
            build(self, *shapes)
            self.building, self.built = False, True
            if shape is None:
                return
            self.input_shape, self.output_shape = shape, tuple(output_shape)
            if self.may_hold:
                self.build_held(shape)
                if self.shape_is_tried_out:
                    self.output_shape = tuple(self.compute_output_shape(shape))
                self.recorded = self.recorded_now()
            elif self.shape_is_tried_out:
                self.output_shape = tuple(self.compute_output_shape(shape))

    return build_layer


def _any_rows(shape):
    """The shape for any number of rows, None first; a list of them where there are several."""
    if shape is None:
        return None
    if is_list_of_shapes(shape):
        return [_any_rows(one) for one in shape]
    return (None, *shape[1:])


def check_unchanged(layer):
    """Raise if an option was changed to what the constructor refuses, or to what the weights don't
    fit.

    Raises:
        TypeError, ValueError: the constructor's; or says which weights `build` would make now.
    """
    if layer.unchanged is layer.version or layer.may_hold:
        return
    options = {key: getattr(layer, key) for key in layer.config_keys}
    if options:
        with own_stream(0):
            type(layer)(name=layer.name, **options)
    now = [(p.name, p.shape) for p in layer.own_parameters]
    wanted = _wanted_weights(layer) if now else []
    if wanted != now:
        raise ValueError(f"layer {layer.name!r} was changed: its weights are {_words(now)}, and by "
                         f"its present options would be {_words(wanted)}; make a new "
                         "layer")  # fmt: skip
    layer.unchanged = layer.version


def _wanted_weights(layer):
    """(name, shape) of the weights that `build` would make by the layer's present options."""
    wanted = []

    def add_weight(shape=(), initializer=None, name="weight", **options):
        wanted.append((name, (shape,) if np.ndim(shape) == 0 else tuple(shape)))
        return Parameter(np.broadcast_to(0.0, shape), name, trainable=False)

    probe = object.__new__(type(layer))
    vars(probe).update(vars(layer), add_weight=add_weight, building=True)
    if layer.input_shape is not None:  # an Embedding needs none
        probe.compute_output_shape(layer.input_shape)  # raises where they fit no input
    type(layer).build(probe, layer.input_shape)
    return wanted


def _words(weights):
    return ", ".join(f"{name} {shape}" for name, shape in weights) or "none"
