"""The reference kernels for flat vectors against scalar loops: penalties, clipping, updates."""

import math

import numpy as np
import pytest
from kernel_values import same

from tinynet.kernels import reference

Wt = np.array([1.5, -2.0, 0.0, 0.25])
G = np.array([0.5, -4.0, 3.0, 0.0])


def test_the_gradient_of_a_penalty_by_loops():
    dw = G.copy()
    reference.penalty_grad(Wt, 0.1, 0.01, dw=dw)
    signs = [1, -1, 0, 1]
    same(dw, [g + 0.1 * s + 0.02 * w for g, s, w in zip(G, signs, Wt, strict=True)])


def test_clipping():
    g = G.copy()
    reference.clip_by_value(1.0, g=g)
    assert g.tolist() == [0.5, -1, 1, 0]
    g = np.array([3.0, -4.0])
    reference.clip_by_norm(1.0, g=g)
    same(g, [0.6, -0.8])
    reference.clip_by_norm(2.0, g=g)  # within: untouched
    same(g, [0.6, -0.8])
    zero = np.zeros(2)
    reference.clip_by_norm(1.0, g=zero)
    assert zero.tolist() == [0, 0]
    x = np.array([2.0, -4.0])
    reference.scale_(0.25, x=x)
    assert x.tolist() == [0.5, -1]


GRADIENTS = np.random.Generator(np.random.PCG64(5)).normal(size=(6, 4))


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_by_a_scalar_loop(momentum, nesterov):
    w, m = Wt.copy(), np.zeros(4) if momentum else None
    expected, moments = Wt.tolist(), [0.0] * 4
    for g in GRADIENTS:
        reference.sgd(g, 0.1, momentum, nesterov, w=w, m=m)
        for i in range(4):
            moments[i] = momentum * moments[i] - 0.1 * g[i]
            expected[i] += momentum * moments[i] - 0.1 * g[i] if nesterov else moments[i]
    same(w, expected)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_by_a_scalar_loop(momentum, centered):
    w, v = Wt.copy(), np.zeros(4)
    a, m = np.zeros(4) if centered else None, np.zeros(4) if momentum else None
    expected, second, first, moments = Wt.tolist(), [0.0] * 4, [0.0] * 4, [0.0] * 4
    for g in GRADIENTS:
        before = g.copy()
        reference.rmsprop(g, 0.1, 0.8, momentum, 1e-3, w=w, v=v, a=a, m=m)
        np.testing.assert_array_equal(g, before)
        for i in range(4):
            second[i] = 0.8 * second[i] + 0.2 * g[i] ** 2
            first[i] = 0.8 * first[i] + 0.2 * g[i]
            root = math.sqrt(second[i] - (first[i] ** 2 if centered else 0) + 1e-3)
            moments[i] = momentum * moments[i] + 0.1 * g[i] / root
            expected[i] -= moments[i]
    same(w, expected)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_by_a_scalar_loop(amsgrad):
    w, m, v = Wt.copy(), np.zeros(4), np.zeros(4)
    v_max = np.zeros(4) if amsgrad else None
    expected, first, second, largest = Wt.tolist(), [0.0] * 4, [0.0] * 4, [0.0] * 4
    for step, g in enumerate(GRADIENTS * np.array([[4], [3], [1], [0.5], [0.1], [0.1]]), start=1):
        alpha = 0.1 * math.sqrt(1 - 0.5**step) / (1 - 0.8**step)
        reference.adam(g, alpha, 0.8, 0.5, 1e-3, w=w, m=m, v=v, v_max=v_max)
        for i in range(4):
            first[i] = 0.8 * first[i] + 0.2 * g[i]
            second[i] = 0.5 * second[i] + 0.5 * g[i] ** 2
            largest[i] = max(largest[i], second[i])
            root = math.sqrt(largest[i] if amsgrad else second[i])
            expected[i] -= alpha * first[i] / (root + 1e-3)
    same(w, expected)
    same(v, second)
