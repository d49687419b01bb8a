"""The card: CuPy, our compiled kernels and cuBLAS. Nothing else in tinynet talks to it.

cuBLAS is called by its C interface, because CuPy's own refuses to be captured into a CUDA graph.
"""

import atexit
import contextlib
import ctypes
import functools
import math
import threading
import weakref

import numpy as np

from ..machine import options as gpu_options
from . import cublaslt as cublaslt_api
from . import sources
from .survey import Unusable, explain
from .survey import nccl as cupy_nccl

THREADS, WARP = 256, 32  # of a block, of a warp
MOST_BLOCKS = 4096  # of a launch over entries; threads take several entries beyond
# of a sum over rows: blocks on a multiprocessor, and how many rows a thread takes, at least
BLOCKS_OF_COLUMNS, ROWS_OF_A_THREAD = 4, 8
WORKSPACE = 32 << 20  # bytes that cuBLAS may use, of our own: a graph must not allocate any
AT_ONCE = 16 << 20  # bytes of a large array that are copied together
TRANSPOSED, AS_IS = 1, 0  # CUBLAS_OP_T, CUBLAS_OP_N
FP32, TF32 = 0, 3  # CUBLAS_DEFAULT_MATH, CUBLAS_TF32_TENSOR_OP_MATH

_current = None
when_full = []  # functions that give back what is on the card only to save time


def current():
    """The runtime of this process, made at first use.

    Raises:
        Unusable: says what is missing, and the command that helps.
    """
    global _current
    if _current is None:
        reason = explain()
        if reason is not None:
            raise Unusable(reason)
        import cupy

        _current = Runtime(cupy, _load_cublas())
    return _current


def empty(shape, dtype):
    return current().empty(shape, dtype)


def zeros(shape, dtype):
    return current().zeros(shape, dtype)


def to_card(array):
    return current().to_card(array)


def to_host(array):
    return current().to_host(array)


class OutOfMemory(MemoryError):
    """The card has no room for an array.

    Attributes:
        asked, free, total: bytes.
    """

    def __init__(self, asked, free, total):
        self.asked, self.free, self.total = asked, free, total
        super().__init__(f"gpu: no room for {asked:,} bytes; {free:,} of {total:,} bytes are free")

    def __reduce__(self):
        return OutOfMemory, (self.asked, self.free, self.total)


class Runtime:
    """What has been compiled and opened on the card so far.

    Args:
        cupy: the module.
        cublas: the C library.
        threads, warp: of a block, of a warp; a block is a whole number of warps.
    """

    def __init__(self, cupy, cublas, threads=THREADS, warp=WARP):
        self.cupy, self.cublas, self.threads, self.warp = cupy, cublas, threads, warp
        self.side = math.isqrt(threads)  # of the smallest tile of products.cu
        self.functions, self.handles, self.programs = {}, {}, {}
        self.load_cublaslt, self.load_nccl = cublaslt_api.load, cupy_nccl
        self.graphs = weakref.WeakSet()  # dictionaries of captured graphs, see `forget_graphs`
        atexit.register(self.forget_graphs)
        self.lock = threading.RLock()  # what one thread launches must not get into another's graph

    # ------------------------------------------------------------------------------- arrays

    def empty(self, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._with_room(lambda: self.cupy.empty(shape, dtype), size)

    def _with_room(self, make, size):
        """Return `make()`; where there is no room for `size` bytes, once more after giving back."""
        for give_back in (*when_full, self.trim, None):
            try:
                return make()
            except self.cupy.cuda.memory.OutOfMemoryError:
                if give_back is None:
                    raise self.out_of_memory(size) from None
                give_back()

    def zeros(self, shape, dtype):
        array = self.empty(shape, dtype)
        array.fill(0)
        return array

    def to_card(self, array):
        """A host array, or one that is there already, on the card; C-contiguous."""
        if isinstance(array, self.cupy.ndarray):
            return array
        array = np.asarray(array)
        if array.nbytes <= AT_ONCE:
            return self._with_room(lambda: self.cupy.asarray(array, order="C"), array.nbytes)
        there = self.empty(array.shape, array.dtype)
        some = max(1, AT_ONCE // array[:1].nbytes)
        # `asarray` would make a pinned copy of the whole, in room for the next power of two
        for i in range(0, len(array), some):
            piece = np.ascontiguousarray(array[i : i + some])
            there[i : i + some].set(piece)
            self.synchronize()  # before the piece is given up
        return there

    def to_host(self, array):
        return self.cupy.asnumpy(array) if isinstance(array, self.cupy.ndarray) else array

    def pinned(self, shape, dtype):
        """An array of the host that the card can read by itself."""
        dtype, size = np.dtype(dtype), int(np.prod(shape))
        try:
            memory = self.cupy.cuda.alloc_pinned_memory(max(size * dtype.itemsize, 1))
        except Exception as error:
            raise MemoryError(f"gpu: the host has no {size * dtype.itemsize:,} bytes of pinned "
                              f"memory: {error}") from error  # fmt: skip
        return np.frombuffer(memory, dtype, size).reshape(shape)

    def copy_to_card(self, there, here, stream):
        """Start copying a pinned array to one on the card; both are contiguous."""
        there.data.copy_from_host_async(here.ctypes.data, here.nbytes, stream)

    def free_bytes(self):
        """(what an array could take, what the card has)."""
        free, total = self.cupy.cuda.runtime.memGetInfo()
        return free + self.idle_bytes(), total

    def idle_bytes(self):
        """What has been asked of the card, and no array uses."""
        return self.cupy.get_default_memory_pool().free_bytes()

    @functools.cached_property
    def total_bytes(self):
        return self.free_bytes()[1]

    def out_of_memory(self, asked):
        return OutOfMemory(asked, *self.free_bytes())

    def trim(self):
        """Give memory that no array uses back to the card, and pinned memory to the host."""
        self.cupy.get_default_memory_pool().free_all_blocks()
        self.cupy.get_default_pinned_memory_pool().free_all_blocks()

    # ------------------------------------------------------------------------------ launches

    def function(self, kernel, dtype, finishing=()):
        """A compiled kernel; called with (blocks,), (threads,) and arguments, it starts."""
        key = (kernel, dtype, finishing)
        if key not in self.functions:
            text = sources.source_of(kernel, finishing)
            self.functions[key] = self._compiled(text, dtype, kernel.name)
        return self.functions[key]

    def _compiled(self, text, dtype, name):
        module = self.cupy.RawModule(code=text, options=sources.options(dtype))
        return module.get_function(name)

    def blocks(self, over, count):
        """How many blocks a launch over `count` entries, rows or blocks takes."""
        if over == "entries":
            return min(-(-count // self.threads), MOST_BLOCKS)
        if over == "rows":
            return -(-count * self.warp // self.threads)
        return count

    def parts(self, R, D):
        """Into how many shares the rows of (R, D) are split where columns are summed up.

        All multiprocessors get work, and a thread some rows.
        """
        groups, rows = -(-D // self.warp), ROWS_OF_A_THREAD * self.threads // self.warp
        return max(
            1, min(BLOCKS_OF_COLUMNS * self.multiprocessors // max(groups, 1), -(-R // rows))
        )

    @functools.cached_property
    def multiprocessors(self):
        return self.cupy.cuda.Device().attributes["MultiProcessorCount"]

    @functools.cached_property
    def capability(self):
        attributes = self.cupy.cuda.Device().attributes
        return attributes["ComputeCapabilityMajor"], attributes["ComputeCapabilityMinor"]

    def persistent(self, text, dtype):
        """The function of a persistent kernel, see `card.sources.persistent`."""
        key = (text, dtype)
        if key not in self.programs:
            self.programs[key] = self._compiled(text, dtype, "persistent")
        return self.programs[key]

    def most_blocks(self, function):
        """How many blocks of a function the card can run at the same time; 0 where it can't start
        them together."""
        if not self.cupy.cuda.Device().attributes["CooperativeLaunch"]:  # before sm_60
            return 0
        each = self.cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
            function.kernel.ptr, self.threads, 0
        )
        return each * self.multiprocessors

    def launch_together(self, function, blocks, args):
        """Start a function whose blocks wait for each other: all of them run, or none and an error.

        Args:
            args: NumPy scalars of 8 bytes.
        """
        values = np.array([a.view(np.int64) for a in args])
        places = np.array([values.ctypes.data + 8 * i for i in range(len(values))], np.uintp)
        stream = self.cupy.cuda.get_current_stream().ptr
        self.cupy.cuda.driver.launchCooperativeKernel(
            function.kernel.ptr, blocks, 1, 1, self.threads, 1, 1, 0, stream, places.ctypes.data
        )

    # -------------------------------------------------------------------------- matrix products

    def gemm(self, dtype, transposed, sizes, A, lda, B, ldb, C, ldc):
        """C = op(A) op(B), all by columns as BLAS has them.

        Args:
            transposed: whether A, B are.
            sizes: (m, n, k).
            A, B, C: addresses; lda, ldb, ldc: distance of two columns.
        """
        single = dtype == "float32"
        number = ctypes.c_float if single else ctypes.c_double
        one, zero = number(1), number(0)
        flags = [TRANSPOSED if t else AS_IS for t in transposed]
        function = self.cublas.cublasSgemm_v2 if single else self.cublas.cublasDgemm_v2
        _check("gemm", function(
            self._handle(), *flags, *map(int, sizes), ctypes.byref(one),
            ctypes.c_void_p(int(A)), int(lda), ctypes.c_void_p(int(B)), int(ldb),
            ctypes.byref(zero), ctypes.c_void_p(int(C)), int(ldc),
        ))  # fmt: skip

    def _handle(self):
        """cuBLAS's handle of the current stream; every stream has its own, with its own room."""
        stream = self.cupy.cuda.get_current_stream().ptr
        if stream not in self.handles:
            handle, room = ctypes.c_void_p(), self.empty((WORKSPACE,), "uint8")
            lib = self.cublas
            _check("create", lib.cublasCreate_v2(ctypes.byref(handle)))
            _check("setStream", lib.cublasSetStream_v2(handle, ctypes.c_void_p(stream)))
            place = (ctypes.c_void_p(room.data.ptr), ctypes.c_size_t(WORKSPACE))
            _check("setWorkspace", lib.cublasSetWorkspace_v2(handle, *place))
            mode = TF32 if gpu_options.tf32() else FP32
            _check("setMathMode", lib.cublasSetMathMode(handle, mode))
            self.handles[stream] = (handle, room)
        return self.handles[stream][0]

    def close_cublas(self):
        """Close cuBLAS; at the next product it is opened anew, in the mode asked for then."""
        for handle, _ in self.handles.values():
            _check("destroy", self.cublas.cublasDestroy_v2(handle))
        self.handles.clear()

    workspace = WORKSPACE

    @property
    def cublaslt(self):
        """cuBLASLt, where TINYNET_CUBLASLT=1 asks for it and it can be used; else None."""
        return self._cublaslt if gpu_options.cublaslt() else None

    @functools.cached_property
    def _cublaslt(self):
        with contextlib.suppress(cublaslt_api.NotSupported):  # `doctor` says why
            return cublaslt_api.CublasLt(self.load_cublaslt())

    @functools.cached_property
    def nccl(self):
        """CuPy's module of NCCL."""
        return self.load_nccl()

    def start_plan(self, plan):
        """Launch a product of cuBLASLt on the current stream, in the same room as cuBLAS."""
        self._handle()
        stream = self.cupy.cuda.get_current_stream().ptr
        plan.start(stream, self.handles[stream][1].data.ptr, WORKSPACE)

    # --------------------------------------------------------------------------------- graphs

    @functools.cached_property
    def stream(self):
        """Where recorded steps run. It waits for the default stream and the other way round."""
        return self.cupy.cuda.Stream()

    @functools.cached_property
    def copies(self):
        """Where pieces of data come over while recorded steps run."""
        return self.cupy.cuda.Stream()

    @functools.cached_property
    def recorder(self):
        """Where steps are captured; nothing runs here.

        It does not wait for the default stream: what other threads launch there while a stream
        that does is captured fails, and spoils the capture.
        """
        with self.cupy.cuda.Stream(non_blocking=True) as stream:
            self._handle()  # which can't be made within a capture
        return stream

    def capture(self, work):
        """A CUDA graph of everything that `work()` launches; nothing is run."""
        with self.recorder as stream:
            stream.begin_capture()
            try:
                work()
            except BaseException:
                with contextlib.suppress(Exception):  # the first error is the one to see
                    stream.end_capture()
                raise
            graph = stream.end_capture()
        return graph

    def forget_graphs(self):
        """Give up all graphs, at the latest while the process still has a driver to tell."""
        for graphs in self.graphs:
            graphs.clear()

    def synchronize(self):
        self.cupy.cuda.get_current_stream().synchronize()


def _check(what, status):
    if status != 0:
        raise RuntimeError(f"gpu: cuBLAS {what} failed with status {status}")


def _load_cublas():
    try:
        return cublaslt_api.nvidia_library("cublas")
    except cublaslt_api.NotSupported as error:
        install = "install it with CuPy: pip install 'cupy-cuda12x[ctk]'"
        raise Unusable(f"gpu: {error}; {install}") from None
