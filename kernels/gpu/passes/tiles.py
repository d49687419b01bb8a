"""Products of a recorded step by our own kernels, together with what follows: bias, activation, or
the derivative that a gradient meets next. `Scalar` is for the persistent kernel, which can't call
cuBLAS (cuda/products.cu); `TensorCores` for large batches (cuda/tensor.cu), where TINYNET_TF32X3
says from how many rows on.
"""

import math

from ..machine.call import Product, address_of, same
from ..machine.launches import launch

SIDES = (4, 2, 1)  # of a tile: so many times the side of the smallest
TILE = 128, 64  # rows and columns of a tile of tensor cores; see cuda/tensor.cu
AMPERE = (8, 0)  # the first cards that multiply in TF32
OPTIONS = {"p0": 0.0, "p1": 0.0, "p2": 0.0}  # of an activation, as many as the kernel takes


def in_tiles(launches, kind):
    """The same step without cuBLAS; `kind` is Scalar or TensorCores."""
    launches, made = list(launches), []
    while launches:
        one = launches.pop(0)
        if isinstance(one, Product):
            one = _launch(one, kind, _taken_along(one, launches))
        made.append(one)
    return made


class Scalar:
    """Tiles that the threads multiply number by number, small enough to give all multiprocessors
    work, if possible; where even the smallest are too few, the depth is split.

    Args:
        runtime: see `card.runtime`.
    """

    kernel, depth = "product", 256

    def __init__(self, runtime):
        self.runtime = runtime

    def tiles(self, M, N, K, dtype):
        """Return (how many blocks, arguments) for C (M, N)."""
        sides, blocks = [s * self.runtime.side for s in SIDES], self.runtime.multiprocessors
        tiles = [-(-M // side) * -(-N // side) for side in sides]
        k = next((k for k, count in enumerate(tiles) if count >= blocks), len(SIDES) - 1)
        parts = min(blocks // tiles[k], -(-K // self.depth)) if tiles[k] else 1
        more = _split(self.runtime, tiles[k], parts, sides[k] ** 2, dtype)
        return tiles[k] * more["parts"], {"sides": SIDES[k], **more}


class TensorCores:
    """Tiles by tensor cores at float32's accuracy; what is deep and has few tiles is split up.

    Args:
        runtime: see `card.runtime`.
    """

    kernel, depth = "tensor_product", 256

    def __init__(self, runtime):
        self.runtime = runtime

    def tiles(self, M, N, K, dtype):
        """Return (how many blocks, arguments) for C (M, N)."""
        tiles = -(-M // TILE[0]) * -(-N // TILE[1])
        parts = min(-(-2 * self.runtime.multiprocessors // max(tiles, 1)), -(-K // self.depth))
        more = _split(self.runtime, tiles, parts, math.prod(TILE), dtype)
        return tiles * more["parts"], more


def _split(runtime, tiles, parts, size, dtype):
    """Return arguments of a product whose tiles, of `size` numbers, are made in so many parts."""
    if parts <= 1:
        return {"parts": 1, "partial": None, "arrived": None}
    partial = runtime.empty((tiles * parts, size), dtype)
    return {"parts": parts, "partial": partial, "arrived": runtime.zeros((tiles,), "uint32")}


def _taken_along(product, after):
    """Arguments of the kernel by name, from the launches after the product that only work on its
    entries; they are taken from `after`.
    """
    C, bias = product.C, None

    def next_is(name):
        return bool(after) and after[0].name == name and after[0].when is product.when

    if next_is("add_bias"):
        given = after[0].given
        if same(given["y"], C) and product.sizes[0] == given["H"]:
            bias = given["b"]
            del after[0]
    taken = {"bias": bias, "kind": -1, **OPTIONS, "x": None, "y": None, "out": None}
    for name, entry, out in (("elementwise", "x", "y"), ("elementwise_grad", "dy", "dx")):
        if not next_is(name) or (name == "elementwise_grad" and bias is not None):
            continue
        given = after[0].given
        options = {label: value for label, value in given.items() if label in OPTIONS}
        if same(given[entry], C) and _apart(given[out], product) and "p3" not in given:
            taken |= {**options, "kind": after[0].kernel, "out": given[out]}
            if name == "elementwise_grad":
                taken |= {"x": given["x"], "y": given["y"]}
            del after[0]
            break
    return taken


def _launch(product, kind, taken):
    """BLAS sees all matrices by columns: row by row, C is op(B) op(A), rows and columns changed."""
    (N, M, K), (a, b) = product.sizes, product.transposed
    a_down, a_across = (1, product.ldb) if b else (product.ldb, 1)
    b_down, b_across = (1, product.lda) if a else (product.lda, 1)
    blocks, more = kind.tiles(M, N, K, product.dtype)
    own = (*product.own, *(v for v in more.values() if hasattr(v, "data")))
    one = launch(kind.kernel, size=blocks, own=own, A=product.B, a_down=a_down,
                 a_across=a_across, B=product.A, b_down=b_down, b_across=b_across, M=M, N=N, K=K,
                 C=product.C, **more, **taken)  # fmt: skip
    one.when = product.when
    return one


def _apart(array, product):
    """Whether an array can be written while the product is made."""
    low, high = address_of(array), address_of(array) + array.nbytes
    return all(
        high <= address_of(a) or address_of(a) + a.nbytes <= low for a in (product.A, product.B)
    )
