"""The loops written in LLVM's vectors against NumPy: sums of rows, and what is not zero."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config, njit
from routine_calls import call_routine

from tinynet import Sequential
from tinynet.kernels import cpu
from tinynet.kernels.cpu.machine import native as low
from tinynet.kernels.cpu.machine.loop import SLACK
from tinynet.kernels.cpu.zeros.vectors import (
    MOST,
    VECTOR,
    not_zero,
    not_zero_plain,
    sum_rows_times,
)
from tinynet.layers import Dense, Input

PRECISION = {
    "float32": {"rtol": 1e-5, "atol": 1e-5}, "float64": {"rtol": 1e-12, "atol": 1e-12}
}  # fmt: skip


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(st.integers(1, 3 * VECTOR // 4 * MOST), st.integers(0, 9), st.booleans(), st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_sums_of_rows(dtype, n, count, on_top, gap):
    rng = np.random.Generator(np.random.PCG64(n))
    rows = rng.normal(size=(7, n + gap)).astype(dtype)
    factors = rng.normal(size=count + 2).astype(dtype)
    places = rng.integers(0, 7, count + 2).astype("int32")
    out = rng.normal(size=n + 6).astype(dtype)
    expected = out.copy()
    start = expected[3:-3] if on_top else 0
    chosen = slice(2, count + 2)
    expected[3:-3] = start + (factors[chosen, None] * rows[places[chosen], :n]).sum(axis=0)
    at = address(out) + 3 * out.itemsize
    call_routine(
        sum_rows_times, at, at if on_top else 0, address(places), address(factors), 2, count + 2,
        address(rows), rows.strides[0], n, out.dtype.type(0),
    )  # fmt: skip
    np.testing.assert_allclose(out, expected, **PRECISION[dtype])
    np.testing.assert_array_equal(out[:3], expected[:3])
    np.testing.assert_array_equal(out[-3:], expected[-3:])


@njit
def by_vectors(row, low, columns, values, count):
    return not_zero(row, low, columns, values, count)


@njit
def one_by_one(row, low, columns, values, count):
    return not_zero_plain(row, low, columns, values, count)


@pytest.mark.parametrize("found", [by_vectors, one_by_one])
@pytest.mark.parametrize("values", ["float32", "float64"])
@pytest.mark.parametrize("given_", ["uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 16, 39, 784])
@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_what_is_not_zero(size, share, given_, values, found):
    rng = np.random.Generator(np.random.PCG64(size))
    row = (rng.integers(1, 200, size) * (rng.random(size) < share)).astype(given_)
    if row.dtype.kind == "f":
        row /= 3
        row[1::5] *= -1
        row[2::9] = np.nan
    columns, entries = np.full(2 * size + SLACK, -1, "int32"), np.full(2 * size + SLACK, -1, values)
    end = found(row, 100, columns, entries, 3)
    expected = np.flatnonzero(row)
    assert end == 3 + len(expected)
    np.testing.assert_array_equal(columns[3:end], 100 + expected)
    np.testing.assert_array_equal(entries[3:end], row[expected].astype(values))
    np.testing.assert_array_equal(columns[:3], -1)


@pytest.mark.skipif(config.DISABLE_JIT, reason="NumPy's arithmetic stays as it is")
@pytest.mark.skipif(not low.FLUSH, reason="we know no control word of this processor")
def test_numbers_next_to_zero_count_as_zero_and_only_while_a_model_runs():
    @njit
    def half(x):
        mode = low.float_mode()
        low.set_float_mode(mode | low.FLUSH)
        y = x[0] * x[1]
        low.set_float_mode(mode)
        return y, x[0] * x[1]

    tiny = np.finfo("float32").smallest_normal
    assert half(np.array([tiny, 0.5], "float32")) == (0, tiny / 2)
    model = Sequential([Input((2,)), Dense(1, use_bias=False)])
    model.compile("sgd", "mse", device="cpu")
    model.set_weights([np.ones((2, 1), "float32")])
    assert model.predict(np.full((3, 2), tiny, "float32"), verbose=0)[0, 0] == 2 * tiny
    assert model.predict(np.full((3, 2), tiny / 2, "float32"), verbose=0)[0, 0] == 0
    assert np.float32(tiny) / 2 > 0  # in this thread, afterwards


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), 7, (2, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_arrays_begin_at_a_cache_line(shape, dtype):
    for array in (cpu.empty(shape, dtype), cpu.zeros(shape, dtype)):
        assert array.shape == np.empty(shape).shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert address(array) % 64 == 0 or array.size == 0
    assert (cpu.zeros(shape, dtype) == 0).all()
