"""How a kernel call becomes launches on the card, and how these are run at once."""

import dataclasses
import functools
import inspect
import time

import numpy as np

from ... import reference
from ...recording import Slot, Unsupported
from ...translate import Untranslatable
from ..card import runtime as card_runtime
from ..card import sources
from .options import debug_level


class _Control:
    """Stands for the address of the recording's `Control`; 0 outside of one."""


CONTROL = _Control()
SLOT = 0x7FF85107  # the high half of a NaN that stands for a number of the running step


@dataclasses.dataclass
class Launch:
    """One CUDA kernel with its arguments.

    Attributes:
        kernel: see `card.sources.CudaKernel`.
        count: how many entries, rows, columns or blocks it goes over.
        args: arrays, ints, floats, None (address 0), CONTROL, in the kernel's order; an activation
            that the kernel `product` goes on with is the CudaKernel of it.
        dtype: "float32" or "float64".
        own: arrays among `args` that this launch brings along.
        when: left out in steps where this number of the step is 0.
        recorded_only: not run where a kernel is called as a function.
    """

    kernel: sources.CudaKernel
    count: int
    args: tuple
    dtype: str
    own: tuple = ()
    recorded_only: bool = False
    when: Slot | None = None

    def __post_init__(self):
        # the activations that the kernel goes on with; `encoded` numbers them in this order
        self.finishing = tuple(a for a in self.args if isinstance(a, sources.CudaKernel))
        for label, value in self.given.items():
            if isinstance(value, Slot) and label not in self.kernel.changing:
                kind = self.kernel.declared[label]
                raise Unsupported(f"'{kind} {label}' of {self.name} changes from step to step")

    @property
    def name(self):
        """What kernels that are made of different formulas share."""
        return self.kernel.family

    @property
    def given(self):
        """The arguments by their names."""
        return dict(zip(self.kernel.declared, self.args, strict=True))

    @property
    def arrays(self):
        return [a for a in self.args if hasattr(getattr(a, "data", None), "ptr")]

    def outputs(self):
        """The arrays that the kernel writes: those it does not declare const."""
        return [a for label, a in self.given.items()
                if self.kernel.declared[label] == "real*" and a is not None]  # fmt: skip

    def prepare(self, runtime):
        """Compile what `start` needs; nothing may be compiled while a graph is captured."""
        runtime.function(self.kernel, self.dtype, self.finishing)

    def blocks(self, runtime):
        return runtime.blocks(self.kernel.over, self.count)

    def start(self, runtime, control=0):
        if self.count:
            args = tuple(encoded(a, control, self.finishing) for a in self.args)
            function = runtime.function(self.kernel, self.dtype, self.finishing)
            function((self.blocks(runtime),), (runtime.threads,), args)

    def work(self):
        """(bytes, floating-point operations), by the sizes of its arrays."""
        given, operations = self.given, 0
        if given.keys() >= {"M", "N", "K"}:  # a product of ours
            operations = 2 * given["M"] * given["N"] * given["K"]
        return sum(a.nbytes for a in self.arrays), operations


@dataclasses.dataclass
class Product:
    """C = op(A) op(B) by cuBLAS; see `Runtime.gemm`."""

    transposed: tuple
    sizes: tuple
    A: object
    lda: int
    B: object
    ldb: int
    C: object
    ldc: int
    name, own, recorded_only, when = "gemm", (), False, None

    @property
    def inputs(self):
        return [self.A, self.B]

    @property
    def arrays(self):
        return [self.A, self.B, self.C]

    @property
    def dtype(self):
        return self.C.dtype.name

    def outputs(self):
        return [self.C]

    def prepare(self, runtime):
        """Make it once: cuBLAS may load its kernels now, while nothing is captured. What is written
        the step overwrites."""
        self.start(runtime)

    def start(self, runtime, control=0):
        if all(self.sizes):
            addresses = [address_of(a) for a in self.arrays]
            runtime.gemm(self.dtype, self.transposed, self.sizes, addresses[0], self.lda,
                         addresses[1], self.ldb, addresses[2], self.ldc)  # fmt: skip
        else:  # a sum of no terms
            self.C.fill(0)

    def work(self):
        m, n, k = self.sizes
        return sum(a.nbytes for a in self.arrays), 2 * m * n * k


def encoded(value, control, finishing=()):
    """An argument as the 8 bytes that a kernel receives, a NumPy scalar."""
    if isinstance(value, sources.CudaKernel):
        return np.int64(finishing.index(value))
    if value is None:
        return np.int64(0)
    if value is CONTROL:
        return np.int64(control)
    if isinstance(value, (np.uint64, np.int64, np.float64)):
        return value
    if isinstance(value, Slot):
        return np.uint64(SLOT << 32 | value.index).view(np.float64)
    if isinstance(value, float):
        return np.float64(value)
    return np.int64(value) if isinstance(value, (int, np.integer)) else np.int64(address_of(value))


def same(a, b):
    """Whether two arrays on the card are one."""
    return address_of(a) == address_of(b) and a.size == b.size


def address_of(array):
    """Where an array lies on the card."""
    try:
        return array.data.ptr
    except AttributeError:
        raise TypeError(f"gpu: expected an array on the card, received {type(array).__name__}; "
                        "`ops.from_host(array)` brings it there") from None  # fmt: skip


# ------------------------------------------------------------------------------- running at once


def execute(launch, runtime, control=0):
    """Start a launch; with TINYNET_DEBUG, wait for it and look at what it did."""
    if not debug_level():
        launch.start(runtime, control)
        return
    start = time.perf_counter()
    launch.start(runtime, control)
    runtime.synchronize()
    if debug_level() > 1:
        _report(launch, time.perf_counter() - start)
    _check_finite(launch, runtime)


def _report(launch, seconds):
    size, operations = launch.work()
    rate = f", {operations / seconds / 1e9:.1f} GFLOP/s" if operations else ""
    print(f"gpu {launch.name}: {seconds * 1e6:.0f} us, {size:,} bytes, "
          f"{size / seconds / 1e9:.1f} GB/s{rate}")  # fmt: skip


def _check_finite(launch, runtime):
    for array in launch.outputs():
        if array.dtype.name not in sources.REAL or not array.size:
            continue
        found = runtime.zeros((1,), "int64")
        args = (np.int64(address_of(array)), np.int64(array.size), np.int64(address_of(found)))
        find = runtime.function(sources.kernels()["find_bad"], array.dtype.name)
        find((1,), (runtime.threads,), args)
        place = int(runtime.to_host(found)[0])
        if place:
            index = tuple(map(int, np.unravel_index(place - 1, array.shape)))
            raise FloatingPointError(f"gpu kernel {launch.name!r} wrote "
                                     f"{runtime.to_host(array)[index]} at index {index} of an "
                                     f"array of shape {array.shape}")  # fmt: skip


# ------------------------------------------------------------------------------ calls as launches

KERNELS = {}  # name -> kernel of the interface


def outputs_of(function):
    """The keyword-only parameters of a function, which a kernel of the interface changes."""
    if not inspect.isfunction(function):
        return ()
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def kernel(instructions, name=None):
    """Make a kernel of the interface from the function that returns its launches.

    Args:
        instructions: takes the kernel's arguments by name; several kernels may share it, and then
            it takes the kernel's name before them.
        name: of the kernel, where it isn't the function's.
    """
    make = functools.partial(instructions, name) if name else instructions
    name = name or instructions.__name__
    by_reference = getattr(reference, name)
    signature = inspect.signature(by_reference)

    def launches(*args, **outputs):
        return list(make(**signature.bind(*args, **outputs).arguments))

    def run(*args, **outputs):
        runtime, given = card_runtime.current(), signature.bind(*args, **outputs).arguments
        try:
            _execute_all(make(**given), runtime)
        except Untranslatable:
            _run_on_host(runtime, by_reference, given, outputs)
        except Unsupported:
            _run_on_copies(runtime, name, make, given, outputs)

    run.instructions, run.__name__, run.__signature__ = launches, name, signature
    KERNELS[name] = run
    return run


def _execute_all(launches, runtime):
    for launch in list(launches):  # none is started where one can't be made
        if not launch.recorded_only:
            execute(launch, runtime)


def _run_on_host(runtime, by_reference, given, outputs):
    """A user's formula that can't be read, by NumPy: the arrays go to the host and back."""

    def arrays(value):
        return value if isinstance(value, dict) else {"": value}

    host = {k: {n: runtime.to_host(a) for n, a in arrays(v).items()} for k, v in given.items()}
    by_reference(**{k: v if isinstance(given[k], dict) else v[""] for k, v in host.items()})
    for k in outputs:
        for name, array in arrays(given[k]).items():
            if array is not None:
                array[...] = runtime.to_card(host[k][name])


def _run_on_copies(runtime, name, make, given, outputs):
    """Arrays are copied where they have gaps or another dtype, and outputs are copied back."""
    arrays = {k: a for k, a in given.items() if isinstance(a, runtime.cupy.ndarray)}
    floats = [a.dtype for k, a in sorted(arrays.items(), key=lambda one: one[0] not in outputs)
              if a.dtype.kind == "f"]  # fmt: skip
    known = sources.kernels()
    integers = {k for k, kind in (known[name].declared if name in known else {}).items()
                if kind == "const i64*"}  # fmt: skip
    copies = {}
    for k, a in arrays.items():
        dtype = np.dtype("int64") if k in integers else floats[0] if floats else a.dtype
        copies[k] = runtime.cupy.ascontiguousarray(a if a.dtype == dtype else a.astype(dtype))
    try:
        _execute_all(make(**{**given, **copies}), runtime)
    except Unsupported as reason:
        raise TypeError(f"gpu kernel {name!r}: {reason}") from None
    for k in outputs:
        if k in copies and copies[k] is not arrays[k]:
            arrays[k][...] = copies[k]
