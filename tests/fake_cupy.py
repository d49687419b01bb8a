"""A stand-in for the little of CuPy that the gpu device uses, to run its Python without a card.

Kernels run through cuda_on_cpu, arrays lie in the host's memory, graphs are lists of what was
launched. Like CuPy's, these arrays are never turned into NumPy's unasked, and an array of NumPy is
no operand: a transfer that was forgotten is an error here as well.
"""

import contextlib
import ctypes
import operator
import re
import sys
import types

import cuda_on_cpu
import numpy as np

CACHE = 1 << 12  # bytes of the L2 cache
THREADS, WARP = 8, 4  # of a block, of a warp: small ones run much faster, and change no result

_capturing = None  # launches of the graph that is being captured
_streams = []
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
        return MemoryPointer(self.host.ctypes.data)

    @property
    def T(self):
        return ndarray(self.host.T)

    def __len__(self):
        return len(self.host)

    def __getitem__(self, place):
        return ndarray(self.host[_inner(place)])

    def __setitem__(self, place, value):
        _not_while_capturing()
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used")
        self.host[_inner(place)] = _inner(value)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        _not_while_capturing()
        _only_ours(inputs)
        if out is not None:
            kwargs["out"] = tuple(_inner(o) for o in out)
        result = getattr(ufunc, method)(*map(_inner, inputs), **kwargs)
        return out[0] if out is not None else ndarray(np.asarray(result))

    def __array_function__(self, function, kinds, args, kwargs):
        _only_ours(args)
        kwargs = {k: _inner(v) for k, v in kwargs.items()}
        result = function(*map(_inner, args), **kwargs)
        return ndarray(result) if isinstance(result, np.ndarray) else result

    def __float__(self):
        return float(self.host)

    def __bool__(self):
        return bool(self.host)

    def get(self):
        _not_while_capturing()
        return self.host.copy()

    def tolist(self):
        return self.get().tolist()

    def tobytes(self):
        return self.get().tobytes()

    def fill(self, value):
        self.host.fill(value)


def _method(name):
    def call(self, *args, **kwargs):
        return ndarray(np.asarray(getattr(self.host, name)(*map(_inner, args), **kwargs)))

    return call


for _name in ("reshape", "astype", "swapaxes", "sum", "copy", "view", "ravel", "mean", "max"):
    setattr(ndarray, _name, _method(_name))
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


def _not_while_capturing():
    if _capturing is not None:
        raise RuntimeError("operation not permitted when stream is capturing")


def empty(shape, dtype=float):
    """Undefined content shows: floats are NaN, integers far out of range."""
    _not_while_capturing()
    host = np.empty(shape, dtype)
    if memory.limit is not None and host.nbytes > memory.limit:
        raise OutOfMemoryError(f"Out of memory allocating {host.nbytes} bytes")
    host.view(np.uint8).fill(0xFF) if host.ndim and host.size else None
    return ndarray(host)


def zeros(shape, dtype=float):
    return ndarray(np.zeros(shape, dtype))


def asarray(array):
    if isinstance(array, ndarray):
        return array
    copy = empty(array.shape, array.dtype)
    copy.host[...] = array
    return copy


def asnumpy(array):
    return array.get() if isinstance(array, ndarray) else np.asarray(array)


def ascontiguousarray(array):
    return array if array.flags.c_contiguous else ndarray(np.ascontiguousarray(array.host))


def broadcast_to(array, shape):
    return ndarray(np.broadcast_to(array.host, shape))


class RawModule:
    def __init__(self, code, options):
        (real,) = (re.fullmatch("-DREAL=(.*)", o)[1] for o in options if o.startswith("-DREAL"))
        self.dtype = {"float": "float32", "double": "float64"}[real]

    def get_function(self, name):
        def launch(grid, block, args):
            assert 1 <= grid[0] < 2**31
            do(lambda: cuda_on_cpu.launch(name, grid[0], block[0], args, self.dtype, WARP))

        return launch


def do(work):
    """Run a launch, or keep it for the graph that is being captured."""
    if _capturing is None:
        work()
    else:
        _capturing.append(work)


class Graph:
    def __init__(self, launches):
        self.launches = launches

    def launch(self, stream=None):
        for work in self.launches:
            stream.put(work) if stream is not None else work()


class Event:
    """A place in a stream."""

    def __init__(self, stream):
        self.stream, self.place = stream, stream.begun + len(stream.waiting)

    def synchronize(self):
        self.stream.run_to(self.place)


class Stream:
    """Work waits as long as it may: until somebody waits for it. So a missing event shows."""

    ptr = 0

    def __init__(self, ptr=None):
        self.ptr = id(self) if ptr is None else ptr
        self.waiting, self.begun = [], 0

    def __enter__(self):
        _streams.append(self)
        return self

    def __exit__(self, *_):
        _streams.pop()

    def begin_capture(self):
        global _capturing
        assert self.ptr, "the default stream can't be captured"
        assert _capturing is None
        _capturing = []

    def end_capture(self):
        global _capturing
        graph, _capturing = Graph(_capturing), None
        return graph

    def put(self, work):
        _not_while_capturing()
        self.waiting.append(work)

    def record(self):
        _not_while_capturing()
        return Event(self)

    def wait_event(self, event):
        self.put(event.synchronize)

    def run_to(self, place):
        while self.begun < place:
            self.begun += 1
            self.waiting.pop(0)()

    def synchronize(self):
        _not_while_capturing()
        self.run_to(self.begun + len(self.waiting))


class Pinned:
    """The addresses of the host's memory that is pinned."""

    def __init__(self):
        self.ranges = []

    def __contains__(self, address):
        return any(start <= address < end for start, end in self.ranges)

    def alloc(self, size):
        room = bytearray(size)
        start = ctypes.addressof(ctypes.c_char.from_buffer(room))
        self.ranges.append((start, start + size))
        return room


pinned = Pinned()


def _gemm(number):
    def gemm(handle, ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc):
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


def _none(*_):
    _not_while_capturing()
    return 0


cublas = types.SimpleNamespace(
    cublasSgemm_v2=_gemm(ctypes.c_float), cublasDgemm_v2=_gemm(ctypes.c_double),
    cublasCreate_v2=_none, cublasSetStream_v2=_none, cublasSetWorkspace_v2=_none,
    cublasSetMathMode=_none,
)  # fmt: skip


def _free():
    return memory.limit if memory.limit is not None else 1 << 40


def _elapsed(start, end):
    """Milliseconds between two events: one for every launch."""
    assert start.stream is end.stream
    assert end.place <= end.stream.begun, "the end has not come yet"
    return float(end.place - start.place)


_pool = types.SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=lambda: None)
get_default_memory_pool = lambda: _pool  # noqa: E731
cuda = types.SimpleNamespace(
    Stream=Stream,
    alloc_pinned_memory=pinned.alloc,
    get_current_stream=lambda: _streams[-1] if _streams else Stream(0),
    memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    runtime=types.SimpleNamespace(
        memGetInfo=lambda: (_free(), 1 << 40), getDeviceProperties=lambda _: {"l2CacheSize": CACHE}
    ),
    Device=lambda: types.SimpleNamespace(id=0),
    get_elapsed_time=_elapsed,
)


@contextlib.contextmanager
def in_place_of_a_card():
    """Within: the gpu device runs on this."""
    from tinynet.kernels import _gpu_runtime

    cuda_on_cpu.compiler()
    before = _gpu_runtime._current
    _gpu_runtime._current = _gpu_runtime.Runtime(sys.modules[__name__], cublas, THREADS, WARP)
    memory.limit = None
    try:
        yield
    finally:
        _gpu_runtime._current = before
