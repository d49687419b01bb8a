"""Small matrix products, written in LLVM's vectors: a tile of the result stays in registers.

BLAS copies both factors into an order of its own before it multiplies. That pays for large ones;
for a layer of 64 units and a batch of 32 rows it takes longer than the product. Here each factor is
read where it is.
"""

import functools

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from .machine.native import I64, inlined, size_of
from .machine.operands import instruction
from .zeros.vectors import VECTOR, bytes_of, emit_first, load_from, spread

ROWS, VECTORS = 6, 2  # of a tile: 12 sums, 2 vectors of B and an entry of A fit 16 registers


def _tile(builder, rows, width, args):
    """`rows` rows of C, in two vectors of `width` numbers each, which may overlap."""
    a, a_row, a_k, b, b_k, depth, c, c_row, offsets, like = (*args[:8], args[8:10], args[10])
    number, size = like.type, bytes_of(like)
    kind = ir.VectorType(number, width) if width > 1 else number
    sums = [[cgutils.alloca_once(builder, kind) for _ in offsets] for _ in range(rows)]
    for row in sums:
        for total in row:
            builder.store(ir.Constant(kind, None), total)
    places = [builder.mul(a_row, ir.Constant(I64, i)) for i in range(rows)]
    with cgutils.for_range(builder, depth, intp=I64) as loop:
        at, below = (builder.mul(loop.index, step) for step in (a_k, b_k))
        vectors = [load_from(builder, builder.add(builder.add(b, below), offset), kind, size)
                   for offset in offsets]  # fmt: skip
        for row, place in zip(sums, places, strict=True):
            entry = load_from(builder, builder.add(builder.add(a, at), place), number, size)
            factor = spread(builder, entry, kind)
            for total, vector in zip(row, vectors, strict=True):
                product = builder.fmul(factor, vector, flags=("contract",))
                added = builder.fadd(builder.load(total), product, flags=("contract",))
                builder.store(added, total)
    for i, row in enumerate(sums):
        start = builder.add(c, builder.mul(c_row, ir.Constant(I64, i)))
        for total, offset in zip(row, offsets, strict=True):
            target = builder.inttoptr(builder.add(start, offset), kind.as_pointer())
            builder.store(builder.load(total), target, align=size)


def _tiles_of(rows, parts):
    """The function that computes a tile of so many rows, of vectors of so many parts of a whole one
    (0: of one number); few, as each takes its time to compile.
    """

    @intrinsic
    def tile(typing_context, a, a_row, a_k, b, b_k, depth, c, c_row, first, second, width, like):
        def generate(context, builder, signature, args):
            full = VECTOR // bytes_of(args[11])
            widths = [full // part if part else 1 for part in parts]
            emit_first(builder, [(
                functools.partial(builder.icmp_signed, "==", args[10], ir.Constant(I64, wide)),
                functools.partial(_tile, builder, rows, wide, (*args[:10], args[11])),
            ) for wide in widths])  # fmt: skip
            return context.get_dummy_value()

        return types.void(*[types.int64] * 11, like), generate

    return tile


_rows, _row = _tiles_of(ROWS, (1, 2, 0)), _tiles_of(1, (1, 0))


@inlined
def tiled(a, a_row, a_k, b, b_k, rows, depth, columns, c, c_row, like):
    """C = A B for an A of any strides, and B and C whose rows have their numbers side by side.

    a, b, c are addresses; a_row, a_k, b_k, c_row the bytes from row to row, and from column to
    column of A. A is (rows, depth), B (depth, columns).
    """
    item = size_of(like)
    width = VECTOR // item
    if width > columns:
        width = width // 2 if rows >= ROWS and width // 2 <= columns else 1
    last = (columns - width) * item  # where the last vector begins; it may overlap the one before
    for column in range(0, columns, VECTORS * width):
        first, second = column * item, (column + width) * item
        first, second = first if first < last else last, second if second < last else last
        if rows < ROWS:
            for i in range(rows):
                _row(a + i * a_row, a_row, a_k, b, b_k, depth, c + i * c_row, c_row, first,
                     second, width, like)  # fmt: skip
            continue
        for i in range(0, rows, ROWS):  # the last tile may do rows of the one before again
            start = i if i < rows - ROWS else rows - ROWS
            _rows(a + start * a_row, a_row, a_k, b, b_k, depth, c + start * c_row, c_row, first,
                  second, width, like)  # fmt: skip


@instruction
def in_tiles(word, like):
    """The arguments of `tiled` stand in the first ten words: see `products.multiply`, which calls
    this by its address, so that its text is compiled once and not with every product.
    """
    tiled(word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7], word[8], word[9],
          like)  # fmt: skip


if config.DISABLE_JIT:  # the same as plain Python
    from .machine.plain import tiled
