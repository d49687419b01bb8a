"""The gpu's matrix products, and arithmetic that broadcasts."""

import numpy as np

from .. import reference
from ..recording import Unsupported
from .card import runtime as card_runtime
from .machine.call import Product, kernel
from .machine.launches import by_entries, launch, plain, repeated, row_size


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
        yield launch("add_bias", b=b, H=y.shape[1], y=y)


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
    entries = {"starts": (x.indptr, np.int64), "columns": (x.indices, np.int32),
               "values": (x.data, W.dtype)}  # fmt: skip
    entries = {k: card_runtime.to_card(np.asarray(a, dtype)) for k, (a, dtype) in entries.items()}
    return launch("csr_product", size=y.shape[0], W=W, H=y.shape[1], y=y, **entries)


OPERATIONS = {"multiply": (reference.multiply, "m"), "add": (reference.add, "a")}


def _combined(name, x, y, **other):
    """y = x m or y = x + a; the other is shaped like x, or is repeated along axes."""
    function, label = OPERATIONS[name]
    m = other[label]
    if x.shape != y.shape:  # a copy, which can't be recorded
        cupy = card_runtime.current().cupy
        x = cupy.ascontiguousarray(cupy.broadcast_to(x, y.shape))
    if m.shape == x.shape:
        yield by_entries(function, {"x": x, label: m, "y": y})
        return
    shape = (1,) * (x.ndim - m.ndim) + m.shape
    if shape[0] not in (1, len(x)):
        raise Unsupported(f"arrays of shapes {x.shape}, {m.shape}")
    index = repeated(shape[1:], x.shape[1:])
    yield launch("broadcast", own=(index,), adds=name == "add", x=x, m=m, index=index,
                  D=row_size(x.shape), M=row_size(shape), by_rows=shape[0] > 1, y=y)  # fmt: skip


kernel(_combined, "multiply")
kernel(_combined, "add")
