"""From what a user hands over to the arrays of a step on the model's device."""

import numpy as np

from ..core.locks import exclusive
from ..data import Dataset, SeveralRows, SparseRows


class BatchLoading:
    """How a model checks rows, and brings a batch to its device."""

    @exclusive
    def dataset(self, x, y=None, sample_weight=None, class_weight=None, where=""):
        """Return the user's rows as a Dataset, checked for this model.

        The model is built for their shape, and its loss made one for the targets' shape, unless
        that is done. See `data.Dataset` for the arguments.
        """
        data, loss = Dataset(x, y, sample_weight, class_weight, self.names_of_inputs, where,
                             self.dtype), None  # fmt: skip
        rows = self.build_for(data.x, f"{where}x")
        if y is not None:
            loss = self.loss.for_shapes(data.y.shape, self.output_shape)
        data.fit_to(rows, self.output_shape, loss)
        self.loss = loss or self.loss
        return data

    def batch(self, data, rows):
        """(x, y, w) for `train_step`: some rows of a Dataset, as arrays of the device."""
        y, weight = targets(data, rows)
        return (self.input_rows(data.x, rows), *self.target_rows(y, weight))

    def input_rows(self, x, rows):
        """Some rows of x in the model's dtype, a list for several inputs.

        Sparse ones are SciPy's matrix, if it can be used.
        """
        if isinstance(x, SeveralRows):
            return [self.input_rows(part, rows) for part in x.parts]
        if isinstance(x, np.ndarray) and not isinstance(rows, slice):
            batch = self.context.ops.empty((len(rows), *x.shape[1:]), self.dtype)  # (N, ...)
            self.context.ops.gather(x, rows, out=batch)
            return batch
        part = x[rows]
        if isinstance(part, SparseRows):
            if self.takes_sparse:
                return part.matrix(self.dtype)
            part = part.dense(self.dtype)
        return self.context.ops.from_host(np.ascontiguousarray(part, self.dtype))

    def target_rows(self, y, sample_weight):
        """Targets (R,) or (R, C), and each row's share of the loss (R,), on the device."""
        shape, from_host = (len(y), *self.output_shape[1:]), self.context.ops.from_host
        y, w = self.loss.as_rows(y, shape, self.dtype, sample_weight)
        return from_host(y), from_host(w)


def targets(data, rows):
    """Some rows of a Dataset's targets and sample weights (None without), as it holds them."""
    return data.y[rows], None if data.sample_weight is None else data.sample_weight[rows]
