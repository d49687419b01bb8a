"""The reference kernels against naive loops and textbook compositions, in float64."""

import inspect
import math
import pathlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_values import (
    DY,
    DZ,
    B,
    C,
    D,
    H,
    N,
    W,
    X,
    Z,
    nan,
    public_functions,
    random,
    same,
    softmax_jacobian,
    softmax_row,
)

import tinynet
from tinynet import kernels
from tinynet.kernels import reference
from tinynet.kernels.reference import activations

# ----------------------------------------------------------------------------- the interface


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

PARAMETERS = {
    "leaky_relu": (0.2,), "elu": (0.7,), "clipped_relu": (0.1, 1.5, 0.3), "celu": (0.7,),
    "squareplus": (3.0,), "soft_shrink": (0.4,), "hard_shrink": (0.4,), "threshold": (0.4, -1.5),
}  # fmt: skip


@pytest.mark.parametrize("kind", activations.FUNCTIONS)
def test_elementwise_writes_value_and_slope(kind):
    x = X + 0.05
    parameters, h = PARAMETERS.get(kind, ()), 1e-6
    y, dx, left, right = nan(N, D), nan(N, D), nan(N, D), nan(N, D)
    reference.elementwise(kind, x, parameters, y=y)
    reference.elementwise(kind, x - h, parameters, y=left)
    reference.elementwise(kind, x + h, parameters, y=right)
    reference.elementwise_grad(kind, x, y, DZ, parameters, dx=dx)
    np.testing.assert_allclose(dx, DZ * (right - left) / (2 * h), rtol=1e-7, atol=1e-9)
    f, df = activations.FUNCTIONS[kind]
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
