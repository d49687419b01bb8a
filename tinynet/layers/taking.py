"""What a layer is called with: arguments, arrays, and shapes that fit its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.graph import fits, is_list_of_arrays
from .input_spec import check_spec

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Shape


class Taking:
    """Base of Layer: the checks of what comes in."""

    dtype: Any
    input_shape: Any
    invalid: Any
    layout: Any
    may_hold: bool
    name: str

    def check_call(self, training: Any, mask: Any) -> None:
        """Raise a TypeError unless a call has arguments that are used here."""
        if mask is not None:
            raise TypeError(f"{self.name}: expected no mask, received {type(mask).__name__}: "
                            "padding is what Embedding(mask_zero=True) or Masking finds in the "
                            "same model")  # fmt: skip
        if not (training is None or isinstance(training, (bool, int, np.bool_))):
            raise TypeError(f"{self.name}: training must be True or False, received "
                            f"{type(training).__name__}; several inputs are a list, "
                            "layer([a, b])")  # fmt: skip

    def check_number_of_inputs(self, shape: Shape) -> None:
        """Raise for a list of shapes: a layer of tinynet's takes one input, unless it says so."""
        if isinstance(shape, list) and not self.may_hold:
            raise ValueError(f"layer {self.name!r} ({type(self).__name__}) takes one input, "
                             f"received a list of {len(shape)}")  # fmt: skip

    def as_input(self, x: ArrayLike) -> Any:
        """`x` as an array of the layer's dtype with at least one axis.

        A list of arrays, for a layer of the user's own, as a list of such.
        """
        if self.may_hold and is_list_of_arrays(x):
            return [self.as_input(a) for a in x]
        x = np.asarray(x)
        if x.dtype.kind not in "fiub":
            raise TypeError(f"layer {self.name!r}: expected numbers, received dtype {x.dtype}")
        if x.ndim == 0:
            raise self.invalid("expected a batch (N, ...), received a scalar")
        return x.astype(self.dtype, copy=False)

    def accepts(self, shape: Shape) -> bool:
        """Whether a batch of `shape` fits the parameters; a layer without any takes all shapes."""
        if not self.layout.parameters:
            return True
        given, known = (s if isinstance(s, list) else [s] for s in (shape, self.input_shape))
        return len(given) == len(known) and all(map(fits, given, known))

    def check_input_shape(self, shape: Shape) -> None:
        """Raise unless the layer was built for batches of `shape`."""
        check_spec(self, shape)
        if not self.accepts(shape):
            several = isinstance(shape, list)
            received = [(None, *s[1:]) for s in (shape if several else [shape])]
            raise self.invalid(f"expected input of shape {self.input_shape}, received "
                               f"{received if several else received[0]}")  # fmt: skip
