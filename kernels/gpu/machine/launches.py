"""What the gpu kernels are made of: launches over entries, rows or columns."""

import math

from ...recording import Slot, Unsupported
from ..card.sources import REAL
from .call import Launch, address_of


def number(value):
    """A number of a kernel that reads it by `number`: a float, or a Slot as it is."""
    return value if isinstance(value, Slot) else float(value)


def plain(*arrays):
    """Raise unless all arrays are C-contiguous, floating and of one dtype; returns its name."""
    there = [a for a in arrays if a is not None]
    for a in there:
        address_of(a)
    dtypes = {a.dtype.name for a in there}
    if len(dtypes) > 1 or not dtypes <= set(REAL):
        raise Unsupported(f"expected arrays of one dtype, float32 or float64, received {dtypes}")
    if not all(a.flags.c_contiguous for a in there):
        raise Unsupported("arrays that are not contiguous")
    return dtypes.pop()


def on_entries(name, arrays, args):
    """A launch over the entries of arrays that all have the size of the first one."""
    return Launch(name, "entries", arrays[0].size, args, plain(*arrays))


def same_shape(*arrays):
    if len({a.shape for a in arrays}) > 1:
        raise Unsupported(f"arrays of shapes {', '.join(str(a.shape) for a in arrays)}")


def on_rows(name, arrays, numbers=(), kind=(), outputs=None):
    """A launch over the rows, along the last axis, of the first array (..., C).

    The kernel takes `kind`, the inputs, R, C, the numbers, the outputs; by default one output.
    """
    dtype, x = plain(*(a for a in arrays if a is None or a.dtype.kind == "f")), arrays[0]
    C = x.shape[-1]
    R = x.size // max(C, 1)
    inputs, outputs = (arrays[:-1], arrays[-1:]) if outputs is None else (arrays, outputs)
    return Launch(name, "rows", R, (*kind, *inputs, R, C, *numbers, *outputs), dtype)


def on_columns(name, arrays, outputs, inputs=None):
    """A launch over the columns of the first array (R, ...)."""
    x, dtype = arrays[0], plain(*arrays)
    D = x.size // max(len(x), 1)
    args = (*(inputs or (x,)), len(x), D, *outputs)
    return Launch(name, "columns", D, args, dtype)


def bringing(launch, *own):
    """A launch that brings arrays along."""
    launch.own = own
    return launch


def there(*arrays):
    return [a for a in arrays if a is not None]


def row_size(shape):
    return math.prod(shape[1:])
