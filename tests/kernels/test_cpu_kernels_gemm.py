"""Products of matrices, against NumPy's in float64; what lies beside the result must stay."""

import itertools

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from routine_calls import call_routine

from tinynet.kernels.cpu import gemm, products
from tinynet.kernels.cpu.machine import loop
from tinynet.kernels.cpu.machine.call import Scratch

GAP, GUARD = 3, 7.5  # numbers between rows of C that belong to nobody, and what they hold
PLAIN = numba.config.DISABLE_JIT
by_blas = gemm.by_blas if PLAIN or hasattr(gemm.by_blas, "routine") else numba.njit(gemm.by_blas)
ROUTES = {"tiles": gemm.gemm, "BLAS": gemm.gemm if PLAIN else by_blas}


class Guarded:
    """An array within a larger one that holds GUARD: `C`; and room as a step has it: `scratch`."""

    def __init__(self, shape, dtype, deepest):
        rows, columns = shape
        self.whole = np.full((rows + 2, columns + GAP), GUARD, dtype)
        self.C = self.whole[1:-1, :columns]
        self.words, most = np.zeros(loop.SCRATCH, np.int64), max(*shape, deepest, 1)
        packed = gemm.room(most, dtype)
        self.kept = Scratch(self.words, 0, 1, most, most, most, np.dtype(dtype), packed=packed)
        self.scratch = self.words.ctypes.data
        room = self.kept.arrays[loop.PACKED]
        self.room = np.full(packed + 8, GUARD, dtype)  # ends with numbers that nobody may touch
        self.words[loop.PACKED] = self.room.ctypes.data
        assert len(room) == packed

    def check_rest(self):
        rest = self.whole.copy()
        rest[1:-1, : self.C.shape[1]] = GUARD
        assert (rest == GUARD).all()
        assert (self.room[-8:] == GUARD).all()


def product(A, B, S=None, route="tiles"):
    """A B + S; S "C": what the result held before, all ones."""
    made = Guarded((len(A), B.shape[1]), A.dtype, len(B))
    start, row = 0, 0
    if S is not None:
        made.C[...] = 1
        S = made.C if isinstance(S, str) else S
        start, row = S.ctypes.data, S.strides[0] if S.ndim == 2 else 0
    args = (A.ctypes.data, *A.strides, *A.shape, B.ctypes.data, *B.strides, B.shape[1], start, row,
            made.C.ctypes.data, made.C.strides[0], made.scratch, A.dtype.type(0))  # fmt: skip
    if route == "tiles" or hasattr(by_blas, "routine"):
        call_routine(ROUTES[route], *args)
    else:
        ROUTES[route](*args)
    made.check_rest()
    return made.C


def check(found, A, B, S=0):
    A, B = A.astype(np.float64), B.astype(np.float64)
    bound = np.abs(A) @ np.abs(B) + np.abs(S)
    eps, tiny = np.finfo(found.dtype).eps, np.finfo(found.dtype).tiny
    assert (np.abs(found - (A @ B + S)) <= 8 * eps * (bound + (len(B) + 1) * tiny)).all()


def stored(random, shape, transposed, dtype):
    """Normal numbers, of which rows or columns lie side by side."""
    rows, columns = shape
    x = random.normal(size=(columns, rows) if transposed else shape).astype(dtype)
    return x.T if transposed else x


# around the sides of tiles and blocks, and any
sides = st.one_of(
    st.integers(0, 60),
    st.sampled_from([64, 65, 95, 97, 128, 144, 145, 207, 208, 209, 256, 257, 336, 337, 420]),
)


@settings(max_examples=400, deadline=None)
@given(rows=sides, depth=sides, columns=sides, dtype=st.sampled_from(["float32", "float64"]),
       across=st.tuples(st.booleans(), st.booleans()), S=st.sampled_from(["none", "row", "C"]),
       seed=st.integers(0, 99))  # fmt: skip
@example(rows=65, depth=420, columns=420, dtype="float32", across=(False, False), S="row", seed=0)
@example(rows=65, depth=420, columns=420, dtype="float64", across=(True, True), S="C", seed=0)
@example(rows=420, depth=420, columns=420, dtype="float32", across=(True, False), S="C", seed=0)
@example(rows=97, depth=0, columns=17, dtype="float32", across=(True, True), S="row", seed=0)
@example(rows=5, depth=2, columns=1, dtype="float64", across=(True, False), S="C", seed=0)
def test_any_shape(rows, depth, columns, dtype, across, S, seed):
    random = np.random.default_rng(seed)
    A = stored(random, (rows, depth), across[0], dtype)
    B = stored(random, (depth, columns), across[1], dtype)
    row = random.normal(size=columns).astype(dtype)
    first, added = {"none": (None, 0), "row": (row, row), "C": ("C", 1)}[S]
    check(product(A, B, first), A, B, added)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("across", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("shape", [(9, 12, 20), (40, 30, 3), (7, 400, 300), (1, 200, 1)])
def test_by_either_route(shape, across, route):
    random, (rows, depth, columns) = np.random.default_rng(0), shape
    A = stored(random, (rows, depth), across[0], "float32")
    B = stored(random, (depth, columns), across[1], "float32")
    row = random.normal(size=columns).astype("float32")
    for first, added in ((None, 0), (row, row), ("C", 1)):
        check(product(A, B, first, route), A, B, added)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_larger_arrays(dtype):
    whole = np.random.default_rng(0).normal(size=(60, 70)).astype(dtype)
    for rows, columns in itertools.product((3, 6, 20), (2, 9, 33)):
        A, B = whole[5 : 5 + rows, 7:20], whole[:13, 30 : 30 + columns]
        check(product(A, B), A, B)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [3, 8, 70])
def test_what_is_not_finite_arrives_and_spreads_no_further(bad, rows):
    A, B = np.ones((rows, 5), np.float32), np.ones((5, 20), np.float32)
    A[2, 2], B[1, 18] = bad, bad
    with np.errstate(invalid="ignore"):  # of NumPy, which warns of the lanes that it fills with 0
        for stored_b in (B, np.ascontiguousarray(B.T).T):
            np.testing.assert_array_equal(product(A, stored_b), A @ B)


@settings(max_examples=150, deadline=None)
@given(rows=st.integers(1, 60), depth=sides, columns=st.integers(1, 130), seed=st.integers(0, 9),
       dtype=st.sampled_from(["float32", "float64"]))  # fmt: skip
@example(rows=12, depth=33, columns=5, seed=0, dtype="float32")
@example(rows=13, depth=300, columns=200, seed=0, dtype="float32")
@example(rows=49, depth=300, columns=200, seed=0, dtype="float64")
def test_dx_of_few_rows_and_many(rows, depth, columns, seed, dtype):
    random = np.random.default_rng(seed)
    dy, W = (random.normal(size=(n, depth)).astype(dtype) for n in (rows, columns))
    made = Guarded((rows, columns), dy.dtype, depth)
    call_routine(products.product_transposed, dy.ctypes.data, rows, depth, W.ctypes.data, columns,
                 made.C.ctypes.data, made.C.strides[0], made.scratch, dy.dtype.type(0))  # fmt: skip
    made.check_rest()
    check(made.C, dy, W.T)
