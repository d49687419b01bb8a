"""Building a layer: once, for the shape of its input, by `build` or at the first call."""

import functools

from ..core.graph import is_list_of_shapes
from ..core.undo import undone_on_error


def built_once(build):
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
