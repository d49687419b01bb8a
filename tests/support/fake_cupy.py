"""A stand-in for the little of CuPy that the gpu device uses, to run its Python without a card.

Kernels run through cuda_on_cpu, arrays lie in the host's memory, graphs are lists of what was
launched. Like CuPy's, these arrays are never turned into NumPy's unasked, and an array of NumPy is
no operand: a transfer that was forgotten is an error here as well. What is here has the signatures
that CuPy's has, or fewer parameters; test_real_cupy.py compares them.
"""

import atexit
import contextlib
import ctypes
import operator
import re
import sys
import types

import cuda_kernels
import cuda_on_cpu
import fake_nccl
import numpy as np
import ptx_on_cpu
from fake_streams import Stream, current, do, not_while_capturing, state

CACHE = 1 << 12  # bytes of the L2 cache
# of a block, of a warp: small ones run much faster, and change no result
THREADS, WARP = (256, 32) if ptx_on_cpu.wanted() else (16, 4)
# what tinynet calls on arrays of the card, as np.sqrt(x) or x + y; CuPy lacks some of NumPy's
UFUNCS = ("add", "divide", "multiply", "power", "sqrt", "subtract")
FUNCTIONS = ("clip", "may_share_memory")

memory = types.SimpleNamespace(limit=None)  # bytes that an array may take


class OutOfMemoryError(MemoryError):
    pass


class MemoryPointer:
    def __init__(self, ptr):
        self.ptr = ptr

    def copy_from_host_async(self, mem, size, stream):
        """Reads the host's memory when the stream comes to it, not before."""
        assert mem in pinned, "an asynchronous copy needs pinned memory"
        stream.put(lambda: ctypes.memmove(self.ptr, mem, size))

    def copy_from_device_async(self, src, size, stream):
        do(lambda: ctypes.memmove(self.ptr, src.ptr, size))


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    def __init__(self, host):
        self.host = host

    @property
    def data(self):
        return MemoryPointer(self.host.ctypes.data if self.host.size else 0)

    def __len__(self):
        return len(self.host)

    def __getitem__(self, place):
        return ndarray(self.host[_inner(place)])

    def __setitem__(self, place, value):
        not_while_capturing()
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used")
        self.host[_inner(place)] = _inner(value)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None):
        not_while_capturing()
        _only_ours(inputs)
        assert (ufunc.__name__ in UFUNCS, method) == (True, "__call__"), f"{ufunc} is not listed"
        outputs = {} if out is None else {"out": tuple(_inner(o) for o in out)}
        result = ufunc(*map(_inner, inputs), **outputs)
        return out[0] if out is not None else ndarray(np.asarray(result))

    def __array_function__(self, function, kinds, args, kwargs):
        _only_ours(args)
        assert (function.__name__ in FUNCTIONS, kwargs) == (True, {}), f"{function} is not listed"
        result = function(*map(_inner, args))
        return ndarray(result) if isinstance(result, np.ndarray) else result

    def get(self):
        not_while_capturing()
        return self.host.copy()

    def set(self, arr):
        not_while_capturing()
        assert type(arr) is np.ndarray
        assert (arr.dtype, arr.shape) == (self.dtype, self.shape)
        assert self.flags.c_contiguous
        self.host[...] = arr

    def tolist(self):
        return self.get().tolist()

    def tobytes(self):
        return self.get().tobytes()

    def fill(self, value):
        do(lambda: self.host.fill(value))

    def reshape(self, *shape):
        return ndarray(self.host.reshape(*shape))

    def astype(self, dtype):
        return ndarray(self.host.astype(dtype))

    def view(self, dtype):
        return ndarray(self.host.view(dtype))

    def copy(self):
        return ndarray(self.host.copy())

    def sum(self, *, axis=None, keepdims=False):
        return ndarray(np.asarray(self.host.sum(axis=axis, keepdims=keepdims)))

    def mean(self, *, axis=None):
        return ndarray(np.asarray(self.host.mean(axis=axis)))


for _name in ("shape", "dtype", "ndim", "size", "nbytes", "itemsize", "strides", "flags"):
    setattr(ndarray, _name, property(operator.attrgetter(f"host.{_name}")))


def _inner(value):
    if isinstance(value, (tuple, list)):
        return type(value)(map(_inner, value))
    return value.host if isinstance(value, ndarray) else value


def _only_ours(values):
    for value in values:
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")


def empty(shape, dtype=float):
    """Undefined content shows: floats are NaN, integers far out of range."""
    not_while_capturing()
    host = np.empty(shape, dtype)
    if memory.limit is not None and host.nbytes > memory.limit:
        raise OutOfMemoryError(f"Out of memory allocating {host.nbytes} bytes")
    host.view(np.uint8).fill(0xFF) if host.ndim and host.size else None
    return ndarray(host)


def zeros(shape, dtype=float):
    return ndarray(np.zeros(shape, dtype))


def asarray(array, /, *, order):
    assert order == "C", "by default the order of the array's axes in memory is kept"
    copy = empty(array.shape, array.dtype)
    copy.host[...] = array
    return copy


def asnumpy(array, /):
    return array.get()


def ascontiguousarray(array, /):
    return array if array.flags.c_contiguous else ndarray(np.ascontiguousarray(array.host))


def broadcast_to(array, shape):
    return ndarray(np.broadcast_to(array.host, shape))


class RawModule:
    def __init__(self, code, *, options):
        assert type(options) is tuple
        (real,) = (re.fullmatch("-DREAL=(.*)", o)[1] for o in options if o.startswith("-DREAL"))
        self.code, self.dtype = code, {"float": "float32", "double": "float64"}[real]

    def get_function(self, name):
        not_while_capturing()
        assert re.search(rf"^(KERNEL |extern .*\n){name}\(", self.code, re.MULTILINE)
        return RawKernel(name, self.dtype, self.code)


class RawKernel:
    def __init__(self, name, dtype, code):
        self.name, self.dtype, self.code = name, dtype, code

    @property
    def kernel(self):
        """What the driver launches."""
        program = cuda_on_cpu.together(self.code, self.dtype, WARP)
        return types.SimpleNamespace(ptr=_number_of(program))

    def __call__(self, grid, block, args):
        assert type(grid) is type(block) is type(args) is tuple
        assert 1 <= grid[0] < 2**31
        products = ("product", "tensor_product")  # with what they go on with
        alone = self.name in products or self.name not in cuda_kernels.every()
        alone = alone or ptx_on_cpu.wanted()  # that is compiled sooner than all of them
        text = self.code if alone else None
        do(lambda: cuda_on_cpu.launch(self.name, grid[0], block[0], args, self.dtype, WARP, text))


_programs = []  # of persistent kernels
PER_MULTIPROCESSOR, MULTIPROCESSORS = 1, 3  # how many blocks of these run at the same time
COOPERATIVE = 1  # whether they can be started so that all of them do


def _number_of(program):
    if program not in _programs:
        _programs.append(program)
    return 1 + _programs.index(program)


def _launch_cooperative(f, grid_dim_x, grid_dim_y, grid_dim_z, block_dim_x, block_dim_y,
                        block_dim_z, shared_mem_bytes, stream, kernel_params):  # fmt: skip
    not_while_capturing()
    assert (grid_dim_y, grid_dim_z, block_dim_y, block_dim_z, shared_mem_bytes) == (1, 1, 1, 1, 0)
    assert COOPERATIVE
    assert 1 <= grid_dim_x <= PER_MULTIPROCESSOR * MULTIPROCESSORS, "they can't all run together"
    assert stream == cuda.get_current_stream().ptr
    program = _programs[f - 1]
    args = [np.int64(ctypes.c_int64.from_address(place).value)
            for place in (ctypes.c_void_p * 5).from_address(kernel_params)]  # fmt: skip
    do(lambda: cuda_on_cpu.run(program, "persistent", grid_dim_x, block_dim_x, args))


class Pinned:
    """The addresses of the host's memory that is pinned."""

    def __init__(self):
        self.ranges = []

    def __contains__(self, address):
        return any(start <= address < end for start, end in self.ranges)

    def alloc(self, size):
        room = bytearray(max(512, 1 << (size - 1).bit_length()))  # as its pool rounds it up
        size = len(room)
        start = ctypes.addressof(ctypes.c_char.from_buffer(room))
        self.ranges.append((start, start + size))
        return room


pinned = Pinned()


def _gemm(number):
    def gemm(handle, ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc):
        assert _handles[handle.value] == {"stream": cuda.get_current_stream().ptr, "room": True}
        shape = (number, ta, tb, m, n, k)
        assert state.capturing is None or shape in _loaded, (
            "its kernel would be loaded in a capture"
        )
        _loaded.add(shape)
        assert alpha._obj.value == 1
        assert beta._obj.value == 0

        def by_columns(pointer, rows, columns, ld):
            room = (number * (ld * columns)).from_address(pointer.value)
            return np.frombuffer(room, number).reshape(columns, ld).T[:rows]

        def work():
            a = by_columns(A, k, m, lda).T if ta else by_columns(A, m, k, lda)
            b = by_columns(B, n, k, ldb).T if tb else by_columns(B, k, n, ldb)
            by_columns(C, m, n, ldc)[...] = a @ b

        do(work)
        return 0

    return gemm


_loaded = set()  # products that have been made before
_handles = {}  # of cuBLAS -> the stream that it was given, and whether it was given room


def _create(handle):
    not_while_capturing()
    handle._obj.value = 1 + max(_handles, default=0)
    _handles[handle._obj.value] = {"stream": 0, "room": False}
    return 0


def _destroy(handle):
    not_while_capturing()
    del _handles[handle.value]
    return 0


def _set_stream(handle, stream):
    not_while_capturing()
    _handles[handle.value] = {"stream": stream.value or 0, "room": False}  # its own room again
    return 0


def _set_workspace(handle, room, size):
    not_while_capturing()
    _handles[handle.value]["room"] = bool(room.value and size.value)
    return 0


cublas = types.SimpleNamespace(
    cublasSgemm_v2=_gemm(ctypes.c_float), cublasDgemm_v2=_gemm(ctypes.c_double),
    cublasCreate_v2=_create, cublasDestroy_v2=_destroy, cublasSetStream_v2=_set_stream,
    cublasSetWorkspace_v2=_set_workspace,
    cublasSetMathMode=lambda handle, mode: 0,
)  # fmt: skip


def _free():
    return memory.limit if memory.limit is not None else 1 << 40


def _elapsed(start_event, end_event):
    """Milliseconds between two events: one for every launch."""
    stream = start_event.stream
    assert end_event.stream is stream
    assert end_event.place <= stream.begun, "the end has not come yet"
    return float(end_event.place - start_event.place)


_pool = types.SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=lambda: None)
get_default_memory_pool = get_default_pinned_memory_pool = lambda: _pool
cuda = types.SimpleNamespace(
    Stream=Stream,
    alloc_pinned_memory=pinned.alloc,
    get_current_stream=current,
    memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    driver=types.SimpleNamespace(
        launchCooperativeKernel=_launch_cooperative,
        occupancyMaxActiveBlocksPerMultiprocessor=(
            lambda func, blockSize, dynamicSMemSize: PER_MULTIPROCESSOR
        ),
    ),
    runtime=types.SimpleNamespace(
        memGetInfo=lambda: (_free(), 1 << 40),
        getDeviceProperties=lambda device: {"l2CacheSize": CACHE},
    ),
    Device=lambda: types.SimpleNamespace(
        id=0,
        attributes={
            "MultiProcessorCount": MULTIPROCESSORS,
            "CooperativeLaunch": COOPERATIVE,
            "ComputeCapabilityMajor": 9,
            "ComputeCapabilityMinor": 0,
        },
    ),
    get_elapsed_time=_elapsed,
)


@contextlib.contextmanager
def in_place_of_a_card():
    """Within: the gpu device runs on this."""
    from tinynet.kernels.gpu.card import runtime as card_runtime

    cuda_on_cpu.compiler()
    before = card_runtime._current
    card = card_runtime._current = card_runtime.Runtime(
        sys.modules[__name__], cublas, THREADS, WARP
    )
    card.load_nccl, memory.limit = lambda: fake_nccl, None
    try:
        yield
    finally:
        card_runtime._current = before
        atexit.unregister(card.forget_graphs)  # it would keep the card's workspace
