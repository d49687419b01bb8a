"""Products of a recorded step by our own kernel (cuda/products.cu), together with what follows:
bias, activation, or the derivative that a gradient meets next.
"""

from ..machine.call import Product, address_of, same
from ..machine.launches import launch

SIDES = (4, 2, 1)  # of a tile: so many times the side of the smallest
OPTIONS = {"p0": 0.0, "p1": 0.0, "p2": 0.0}  # of an activation, as many as the kernel takes


def in_tiles(launches, side, blocks):
    """The same step without cuBLAS.

    Args:
        side: of the smallest tile.
        blocks: that ought to have work; tiles are small enough for that, if possible.
    """
    launches, made = list(launches), []
    while launches:
        one = launches.pop(0)
        if isinstance(one, Product):
            one = _launch(one, side, blocks, _taken_along(one, launches))
        made.append(one)
    return made


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


def _launch(product, side, blocks, taken):
    """BLAS sees all matrices by columns: row by row, C is op(B) op(A), rows and columns changed."""
    (N, M, K), (a, b) = product.sizes, product.transposed
    a_down, a_across = (1, product.ldb) if b else (product.ldb, 1)
    b_down, b_across = (1, product.lda) if a else (product.lda, 1)
    sides, tiles = next(
        ((s, t) for s in SIDES if (t := -(-M // (s * side)) * -(-N // (s * side))) >= blocks),
        (1, -(-M // side) * -(-N // side)),
    )
    one = launch("product", size=tiles, own=product.own, sides=sides, A=product.B, a_down=a_down,
                 a_across=a_across, B=product.A, b_down=b_down, b_across=b_across, M=M, N=N, K=K,
                 C=product.C, **taken)  # fmt: skip
    one.when = product.when
    return one


def _apart(array, product):
    """Whether an array can be written while the product is made."""
    low, high = address_of(array), address_of(array) + array.nbytes
    return all(
        high <= address_of(a) or address_of(a) + a.nbytes <= low for a in (product.A, product.B)
    )
