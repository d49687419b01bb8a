"""From what a user hands over to the arrays of a step on the model's device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.graph import each, is_list_of_shapes
from ..core.locks import exclusive
from ..data import Dataset, SeveralRows, SparseRows, rows_of

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Shape


class BatchLoading:
    """How a model checks rows, and brings a batch to its device."""

    loss: Any

    def build_open(self, x: ArrayLike, where: str = "") -> None:
        """Build a model that learns from x how many outputs it has, before y is looked at."""

    @exclusive
    def dataset(self, x: ArrayLike, y: ArrayLike = None, sample_weight: ArrayLike = None,
                class_weight: dict[Any, float] | None = None, where: str = "") -> Any:  # fmt: skip
        """Return the user's rows as a Dataset, checked for this model.

        The model is built for their shape, and its loss made one for the targets' shape, unless
        that is done. See `data.Dataset` for the arguments.
        """
        self.build_open(x, where)
        outputs = None if y is None else self.outputs_and_losses()
        data, loss = Dataset(x, y, sample_weight, class_weight, self.names_of_inputs, where,
                             self.dtype, outputs), self.loss  # fmt: skip
        rows = self.build_for(data.x, f"{where}x")
        output_shape = self.output_shape_for(rows)
        if y is not None:
            loss = self.loss.for_shapes(data.target_shape, output_shape)
        data.fit_to(rows, output_shape, None if y is None else loss)
        if loss is not self.loss:  # each change has the recorded steps looked at again
            self.loss = loss
        return data

    def rows_of(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike) -> Any:
        """Return x, targets and weights as rows, which may be cut."""
        self.build_open(x)
        return rows_of(self.names_of_inputs, self.outputs_and_losses(), x, y, sample_weight)

    def outputs_and_losses(self) -> list[Any] | None:
        """Return (name, whether it has a loss) of each output; None where there are no names."""
        names = self.names_of_outputs
        if names is None:
            return None
        losses = getattr(self.loss, "losses", [self.loss] * len(names))
        return [(name, loss is not None) for name, loss in zip(names, losses, strict=True)]

    def output_shape_for(self, rows: Any) -> Any:
        """Return the output shape for such inputs, which may have open lengths."""
        given = each(_any_rows, _parts(rows))
        return self.output_shape if given == self.input_shape else self.output_shape_of(given)

    def batch(self, data: ArrayLike, rows: Any) -> tuple[Any, ...]:
        """(x, y, w) for `train_step`: some rows of a Dataset, as arrays of the device."""
        y, weight = targets(data, rows)
        return (self.input_rows(data.x, rows), *self.target_rows(y, weight, data.output_shape))

    def input_rows(self, x: ArrayLike, rows: Any, k: int = 0) -> Any:
        """Some rows of x, input number k, in the model's dtype; a list for several inputs.

        Sparse ones are SciPy's matrix, if it can be used.
        """
        if isinstance(x, SeveralRows):
            return [self.input_rows(part, rows, k) for k, part in enumerate(x.parts)]
        if isinstance(x, np.ndarray) and not isinstance(rows, slice):
            batch = self.context.ops.empty((len(rows), *x.shape[1:]), self.dtype)  # (N, ...)
            self.context.ops.gather(x, rows, out=batch)
            return batch
        part = x[rows]
        if isinstance(part, SparseRows):
            if self.takes_sparse(k):
                return part.matrix(self.dtype)
            part = part.dense(self.dtype)
        return self.context.ops.from_host(np.ascontiguousarray(part, self.dtype))

    def target_rows(self, y: ArrayLike, sample_weight: ArrayLike,
                    output_shape: Shape) -> tuple[Any, Any]:  # fmt: skip
        """Targets (R,) or (R, C), and each row's share of the loss (R,), on the device.

        For several outputs two lists of them; y and sample_weight then are SeveralRows.
        """
        y, w = self.loss.as_rows(_parts(y), shapes_of(output_shape, len(y)), self.dtype,
                                 _parts(sample_weight))  # fmt: skip
        return each(self._on_device, y), each(self._on_device, w)

    def _on_device(self, array):
        return None if array is None else self.context.ops.from_host(array)


def shapes_of(output_shape, rows):
    """Return the shape of so many rows of output, of several outputs a list."""
    if is_list_of_shapes(output_shape):
        return [(rows, *shape[1:]) for shape in output_shape]
    return (rows, *output_shape[1:])


def _any_rows(array):
    return (None, *array.shape[1:])


def _parts(rows):
    return rows.parts if isinstance(rows, SeveralRows) else rows


def targets(data, rows):
    """Some rows of a Dataset's targets and sample weights (None without), as it holds them."""
    return data.y[rows], None if data.sample_weight is None else data.sample_weight[rows]
