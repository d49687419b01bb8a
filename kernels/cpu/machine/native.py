"""What Numba does not offer by itself: BLAS by address, arrays by address, atomics, meeting.

BLAS is called through SciPy's exported function pointers, so a product needs no copies, takes any
leading dimension, and runs on the thread that calls it. The pointers are registered as symbols,
which lets Numba keep the compiled code on disk.
"""

import functools
import platform
import sys

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic
from numba.np.arrayobj import make_array, populate_array

for _name in ("sgemm", "dgemm"):
    _address = get_cython_function_address("scipy.linalg.cython_blas", _name)
    llvm.add_symbol(f"tinynet_{_name}", _address)

# all arguments are pointers, as in Fortran: transa, transb, m, n, k, alpha, a, lda, b, ldb,
# beta, c, ldc
_gemm = types.void(*[types.voidptr] * 13)
_sgemm = types.ExternalFunction("tinynet_sgemm", _gemm)
_dgemm = types.ExternalFunction("tinynet_dgemm", _gemm)

I64 = ir.IntType(64)


def inner(**options):
    """Numba's `njit` for what only compiled code calls: without the ways in from Python and from
    C, which would take a third of the time to compile. Called from Python it raises a TypeError.
    """

    def decorate(function):
        made = njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
        if not config.DISABLE_JIT:
            made._insert = lambda *way_in: None  # into Numba's table of what Python may call
            made._compile_for_args = functools.partial(_refuse, function.__name__)
        return made

    return decorate


def _refuse(name, *args, **options):
    raise TypeError(f"{name} is a part of compiled kernels and has no way in from Python; call the "
                    f"kernels, its text {name}.py_func, or compile a function that calls "
                    "it")  # fmt: skip


# Put into the text that calls it: compiled with it once, instead of alone and then with it.
inlined = njit(inline="always")


@intrinsic
def pointer(typing_context, address):
    """An int64 address as a pointer."""
    signature = types.voidptr(types.int64)

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return signature, generate


@intrinsic
def atomic_add(typing_context, address, value):
    """Add to the int64 at `address`; returns what was there."""
    signature = types.int64(types.int64, types.int64)

    def generate(context, builder, signature, args):
        where = builder.inttoptr(args[0], I64.as_pointer())
        return builder.atomic_rmw("add", where, args[1], "seq_cst")

    return signature, generate


@intrinsic
def atomic_exchange(typing_context, address, expected, value):
    """Write the int64 at `address` if it is the expected one; returns whether it was."""
    signature = types.boolean(*[types.int64] * 3)

    def generate(context, builder, signature, args):
        where = builder.inttoptr(args[0], I64.as_pointer())
        found = builder.cmpxchg(where, args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(found, 1)

    return signature, generate


@intrinsic
def load(typing_context, address, number):
    """Number `number` of the int64 at `address`."""
    signature = types.int64(types.int64, types.int64)

    def generate(context, builder, signature, args):
        where = builder.inttoptr(args[0], I64.as_pointer())
        return builder.load(builder.gep(where, [args[1]]))

    return signature, generate


@intrinsic
def atomic_load(typing_context, address):
    """The int64 at `address`, as other threads left it."""
    signature = types.int64(types.int64)

    def generate(context, builder, signature, args):
        where = builder.inttoptr(args[0], I64.as_pointer())
        return builder.load_atomic(where, "acquire", 8)

    return signature, generate


@intrinsic
def multiply_high(typing_context, a, b):
    """The upper 64 bits of the product of two uint64."""
    signature = types.uint64(types.uint64, types.uint64)

    def generate(context, builder, signature, args):
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), I64)

    return signature, generate


@intrinsic
def call_op(typing_context, address, words, numbers, first, last, step, scratch, like):
    """Call the compiled instruction at `address` (see `machine.loop.op`)."""
    signature = types.void(*[types.int64] * 7, like)

    def generate(context, builder, signature, args):
        kinds = [I64] * 6 + [args[7].type]
        where = builder.inttoptr(args[0], ir.FunctionType(ir.VoidType(), kinds).as_pointer())
        builder.call(where, args[1:])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def call_back(typing_context, address):
    """Call the function of no arguments at `address`; for Python's ctypes takes the GIL."""
    signature = types.void(types.int64)

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [])
        return context.get_dummy_value()

    return signature, generate


# Numbers below 1.2e-38 (float32) count as zero while we compute, as they do in XLA: an Adam whose
# moments fade away over rarely lit pixels would take twice as long for them.
_MACHINE = platform.machine().lower()
X86, ARM = _MACHINE in ("x86_64", "amd64"), _MACHINE in ("aarch64", "arm64")
FLUSH = 0x8040 if X86 else 1 << 24 if ARM else 0  # FTZ and DAZ in MXCSR; FZ in FPCR


@intrinsic
def float_mode(typing_context):
    """This thread's control word for arithmetic on floats; 0 where we know none."""

    def generate(context, builder, signature, args):
        if X86:
            word = cgutils.alloca_once(builder, ir.IntType(32))
            _mxcsr(builder, "st", word)
            return builder.zext(builder.load(word), I64)
        if ARM:
            return builder.call(_fpcr(builder, "get", ir.FunctionType(I64, [])), [])
        return ir.Constant(I64, 0)

    return types.int64(), generate


@intrinsic
def set_float_mode(typing_context, mode):
    """Make `mode` this thread's control word."""
    signature = types.void(types.int64)

    def generate(context, builder, signature, args):
        if X86:
            word = cgutils.alloca_once(builder, ir.IntType(32))
            builder.store(builder.trunc(args[0], ir.IntType(32)), word)
            _mxcsr(builder, "ld", word)
        elif ARM:
            builder.call(_fpcr(builder, "set", ir.FunctionType(ir.VoidType(), [I64])), args)
        return context.get_dummy_value()

    return signature, generate


def _mxcsr(builder, direction, word):
    bytes_ = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [bytes_])
    name = f"llvm.x86.sse.{direction}mxcsr"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(function, [builder.bitcast(word, bytes_)])


def _fpcr(builder, direction, kind):
    """LLVM's function for ARM's control word; inline assembler would need a parser for it."""
    return cgutils.get_or_insert_function(builder.module, kind, f"llvm.aarch64.{direction}.fpcr")


@intrinsic
def _core_set(typing_context):
    """The address, good until the function returns, of a bit for each of 1024 cores, all 0."""

    def generate(context, builder, signature, args):
        bits = cgutils.alloca_once(builder, ir.ArrayType(I64, 16), zfill=True)
        return builder.ptrtoint(bits, I64)

    return types.int64(), generate


# How a thread sleeps until the number at an address is no longer `seen`, and is woken. On Linux
# with a futex, which looks at the lower 32 bits; elsewhere it sleeps so shortly that it needs no
# waking.
_FUTEX, _SET_CORES, _GET_CORES = {
    "x86_64": (202, 203, 204), "aarch64": (98, 122, 123)
}.get(_MACHINE, (None,) * 3) if sys.platform == "linux" else (None,) * 3  # fmt: skip
_WAIT, _WAKE = 128, 129  # FUTEX_WAIT and FUTEX_WAKE among the threads of one process
SLEEPERS = 8  # bytes from the number of arrivals to that of threads that sleep
WOKEN = 16  # and to how many had arrived when some were last woken

if _FUTEX is not None:
    _syscall = types.ExternalFunction("syscall", types.int64(*[types.int64] * 7))
    _current_core = types.ExternalFunction("sched_getcpu", types.int32())

    @inner()
    def sleep_while(counter, seen):
        core = _current_core()
        atomic_add(counter + SLEEPERS, 1)
        _syscall(_FUTEX, counter, _WAIT, seen & 0xFFFFFFFF, 0, 0, 0)
        atomic_add(counter + SLEEPERS, -1)
        if _current_core() != core:
            _go_back_to(core)

    @inner()
    def _go_back_to(core):
        """Move this thread to the core that it slept on.

        Linux likes to wake a thread on the core of the one that wakes it. There they take turns,
        each asleep while the other computes, until the system spreads them after some 50 ms.
        """
        allowed, one = _core_set(), _core_set()
        if core >= 1024 or _syscall(_GET_CORES, 0, 128, allowed, 0, 0, 0) <= 0:
            return
        vector(one, 16, np.int64(0))[core >> 6] = np.int64(1) << np.int64(core & 63)
        _syscall(_SET_CORES, 0, 128, one, 0, 0, 0)
        _syscall(_SET_CORES, 0, 128, allowed, 0, 0, 0)

    @inlined
    def wake_all(counter):
        _syscall(_FUTEX, counter, _WAKE, 1 << 30, 0, 0, 0)

else:
    if sys.platform == "win32":
        llvm.load_library_permanently("kernel32")
        _sleep = types.ExternalFunction("Sleep", types.void(types.int32))  # milliseconds; 0: yield
        _SHORTLY = 0
    else:
        _sleep = types.ExternalFunction("usleep", types.int32(types.int32))
        _SHORTLY = 1

    @inner()
    def sleep_while(counter, seen):
        _sleep(_SHORTLY)

    @inlined
    def wake_all(counter):
        pass


# Turns of its loop before a worker that waits sleeps, some 0.1 ms: more than it waits for another
# that has a core, and far less than another process keeps one. With 20,000 the second core fell
# asleep in steps of one row (0.63 of the speed), with 200,000 a busy machine gains less. To wake a
# core that sleeps takes about as long: right after one was woken the others have more patience,
# else all sleep in turns, step after step.
SPINS = 100_000
MORE, ROUNDS = 4, 16  # how many times as many turns, in how many stages after


# Where workers meet: int64 of arrivals, threads that sleep, the arrivals when some were last woken;
# from CLAIMS on, a cache line for each share with the number of the last stage that was claimed.
LINE = 64  # bytes of a cache line
CLAIMS = LINE
MEETING = LINE // 8  # int64 of it before the shares, and for each


@inlined
def claim(meeting, share, stage):
    """Return whether the caller is the one to do a share of a stage, numbered from 1.

    All shares of a stage are done before one of the next is claimed: a worker that comes late, to a
    stage that others have done, is given none.
    """
    place = meeting + CLAIMS + share * LINE
    seen = atomic_load(place)
    return seen < stage and atomic_exchange(place, seen, stage)


@inlined
def arrive(meeting, shares, goal):
    """Count shares as done; those that make it `goal` end the stage, and wake who sleeps."""
    if atomic_add(meeting, shares) + shares == goal and atomic_load(meeting + SLEEPERS):
        vector(meeting + WOKEN, 1, np.int64(0))[0] = goal
        wake_all(meeting)


@inlined
def patience(meeting, goal, shares):
    """How many turns of its loop a worker waits for a stage to end before it sleeps."""
    woken = atomic_load(meeting + WOKEN)
    return MORE * SPINS if woken > 0 and goal <= woken + ROUNDS * shares else SPINS


@inlined
def sleep_until(meeting, goal):
    """Sleep, unless the stage has ended; it may not have when the caller is awake again."""
    seen = atomic_load(meeting)
    if seen < goal:
        sleep_while(meeting, seen)


@intrinsic
def vector(typing_context, address, n, like):
    """The n numbers of like's type at `address`."""
    return _array_at(like, 1, "C")


@intrinsic
def matrix(typing_context, address, n, m, like):
    """The (n, m) numbers of like's type at `address`."""
    return _array_at(like, 2, "C")


@intrinsic
def columns(typing_context, address, n, m, stride, like):
    """(n, m) numbers, columns of a wider matrix whose rows begin `stride` bytes apart."""
    return _array_at(like, 2, "A", types.int64)


def _array_at(like, ndim, layout, *stride):
    number = types.unliteral(like)
    array = types.Array(number, ndim, layout)

    def generate(context, builder, signature, args):
        data = context.get_data_type(number).as_pointer()
        size = context.get_constant(types.intp, number.bitwidth // 8)
        strides = [size]
        if ndim == 2:
            strides = [args[3] if stride else builder.mul(args[2], size), size]
        made = make_array(array)(context, builder)
        where = builder.inttoptr(args[0], data)
        populate_array(made, where, args[1 : 1 + ndim], strides, size, None)
        return made._getvalue()

    return array(*[types.int64] * (1 + ndim), *stride, like), generate


def operand_address(head):
    """Return the compiled function `at`, for words in which operands begin at number `head`."""

    @intrinsic
    def at(typing_context, word, i, row, step):
        """Address of operand i for sample `row` of step number `step` of a run."""

        def generate(context, builder, signature, args):
            words = make_array(signature.args[0])(context, builder, args[0]).data
            place = builder.add(builder.mul(args[1], ir.Constant(I64, 3)), ir.Constant(I64, head))
            base, by_row, by_step = (
                builder.load(builder.gep(words, [builder.add(place, ir.Constant(I64, k))]))
                for k in range(3)
            )
            moved = builder.add(builder.mul(args[2], by_row), builder.mul(args[3], by_step))
            return builder.add(base, moved)

        return types.int64(word, *[types.int64] * 3), generate

    return at


@intrinsic
def size_of(typing_context, like):
    """Bytes of a number of like's type."""
    size = types.unliteral(like).bitwidth // 8
    return types.int64(like), lambda context, builder, *_: ir.Constant(I64, size)


# Where Fortran finds its arguments: "N", "T", then room for what changes from call to call.
_LETTERS = np.int64(ord("N") | ord("T") << 8)


@inlined
def blas_gemm(a, rows, depth, a_stride, a_transposed, b, b_stride, b_transposed, columns, adds,
              c, c_stride, room, like):  # fmt: skip
    """C = or (`adds`: 1) += op(A) op(B) for row-major arrays of like's type, all given by address.

    op(A) is (rows, depth), op(B) (depth, columns), transposed (1) or not (0); strides are those of
    the arrays as stored, in numbers; `room` is the address of 64 bytes. Fortran sees row-major
    arrays transposed, so it is asked for C^T = op(B)^T op(A)^T.
    """
    words, sizes = vector(room, 1, np.int64(0)), vector(room + 8, 6, np.int32(0))
    words[0] = _LETTERS
    sizes[0], sizes[1], sizes[2] = columns, rows, depth
    sizes[3], sizes[4], sizes[5] = b_stride, a_stride, c_stride
    factors = vector(room + 32, 2, like)
    factors[0], factors[1] = 1, adds
    arguments = (
        pointer(room + b_transposed), pointer(room + a_transposed),
        pointer(room + 8), pointer(room + 12), pointer(room + 16), pointer(room + 32),
        pointer(b), pointer(room + 20), pointer(a), pointer(room + 24),
        pointer(room + 32 + size_of(like)), pointer(c), pointer(room + 28),
    )  # fmt: skip
    if size_of(like) == 4:
        _sgemm(*arguments)
    else:
        _dgemm(*arguments)


if config.DISABLE_JIT:  # Numba then compiles nothing: the same names as plain Python
    from .plain import *  # noqa: F403
