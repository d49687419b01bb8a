"""cuBLASLt by its C interface: a matrix product that adds a bias, applies ReLU, or sums the rows of
a gradient on the way.

Off unless TINYNET_CUBLASLT=1: it has not been timed on a card yet. Where the library is not there
(`doctor` says so), or has no algorithm for a product, our own kernels do the same in launches of
their own. Its ReLU may make 0 of NaN; with TINYNET_DEBUG it is left out. Values and signatures are
those of NVIDIA's cublasLt.h, where each value is written out.
"""

import contextlib
import ctypes

from ..machine import options

DEFAULT, RELU_BIAS, BIAS, BGRADA = 1, 2 | 4, 4, 256  # cublasLtEpilogue_t
COMPUTE_32F, COMPUTE_64F, COMPUTE_TF32 = 68, 70, 77  # cublasComputeType_t
REAL_32F, REAL_64F = 0, 1  # cudaDataType
TRANSA, TRANSB, EPILOGUE, BIAS_POINTER = 3, 4, 7, 8  # cublasLtMatmulDescAttributes_t
WORKSPACE = 1  # cublasLtMatmulPreferenceAttributes_t
ALIGNMENTS = (5, 6, 7, 8)  # the same, of A, B, C, D
MOST_ALIGNED = 256


class NotSupported(RuntimeError):
    """Why a product can't be made by cuBLASLt."""


class Found(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t; its `algorithm` is a cublasLtMatmulAlgo_t."""

    _fields_ = (
        ("algorithm", ctypes.c_uint64 * 8), ("workspace", ctypes.c_size_t),
        ("state", ctypes.c_int), ("waves", ctypes.c_float), ("reserved", ctypes.c_int * 4),
    )  # fmt: skip


_P, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
SIGNATURES = {
    "cublasLtCreate": (_P,),
    "cublasLtMatmulDescCreate": (_P, _INT, _INT),
    "cublasLtMatmulDescSetAttribute": (_P, _INT, _P, _SIZE),
    "cublasLtMatmulDescDestroy": (_P,),
    "cublasLtMatrixLayoutCreate": (_P, _INT, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64),
    "cublasLtMatrixLayoutDestroy": (_P,),
    "cublasLtMatmulPreferenceCreate": (_P,),
    "cublasLtMatmulPreferenceSetAttribute": (_P, _INT, _P, _SIZE),
    "cublasLtMatmulPreferenceDestroy": (_P,),
    "cublasLtMatmulAlgoGetHeuristic": (_P, _P, _P, _P, _P, _P, _P, _INT, _P, _P),
    "cublasLtMatmul": (_P, _P, _P, _P, _P, _P, _P, _P, _P, _P, _P, _P, _P, _P, _SIZE, _P),
}


def nvidia_library(name):
    """Return NVIDIA's C library "cublas" or "cublasLt", of its wheels or the toolkit, as CuPy does.

    Raises:
        NotSupported: it is not there.
    """
    try:
        from cuda import pathfinder

        return ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib(name).abs_path)
    except Exception as error:
        for pattern in ("lib{}.so.13", "lib{}.so.12", "{}64_13.dll", "{}64_12.dll"):
            with contextlib.suppress(OSError):
                return ctypes.CDLL(pattern.format(name))
        raise NotSupported(f"{name.replace('blas', 'BLAS')} was not found ({error})") from None


def load():
    """Return cuBLASLt with its signatures.

    Raises:
        NotSupported: it is not there, or lacks a function.
    """
    return bind(nvidia_library("cublasLt"))


def bind(library):
    """The library with the signatures that we call it by."""
    for name, parameters in SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise NotSupported(f"cuBLASLt has no {name}") from None
        function.argtypes, function.restype = parameters, _INT
    return library


class CublasLt:
    """An open cuBLASLt; `library` is what `load` returns."""

    def __init__(self, library):
        self.library, self.handle = library, ctypes.c_void_p()
        self.call("cublasLtCreate", ctypes.byref(self.handle))
        self.refused = {}  # what was asked for -> why there was no algorithm

    def call(self, name, *args):
        """Call a function; raises NotSupported with its status unless that is 0."""
        status = getattr(self.library, name)(*args)
        if status != 0:
            raise NotSupported(f"{name} returned status {status}")

    def plan(self, *product, workspace):
        """The Plan of a product (see Plan), or None where there is no algorithm for it."""
        try:
            return Plan(self, *product, workspace=workspace)
        except NotSupported as reason:
            dtype, transposed, sizes, *_, epilogue, _ = product
            self.refused[dtype, transposed, sizes, epilogue] = str(reason)
            return None


class Plan:
    """A product with its algorithm, ready to be launched: C = f(op(A) op(B) + bias), by columns.

    Args:
        cublaslt: see CublasLt.
        dtype: "float32" or "float64".
        transposed: whether A, B are.
        sizes: (m, n, k).
        A, lda, B, ldb, C, ldc: addresses, and distances of columns.
        epilogue: BIAS, RELU_BIAS: bias (m,) is added to each column; BGRADA: the sums of A's rows
            over k are written there.
        bias: address.
        workspace: bytes that may be used.
    """

    def __init__(self, cublaslt, dtype, transposed, sizes, A, lda, B, ldb, C, ldc, epilogue, bias,
                 *, workspace):  # fmt: skip
        self.cublaslt, self.addresses = cublaslt, (A, B, C)
        single, (m, n, k) = dtype == "float32", sizes
        real = REAL_32F if single else REAL_64F
        compute = (COMPUTE_TF32 if options.tf32() else COMPUTE_32F) if single else COMPUTE_64F
        self.number = ctypes.c_float if single else ctypes.c_double
        self.made = []  # what has to be destroyed
        self.product = self._make("cublasLtMatmulDesc", compute, real)
        self._set("cublasLtMatmulDesc", self.product, {
            TRANSA: ctypes.c_int32(transposed[0]), TRANSB: ctypes.c_int32(transposed[1]),
            EPILOGUE: ctypes.c_uint32(epilogue), BIAS_POINTER: ctypes.c_void_p(bias),
        })  # fmt: skip
        shapes = ((k, m) if transposed[0] else (m, k), (n, k) if transposed[1] else (k, n), (m, n))
        self.layouts = [
            self._make("cublasLtMatrixLayout", real, rows, columns, ld)
            for (rows, columns), ld in zip(shapes, (lda, ldb, ldc), strict=True)
        ]
        self.found = self._algorithm(workspace)

    def _make(self, kind, *args):
        handle = ctypes.c_void_p()
        self.cublaslt.call(f"{kind}Create", ctypes.byref(handle), *args)
        self.made.append((kind, handle))
        return handle

    def _set(self, kind, thing, attributes):
        for attribute, value in attributes.items():
            self.cublaslt.call(f"{kind}SetAttribute", thing, attribute, ctypes.byref(value),
                               ctypes.sizeof(value))  # fmt: skip

    def _algorithm(self, workspace):
        """What the library takes for the fastest; it is told how our arrays are aligned."""
        preference, (A, B, C) = self._make("cublasLtMatmulPreference"), self.addresses
        wishes = {WORKSPACE: ctypes.c_uint64(workspace)}
        for which, address in zip(ALIGNMENTS, (A, B, C, C), strict=True):
            wishes[which] = ctypes.c_uint32(aligned(address))
        self._set("cublasLtMatmulPreference", preference, wishes)
        found, count, (a, b, c) = Found(), ctypes.c_int(), self.layouts
        self.cublaslt.call(
            "cublasLtMatmulAlgoGetHeuristic", self.cublaslt.handle, self.product, a, b, c, c,
            preference, 1, ctypes.byref(found), ctypes.byref(count),
        )  # fmt: skip
        if count.value < 1 or found.state != 0:
            raise NotSupported(f"there is no algorithm (status {found.state})")
        return found

    def start(self, stream, room, size):
        """Launch it on a stream; `room` is the address of `size` bytes for it to work in."""
        one, zero = self.number(1), self.number(0)
        (A, B, C), (a, b, c) = self.addresses, self.layouts
        self.cublaslt.call(
            "cublasLtMatmul", self.cublaslt.handle, self.product, ctypes.byref(one), A, a, B, b,
            ctypes.byref(zero), C, c, C, c, ctypes.byref(self.found.algorithm), room, size, stream,
        )  # fmt: skip

    def __del__(self):
        for kind, handle in getattr(self, "made", ()):
            with contextlib.suppress(Exception):  # at the process's end it may be gone
                self.cublaslt.call(f"{kind}Destroy", handle)


def aligned(address):
    """The largest power of two that divides an address, up to what the library asks for."""
    return min(address & -address, MOST_ALIGNED) if address else MOST_ALIGNED


def describe():
    """For `doctor`: whether it is on, and if that does not work, why."""
    if not options.cublaslt():
        return "off (TINYNET_CUBLASLT=1 turns it on; not yet timed on a card)"
    try:
        CublasLt(load())
    except NotSupported as reason:
        return f"asked for by TINYNET_CUBLASLT=1, but {reason}: our own kernels are used"
    return "on (TINYNET_CUBLASLT=1)"
