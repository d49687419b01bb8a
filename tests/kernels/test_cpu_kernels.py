"""The kernels of the `cpu` device against the reference: every one, both dtypes, odd sizes."""

import importlib
import inspect

import kernel_pairs
import numba
import numpy as np
import pytest
from kernel_pairs import (
    COMPARED,
    PARAMETERS,
    PRECISION,
    SHAPES,
    both,
    compare,
    numbers,
    rng,
    shapes,
)
from kernel_values import public_functions

from tinynet import kernels
from tinynet.kernels import reference
from tinynet.kernels.reference.activations import FUNCTIONS

# ------------------------------------------------------------------------------- the interface


@pytest.mark.parametrize("device", kernels.DEVICES)
def test_all_devices_have_the_same_functions_with_the_same_parameters(device):
    module = importlib.import_module(f"tinynet.kernels.{device}")  # without asking for a card
    for name, function in public_functions().items():
        assert inspect.signature(getattr(module, name)) == inspect.signature(function), name


# ------------------------------------------------------------------------- linear, affine, gather


@both
@pytest.mark.parametrize(
    "source", ["uint8", "bool", "int16", "int32", "int64", "float32", "float64"]
)
def test_gather(source, dtype, rng):
    data = (rng.random((9, 2, 3)) * 3).astype(source)
    for rows in (np.array([8, 0, 0]), np.array([4]), slice(2, 7)):
        n = len(np.arange(9)[rows])
        compare("gather", data, rows, out=(n, 2, 3), dtype=dtype)


@both
@pytest.mark.parametrize("N", [1, 2, 3, 33])
@pytest.mark.parametrize(("D", "H"), [(1, 1), (1, 7), (17, 1), (16, 5)])
def test_linear(N, D, H, dtype, rng):
    x, W, b, dy = (numbers(rng, s, dtype) for s in ((N, D), (D, H), (H,), (N, H)))
    compare("linear", x, W, b, y=(N, H), dtype=dtype)
    compare("linear", x, W, None, y=(N, H), dtype=dtype)
    compare("linear_dx", dy, W, dx=(N, D), dtype=dtype)
    compare("linear_dW", x, dy, dW=(D, H), dtype=dtype)
    compare("sum_rows", dy, out=(H,), dtype=dtype)


@both
@shapes
def test_affine_and_multiply(shape, dtype, rng):
    x, m = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    compare("affine", x, 3.0, -1.5, y=shape, dtype=dtype)
    compare("multiply", x, m, y=shape, dtype=dtype)
    for axis in range(len(shape)):  # a broadcast
        compare("multiply", x, m.take([0], axis), y=shape, dtype=dtype)


# ------------------------------------------------------------------------------------ merging


@both
@shapes
def test_merging(shape, dtype, rng):
    x, z, dy = (numbers(rng, shape, dtype) for _ in range(3))  # the first entries are equal
    compare("add", x, z, y=shape, dtype=dtype)
    compare("add_to", x, total=z, dtype=dtype)
    compare("maximum", x, z, y=shape, dtype=dtype)
    compare("maximum_grad", x, z, dy, dx=shape, dz=shape, dtype=dtype)


@both
@pytest.mark.parametrize(("rows", "D", "E"), [(1, 1, 1), (3, 2, 7), (40, 5, 6)])
def test_columns(rows, D, E, dtype, rng):
    x, y = numbers(rng, (rows, D), dtype), numbers(rng, (rows, E), dtype)
    for first in (0, E - D):
        compare("put_columns", x, first, y=y, dtype=dtype)
        compare("take_columns", y, first, x=(rows, D), dtype=dtype)


# -------------------------------------------------------------------------------- activations


@both
@shapes
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_elementwise(kind, shape, dtype, rng):
    x, dy, p = numbers(rng, shape, dtype), numbers(rng, shape, dtype), PARAMETERS.get(kind, ())
    y = np.empty_like(x)
    reference.elementwise(kind, x, p, y=y)
    compare("elementwise", kind, x, p, y=shape, dtype=dtype)
    compare("elementwise_grad", kind, x, y, dy, p, dx=shape, dtype=dtype)


@both
@pytest.mark.parametrize("kind", sorted(set(FUNCTIONS) - {"exponential"}))
def test_elementwise_far_out(kind, dtype):
    x = np.array([[-1e4, -100, -30, -20, 20, 30, 100, 1e4]], dtype)
    y, p = np.empty_like(x), PARAMETERS.get(kind, ())
    reference.elementwise(kind, x, p, y=y)
    compare("elementwise", kind, x, p, y=x.shape, dtype=dtype)
    compare("elementwise_grad", kind, x, y, np.ones_like(x), p, dx=x.shape, dtype=dtype)


@both
@shapes
def test_prelu(shape, dtype, rng):
    x, dy = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    for a_shape in {shape[1:], (1, *shape[2:])}:  # one slope per feature, and a shared one
        a = numbers(rng, a_shape, dtype)
        compare("prelu", x, a, y=shape, dtype=dtype)
        compare("prelu_grad", x, a, dy, dx=shape, da=a_shape, dtype=dtype)
        compare("prelu_grad", x, a, dy, dx=shape, da=None, dtype=dtype)
        compare("prelu_grad", x, a, dy, dx=None, da=a_shape, dtype=dtype)


@both
@shapes
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name, shape, dtype, rng):
    x, dy = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    x[0] += 100  # no overflow
    y = np.empty_like(x)
    getattr(reference, name)(x, y=y)
    compare(name, x, y=shape, dtype=dtype)
    compare(name + "_grad", y, dy, dx=shape, dtype=dtype)


@both
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 8), (4, 9), (3, 2, 5)])
def test_dropout_masks_are_equal_bit_for_bit(shape, rate, dtype):
    for key, step, row in (((0, 0), 0, 0), ((2**62 + 5, 3), 2**33, 12345), ((7, 2**63 - 1), 1, 3)):
        masks = [np.full(shape, np.nan, dtype) for _ in range(2)]
        for module, mask in zip((reference, kernel_pairs.cpu), masks, strict=True):
            module.dropout_mask(rate, key, step, row, mask=mask)
        np.testing.assert_array_equal(*masks)
    COMPARED.add("dropout_mask")


# ------------------------------------------------------------------------ batch normalization


@both
@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) == 2], ids=str)
@pytest.mark.parametrize("scaled", [True, False])
def test_batchnorm(shape, scaled, dtype, rng):
    D, e = shape[1:], 1e-3
    x, dy = numbers(rng, shape, dtype, kinks=False), numbers(rng, shape, dtype, kinks=False)
    gamma, beta, mean = (numbers(rng, D, dtype, kinks=False) for _ in range(3))
    var = rng.uniform(0.5, 2, D).astype(dtype)
    if not scaled:
        gamma = beta = None
    compare("batchnorm", x, gamma, beta, e, y=shape, xhat=shape, mean=D, var=D, dtype=dtype)
    compare("batchnorm_inference", x, gamma, beta, mean, var, e, y=shape, xhat=shape, dtype=dtype)
    for name in ("batchnorm_grad", "batchnorm_inference_grad"):
        for d in (D, None):
            compare(name, x, gamma, var, e, dy, dx=shape, dgamma=d, dbeta=d, dtype=dtype)
        compare(name, x, gamma, var, e, dy, dx=None, dgamma=D, dbeta=D, dtype=dtype)
    compare("moving_average", x[0], 0.9, average=mean, dtype=dtype)


# ------------------------------------------------------------------------------ unusual layouts


@both
def test_arrays_with_gaps_and_mixed_dtypes_are_left_to_the_reference(dtype, rng):
    wide = numbers(rng, (6, 10), dtype)
    for x in (wide[:, ::2], wide[::2], wide.T, np.asfortranarray(wide)):
        for name, args, out in (
            ("elementwise", ("tanh", x, ()), "y"),
            ("softmax", (x,), "y"),
            ("affine", (x, 2.0, 1.0), "y"),
            ("sum_rows", (x,), "out"),
        ):
            results = [
                np.full(x.shape[1:] if out == "out" else x.shape, np.nan, dtype) for _ in "ab"
            ]
            getattr(reference, name)(*args, **{out: results[0]})
            getattr(kernel_pairs.cpu, name)(*args, **{out: results[1]})
            np.testing.assert_allclose(*results[::-1], **PRECISION[dtype])
    target = np.full((6, 20), np.nan, dtype)
    kernel_pairs.cpu.softmax(wide, y=target[:, ::2])  # and so is an output with gaps
    np.testing.assert_allclose(target[:, ::2].sum(axis=1), 1, rtol=1e-5)
    assert np.isnan(target[:, 1::2]).all()
    other = wide.astype({"float32": "float64", "float64": "float32"}[dtype])
    compare("multiply", wide, other, y=wide.shape, dtype=dtype)


def test_code_on_disk_is_good_for_these_sources_only(tmp_path, monkeypatch):
    """Numba asks whether the function's file has changed, not whether what it calls has."""
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    import importlib

    from tinynet.kernels.cpu.machine import loop

    (tmp_path / "kept_function.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    double = importlib.import_module("kept_function").double

    def read_from_disk():
        compiled = loop.kept_on_disk(double)
        assert compiled(3) == 6
        return sum(compiled.stats.cache_hits.values()) == 1

    assert not read_from_disk()
    assert read_from_disk()
    monkeypatch.setattr(loop, "sources", lambda: "others")
    assert not read_from_disk()
    assert read_from_disk()
