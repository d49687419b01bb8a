"""The gpu's matrix products, and arithmetic that broadcasts."""

import numpy as np

from ..recording import Unsupported
from .card import runtime as card_runtime
from .machine.call import Launch, Product, kernel
from .machine.launches import bringing, number, on_columns, on_entries, plain, row_size

# ------------------------------------------------------------------------------------- linear


@kernel
def linear(x, W, b, *, y):
    if _is_sparse(x):
        yield _sparse_product(x.tocsr(), W, y)
    else:
        plain(x, W, b, y)
        (N, D), H = x.shape, W.shape[1]
        # row by row y is, for BLAS, y^T = W^T x^T
        yield Product((False, False), (H, N, D), W, H, x, D, y, H)
    if b is not None:
        yield on_entries("add_bias", (y, b), (b, y.size, y.shape[1], y))


@kernel
def linear_dx(dy, W, *, dx):
    plain(dy, W, dx)
    (N, H), D = dy.shape, W.shape[0]
    yield Product((True, False), (D, N, H), W, H, dy, H, dx, D)


@kernel
def linear_dW(x, dy, *, dW):
    if _is_sparse(x):
        yield _sparse_product(x.T.tocsr(), dy, dW)
        return
    plain(x, dy, dW)
    (N, D), H = x.shape, dy.shape[1]
    yield Product((False, True), (H, D, N), dy, H, x, D, dW, H)


def _is_sparse(x):
    """Whether x is a matrix of SciPy."""
    return hasattr(x, "tocsr")


def _sparse_product(x, W, y):
    """y = x W for a CSR matrix of SciPy; its entries are brought to the card."""
    runtime, dtype = card_runtime.current(), plain(W, y)
    starts, columns, values = (
        runtime.to_card(np.asarray(a, kind))
        for a, kind in ((x.indptr, np.int64), (x.indices, np.int32), (x.data, dtype))
    )
    args = (starts, columns, values, W, y.shape[1], y)
    return Launch("csr_product", "blocks", y.shape[0], args, dtype)


@kernel
def sum_rows(x, *, out):
    yield on_columns("sum_rows", (x, out), (out,))


@kernel
def affine(x, scale, shift, *, y):
    yield on_entries("affine", (x, y), (x, number(scale), number(shift), x.size, y))


@kernel
def _multiply(x, m, *, y):
    yield _combined("multiply", 0, x, m, y)


@kernel
def _add(x, a, *, y):
    yield _combined("add", 1, x, a, y)


def _combined(name, adds, x, m, y):
    """y = x m or y = x + m; m is shaped like x, or is repeated along axes."""
    if m.shape == x.shape == y.shape:
        return on_entries(name, (x, m, y), (x, m, x.size, y))
    if x.shape != y.shape or m.ndim > x.ndim:
        raise Unsupported(f"arrays of shapes {x.shape}, {m.shape}")
    shape = (1,) * (x.ndim - m.ndim) + m.shape
    fits = all(n in (1, s) for n, s in zip(shape, x.shape, strict=True))
    if not fits:
        raise Unsupported(f"arrays of shapes {x.shape}, {m.shape}")
    D, M = row_size(x.shape), row_size(shape)
    index = np.broadcast_to(np.arange(M).reshape(shape[1:]), x.shape[1:])
    index = card_runtime.to_card(np.array(index, np.int64).ravel())
    args = (adds, x, m, index, x.size, D, M, int(shape[0] > 1), y)
    return bringing(on_entries("broadcast", (x, m, y), args), index)


def multiply(x, m, *, y):
    _multiply(_spread(x, y), m, y=y)


def add(x, a, *, y):
    _add(_spread(x, y), a, y=y)


def _spread(x, y):
    return x if x.shape == y.shape else card_runtime.current().cupy.broadcast_to(x, y.shape)


multiply.instructions, add.instructions = _multiply.instructions, _add.instructions
