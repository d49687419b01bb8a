"""The product of two matrices, C = A B, in tiles of C whose sums stay in registers.

Of large factors, blocks are copied into the order in which tiles read them, and stay in the core's
caches (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008). Small ones
are read where they are; BLAS would spend its time on copies.
"""

import contextlib
import functools
import itertools

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from .machine import threads
from .machine.loop import PACKED, ROOM, SCRATCH
from .machine.native import I64, blas_gemm, size_of, vector
from .machine.operands import cast
from .machine.routines import routine
from .zeros.vectors import VECTOR, bytes_of, emit_first, load_from, spread

# Rows and vectors of a tile: its sums, and what is multiplied, fit the registers (32 with AVX-512).
ROWS, VECTORS = (8, 3) if VECTOR == 64 else (6, 2)
# A block of A or B is at most so deep: of B, a panel as wide as a tile then stays in the nearest
# cache. It is so many panels wide, or of A so many rows high: both stay in the next one.
DEPTH, PANELS, HEIGHT = (208, 7, 96) if VECTOR == 64 else (256, 336 * 4 // VECTOR // VECTORS, 96)
DEEP = 16  # depths are cut at multiples of it, as blocks are transposed in squares of a vector
# A B of so many bytes is read where it is, and any B for so few rows.
NEAR, FEW = 1 << 19 if VECTOR == 64 else 1 << 18, 64
# Multiplications from which BLAS is the faster; with AVX-512 nowhere: OpenBLAS's SkylakeX kernels
# took 1.03 to 1.08 times as long on two threads: y, dx, dW of 128 and 256 rows, 512 to 2048 wide.
BLAS_FROM = 1 << 62 if VECTOR == 64 else 1 << 25 if VECTOR == 32 else 1 << 21

LIMITED_FROM = BLAS_FROM  # the same; tests lower it
I32 = ir.IntType(32)


def single_threaded_blas(machine):
    """Context: BLAS keeps to the thread that calls it, and has its own threads back afterwards.

    Two thread pools that alternate would spin against each other. No product of the recorded step
    is larger than its most rows times all weights: so small ones need no BLAS.
    """
    most = machine.most_rows * machine.weights
    return contextlib.nullcontext() if most < LIMITED_FROM else threads.blas_limit


def room(most, dtype):
    """Numbers for which a share needs room, if no side of a matrix is longer than `most`."""
    wide, deep = VECTORS * VECTOR // np.dtype(dtype).itemsize, min(most + DEEP, DEPTH)
    return deep * (min(most + wide, wide * PANELS) + min(most + ROWS, HEIGHT))


def _masked(builder, kind, count):
    """How the first `count` numbers of a vector are read and written; the others read are 0."""
    lanes, size = ir.VectorType(I64, kind.count), VECTOR // kind.count
    chosen = builder.icmp_signed(
        "<", ir.Constant(lanes, list(range(kind.count))), spread(builder, count, lanes)
    )
    name, pointer = f"v{kind.count}f{8 * size}.p0", kind.as_pointer()
    reads = ir.FunctionType(kind, [pointer, I32, chosen.type, kind])
    writes = ir.FunctionType(ir.VoidType(), [kind, pointer, I32, chosen.type])
    reads = cgutils.get_or_insert_function(builder.module, reads, f"llvm.masked.load.{name}")
    writes = cgutils.get_or_insert_function(builder.module, writes, f"llvm.masked.store.{name}")
    align, nothing = ir.Constant(I32, size), ir.Constant(kind, None)

    def read(address):
        return builder.call(reads, [builder.inttoptr(address, pointer), align, chosen, nothing])

    def write(numbers, address):
        builder.call(writes, [numbers, builder.inttoptr(address, pointer), align, chosen])

    return read, write


def _rows(builder, height, rows, *of):
    """For each (address, stride), where `height` rows begin; the last again for those not there."""
    last = builder.sub(rows, ir.Constant(I64, 1))
    places = [ir.Constant(I64, i) for i in range(height)]
    places[1:] = [builder.select(builder.icmp_signed("<", i, last), i, last) for i in places[1:]]
    return [[builder.add(first, builder.mul(stride, i)) for i in places] for first, stride in of]


def _add_product(builder, total, x, y):
    product = builder.fmul(x, y, flags=("contract",))
    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)


def _tile(builder, height, vectors, args):
    """A tile of so many rows and vectors; 0: of one, of which only the first numbers are there."""
    a, a_row, a_k, b, b_k, depth, start, start_row, c, c_row, rows, columns, like = args
    number, size = like.type, bytes_of(like)
    kind = ir.VectorType(number, VECTOR // size)

    def read(address):
        return load_from(builder, address, kind, size)

    def write(numbers, address):
        builder.store(numbers, builder.inttoptr(address, kind.as_pointer()), align=size)

    # The last vector and the last rows may be those before again: equal numbers are written twice.
    offsets = [ir.Constant(I64, j * VECTOR) for j in range(vectors or 1)]
    if vectors:
        last = builder.sub(builder.mul(columns, ir.Constant(I64, size)), ir.Constant(I64, VECTOR))
        before = builder.icmp_signed("<", offsets[-1], last)
        offsets[-1] = builder.select(before, offsets[-1], last)
    else:
        read, write = _masked(builder, kind, columns)
    rows_of_a, firsts, outs = _rows(
        builder, height, rows, (a, a_row), (start, start_row), (c, c_row)
    )
    sums = [[cgutils.alloca_once(builder, kind) for _ in offsets] for _ in outs]
    with builder.if_else(cgutils.is_null(builder, start)) as (nothing, something):
        with nothing:
            for total in itertools.chain(*sums):
                builder.store(ir.Constant(kind, None), total)
        with something:
            for row, first in zip(sums, firsts, strict=True):
                for total, offset in zip(row, offsets, strict=True):
                    builder.store(read(builder.add(first, offset)), total)
    with cgutils.for_range(builder, depth, intp=I64) as at:
        right, below = (builder.mul(at.index, step) for step in (a_k, b_k))
        numbers = [read(builder.add(builder.add(b, below), offset)) for offset in offsets]
        for row, place in zip(sums, rows_of_a, strict=True):
            entry = load_from(builder, builder.add(place, right), number, size)
            factor = spread(builder, entry, kind)
            for total, one in zip(row, numbers, strict=True):
                _add_product(builder, total, factor, one)
    for row, out in zip(sums, outs, strict=True):
        for total, offset in zip(row, offsets, strict=True):
            write(builder.load(total), builder.add(out, offset))


@intrinsic
def tile(typing_context, a, a_row, a_k, b, b_k, depth, start, start_row, c, c_row, rows, columns,
         like):  # fmt: skip
    """A tile of C: ROWS rows, and as many columns as VECTORS vectors have numbers, or as are left.

    Arguments are those of `gemm`.
    """

    def generate(context, builder, signature, args):
        rows, columns, width = *args[-3:-1], VECTOR // bytes_of(args[-1])
        wider = [(n, (n - 1) * width) for n in range(VECTORS, 1, -1)] + [(1, width - 1), (0, 0)]

        def of_height(height):
            emit_first(builder, [(
                functools.partial(builder.icmp_signed, ">", columns, ir.Constant(I64, more)),
                functools.partial(_tile, builder, height, count, args),
            ) for count, more in wider])  # fmt: skip

        emit_first(builder, [(
            functools.partial(builder.icmp_signed, ">", rows, ir.Constant(I64, more)),
            functools.partial(of_height, height),
        ) for height, more in ((ROWS, ROWS // 2), (ROWS // 2, 0))])  # fmt: skip
        return context.get_dummy_value()

    return types.void(*[types.int64] * 12, like), generate


# --------------------------------------------------------------------------- products of rows


BOTH = 4, 2  # rows of A and of B whose products are summed at once


def _sum_of(builder, numbers):
    """The sum of a vector's numbers, half by half."""
    kind = numbers.type
    while kind.count > 1:
        half = ir.VectorType(I32, kind.count // 2)
        low, high = (ir.Constant(half, list(range(k, k + half.count))) for k in (0, half.count))
        low, high = (builder.shuffle_vector(numbers, numbers, part) for part in (low, high))
        numbers = builder.fadd(low, high)
        kind = numbers.type
    return builder.extract_element(numbers, ir.Constant(I32, 0))


@intrinsic
def _dots(typing_context, a, a_row, a_rows, b, b_row, b_rows, depth, c, c_row, like):
    """C[i, j] = sum of the products of row j of A and row i of B, for the first rows of both."""

    def generate(context, builder, signature, args):
        a, a_row, a_rows, b, b_row, b_rows, depth, c, c_row, like = args
        size = bytes_of(like)
        kind = ir.VectorType(like.type, VECTOR // size)
        (left,) = _rows(builder, BOTH[0], a_rows, (a, a_row))
        right, outs = _rows(builder, BOTH[1], b_rows, (b, b_row), (c, c_row))
        (places,) = _rows(builder, BOTH[0], a_rows, (ir.Constant(I64, 0), ir.Constant(I64, size)))
        sums = [[cgutils.alloca_once(builder, kind) for _ in right] for _ in left]
        for total in itertools.chain(*sums):
            builder.store(ir.Constant(kind, None), total)

        def add(at, read):
            xs, ys = ([read(builder.add(row, at)) for row in rows] for rows in (left, right))
            for row, x in zip(sums, xs, strict=True):
                for total, y in zip(row, ys, strict=True):
                    _add_product(builder, total, x, y)

        width = ir.Constant(I64, kind.count)
        rest = builder.srem(depth, width)
        whole = builder.sub(depth, rest)
        with cgutils.for_range_slice(builder, ir.Constant(I64, 0), whole, width, I64) as (k, _):
            at = builder.mul(k, ir.Constant(I64, size))
            add(at, lambda address: load_from(builder, address, kind, size))
        with builder.if_then(builder.icmp_signed(">", rest, ir.Constant(I64, 0))):
            read, _ = _masked(builder, kind, rest)
            add(builder.mul(whole, ir.Constant(I64, size)), read)
        for row, place in zip(sums, places, strict=True):
            for total, out in zip(row, outs, strict=True):
                pointer = builder.inttoptr(builder.add(out, place), like.type.as_pointer())
                builder.store(_sum_of(builder, builder.load(total)), pointer, align=size)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 9, like), generate


@routine()
def dots(a, a_row, a_rows, b, b_row, b_rows, depth, c, c_row, like):
    """C = B A^T for rows whose numbers lie side by side; few of B, so that copies do not pay."""
    for j in range(0, a_rows, BOTH[0]):
        for i in range(0, b_rows, BOTH[1]):
            _dots(a + j * a_row, a_row, a_rows - j, b + i * b_row, b_row, b_rows - i, depth,
                  c + i * c_row + j * size_of(like), c_row, like)  # fmt: skip


# ------------------------------------------------------------------------------------- panels


@intrinsic
def _copy(typing_context, source, step, depth, lanes, out, row, like):
    """The block that `pack` copies, if its lanes lie side by side and fill a panel of A or B."""

    def generate(context, builder, signature, args):
        source, step, depth, lanes, out, row, like = args
        size, choices = bytes_of(like), []
        full = VECTOR // size

        def copy(count, width):
            kind = ir.VectorType(like.type, width)
            with cgutils.for_range(builder, depth, intp=I64) as at:
                here = builder.add(source, builder.mul(at.index, step))
                there = builder.add(out, builder.mul(at.index, row))
                for j in range(count):
                    offset = ir.Constant(I64, j * width * size)
                    numbers = load_from(builder, builder.add(here, offset), kind, size)
                    place = builder.add(there, offset)
                    pointer = builder.inttoptr(place, kind.as_pointer())
                    builder.store(numbers, pointer, align=size)

        for count, width in ((VECTORS, full), (ROWS // 2, 2)):
            most = ir.Constant(I64, count * width)
            is_so = functools.partial(builder.icmp_signed, "==", lanes, most)
            choices.append((is_so, functools.partial(copy, count, width)))
        emit_first(builder, choices)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6, like), generate


@intrinsic
def _transpose(typing_context, source, stride, out, out_stride, like):
    """A square of as many numbers as a vector has; strides in bytes."""

    def generate(context, builder, signature, args):
        source, stride, out, out_stride, like = args
        size = bytes_of(like)
        width, half = VECTOR // size, 1
        kind, places = ir.VectorType(like.type, width), range(width)
        address = [builder.add(source, builder.mul(stride, ir.Constant(I64, i))) for i in places]
        rows = [load_from(builder, one, kind, size) for one in address]
        mask = ir.VectorType(I32, width)
        while half < width:  # exchange, within squares of 2 half, those beside the diagonal
            for i in places:
                if not i & half:
                    pair = rows[i], rows[i | half]
                    for k, row in ((0, i), (half, i | half)):
                        chosen = [j & ~half | k if not j & half else width + (j & ~half | k)
                                  for j in places]  # fmt: skip
                        rows[row] = builder.shuffle_vector(*pair, ir.Constant(mask, chosen))
            half *= 2
        for i, row in enumerate(rows):
            place = builder.add(out, builder.mul(out_stride, ir.Constant(I64, i)))
            builder.store(row, builder.inttoptr(place, kind.as_pointer()), align=size)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4, like), generate


@routine()
def pack(source, lane, step, lanes, depth, width, out, row, like):
    """Copy a block into panels: of panel p, number l of row k is the one that lies `lane` (p width
    + l) + `step` k bytes from `source`.

    Args:
        lanes, depth: of the block; width: lanes of a panel, of which the last may have fewer.
        out, row: where the panels go, end to end, and bytes from one row to the next.
    """
    item = size_of(like)
    square = VECTOR // item
    for first in range(0, lanes, width):
        here, begin = width if width < lanes - first else lanes - first, source + first * lane
        if lane == item and (here == VECTORS * square or here == ROWS):
            _copy(begin, step, depth, here, out, row, like)
        else:
            across = here - here % square if step == item else 0
            down = depth - depth % square if across else 0
            for i in range(0, across, square):
                for k in range(0, down, square):
                    _transpose(begin + i * lane + k * step, lane, out + k * row + i * item, row,
                               like)  # fmt: skip
            for k in range(depth):
                panel = vector(out + k * row, here, like)
                for i in range(across if k < down else 0, here):
                    panel[i] = vector(begin + i * lane + k * step, 1, like)[0]
        out += depth * row


def by_blas(a, a_row, a_k, rows, depth, b, b_k, b_column, columns, start, start_row, c, c_row,
            scratch, like):  # fmt: skip
    """What `gemm` does, by BLAS."""
    item, mine = size_of(like), vector(scratch, SCRATCH, np.int64(0))
    if start and start != c:
        for i in range(rows):
            first, out = vector(start + i * start_row, columns, like), c + i * c_row
            cast(first, vector(out, columns, like))
    across_a, across_b = a_k != item, b_column != item
    a_stride = max(a_k // item, rows) if across_a else max(a_row // item, depth)
    b_stride = max(b_column // item, depth) if across_b else max(b_k // item, columns)
    blas_gemm(a, rows, depth, a_stride, 1 if across_a else 0, b, b_stride, 1 if across_b else 0,
              columns, 1 if start else 0, c, c_row // item, mine[ROOM], like)  # fmt: skip


USES_BLAS = BLAS_FROM < 1 << 62
if USES_BLAS:
    by_blas = routine()(by_blas)


@routine()
def gemm(a, a_row, a_k, rows, depth, b, b_k, b_column, columns, start, start_row, c, c_row,
         scratch, like):  # fmt: skip
    """C = A B + S for A (rows, depth), B (depth, columns), and C and S (rows, columns).

    Args:
        a, b, start, c: addresses; start 0: S is nothing. S may be C.
        a_row, b_k, start_row, c_row: bytes from row to row, which may be 0 for S.
        a_k, b_column: bytes from column to column, of A and B; those of C and S lie side by side.
        scratch: of the share, which has room for panels.
    """
    if USES_BLAS:  # noqa: SIM102  a branch that Numba leaves out by itself
        if rows * depth * columns >= BLAS_FROM:
            by_blas(a, a_row, a_k, rows, depth, b, b_k, b_column, columns, start, start_row, c,
                    c_row, scratch, like)  # fmt: skip
            return
    item, packed_b = size_of(like), vector(scratch, SCRATCH, np.int64(0))[PACKED]
    wide = VECTORS * VECTOR // item
    packs_a = a_k != item and columns > 2 * wide
    packs_b = b_column != item or (rows > FEW and depth * columns * item > NEAR)
    deep = 1
    if depth:  # blocks of about equal depths
        pieces = (depth + DEPTH - 1) // DEPTH
        deep = ((depth + pieces - 1) // pieces + DEEP - 1) // DEEP * DEEP
    panels = (columns + wide - 1) // wide
    packed_a = packed_b + deep * (panels if panels < PANELS else PANELS) * wide * item
    height = HEIGHT if packs_a or rows == 0 else rows
    for k in range(0, depth if depth else 1, deep):
        n = deep if deep < depth - k else depth - k
        for j in range(0, columns, wide * PANELS):
            width = wide * PANELS if wide * PANELS < columns - j else columns - j
            panel, panel_k, next_panel = b + k * b_k + j * b_column, b_k, wide * item
            if packs_b:
                pack(panel, b_column, b_k, width, n, wide, packed_b, wide * item, like)
                panel, panel_k, next_panel = packed_b, wide * item, wide * n * item
            for i in range(0, rows, height):
                high = height if height < rows - i else rows - i
                place, row, right, below = a + i * a_row + k * a_k, a_row, a_k, ROWS * a_row
                if packs_a:
                    pack(place, a_row, a_k, high, n, ROWS, packed_a, ROWS * item, like)
                    place, row, right, below = packed_a, item, ROWS * item, ROWS * n * item
                for p in range(0, width, wide):
                    first, first_row = (start, start_row) if k == 0 else (c, c_row)
                    if first:
                        first += i * first_row + (j + p) * item
                    out, lanes = c + i * c_row + (j + p) * item, width - p
                    from_b = panel + p // wide * next_panel
                    for r in range(0, high, ROWS):
                        tile(place + r // ROWS * below, row, right, from_b, panel_k, n, first,
                             first_row, out, c_row, high - r, lanes, like)  # fmt: skip
                        first += ROWS * first_row if first else 0
                        out += ROWS * c_row


if config.DISABLE_JIT:  # the same as plain Python
    from .machine.plain import dots, gemm, pack  # noqa: F401
