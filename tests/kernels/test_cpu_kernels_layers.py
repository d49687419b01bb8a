"""Kernels for layers beyond Dense on the `cpu` device, against the reference."""

import kernel_pairs
import numpy as np
import pytest
from kernel_pairs import both, compare, numbers, rng, shapes

from tinynet.kernels import reference

STEPS = [(1, 1, 1), (3, 4, 1), (2, 1, 5), (5, 7, 3), (33, 6, 16)]


@both
@pytest.mark.parametrize("shape", STEPS, ids=str)
def test_broadcasts_transposes_and_steps(shape, dtype, rng):
    N, T, D = shape
    x, dy = numbers(rng, shape, dtype), numbers(rng, (N, D), dtype)
    for m_shape in (shape, (N, T, 1), (N, 1, D), (1, T, D), (1, 1, D), (D,), (T, 1)):
        m = numbers(rng, m_shape, dtype)
        compare("add", x, m, y=shape, dtype=dtype)
        compare("multiply", x, m, y=shape, dtype=dtype)
    compare("transpose", x, (0, 2, 1), y=(N, D, T), dtype=dtype)
    four = numbers(rng, (N, T, D, 2), dtype)
    compare("transpose", four, (0, 3, 1, 2), y=(N, 2, T, D), dtype=dtype)
    compare("repeat", dy, y=shape, dtype=dtype)
    compare("sum_steps", x, y=(N, D), dtype=dtype)
    x = np.round(x)  # ties
    compare("max_steps", x, y=(N, D), dtype=dtype)
    compare("max_steps_grad", x, x.max(axis=1), dy, dx=shape, dtype=dtype)
    ids = rng.integers(0, 2, (N, T)).astype(dtype)
    ids[0] = 0
    compare("mask_weights", ids, w=(N, T), dtype=dtype)
    compare("deviation", np.abs(dy[0]), 0.5, out=(D,), dtype=dtype)


@both
@pytest.mark.parametrize("shape", [(1,), (4,), (3, 5), (2, 3, 4)], ids=str)
def test_embedding(shape, dtype, rng):
    ids, table = rng.integers(0, 6, shape).astype(dtype), numbers(rng, (6, 3), dtype)
    compare("embedding", ids, table, y=(*shape, 3), dtype=dtype)
    dy = numbers(rng, (*shape, 3), dtype)
    compare("embedding_grad", ids, dy, dW=(6, 3), dtype=dtype)


@both
def test_ids_outside_the_table_read_nan_and_teach_nothing(dtype):
    ids, table = np.array([[0, 6], [-1, 5]], dtype), np.ones((6, 2), dtype)
    for module in (reference, kernel_pairs.cpu):
        y, dW = np.zeros((2, 2, 2), dtype), np.full((6, 2), np.nan, dtype)
        module.embedding(ids, table, y=y)
        np.testing.assert_array_equal(np.isnan(y).all(axis=-1), [[False, True], [True, False]])
        module.embedding_grad(ids, np.ones_like(y), dW=dW)
        np.testing.assert_array_equal(dW.sum(axis=1), [2, 0, 0, 0, 0, 2])


@both
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax"])
@pytest.mark.parametrize(("shape", "axis"), [((4, 5), -1), ((3, 4, 5), 1), ((2, 3, 4, 2), -2)])
def test_softmax_along_any_axis(name, shape, axis, dtype, rng):
    x, dy = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    y = np.empty_like(x)
    getattr(reference, name)(x, axis, y=y)
    compare(name, x, axis, y=shape, dtype=dtype)
    compare(name + "_grad", y, dy, axis, dx=shape, dtype=dtype)


@both
@pytest.mark.parametrize("shape", [(1, 2), (5, 6), (2, 3, 8)], ids=str)
def test_glu(shape, dtype, rng):
    half = (*shape[:-1], shape[-1] // 2)
    compare("glu", numbers(rng, shape, dtype), y=half, dtype=dtype)
    dy = numbers(rng, half, dtype)
    compare("glu_grad", numbers(rng, shape, dtype), dy, dx=shape, dtype=dtype)


@both
@pytest.mark.parametrize("a_shape", [(1, 5), (4, 1), (1, 1)], ids=str)
def test_prelu_with_shared_slopes(a_shape, dtype, rng):
    x, dy, a = (numbers(rng, s, dtype) for s in ((3, 4, 5), (3, 4, 5), a_shape))
    compare("prelu", x, a, y=x.shape, dtype=dtype)
    compare("prelu_grad", x, a, dy, dx=x.shape, da=a_shape, dtype=dtype)


@both
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 8), (4, 9), (3, 2, 5)], ids=str)
def test_normal_masks_are_equal_but_for_rounding(shape, dtype):
    for key, step, row in (((0, 0), 0, 0), ((2**62 + 5, 3), 2**33, 12345), ((7, 2**63 - 1), 1, 3)):
        compare("normal_mask", 0.5, 2.0, key, step, row, mask=shape, dtype=dtype)


@both
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("kind", ["layer", "rms", "unit"])
@pytest.mark.parametrize("shape", [(1, 3), (6, 1), (33, 17)], ids=str)
def test_rownorm(kind, shape, scaled, dtype, rng):
    N, D = shape
    e = 1e-3
    x, dy = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    x[-1] = 1e-5 * (1 + np.arange(D) % 2)  # a norm that "unit" clips
    gamma = beta = None
    if scaled:
        gamma, beta = numbers(rng, D, dtype), numbers(rng, D, dtype)
    compare("rownorm", kind, x, gamma, beta, e, y=shape, xhat=shape, inv=(N,), dtype=dtype)
    xhat, y, inv = np.empty_like(x), np.empty_like(x), np.empty(N, dtype)
    reference.rownorm(kind, x, gamma, beta, e, y=y, xhat=xhat, inv=inv)
    for d in (D, None):
        shapes_ = {"dx": shape, "dgamma": d and (d,), "dbeta": d and (d,)}
        compare("rownorm_grad", kind, xhat, gamma, inv, e, dy, **shapes_, dtype=dtype)
    shapes_ = {"dx": None, "dgamma": (D,), "dbeta": (D,)}
    compare("rownorm_grad", kind, xhat, gamma, inv, e, dy, **shapes_, dtype=dtype)


@both
@shapes
def test_activity_penalty(shape, dtype, rng):
    x, dy = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    compare("activity_penalty", x, 0.3, 0.1, losses=shape[:1], dtype=dtype)
    compare("activity_penalty_grad", x, dy, 0.3, 0.1, dx=shape, dtype=dtype)
