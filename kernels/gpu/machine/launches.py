"""Launches from the declarations of the CUDA kernels: arguments by name, sizes as they follow."""

import math

import numpy as np

from ...recording import Slot, Unsupported
from ..card import runtime, sources
from ..card.formulas import entrywise
from .call import CONTROL, Launch, address_of, outputs_of

SIZE = {"entries": "n", "rows": "R"}  # over what a kernel goes -> how many of them
MOST_SUMS = 3  # of a column, see `over_columns` in cuda/common.cuh


def launch(kernel, size=None, own=(), dtype=None, **given):
    """A launch of a CUDA kernel, its arguments taken from its declaration by name.

    Sizes that are not given follow from the arrays of the arithmetic: n is the size of the first
    one that is written, R and C are rows and last axis of the first one at all; where the kernel
    goes over columns, these are (R, D).

    Args:
        kernel: a CudaKernel, or the name of one that stands in the files.
        size: how many entries, rows or blocks; by default n, R, or what `shares` says.
        own: arrays that the launch brings along; None among them is left out.
        dtype: of the arithmetic; by default that of the arrays.

    Raises:
        Unsupported: arrays with gaps, or of another dtype than is declared.
    """
    kernel = sources.kernels()[kernel] if isinstance(kernel, str) else kernel
    declared, over = kernel.declared, kernel.over
    reals = [(k, given.get(label)) for label, k in declared.items() if k.endswith("real*")]
    reals = [(kind, array) for kind, array in reals if array is not None]
    dtype = dtype or plain(*(array for _, array in reals))
    values = {**_sizes(over, reals, given), **given}
    if over == "columns":
        size, more = _shares(values["R"], values["D"], dtype)
        values, own = values | more, (*own, more["room"], more["arrived"])
    assert given.keys() <= declared.keys(), f"{kernel.name} has no {given.keys() - declared.keys()}"
    args = tuple(_argument(kind, label, values) for label, kind in declared.items())
    size = values[SIZE[over]] if size is None else size
    return Launch(kernel, size, args, dtype, tuple(a for a in own if a is not None))


def _sizes(over, reals, given):
    """n, R and C, or R and D, of the arrays (kind, array) of a launch; a C that is given counts."""
    if not reals:
        return {}
    first = reals[0][1]
    if over == "columns":
        return {"R": len(first), "D": first.size // max(len(first), 1)}
    C = given["C"] if over == "rows" and "C" in given else first.shape[-1]
    written = next((array for kind, array in reals if not kind.startswith("const")), first)
    return {"n": written.size, "R": first.size // max(C, 1), "C": C}


def _shares(R, D, dtype):
    """Return (blocks, arguments) of a sum over rows, which may be split into several parts."""
    card = runtime.current()
    parts, groups = card.parts(R, D), -(-D // card.warp)
    several = parts > 1
    room = card.empty((parts, MOST_SUMS, D), dtype) if several else None
    arrived = card.zeros((groups,), "uint32") if several else None
    return groups * parts, {"parts": parts, "room": room, "arrived": arrived}


def _argument(kind, label, values):
    """One argument of a launch, as `machine.call.encoded` takes it."""
    if kind.endswith("Control*"):
        return CONTROL
    value = values[label]
    if kind == "double":
        return number(value)
    if not kind.endswith("*"):
        whole = np.uint64 if kind == "u64" else int
        return value if isinstance(value, sources.CudaKernel) else whole(value)
    if value is not None:
        address_of(value)
        if kind == "const i64*" and value.dtype != np.int64:
            raise Unsupported(f"{label} of dtype {value.dtype}, expected int64")
        if not value.flags.c_contiguous:
            raise Unsupported("arrays that are not contiguous")
    return value


def number(value):
    """A number of a launch: a float, or a Slot as it is."""
    return value if isinstance(value, Slot) else float(value)


def plain(*arrays):
    """The name of the dtype that all arrays have.

    Raises:
        Unsupported: they are not C-contiguous, floating and of one dtype.
    """
    arrays = [a for a in arrays if a is not None]
    for a in arrays:
        address_of(a)
    dtypes = {a.dtype.name for a in arrays}
    if len(dtypes) > 1 or not dtypes <= set(sources.REAL):
        raise Unsupported(f"expected arrays of one dtype, float32 or float64, received {dtypes}")
    if not all(a.flags.c_contiguous for a in arrays):
        raise Unsupported("arrays that are not contiguous")
    return dtypes.pop()


def one_launch(name, **arguments):
    """The instructions of a kernel that is one CUDA kernel of its name, with its parameters."""
    yield launch(name, **arguments)


def by_entries(function, arguments):
    """The launch of a function of NumPy that changes arrays entry by entry.

    Args:
        function: see `card.formulas.entrywise`.
        arguments: by name: arrays that are only read, numbers, arrays that are changed or None.
    """
    outputs = outputs_of(function)
    absent = tuple(name for name in outputs if arguments[name] is None)
    arrays = {name: a for name, a in arguments.items() if hasattr(a, "shape") and a.shape}
    if len({a.size for a in arrays.values()}) > 1:
        raise Unsupported(f"arrays of shapes {', '.join(str(a.shape) for a in arrays.values())}")
    made = entrywise(function, sum(name not in outputs for name in arrays), absent)
    return launch(made, **{f"{name}_": a for name, a in arguments.items() if name not in absent})


def row_size(shape):
    return math.prod(shape[1:])


def repeated(shape, row):
    """Which entry of an array each entry of a row meets, where the array is repeated along axes.

    Args:
        shape: of the array, as many axes as a row has.
        row: shape of a row.

    Returns:
        an int64 array (entries of a row,) on the card.

    Raises:
        Unsupported: the array can't be repeated to the row's shape.
    """
    if len(shape) != len(row) or any(n not in (1, s) for n, s in zip(shape, row, strict=True)):
        raise Unsupported(f"an array of shape {shape} for rows of {row}")
    index = np.arange(math.prod(shape)).reshape(shape)
    return runtime.to_card(np.array(np.broadcast_to(index, row), np.int64).ravel())
