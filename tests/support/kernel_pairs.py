"""A kernel of the `cpu` device, or of what takes its place, beside that of the reference."""

import numpy as np
import pytest

from tinynet.kernels import cpu, reference

PRECISION = {"float32": {"rtol": 3e-5, "atol": 1e-5}, "float64": {"rtol": 1e-11, "atol": 1e-12}}
SHAPES = [(1, 1), (3, 1), (1, 5), (4, 17), (33, 16), (300, 7), (5, 2, 3)]
PARAMETERS = {
    "leaky_relu": (0.2,), "elu": (0.7,), "clipped_relu": (0.1, 1.5, 0.3), "celu": (0.7,),
    "squareplus": (3.0,), "soft_shrink": (0.4,), "hard_shrink": (0.4,), "threshold": (0.4, -1.5),
}  # fmt: skip
COMPARED = set()  # kernels that `compare` has seen; test_every_kernel_was_compared looks at it

both = pytest.mark.parametrize("dtype", PRECISION)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.fixture
def rng():
    return np.random.Generator(np.random.PCG64(5))


def numbers(rng, shape, dtype, kinks=True):
    """Normal numbers, some of them exactly at the kinks."""
    x = 2 * rng.normal(size=shape)
    if kinks and x.size > 4:
        x.ravel()[:5] = [0.0, -0.0, 3.0, -3.0, 0.3]
    return x.astype(dtype)


def compare(name, *args, dtype, **outputs):
    """Run a kernel on both devices: an output is an array to change, a shape to fill, or None."""
    COMPARED.add(name)
    results = []
    for module in (reference, cpu):
        given = [np.array(a) if isinstance(a, np.ndarray) else a for a in args]
        outs = {
            k: np.full(o, np.nan, dtype)
            if isinstance(o, tuple)
            else None
            if o is None
            else o.copy()
            for k, o in outputs.items()
        }
        getattr(module, name)(*given, **outs)
        for before, after in zip(args, given, strict=True):
            if isinstance(before, np.ndarray):
                np.testing.assert_array_equal(before, after, f"{name} changed an input")
        results.append(outs)
    for key, wanted in results[0].items():
        if wanted is not None:
            got = results[1][key]
            assert not np.isnan(got).any(), f"{name}: {key} is not overwritten"
            assert got.dtype == dtype
            np.testing.assert_allclose(got, wanted, **PRECISION[dtype], err_msg=f"{name}: {key}")


def dtype_of(dtype, value):
    return np.dtype(dtype).type(value)
