"""Rows that are mostly zeros: only the entries that are not zero are kept, as in SciPy's CSR.

Row i has the entries starts[i] to starts[i + 1]: their columns, and their values.
"""

import numpy as np


def is_sparse(data):
    """Return whether `data` is one of SciPy's sparse matrices or arrays."""
    return hasattr(data, "tocsr") and hasattr(data, "nnz")


class SparseRows:
    """A sparse matrix (N, D) that hands out its rows.

    Args:
        starts: (N + 1,) int64.
        columns: of each entry, ascending within a row; int32 or int64.
        values: of each entry, any real dtype.
        width: D.
    """

    ndim = 2

    def __init__(self, starts, columns, values, width):
        self.starts, self.columns, self.values = starts, columns, values
        self.shape, self.dtype = (len(starts) - 1, int(width)), values.dtype

    @classmethod
    def of(cls, data, where):
        """Return the rows of a matrix of SciPy; CSR with sorted columns is not copied.

        Raises:
            ValueError, TypeError: no rows, not two axes, no real numbers, or arrays that make no
                matrix (SciPy does not look at them when it is handed them).
        """
        kind = type(data).__name__
        if data.ndim != 2:
            raise ValueError(f"{where}: expected a matrix (N, D), received {kind} {data.shape}")
        if data.dtype.kind not in "fiub":
            raise TypeError(f"{where}: expected numbers, received {kind} of dtype {data.dtype}")
        if data.shape[0] == 0:
            raise ValueError(f"{where}: expected at least one row, received shape {data.shape}")
        data = data.tocsr()
        _check_format(data, where)
        if not data.has_canonical_format:
            data = data.copy()
            data.sum_duplicates()  # sorts as well
        return cls(data.indptr.astype(np.int64), data.indices, data.data, data.shape[1])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return some rows, by a slice (nothing is copied) or an array of numbers."""
        if isinstance(rows, slice):
            first, last, step = rows.indices(len(self))
            if step == 1:
                starts = self.starts[first : max(first, last) + 1]
                return SparseRows(starts, self.columns, self.values, self.shape[1])
            rows = np.arange(first, last, step)
        begins, counts = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        entries = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], counts)
        return SparseRows(starts, self.columns[entries], self.values[entries], self.shape[1])

    @property
    def nbytes(self):
        """Memory of these rows."""
        columns, values = self.own()
        return columns.nbytes + values.nbytes + self.starts.nbytes

    def own(self):
        """Return (columns, values) of just these rows."""
        span = slice(self.starts[0], self.starts[-1])
        return self.columns[span], self.values[span]

    def entries(self):
        """Return row and column of each of these rows' entries, (E, 2)."""
        rows = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return np.stack([rows, self.own()[0]], axis=1)

    def astype(self, dtype):
        """Return the same rows with values of `dtype`."""
        columns, values = self.own()
        starts = self.starts - self.starts[0]
        return SparseRows(starts, columns, values.astype(dtype, copy=False), self.shape[1])

    def matrix(self, dtype):
        """Return these rows for SciPy, to be multiplied: x @ W, x.T @ dy."""
        from scipy.sparse import csr_array

        rows = self.astype(dtype)
        return csr_array((rows.values, rows.columns, rows.starts), shape=self.shape)

    def dense(self, dtype):
        """Return these rows with all their zeros, (N, D)."""
        out = np.zeros(self.shape, dtype)
        rows, columns = self.entries().T
        out[rows, columns] = self.own()[1]
        return out


def _check_format(data, where):
    """Raise for row starts or columns that would lead out of the arrays."""
    starts, columns = data.indptr, data.indices
    ends = int(starts[0]) == 0 and int(starts[-1]) <= min(len(columns), len(data.data))
    if not ends or (np.diff(starts) < 0).any():
        raise ValueError(f"{where}: indptr of the {type(data).__name__} is damaged")
    columns = columns[: starts[-1]]
    wrong = (columns < 0) | (columns >= data.shape[1])
    if wrong.any():
        at = int(wrong.argmax())
        row = int(np.searchsorted(starts, at, "right")) - 1
        raise ValueError(f"{where}: row {row} has an entry in column {columns[at]}, expected "
                         f"columns in [0, {data.shape[1]})")  # fmt: skip
