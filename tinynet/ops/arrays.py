"""The ops that NumPy has under the same name, with Keras's argument names and dtypes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from ..config import floatx
from ..core.variable import Variable

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike, DType

NAMES = """
abs absolute add all allclose amax amin angle any append arange arccos arccosh arcsin arcsinh
arctan arctan2 arctanh argmax argmin argpartition argsort array array_split average bartlett
bincount bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or
bitwise_right_shift bitwise_xor blackman broadcast_to cbrt ceil clip concatenate conj
conjugate copy corrcoef cos cosh count_nonzero cross cumprod cumsum deg2rad diag diagflat
diagonal diff digitize divide dot dsplit dstack einsum empty empty_like equal exp exp2
expand_dims expm1 eye fabs flip fliplr flipud floor floor_divide fmax fmin fmod full full_like
gcd geomspace greater greater_equal hamming hanning heaviside histogram hsplit hstack hypot i0
identity imag inner isclose isfinite isin isinf isnan isneginf isposinf isreal kron lcm ldexp
left_shift less less_equal linspace log log10 log1p log2 logaddexp logaddexp2 logical_and
logical_not logical_or logical_xor logspace matmul max maximum mean median meshgrid min
minimum mod moveaxis multiply nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax
nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar ndim negative
nextafter nonzero not_equal ones ones_like outer pad percentile power prod ptp quantile
rad2deg ravel real reciprocal repeat reshape right_shift roll rot90 round searchsorted select
shape sign signbit sin sinc sinh size sort split sqrt square squeeze stack std subtract sum
swapaxes take take_along_axis tan tanh tensordot tile trace transpose trapezoid tri tril triu
true_divide trunc unravel_index vander var vdot vstack where zeros zeros_like
""".split()  # noqa: SIM905
OF_LINALG = ("cholesky", "det", "eig", "eigh", "inv", "matrix_rank", "norm", "pinv", "qr",
             "slogdet", "solve", "svd")  # fmt: skip
ONE_ARRAY = (np.isneginf, np.isposinf)
FIRST = (
    "x",
    "xs",
    "x1",
    "a",
    "arrays",
    "condition",
)  # what Keras calls a function's first argument
WIDE = {np.dtype("float64"): None, np.dtype("float16"): None, np.dtype("int64"): "int32",
        np.dtype("uint64"): "uint32"}  # fmt: skip


def convert_to_tensor(x: ArrayLike, dtype: DType | None = None, sparse: bool | None = None,
                      ragged: Any = None) -> Array:  # fmt: skip
    """Return an array; Python's numbers and lists of them become int32 or `config.floatx()`."""
    if dtype is not None:
        return np.asarray(x, dtype=dtype)
    given = isinstance(x, (np.ndarray, np.generic, Variable)) or hasattr(x, "__array__")
    x = np.asarray(x)
    return x if given else narrow(x)


def narrow(x):
    """Return an array in Keras's dtype where NumPy takes another one for Python's numbers."""
    if x.dtype not in WIDE:
        return x
    return x.astype(WIDE[x.dtype] or floatx())


def _dtypes(values):
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _dtypes(value)
        elif hasattr(value, "dtype"):
            yield np.dtype(value.dtype)


def _narrowed(result, kept):
    """Return a result, or each of several, in Keras's dtype unless its dtype is in `kept`."""
    if isinstance(result, (list, tuple)):
        parts = [_narrowed(part, kept) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    dtype = getattr(result, "dtype", None)
    return result if dtype is None or dtype in kept else narrow(result)


def like_keras(function):
    """`function` of NumPy's under Keras's names; 64 bits come out only where they went in.

    Keras's `x`, `x1`, `x2` may be given by name; a `dtype` that is given is kept.
    """

    @functools.wraps(function)
    def op(*args, **options):
        named = [options.pop(name) for name in (*FIRST, "x2") if name in options]
        args = (*named, *args)
        takes = getattr(function, "nin", 1 if function in ONE_ARRAY else len(args))
        if len(args) != takes:  # NumPy would take one more for `out`
            raise TypeError(f"{function.__name__} takes {takes} arrays, received {len(args)}")
        if options.get("dtype", "") is None:
            del options["dtype"]
        result = function(*args, **options)
        if "dtype" in options:
            return result
        return _narrowed(result, {*_dtypes(args), *_dtypes(options.values())})

    op.__module__ = __name__
    return op


def _through():
    found = {name: like_keras(getattr(np, name)) for name in NAMES if hasattr(np, name)}
    return found | {name: like_keras(getattr(np.linalg, name)) for name in OF_LINALG}


globals().update(_through())
ndim, shape = np.ndim, np.shape  # plain ints, and a tuple of them

__all__ = sorted({*_through(), "convert_to_tensor"})
