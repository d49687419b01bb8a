"""The reference kernels of the losses against naive loops and the chain rule, in float64."""

import math

import numpy as np
import pytest
from kernel_values import (
    EPSILON,
    LABELS,
    ONE_HOT,
    SHARE,
    TARGETS,
    C,
    N,
    Z,
    nan,
    same,
    softmax_jacobian,
    softmax_row,
)

from tinynet.kernels import reference
from tinynet.kernels.reference.losses import ELEMENTWISE_LOSSES as TABLE_OF_LOSSES


def test_softmax_crossentropy_is_softmax_then_log_then_the_chain_rule():
    p, losses, dz = nan(N, C), nan(N), nan(N, C)
    reference.softmax_crossentropy(Z, TARGETS, SHARE, p=p, losses=losses, dz=dz)
    for i in range(N):
        q = softmax_row(Z[i])
        same(p[i], q)
        loss = -SHARE[i] * sum(t * math.log(v) for t, v in zip(TARGETS[i], q, strict=True))
        assert losses[i] == pytest.approx(loss)
        dq = -SHARE[i] * TARGETS[i] / q  # of the logarithm
        same(dz[i], dq @ softmax_jacobian(q))


def test_sparse_softmax_crossentropy_is_the_same_for_one_hot_targets():
    p, losses, dz = nan(N, C), nan(N), nan(N, C)
    reference.sparse_softmax_crossentropy(Z, LABELS, SHARE, p=p, losses=losses, dz=dz)
    for i in range(N):
        q = softmax_row(Z[i])
        same(p[i], q)
        assert losses[i] == pytest.approx(-SHARE[i] * math.log(q[LABELS[i]]))
        same(dz[i], (-SHARE[i] * ONE_HOT[i] / q) @ softmax_jacobian(q))


def test_sigmoid_crossentropy_is_sigmoid_then_log_then_the_chain_rule():
    p, losses, dz = nan(N, C), nan(N), nan(N, C)
    reference.sigmoid_crossentropy(Z, TARGETS, SHARE, p=p, losses=losses, dz=dz)
    for i in range(N):
        total = 0
        for c in range(C):
            t, q = TARGETS[i, c], 1 / (1 + math.exp(-Z[i, c]))
            assert p[i, c] == pytest.approx(q)
            total += -t * math.log(q) - (1 - t) * math.log(1 - q)
            dq = -t / q + (1 - t) / (1 - q)
            assert dz[i, c] == pytest.approx(SHARE[i] / C * dq * q * (1 - q), abs=1e-14)
        assert losses[i] == pytest.approx(SHARE[i] * total / C)


FUSED = [
    (reference.softmax_crossentropy, ONE_HOT),
    (reference.sparse_softmax_crossentropy, LABELS),
    (reference.sigmoid_crossentropy, ONE_HOT),
]


@pytest.mark.parametrize(("kernel", "y"), FUSED, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fused_losses_keep_a_gradient_where_the_output_saturates(kernel, y, dtype):
    z = np.array([[-800, 800, 0], [800, 0, -800], [1e4, 0, -1e4], [0, -900, 900]], dtype)
    p, losses, dz = (np.full(s, np.nan, dtype) for s in ((N, C), (N,), (N, C)))
    kernel(z, y, np.ones(N, dtype), p=p, losses=losses, dz=dz)
    assert np.isfinite(losses).all()
    assert np.isfinite(p).all()
    share = 1 / C if kernel is reference.sigmoid_crossentropy else 1
    assert dz[0, 0] == pytest.approx(-share)  # target 1, probability 0
    if kernel is not reference.sigmoid_crossentropy:
        np.testing.assert_allclose(losses, [1600, 1600, 2e4, 1800])


@pytest.mark.parametrize(("kernel", "y"), FUSED, ids=lambda v: getattr(v, "__name__", ""))
def test_fused_losses_without_a_gradient(kernel, y):
    with_gradient, without = [(nan(N, C), nan(N)) for _ in range(2)]
    kernel(Z, y, SHARE, p=with_gradient[0], losses=with_gradient[1], dz=nan(N, C))
    kernel(Z, y, SHARE, p=without[0], losses=without[1], dz=None)
    for a, b in zip(with_gradient, without, strict=True):
        np.testing.assert_array_equal(a, b)


P = np.array([[0.2, 0.5, 0.3], [1.0, 2.0, 1.0], [1.0, 0.0, 0.0], [1e-9, 1.0, 1e-9]])


def clip(v):
    return min(max(v, EPSILON), 1 - EPSILON)


def test_crossentropy_on_probabilities():
    losses, dp = nan(N), nan(N, C)
    reference.crossentropy(P, TARGETS, SHARE, EPSILON, losses=losses, dp=dp)
    for i in range(N):
        total = sum(P[i])
        q = P[i] / total
        assert losses[i] == pytest.approx(
            -SHARE[i] * sum(t * math.log(clip(v)) for t, v in zip(TARGETS[i], q, strict=True))
        )
        dq = [-SHARE[i] * t / v if EPSILON <= v <= 1 - EPSILON else 0
              for t, v in zip(TARGETS[i], q, strict=True)]  # fmt: skip
        # q_j = p_j / sum p:  dq_j / dp_k = [j=k] / sum - p_j / sum^2
        for k in range(C):
            expected = sum(dq[j] * ((j == k) / total - P[i, j] / total**2) for j in range(C))
            assert dp[i, k] == pytest.approx(expected, abs=1e-14)
    assert not dp[3].any()  # all of row 3 is clipped


def test_sparse_crossentropy_is_the_same_for_one_hot_targets():
    losses, dp, expected, dq = nan(N), nan(N, C), nan(N), nan(N, C)
    reference.sparse_crossentropy(P, LABELS, SHARE + 1, EPSILON, losses=losses, dp=dp)
    reference.crossentropy(P, ONE_HOT, SHARE + 1, EPSILON, losses=expected, dp=dq)
    same(losses, expected)
    same(dp, dq)
    assert losses[2] == pytest.approx(-math.log(EPSILON))  # the ceiling: 16.118


def test_binary_crossentropy_on_probabilities():
    p = np.array([[0.2, 0.5, 0.9], [0.0, 1.0, 1e-8], [0.3, 1.0, 0.0], [0.99, 0.01, 0.5]])
    losses, dp = nan(N), nan(N, C)
    reference.binary_crossentropy(p, TARGETS, SHARE, EPSILON, losses=losses, dp=dp)
    for i in range(N):
        total = 0
        for c in range(C):
            t, q = TARGETS[i, c], clip(p[i, c])
            total += -t * math.log(q) - (1 - t) * math.log(1 - q)
            slope = 0 if q != p[i, c] else -t / q + (1 - t) / (1 - q)
            assert dp[i, c] == pytest.approx(SHARE[i] / C * slope, abs=1e-14)
        assert losses[i] == pytest.approx(SHARE[i] * total / C)


def log_terms(y, t):
    return math.log(1 + max(y, 1e-7)) - math.log(1 + max(t, 1e-7))


def cross(y, t):
    return -t * math.log(y) - (1 - t) * math.log(1 - y)


def focal(y, t):
    return (0.3 * t + 0.7 * (1 - t)) * (1 - t * y - (1 - t) * (1 - y)) ** 1.5 * cross(y, t)


def sign(t):
    return t if t else -1


ERRORS = {  # of e = y - t
    "squared": (lambda e: e * e, lambda e: 2 * e),
    "absolute": (abs, lambda e: (e > 0) - (e < 0)),
    "huber": (
        lambda e: 0.5 * e * e if abs(e) <= 0.7 else 0.7 * abs(e) - 0.5 * 0.49,
        lambda e: e if abs(e) <= 0.7 else math.copysign(0.7, e),
    ),
}


# kind: options, value and derivative of one number; a derivative of None is left to differences
ELEMENTWISE_LOSSES = {
    kind: ((0.7,) if kind == "huber" else (), lambda y, t, f=f: f(y - t),
           lambda y, t, df=df: df(y - t))
    for kind, (f, df) in ERRORS.items()
} | {
    "percentage": ((1e-7,), lambda y, t: 100 * abs(y - t) / max(abs(t), 1e-7),
                   lambda y, t: 100 * ((y > t) - (y < t)) / max(abs(t), 1e-7)),
    "squared_log": ((1e-7,), lambda y, t: log_terms(y, t) ** 2,
                    lambda y, t: 2 * log_terms(y, t) / (1 + y) if y > 1e-7 else 0),
    "log_cosh": ((), lambda y, t: math.log(math.cosh(y - t)), lambda y, t: math.tanh(y - t)),
    "hinge": ((), lambda y, t: max(0, 1 - sign(t) * y),
              lambda y, t: -sign(t) if sign(t) * y < 1 else 0),
    "squared_hinge": ((), lambda y, t: max(0, 1 - sign(t) * y) ** 2,
                      lambda y, t: -2 * sign(t) * max(0, 1 - sign(t) * y)),
    "poisson": ((1e-7,), lambda y, t: y - t * math.log(y + 1e-7),
                lambda y, t: 1 - t / (y + 1e-7)),
    "kl_divergence": ((1e-7,), lambda y, t: max(t, 1e-7) * math.log(max(t, 1e-7) / y),
                      lambda y, t: -max(t, 1e-7) / y),
    "binary_focal": ((1.5, 0.3, 0.7, 1e-7), focal, None),
}  # fmt: skip
POSITIVE = ("poisson", "kl_divergence", "binary_focal")  # which wants y in (0, 1), or > 0


@pytest.mark.parametrize("kind", ELEMENTWISE_LOSSES)
def test_elementwise_losses_by_loops(kind):
    assert set(ELEMENTWISE_LOSSES) == set(TABLE_OF_LOSSES)
    params, f, df = ELEMENTWISE_LOSSES[kind]
    y = 1 / (1 + np.exp(-Z)) if kind in POSITIVE else Z.copy()
    y[0, 0] = TARGETS[0, 0]  # no error at all
    df = df or (lambda y, t: (f(y + 1e-6, t) - f(y - 1e-6, t)) / 2e-6)
    losses, dy, again = nan(N), nan(N, C), nan(N)
    reference.elementwise_loss(kind, y, TARGETS, params, SHARE, losses=losses, dy=dy)
    pairs = [list(zip(*rows, strict=True)) for rows in zip(y.tolist(), TARGETS.tolist(),
                                                           strict=True)]  # fmt: skip
    same(losses, [w * sum(f(*p) for p in row) / C for w, row in zip(SHARE, pairs, strict=True)])
    slopes = [[w * df(*p) / C for p in row] for w, row in zip(SHARE, pairs, strict=True)]
    same(dy, slopes, 1e-8 if kind == "binary_focal" else 1e-12)
    reference.elementwise_loss(kind, y, TARGETS, params, SHARE, losses=again, dy=None)
    np.testing.assert_array_equal(again, losses)


ROWWISE = {  # how one row's value comes about
    "categorical_hinge": (
        (), lambda y, t: max(0, 1 + max((1 - t) * y) - t @ y),
    ),
    "cosine_similarity": (
        (EPSILON,), lambda y, t: -(t @ y) / max(math.sqrt(t @ t) * math.sqrt(y @ y), 1e-14),
    ),
    "focal_crossentropy": (
        (1.5, EPSILON),
        lambda y, t: -sum(a * v * (1 - q) ** 1.5 * math.log(q)
                          for a, v, q in zip((0.2, 0.5, 0.9), t, y / sum(y), strict=True)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWWISE)
def test_losses_of_whole_rows_by_loops(name):
    params, f = ROWWISE[name]
    y, w = (abs(Z) + 0.1 if "focal" in name else Z), SHARE + 0.1
    args, gradient = (y, TARGETS, w, *params), "dp" if "focal" in name else "dy"
    if "focal" in name:
        args = (y, TARGETS, np.array([0.2, 0.5, 0.9]), w, *params)
    losses, dy, again = nan(N), nan(N, C), nan(N)
    getattr(reference, name)(*args, losses=losses, **{gradient: dy})
    same(losses, [w[i] * f(y[i], TARGETS[i]) for i in range(N)], 1e-10)
    for i, c in np.ndindex(N, C):
        step = 1e-6 * np.eye(C)[c]
        slope = (f(y[i] + step, TARGETS[i]) - f(y[i] - step, TARGETS[i])) / 2e-6
        assert dy[i, c] == pytest.approx(w[i] * slope, rel=1e-6, abs=1e-8), (i, c)
    getattr(reference, name)(*args, losses=again, **{gradient: None})
    np.testing.assert_array_equal(again, losses)


def test_equally_strong_classes_share_the_hinge():
    losses, dy = nan(1), nan(1, 4)
    t = np.array([[0.0, 0, 0, 1]])
    reference.categorical_hinge(np.zeros((1, 4)), t, np.array([8.0]), losses=losses, dy=dy)
    assert losses.tolist() == [8]
    assert dy.tolist() == [[2, 2, 2, -8]]  # the true class is as strong as the others: (1 - t) y
    reference.categorical_hinge(2 * t, t, np.array([8.0]), losses=losses, dy=dy)
    assert losses.tolist() == [0]
    assert not dy.any()


def test_rows_without_a_direction():
    losses, dy = nan(1), nan(1, 2)
    zero, one, w = np.zeros((1, 2)), np.array([[0.0, 2.0]]), np.ones(1)
    reference.cosine_similarity(zero, one, w, EPSILON, losses=losses, dy=dy)
    assert losses[0] == 0
    same(dy, [[0, -1e7]])  # of a value that is linear within 1e-7
    reference.cosine_similarity(one, zero, w, EPSILON, losses=losses, dy=dy)
    assert losses[0] == 0
    assert not dy.any()


def test_the_slope_of_a_focal_factor_stays_finite():
    y, t, w, dy = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]), np.ones(1), nan(1, 2)
    for gamma in (0.0, 0.5, 1.0, 2.0):
        reference.elementwise_loss(
            "binary_focal", y, t, (gamma, 1, 1, EPSILON), w, losses=nan(1), dy=dy
        )
        same(dy, np.array([[-1, 1]]) * (0.5e-7 if gamma == 1 else 0), 1e-6)


@pytest.mark.parametrize(
    ("kernel", "arguments"),
    [(reference.crossentropy, (TARGETS,)), (reference.sparse_crossentropy, (LABELS,)),
     (reference.binary_crossentropy, (ONE_HOT,))],
    ids=lambda v: getattr(v, "__name__", ""),
)  # fmt: skip
def test_probability_losses_without_a_gradient(kernel, arguments):
    p, losses, again = np.clip(P, 0, 1), nan(N), nan(N)
    kernel(p, *arguments, SHARE, EPSILON, losses=losses, dp=nan(N, C))
    kernel(p, *arguments, SHARE, EPSILON, losses=again, dp=None)
    np.testing.assert_array_equal(again, losses)
