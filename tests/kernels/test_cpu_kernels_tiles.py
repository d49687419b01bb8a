"""Small products in tiles, against NumPy's in float64."""

import itertools

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from routine_calls import call_routine

from tinynet.kernels.cpu import products
from tinynet.kernels.cpu.machine import loop
from tinynet.kernels.cpu.machine.call import Scratch
from tinynet.kernels.cpu.machine.compiling import INSTRUCTIONS
from tinynet.kernels.cpu.machine.native import AS_STORED, TRANSPOSED
from tinynet.kernels.cpu.tiles import tiled

GAP, GUARD = 3, 7.5  # numbers between rows of C that belong to nobody, and what they hold


@numba.njit
def call(a, a_row, a_k, b, b_k, rows, depth, columns, c, c_row, like):
    tiled(a, a_row, a_k, b, b_k, rows, depth, columns, c, c_row, like)


def by_tiles(A, B):
    """C, computed into a larger array of which the rest must stay."""
    rows, depth, columns = *A.shape, B.shape[1]
    whole = np.full((rows + 2, columns + GAP), GUARD, A.dtype)
    C = whole[1:-1, :columns]
    call(A.ctypes.data, *A.strides, B.ctypes.data, B.strides[0], rows, depth, columns,
         C.ctypes.data, C.strides[0], A.dtype.type(0))  # fmt: skip
    rest = whole.copy()
    rest[1:-1, :columns] = GUARD
    assert (rest == GUARD).all()
    return C


def check(A, B):
    expected = A.astype(np.float64) @ B.astype(np.float64)
    bound = np.abs(A).astype(np.float64) @ np.abs(B).astype(np.float64)
    error = np.abs(by_tiles(A, B) - expected)
    assert (error <= 8 * np.finfo(A.dtype).eps * (bound + len(B) * np.finfo(A.dtype).tiny)).all()


sizes = st.integers(1, 40)


@settings(max_examples=300, deadline=None)
@given(rows=sizes, depth=st.integers(0, 40), columns=sizes,
       dtype=st.sampled_from(["float32", "float64"]), transposed=st.booleans(),
       seed=st.integers(0, 99))  # fmt: skip
@example(rows=6, depth=1, columns=16, dtype="float32", transposed=False, seed=0)
@example(rows=7, depth=3, columns=17, dtype="float32", transposed=True, seed=0)
@example(rows=5, depth=2, columns=1, dtype="float64", transposed=True, seed=0)
def test_any_shape(rows, depth, columns, dtype, transposed, seed):
    random = np.random.default_rng(seed)
    A = random.normal(size=(depth, rows) if transposed else (rows, depth)).astype(dtype)
    check(A.T if transposed else A, random.normal(size=(depth, columns)).astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_larger_arrays(dtype):
    whole = np.random.default_rng(0).normal(size=(60, 70)).astype(dtype)
    for rows, columns in itertools.product((3, 6, 20), (2, 9, 33)):
        check(whole[5 : 5 + rows, 7:20], whole[:13, 30 : 30 + columns])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_arrives(bad):
    A, B = np.ones((8, 5), np.float32), np.ones((5, 20), np.float32)
    A[3, 2], B[1, 18] = bad, bad
    np.testing.assert_array_equal(by_tiles(A, B), A @ B)


def test_large_ones():
    random = np.random.default_rng(1)
    check(*(random.normal(size=s).astype(np.float32) for s in ((130, 300), (300, 101))))


@pytest.mark.parametrize("small", [False, True], ids=["tiles", "BLAS"])
@pytest.mark.parametrize("transposed", [AS_STORED, TRANSPOSED])
@pytest.mark.parametrize("shape", [(9, 12, 20), (40, 30, 3), (7, 400, 300), (200, 200, 200)])
@pytest.mark.parametrize("adds", [0, 1])
def test_either_way_the_product_is_the_same(shape, transposed, small, adds):
    random, (rows, depth, columns) = np.random.default_rng(0), shape
    A = random.normal(size=(depth, rows) if transposed else (rows, depth)).astype(np.float32)
    B, C = (random.normal(size=s).astype(np.float32) for s in ((depth, columns), (rows, columns)))
    expected = (A.T if transposed else A).astype(np.float64) @ B + adds * C
    mine = np.zeros(loop.SCRATCH, np.int64)
    tiles = 0 if small else INSTRUCTIONS["in_tiles"].address(np.dtype("float32"))
    kept = Scratch(mine, 0, 1, rows, rows, columns, np.float32, small=small, tiles=tiles)
    call_routine(
        products.multiply, A.ctypes.data, rows, depth, A.shape[1], transposed, B.ctypes.data,
        columns, adds, C.ctypes.data, columns, mine.ctypes.data, np.float32(0),
    )  # fmt: skip
    np.testing.assert_allclose(C, expected, rtol=1e-4, atol=1e-4)
    del kept
