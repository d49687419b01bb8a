"""The dtype of a layer, which it is made with and keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class FixedDtype:
    """Base of Layer, which sets `own_dtype`."""

    own_dtype: str
    compute_dtype: Any
    variable_dtype: Any

    @property
    def dtype(self) -> str:
        """The dtype of weights and outputs, "float32" or "float64"."""
        return self.own_dtype

    @dtype.setter
    def dtype(self, value: Any) -> None:
        raise AttributeError(f"layer {self.name!r}: the dtype can't be set; make a new layer with "
                             f"dtype={value!r}")  # fmt: skip

    compute_dtype = variable_dtype = property(lambda self: self.dtype, doc="The layer's dtype.")
