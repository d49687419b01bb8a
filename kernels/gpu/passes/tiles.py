"""Products of a recorded step by our own kernel (cuda/products.cu), together with what follows:
bias, activation, or the derivative that a gradient meets next.
"""

from ..machine.call import Launch, Product, address_of, same

SIDES = (4, 2, 1)  # of a tile: so many times the side of the smallest


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
            one = _launch(one, side, blocks, *_taken_along(one, launches))
        made.append(one)
    return made


def _taken_along(product, after):
    """(bias, kind, three numbers, x, y, out) of the kernel, from the launches after the product
    that only work on its entries; they are taken from `after`.
    """
    C, bias = product.C, None

    def next_is(name):
        return bool(after) and after[0].name == name and after[0].when is product.when

    if next_is("add_bias"):
        b, _, H, y = after[0].args
        if same(y, C) and product.sizes[0] == H:
            bias = b
            del after[0]
    if next_is("elementwise"):
        kind, x, _, *numbers, out = after[0].args
        if same(x, C) and _apart(out, product):
            del after[0]
            return bias, kind, numbers, None, None, out
    elif next_is("elementwise_grad") and bias is None:
        kind, x, y, dy, _, *numbers, out = after[0].args
        if same(dy, C) and _apart(out, product):
            del after[0]
            return bias, kind, numbers, x, y, out
    return bias, 0, (0.0, 0.0, 0.0), None, None, None


def _launch(product, side, blocks, bias, kind, numbers, x, y, out):
    """BLAS sees all matrices by columns: row by row, C is op(B) op(A), rows and columns changed."""
    (N, M, K), (a, b) = product.sizes, product.transposed
    left = (product.B, 1, product.ldb) if b else (product.B, product.ldb, 1)
    right = (product.A, 1, product.lda) if a else (product.A, product.lda, 1)
    sides, tiles = next(
        ((s, t) for s in SIDES if (t := -(-M // (s * side)) * -(-N // (s * side))) >= blocks),
        (1, -(-M // side) * -(-N // side)),
    )
    args = (sides, *left, *right, M, N, K, bias, kind, *numbers, x, y, product.C, out)
    return Launch("product", "blocks", tiles, args, product.dtype, product.own, when=product.when)


def _apart(array, product):
    """Whether an array can be written while the product is made."""
    low, high = address_of(array), address_of(array) + array.nbytes
    return all(
        high <= address_of(a) or address_of(a) + a.nbytes <= low for a in (product.A, product.B)
    )
