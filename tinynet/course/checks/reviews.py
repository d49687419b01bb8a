"""Lesson 15: the gradient of the first layer from sparse rows."""

import numpy as np
import scipy.sparse

from ...layers import Dense

HINTS = (
    "dW[d] is the sum of x[n, d] dz[n] over all rows n; where x[n, d] is 0, nothing is added.",
    "Two loops do it: over the rows n, and over the entries of x from indptr[n] to indptr[n + 1].",
    "dW[x.indices] += ... adds once for a column that comes up again; np.add.at each time.",
)


def check(student):
    """Compare dW with that of tinynet's Dense on the same rows, dense."""
    dense = np.array([[2.0, 0, 0, 1, 0], [0, 0, 3, 0, 0], [0, 0, 0, 0, 0], [1, 0, 2, 0.5, 0]])
    dz = np.array([[0.3, -1.0], [0.8, 0.5], [1.2, 0.7], [-0.4, 0.9]])
    layer = Dense(2, use_bias=False, dtype="float64")
    layer.build_once((None, 5))
    layer(dense)
    layer.backward(dz)
    dW = layer.kernel.grad.copy()
    x = scipy.sparse.csr_matrix(dense)
    rows = np.repeat(np.arange(4), np.diff(x.indptr))
    terms = x.data[:, None] * dz[rows]
    once = np.zeros((5, 2))
    once[x.indices] = terms  # what `dW[indices] += terms` comes to
    plain = np.zeros((5, 2))
    np.add.at(plain, x.indices, dz[rows])
    ones, wrong_rows, shifted = (dense != 0).astype(float), np.zeros((5, 2)), np.zeros((5, 2))
    np.add.at(wrong_rows, x.indices, x.data[:, None] * dz[np.arange(x.nnz) % 4])
    np.add.at(shifted, x.indices, x.data[:, None] * dz[(rows + 1) % 4])
    student.expect("sparse_dW", {"x": x, "dz": dz}, {"dW": dW}, {"dW": {
        "a word of several rows counts once: dW[indices] += ... keeps one of the terms": once,
        "the values of x are missing: each entry counts as 1": plain,
        "1/N enters here; it is in dz already": dW / 4,
        "the words are averaged over the rows that have them; their terms add up":
            dW / np.maximum(ones.sum(axis=0), 1)[:, None],
        "the values of x are squared": (dense**2).T @ dz,
        "the entries go with the wrong rows of dz: repeat each row number by its entries":
            wrong_rows,
        "the rows of dz are shifted by one": shifted,
        "every word has the sum over all rows of dz": np.tile(dz.sum(axis=0), (5, 1)),
        "the first row of x is left out": dense[1:].T @ dz[1:],
        "the last row of x is left out": dense[:-1].T @ dz[:-1],
        "the last entry of each row is left out": _without(x, -1).T @ dz,
        "the first entry of each row is left out": _without(x, 0).T @ dz,
    }})  # fmt: skip


def _without(x, place):
    """Return x, dense, without the first or the last entry of each row."""
    rows = x.toarray()
    for row in rows:
        row[np.flatnonzero(row)[place : place + 1 or None]] = 0
    return rows
