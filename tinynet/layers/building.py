"""Building a layer: once, for the shape of its input, by `build` or at the first call."""

import functools

from ..core.graph import is_list_of_shapes


def built_once(build):
    """Wrap a layer class's `build`: check the shape before it, set `built` and shapes after it.

    `layer.build(shape)`, `super().build(shape)` inside another build, and the first call of the
    layer all call the wrapper; the layer is built when the outermost of them has returned.

    Raises:
        ValueError: the shape does not fit, or the layer has weights already; nothing was changed.
    """

    @functools.wraps(build)
    def build_layer(self, *shape, **named):
        if self.building:
            return build(self, *shape, **named)
        if self.built and self.own_parameters:
            raise ValueError(f"layer {self.name!r} is built already, for input of shape "
                             f"{self.input_shape}: "
                             "its weights can't be made a second time")  # fmt: skip
        shapes = [_any_rows(one) for one in (*shape, *named.values())]
        parameters, self.building = self.own_parameters, True
        try:
            if shapes and shapes[0] is not None:
                output_shape = self.compute_output_shape(shapes[0])
            build(self, *shapes)
        except BaseException:
            self.own_parameters = parameters
            raise
        finally:
            self.building = False
        self.built = True
        if shapes and shapes[0] is not None:
            self.input_shape, self.output_shape = shapes[0], tuple(output_shape)
            if self.shape_is_tried_out:
                self.output_shape = tuple(self.compute_output_shape(shapes[0]))

    return build_layer


def _any_rows(shape):
    """The shape for any number of rows, None first; a list of them where there are several."""
    if shape is None:
        return None
    if is_list_of_shapes(shape):
        return [_any_rows(one) for one in shape]
    return (None, *shape[1:])
