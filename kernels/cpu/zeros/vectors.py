"""Rows times a few numbers, and where a row is not zero: written in LLVM's vectors.

Left to itself the compiler unrolls a loop over 300 numbers by 64 and spends most of its time on the
rest, and reads and writes the sum again for every row that is added. Here the whole sum stays in
registers.
"""

import functools

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from ..machine.native import I64, inner, size_of
from ..machine.routines import routine

# What Numba compiles for: less than the processor has under NUMBA_CPU_FEATURES, NUMBA_ENABLE_AVX=0.
_features = set(cpu_target.target_context.codegen().magic_tuple()[2].split(","))
# Bytes of a vector, and numbers of them for which there is code: the most for which registers are
# left for the rest (19 hold 300 float32), and few, since each takes its time to compile.
if "+avx512f" in _features:
    VECTOR, SUMS = 64, (1, 2, 4, 8, 13, 19)
elif "+avx2" in _features:
    VECTOR, SUMS = 32, (1, 2, 4, 8, 12)
else:
    VECTOR, SUMS = 16, (1, 2, 4, 8, 12)
MOST = SUMS[-1]
COMPRESSES = VECTOR == 64  # whether a vector's numbers can be chosen by a mask and written together


def load_from(builder, address, kind, align):
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=align)


def spread(builder, value, kind):
    if not isinstance(kind, ir.VectorType):
        return value
    nothing = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None)
    return builder.shuffle_vector(one, nothing, zeros)


def emit_first(builder, choices):
    """Have the code run what the first function emits whose condition (an i1) holds, if one does.

    Args:
        choices: pairs of functions of no arguments: one that returns the condition, one that emits.
    """
    done = builder.append_basic_block("done")
    for condition, emit in choices:
        here, next_one = builder.append_basic_block(), builder.append_basic_block()
        builder.cbranch(condition(), here, next_one)
        builder.position_at_end(here)
        emit()
        builder.branch(done)
        builder.position_at_end(next_one)
    builder.branch(done)
    builder.position_at_end(done)


def _sum_in_registers(builder, width, count, least, args):
    """The sum for `least` numbers or more, in `count` vectors of `width` numbers each."""
    out, first, places, factors, begin, end, rows, stride, n, like = args
    number, size = like.type, bytes_of(like)
    kind = ir.VectorType(number, width) if width > 1 else number
    # vectors lie side by side, but none beyond the end: there two overlap, with equal numbers
    last = builder.mul(builder.sub(n, ir.Constant(I64, width)), ir.Constant(I64, size))
    offsets = [ir.Constant(I64, j * width * size) for j in range(count)]
    for j in range(least // width, count):  # the others need no register
        before = builder.icmp_signed("<", offsets[j], last)
        offsets[j] = builder.select(before, offsets[j], last)
    sums = [cgutils.alloca_once(builder, kind) for _ in offsets]
    with builder.if_else(cgutils.is_null(builder, first)) as (nothing, something):
        with nothing:
            for total in sums:
                builder.store(ir.Constant(kind, None), total)
        with something:
            for total, offset in zip(sums, offsets, strict=True):
                builder.store(load_from(builder, builder.add(first, offset), kind, size), total)
    with cgutils.for_range_slice(builder, begin, end, ir.Constant(I64, 1), I64) as (c, _):
        place = builder.add(places, builder.mul(c, ir.Constant(I64, 4)))
        place = builder.sext(load_from(builder, place, ir.IntType(32), 4), I64)
        row = builder.add(rows, builder.mul(place, stride))
        factor = builder.add(factors, builder.mul(c, ir.Constant(I64, size)))
        factor = spread(builder, load_from(builder, factor, number, size), kind)
        for total, offset in zip(sums, offsets, strict=True):
            value = load_from(builder, builder.add(row, offset), kind, size)
            product = builder.fmul(factor, value, flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
    for total, offset in zip(sums, offsets, strict=True):
        target = builder.inttoptr(builder.add(out, offset), kind.as_pointer())
        builder.store(builder.load(total), target, align=size)


def bytes_of(number):
    return 4 if isinstance(number.type, ir.FloatType) else 8


@intrinsic
def _sum_few(typing_context, out, first, places, factors, begin, end, rows, stride, n, like):
    """What `sum_rows_times` does, for no more numbers than fit the registers."""

    def generate(context, builder, signature, args):
        n, full = args[8], VECTOR // bytes_of(args[9])
        bodies, width = [], 1
        while width < full:  # fewer numbers than a vector has: two smaller ones
            bodies.append((2 * width - 1, width, min(width, 2)))
            width *= 2
        bodies += [(full * count, full, count) for count in SUMS]
        least = [1, *(most + 1 for most, _, _ in bodies)]
        emit_first(builder, [(
            functools.partial(builder.icmp_signed, "<=", n, ir.Constant(I64, most)),
            functools.partial(_sum_in_registers, builder, width, count, first, args),
        ) for (most, width, count), first in zip(bodies, least, strict=False)])  # fmt: skip
        return context.get_dummy_value()

    return types.void(*[types.int64] * 9, like), generate


@routine()
def sum_rows_times(out, first, places, factors, begin, end, rows, stride, n, like):
    """out = first + the sum over c from begin to end of factors[c] row[places[c]], n numbers each.

    All are addresses: `out` and `first` of n numbers (0: nothing to start from), `places` of int32,
    `factors` of numbers of like's type, `rows` of the first row, `stride` bytes before the next.
    """
    item = size_of(like)
    parts = max((n * item + VECTOR * MOST - 1) // (VECTOR * MOST), 1)
    for part in range(parts):
        low, high = n * part // parts, n * (part + 1) // parts
        if low < high:
            at = low * item
            _sum_few(out + at, first + at if first else 0, places, factors, begin, end, rows + at,
                     stride, high - low, like)  # fmt: skip


# ------------------------------------------------------------------------------ what is not zero


def _converted(builder, numbers, element):
    """A vector of integers or floats as one of `element`."""
    kind, given = ir.VectorType(element, numbers.type.count), numbers.type.element
    if isinstance(given, ir.IntType):
        return (builder.uitofp if given.width == 8 else builder.sitofp)(numbers, kind)
    if given == element:
        return numbers
    wider = isinstance(element, ir.DoubleType)
    return (builder.fpext if wider else builder.fptrunc)(numbers, kind)


def _not_zero(builder, numbers):
    """A bit for each number of a vector: whether it is not zero; NaN is not."""
    zero = ir.Constant(numbers.type, None)
    if isinstance(numbers.type.element, ir.IntType):
        return builder.icmp_signed("!=", numbers, zero)
    return builder.fcmp_unordered("!=", numbers, zero)


def _write_chosen(builder, numbers, chosen, address):
    """Write the chosen numbers of a 64-byte vector one after another (AVX-512)."""
    kind = numbers.type
    letter = {"float": "f32", "double": "f64", "i32": "i32"}[str(kind.element)]
    signature = ir.FunctionType(kind, [kind, kind, chosen.type])
    name = f"llvm.x86.avx512.mask.compress.v{kind.count}{letter}"
    compress = cgutils.get_or_insert_function(builder.module, signature, name)
    packed = builder.call(compress, [numbers, ir.Constant(kind, None), chosen])
    builder.store(packed, builder.inttoptr(address, kind.as_pointer()), align=4)


@intrinsic
def _append(typing_context, address, column, columns, values, given, like):
    """Append those of the 16, or 8, numbers at `address`, of given's type, that are not zero.

    The first one's column is `column`; `columns` and `values` are where the next entry's int32 and
    number of like's type go, with room for 64 bytes; returns how many there were.
    """

    def generate(context, builder, signature, args):
        address, column, columns, values, given, like = args
        count = 64 // bytes_of(like)
        int32 = ir.IntType(32)
        places = ir.VectorType(int32, 16)
        numbers = load_from(builder, address, ir.VectorType(given.type, count), 1)
        chosen = _not_zero(builder, numbers)
        bits = builder.bitcast(chosen, ir.IntType(count))
        if count < 16:
            wide = builder.zext(bits, ir.IntType(16))
            wide = builder.bitcast(wide, ir.VectorType(ir.IntType(1), 16))
        else:
            wide = chosen
        every = builder.add(
            ir.Constant(places, list(range(16))),
            spread(builder, builder.trunc(column, int32), places),
        )
        _write_chosen(builder, every, wide, columns)
        _write_chosen(builder, _converted(builder, numbers, like.type), chosen, values)
        return builder.zext(builder.ctpop(bits), I64)

    return types.int64(*[types.int64] * 4, given, like), generate


@inner()
def not_zero(row, low, columns, values, count):
    """Append the entries of a row that are not zero, columns counted from `low`; returns how many
    there are by now. There must be room for SLACK more.
    """
    given, nothing, T = row.dtype.type(1), row.dtype.type(0), values.dtype.type
    k = 0
    if COMPRESSES:
        step = 64 // values.itemsize
        address, at_columns, at_values = row.ctypes.data, columns.ctypes.data, values.ctypes.data
        while k + step <= row.size:
            count += _append(address + k * row.itemsize, low + k, at_columns + count * 4,
                             at_values + count * values.itemsize, given, T(0))  # fmt: skip
            k += step
    while k < row.size:
        columns[count], values[count] = low + k, T(row[k])
        count += row[k] != nothing
        k += 1
    return count


@inner()
def not_zero_plain(row, low, columns, values, count):
    """The same, one number after another: less to compile."""
    nothing, T = row.dtype.type(0), values.dtype.type
    for k in range(row.size):
        columns[count], values[count] = low + k, T(row[k])
        count += row[k] != nothing
    return count


@intrinsic
def _fetch_line(typing_context, address):
    signature = types.void(types.int64)

    def generate(context, builder, signature, args):
        bytes_, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [bytes_, int32, int32, int32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch")
        options = [ir.Constant(int32, n) for n in (0, 3, 1)]  # to read, soon, data
        builder.call(function, [builder.inttoptr(args[0], bytes_), *options])
        return context.get_dummy_value()

    return signature, generate


@inner()
def fetch(address, size):
    """Ask for `size` bytes to be brought near, without waiting for them."""
    for line in range(0, size, 64):
        _fetch_line(address + line)


if config.DISABLE_JIT:  # Numba then compiles nothing: the same names as plain Python
    from ..machine.plain import *  # noqa: F403
