"""InputSpec: what a layer of one's own says about the shape of its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.registry import Configurable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import DType, Shape


class InputSpec(Configurable):
    """What the shape of an input must be; a layer has one as `input_spec`, or a list of them.

    Args:
        dtype: accepted as in Keras; inputs are cast to the layer's dtype.
        shape: with None where any size will do, the number of rows among them.
        ndim, max_ndim, min_ndim: number of axes, rows included.
        axes: dict of axis -> size.
        allow_last_axis_squeeze: whether a last axis of length 1 may be missing or left over.
        name, optional: accepted as in Keras.

    Raises:
        TypeError, ValueError: axes that are no integers, or beyond the number of axes.
    """

    axes: Any
    dtype: DType | None
    max_ndim: int | None
    min_ndim: int | None
    name: str | None
    optional: bool

    config_keys: tuple[str, ...] = (
        "dtype",
        "shape",
        "ndim",
        "max_ndim",
        "min_ndim",
        "axes",
        "optional",
    )

    def __init__(self, dtype: DType | None = None, shape: Shape | None = None,
                 ndim: int | None = None, max_ndim: int | None = None, min_ndim: int | None = None,
                 axes: int | Sequence[int] | None = None, allow_last_axis_squeeze: bool = False,
                 name: str | None = None, optional: bool = False) -> None:  # fmt: skip
        self.dtype, self.name, self.optional = dtype, name, optional
        self.shape: tuple[int | None, ...] | None = None if shape is None else tuple(shape)
        self.ndim: int | None = ndim if shape is None else len(shape)
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        try:
            self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        except (AttributeError, TypeError, ValueError):
            raise TypeError(f"InputSpec: axes must be a dict with integers as keys, received "
                            f"{axes!r}") from None  # fmt: skip
        most = self.ndim or self.max_ndim
        if most is not None and self.axes and max(self.axes) >= most:
            raise ValueError(f"InputSpec: there is no axis {max(self.axes)} among {most}")

    def misfit(self, shape: Shape) -> str | None:
        """Return what is wrong with a shape, as a part of a sentence, or None."""
        ndim, wanted = len(shape), self.shape
        if self.allow_last_axis_squeeze:
            shape = shape[:-1] if shape[-1:] == (1,) else shape
            wanted = wanted[:-1] if wanted and wanted[-1:] == (1,) else wanted
        elif self.ndim not in (None, ndim):
            return f"{self.ndim} axes"
        if self.min_ndim is not None and ndim < self.min_ndim:
            return f"at least {self.min_ndim} axes"
        if self.max_ndim is not None and ndim > self.max_ndim:
            return f"at most {self.max_ndim} axes"
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (None, size):
                return f"size {size} on axis {axis}"
        pairs = zip(wanted or (), shape, strict=False)
        if wanted is not None and (len(wanted) != len(shape) or not all(
                None in (a, b) or a == b for a, b in pairs)):  # fmt: skip
            return f"shape {self.shape}"
        return None


def check_spec(layer, shape):
    """Raise a ValueError unless the shape, or list of shapes, fits the layer's `input_spec`."""
    if layer.input_spec is None:
        return
    specs = layer.input_spec if isinstance(layer.input_spec, (list, tuple)) else [layer.input_spec]
    shapes = shape if isinstance(shape, list) else [shape]
    if len(specs) != len(shapes):
        raise layer.invalid(f"expected {len(specs)} inputs, received {len(shapes)}")
    for number, (spec, one) in enumerate(zip(specs, shapes, strict=True)):
        wrong = None if spec is None else spec.misfit(tuple(one))
        if wrong is not None:
            which = f" {number}" if len(specs) > 1 else ""
            raise layer.invalid(f"expected input{which} with {wrong}, received shape {one}")
