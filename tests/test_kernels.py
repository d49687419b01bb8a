"""The reference kernels against naive loops and textbook compositions, in float64."""

import inspect
import math
import pathlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import kernels
from tinynet.kernels import _elementwise, reference
from tinynet.kernels._elementwise_losses import ELEMENTWISE_LOSSES as TABLE_OF_LOSSES

N, D, H, C = 4, 3, 5, 3
random = np.random.Generator(np.random.PCG64(11))
X, W, B = random.normal(size=(N, D)), random.normal(size=(D, H)), random.normal(size=H)
DY = random.normal(size=(N, H))
Z, DZ = 2 * random.normal(size=(N, C)), random.normal(size=(N, C))
LABELS = np.array([0, 2, 2, 1])
ONE_HOT = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]], float)
TARGETS = np.array([[0.2, 0.5, 0.3], [1, 0, 1], [0, 0, 0], [0.1, 0.9, 0.4]])
SHARE = np.array([0.25, 0.5, 0.0, 1.25])  # w of a loss
EPSILON = 1e-7


def nan(*shape):
    """An output to fill: what is left untouched shows."""
    return np.full(shape, np.nan)


def same(actual, expected, rtol=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-14)


# ----------------------------------------------------------------------------- the interface


def public_functions():
    ours = ("tinynet.kernels.reference", "tinynet.kernels._reference_")
    return {
        name: f
        for name, f in vars(reference).items()
        if inspect.isfunction(f) and f.__module__.startswith(ours) and name[0] != "_"
    }


def test_the_table_names_exactly_the_functions_of_the_reference():
    lines = kernels.__doc__.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("function "))
    column = lines[start].index("equation")
    named = set()
    for line in lines[start + 1 :]:
        cell = line if line.startswith("empty,") else line[:column]
        cell = cell.split("   ")[0]
        names = re.findall(r"\w+", cell.replace("(+_grad)", ""))
        named |= set(names)
        if "(+_grad)" in cell:
            named.add(names[0] + "_grad")
    assert named == set(public_functions())


def test_outputs_are_keyword_only_and_last():
    makers = {"empty", "zeros", "from_host", "to_host"}
    for name, f in public_functions().items():
        parameters = list(inspect.signature(f).parameters.values())
        outputs = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        assert bool(outputs) != (name in makers), name
        assert all(p.default is p.empty or p.name == "axis" for p in parameters), name
        assert parameters[len(parameters) - len(outputs) :] == outputs, name


def test_every_forward_has_its_backward_below_it():
    order = list(public_functions())
    for name in order:
        if name.endswith("_grad") and name != "penalty_grad":  # penalties: tinynet/regularizers.py
            assert order.index(name) == order.index(name.removesuffix("_grad")) + 1


def test_every_kernel_is_called_somewhere():
    folder = pathlib.Path(tinynet.__file__).parent
    words = set(re.findall(r"\w+", "".join(p.read_text() for p in folder.rglob("*.py"))))
    for name in public_functions():
        called = name in words or name.removesuffix("_grad") in words  # name + "_grad", computed
        called = called or name.endswith("_matches")  # for metrics that are counted on a card
        assert called, f"nothing in tinynet/ uses the kernel {name}"


def test_load():
    assert kernels.load("reference") is reference
    with pytest.raises(ValueError, match="unknown device 'tpu'; this version has: reference"):
        kernels.load("tpu")


def test_arrays():
    assert reference.empty((2, 3), "float32").shape == (2, 3)
    zeros = reference.zeros((2,), "float64")
    assert zeros.dtype == np.float64
    assert zeros.tolist() == [0, 0]
    assert reference.from_host(X) is X
    assert reference.to_host(X) is X


# ------------------------------------------------------------------------- gather, linear, affine


@pytest.mark.parametrize("source", ["uint8", "int64", "float64", "bool"])
@pytest.mark.parametrize("target", ["float32", "float64"])
def test_gather_casts(source, target):
    data = np.array([[0, 255], [7, 1], [200, 3]]).astype(source)
    for rows in ([2, 0, 2], np.array([1]), slice(1, 3)):
        out = np.full((len(data[rows]), 2), np.nan, target)
        reference.gather(data, rows, out=out)
        assert out.dtype == target
        picked = range(*rows.indices(3)) if isinstance(rows, slice) else rows
        assert out.tolist() == [[float(v) for v in data[i]] for i in picked]


def test_linear_and_its_gradients_by_loops():
    y, dx, dW, db = nan(N, H), nan(N, D), nan(D, H), nan(H)
    reference.linear(X, W, B, y=y)
    reference.linear_dx(DY, W, dx=dx)
    reference.linear_dW(X, DY, dW=dW)
    reference.sum_rows(DY, out=db)
    for i in range(N):
        for h in range(H):
            assert y[i, h] == pytest.approx(sum(X[i, d] * W[d, h] for d in range(D)) + B[h])
        for d in range(D):
            assert dx[i, d] == pytest.approx(sum(DY[i, h] * W[d, h] for h in range(H)))
    for h in range(H):
        assert db[h] == pytest.approx(sum(DY[i, h] for i in range(N)))
        for d in range(D):
            assert dW[d, h] == pytest.approx(sum(X[i, d] * DY[i, h] for i in range(N)))
    without = nan(N, H)
    reference.linear(X, W, None, y=without)
    same(without, y - B)


def test_affine_and_multiply():
    y, product = nan(N, H), nan(N, H)
    reference.affine(DY, 3.0, -1.0, y=y)
    same(y, [[3 * v - 1 for v in row] for row in DY])
    reference.multiply(DY, B, y=product)
    same(product, [[v * b for v, b in zip(row, B, strict=True)] for row in DY])


def test_merging_by_hand():
    x, z, dy = np.array([[1.0, 2, 3]]), np.array([[4.0, 2, -1]]), np.array([[5.0, 6, 7]])
    y, dx, dz = np.empty((3, 1, 3))
    reference.add(x, z, y=y)
    assert y.tolist() == [[5, 4, 2]]
    reference.add_to(x, total=y)
    assert y.tolist() == [[6, 6, 5]]
    reference.maximum(x, z, y=y)
    assert y.tolist() == [[4, 2, 3]]
    reference.maximum_grad(x, z, dy, dx=dx, dz=dz)
    assert dx.tolist() == [[0, 3, 7]]
    assert dz.tolist() == [[5, 3, 0]]
    wide, back = np.zeros((1, 5)), np.empty((1, 3))
    reference.put_columns(x, 2, y=wide)
    assert wide.tolist() == [[0, 0, 1, 2, 3]]
    reference.take_columns(wide, 1, x=back)
    assert back.tolist() == [[0, 1, 2]]


# -------------------------------------------------------------------------------- activations

PARAMETERS = {"leaky_relu": (0.2,), "elu": (0.7,), "clipped_relu": (0.1, 1.5, 0.3)}


@pytest.mark.parametrize("kind", _elementwise.ELEMENTWISE)
def test_elementwise_writes_value_and_slope(kind):
    x = X + 0.05
    parameters, h = PARAMETERS.get(kind, ()), 1e-6
    y, dx, left, right = nan(N, D), nan(N, D), nan(N, D), nan(N, D)
    reference.elementwise(kind, x, parameters, y=y)
    reference.elementwise(kind, x - h, parameters, y=left)
    reference.elementwise(kind, x + h, parameters, y=right)
    reference.elementwise_grad(kind, x, y, DZ, parameters, dx=dx)
    np.testing.assert_allclose(dx, DZ * (right - left) / (2 * h), rtol=1e-7, atol=1e-9)
    f, df = _elementwise.ELEMENTWISE[kind]
    assert (f.__name__, df.__name__) == (kind, f"d_{kind}")
    single = np.full((N, D), np.nan, "float32")
    reference.elementwise_grad(
        kind, x.astype("f4"), y.astype("f4"), DZ.astype("f4"), parameters, dx=single
    )
    np.testing.assert_allclose(single, dx, rtol=1e-4, atol=1e-5)


def test_formulas_by_hand():
    scalar = {
        "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
        "tanh": math.tanh,
        "softplus": lambda v: math.log(1 + math.exp(v)),
        "softsign": lambda v: v / (1 + abs(v)),
        "silu": lambda v: v / (1 + math.exp(-v)),
        "gelu": lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2))),
        "mish": lambda v: v * math.tanh(math.log(1 + math.exp(v))),
        "exponential": math.exp,
        "hard_sigmoid": lambda v: min(max(v / 6 + 0.5, 0), 1),
    }
    for kind, f in scalar.items():
        y = nan(N, C)
        reference.elementwise(kind, Z, (), y=y)
        same(y, [[f(v) for v in row] for row in Z])


@pytest.mark.parametrize(
    ("shape", "slopes"), [((4, 3), (3,)), ((2, 3, 4), (3, 4)), ((2, 3, 4), (1, 4)),
                          ((2, 3, 4), (3, 1)), ((2, 3, 4), (1, 1))]
)  # fmt: skip
def test_prelu_by_loops(shape, slopes):
    x, dy = random.normal(size=shape), random.normal(size=shape)
    a = random.normal(size=slopes)
    y, dx, da = nan(*shape), nan(*shape), nan(*slopes)
    reference.prelu(x, a, y=y)
    reference.prelu_grad(x, a, dy, dx=dx, da=da)
    expected = np.zeros(slopes)
    for index in np.ndindex(*shape):
        place = tuple(0 if n == 1 else i for i, n in zip(index[1:], slopes, strict=True))
        slope = 1 if x[index] > 0 else a[place]
        assert y[index] == pytest.approx(slope * x[index])
        assert dx[index] == pytest.approx(slope * dy[index])
        if x[index] < 0:
            expected[place] += x[index] * dy[index]
    same(da, expected)
    again = nan(*shape)
    reference.prelu_grad(x, a, dy, dx=again, da=None)
    same(again, dx)
    at_zero = nan(1, 1)
    reference.prelu_grad(np.zeros((1, 1)), np.ones(1), np.ones((1, 1)), dx=at_zero, da=None)
    assert at_zero == 0


def softmax_row(row):
    total = sum(math.exp(v) for v in row)
    return np.array([math.exp(v) / total for v in row])


def softmax_jacobian(p):
    return np.array([[p[i] * ((i == j) - p[j]) for j in range(len(p))] for i in range(len(p))])


def test_softmax_and_log_softmax_by_their_jacobians():
    y, dx, log, dlog = (nan(N, C) for _ in range(4))
    reference.softmax(Z, y=y)
    reference.softmax_grad(y, DZ, dx=dx)
    reference.log_softmax(Z, y=log)
    reference.log_softmax_grad(log, DZ, dx=dlog)
    for i in range(N):
        p = softmax_row(Z[i])
        same(y[i], p)
        same(log[i], np.log(p))
        same(dx[i], DZ[i] @ softmax_jacobian(p))
        same(dlog[i], (DZ[i] / p) @ softmax_jacobian(p))


def test_softmax_may_write_over_its_input():
    expected, z = nan(N, C), Z.copy()
    reference.softmax(Z, y=expected)
    reference.softmax(z, y=z)
    same(z, expected)


# ------------------------------------------------------------------------ batch normalization


@pytest.mark.parametrize("gamma", [np.array([0.5, -2.0, 1.5]), None], ids=["gamma", "no gamma"])
@pytest.mark.parametrize("beta", [np.array([1.0, 0.0, -1.0]), None], ids=["beta", "no beta"])
def test_batchnorm_by_columns(gamma, beta):
    epsilon = 0.01
    y, xhat, mean, var, dx = nan(N, D), nan(N, D), nan(D), nan(D), nan(N, D)
    dgamma, dbeta = nan(D), nan(D)
    reference.batchnorm(X, gamma, beta, epsilon, y=y, xhat=xhat, mean=mean, var=var)
    reference.batchnorm_grad(xhat, gamma, var, epsilon, DZ, dx=dx, dgamma=dgamma, dbeta=dbeta)
    for d in range(D):
        x, dy = X[:, d], DZ[:, d]
        g, b = 1 if gamma is None else gamma[d], 0 if beta is None else beta[d]
        m = sum(x) / N
        v = sum((a - m) ** 2 for a in x) / N
        s = math.sqrt(v + epsilon)
        assert mean[d] == pytest.approx(m)
        assert var[d] == pytest.approx(v)
        same(xhat[:, d], (x - m) / s)
        same(y[:, d], g * (x - m) / s + b)
        # d xhat_i / d x_j = ([i=j] - 1/N) / s - (x_i - m) (x_j - m) / (N s^3)
        jacobian = (np.eye(N) - 1 / N) / s - np.outer(x - m, x - m) / (N * s**3)
        same(dx[:, d], (g * dy) @ jacobian, rtol=1e-10)
        assert dgamma[d] == pytest.approx(sum(dy * (x - m) / s))
        assert dbeta[d] == pytest.approx(sum(dy))
    again = nan(N, D)
    reference.batchnorm_grad(xhat, gamma, var, epsilon, DZ, dx=again, dgamma=None, dbeta=None)
    same(again, dx)


@pytest.mark.parametrize("gamma", [np.array([0.5, -2.0, 1.5]), None], ids=["gamma", "no gamma"])
@pytest.mark.parametrize("beta", [np.array([1.0, 0.0, -1.0]), None], ids=["beta", "no beta"])
def test_batchnorm_inference(gamma, beta):
    mean, var = np.array([0.1, -0.4, 2.0]), np.array([0.5, 2.0, 0.1])
    y, xhat, dx, dgamma, dbeta = nan(N, D), nan(N, D), nan(N, D), nan(D), nan(D)
    reference.batchnorm_inference(X, gamma, beta, mean, var, 0.01, y=y, xhat=xhat)
    reference.batchnorm_inference_grad(
        xhat, gamma, var, 0.01, DZ, dx=dx, dgamma=dgamma, dbeta=dbeta
    )
    g, b = 1 if gamma is None else gamma, 0 if beta is None else beta
    s = np.array([math.sqrt(v + 0.01) for v in var])
    same(y, g * (X - mean) / s + b)
    same(dx, DZ * g / s)
    same(dgamma, [sum(DZ[i, d] * (X[i, d] - mean[d]) / s[d] for i in range(N)) for d in range(D)])
    same(dbeta, [sum(DZ[i, d] for i in range(N)) for d in range(D)])


def test_moving_average():
    average = np.array([1.0, 2.0])
    reference.moving_average(np.array([3.0, -2.0]), 0.9, average=average)
    same(average, [0.9 * 1 + 0.1 * 3, 0.9 * 2 - 0.1 * 2])


# ------------------------------------------------------------------------------ cross-entropy


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


# ------------------------------------------------------------------------------------ metrics


def test_matches():
    p = np.array([[0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2]])
    hits = nan(N)
    reference.sparse_matches(p, np.array([1, 1, 2, 0]), hits=hits)
    assert hits.tolist() == [1, 0, 1, 1]  # a tie: the first one counts
    reference.categorical_matches(p, np.eye(3)[[1, 1, 2, 1]], hits=hits)
    assert hits.tolist() == [1, 0, 1, 0]
    reference.binary_matches(p, np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1.0]]), 0.5,
                             hits=hits)  # fmt: skip
    same(hits, [1, 2 / 3, 1, 2 / 3])  # 0.5 is not above 0.5


# ----------------------------------------------------------------- penalties, clipping, updates

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


@given(rows=st.integers(1, 5), inputs=st.integers(1, 5), units=st.integers(1, 5))
def test_linear_of_any_size_keeps_the_inner_product(rows, inputs, units):
    # <dy, x W> = <dy W^T, x> = <x^T dy, W>
    r = np.random.Generator(np.random.PCG64([rows, inputs, units]))
    x, w, dy = r.normal(size=(rows, inputs)), r.normal(size=(inputs, units)), None
    dy = r.normal(size=(rows, units))
    y, dx, dW = nan(rows, units), nan(rows, inputs), nan(inputs, units)
    reference.linear(x, w, None, y=y)
    reference.linear_dx(dy, w, dx=dx)
    reference.linear_dW(x, dy, dW=dW)
    assert (dy * y).sum() == pytest.approx((dx * x).sum(), abs=1e-12)
    assert (dy * y).sum() == pytest.approx((dW * w).sum(), abs=1e-12)
