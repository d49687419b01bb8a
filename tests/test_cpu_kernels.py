"""The kernels of the `cpu` device against the reference: every one, both dtypes, odd sizes."""

import importlib
import inspect

import numba
import numpy as np
import pytest
from test_kernels import public_functions

from tinynet import kernels
from tinynet.kernels import cpu, reference
from tinynet.kernels._elementwise import ELEMENTWISE
from tinynet.kernels._elementwise_losses import ELEMENTWISE_LOSSES as TABLE_OF_LOSSES
from tinynet.kernels._elementwise_rare import RARE

PRECISION = {"float32": {"rtol": 3e-5, "atol": 1e-5}, "float64": {"rtol": 1e-11, "atol": 1e-12}}
SHAPES = [(1, 1), (3, 1), (1, 5), (4, 17), (33, 16), (300, 7), (5, 2, 3)]
PARAMETERS = {"leaky_relu": (0.2,), "elu": (0.7,), "clipped_relu": (0.1, 1.5, 0.3)}
COMPARED = set()  # kernels that `compare` has seen; the last test looks at it

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
@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_elementwise(kind, shape, dtype, rng):
    x, dy, p = numbers(rng, shape, dtype), numbers(rng, shape, dtype), PARAMETERS.get(kind, ())
    y = np.empty_like(x)
    reference.elementwise(kind, x, p, y=y)
    compare("elementwise", kind, x, p, y=shape, dtype=dtype)
    compare("elementwise_grad", kind, x, y, dy, p, dx=shape, dtype=dtype)


@both
@pytest.mark.parametrize("kind", sorted(set(ELEMENTWISE) - {"exponential"}))
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
        for module, mask in zip((reference, cpu), masks, strict=True):
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


# ------------------------------------------------- layout, pooling, embedding, noise, row norms

STEPS = [(1, 1, 1), (3, 4, 1), (2, 1, 5), (5, 7, 3), (33, 6, 16)]
RARE_PARAMETERS = {
    "celu": (0.7,), "squareplus": (3.0,), "soft_shrink": (0.4,), "hard_shrink": (0.4,),
    "threshold": (0.4, -1.5),
}  # fmt: skip


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
    for module in (reference, cpu):
        y, dW = np.zeros((2, 2, 2), dtype), np.full((6, 2), np.nan, dtype)
        module.embedding(ids, table, y=y)
        np.testing.assert_array_equal(np.isnan(y).all(axis=-1), [[False, True], [True, False]])
        module.embedding_grad(ids, np.ones_like(y), dW=dW)
        np.testing.assert_array_equal(dW.sum(axis=1), [2, 0, 0, 0, 0, 2])


@both
@shapes
@pytest.mark.parametrize("kind", RARE)
def test_rare_elementwise(kind, shape, dtype, rng):
    x, dy = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    y, p = np.empty_like(x), RARE_PARAMETERS.get(kind, ())
    reference.elementwise(kind, x, p, y=y)
    compare("elementwise", kind, x, p, y=shape, dtype=dtype)
    compare("elementwise_grad", kind, x, y, dy, p, dx=shape, dtype=dtype)


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


# ------------------------------------------------------------------------------------- losses


@both
@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize(("N", "C"), [(1, 1), (1, 4), (6, 1), (33, 10), (5, 16)])
def test_losses(N, C, gradient, dtype, rng):
    z, t = 3 * numbers(rng, (N, C), dtype), rng.random((N, C)).astype(dtype)
    z[0, 0] = 60
    w = rng.random(N).astype(dtype)
    w[0] = 0 if N > 1 else 1
    labels, d = rng.integers(0, C, N), (N, C) if gradient else None
    p = 3 * rng.random((N, C)).astype(dtype) + dtype_of(dtype, 0.1)  # rows need not sum to 1
    binary = rng.random((N, C)).astype(dtype)
    if N > 1:
        p[1], p[1, 0], binary[1] = 0, 1, np.round(binary[1])  # clipped
    out = {"p": (N, C), "losses": (N,), "dz": d, "dtype": dtype}
    for ids in (labels, labels.astype(np.int32)):  # the second is left to the reference
        compare("sparse_softmax_crossentropy", z, ids, w, **out)
        compare("sparse_crossentropy", p, ids, w, 1e-7, losses=(N,), dp=d, dtype=dtype)
    compare("softmax_crossentropy", z, t, w, **out)
    compare("sigmoid_crossentropy", z, t, w, **out)
    compare("crossentropy", p, t, w, 1e-7, losses=(N,), dp=d, dtype=dtype)
    compare("binary_crossentropy", binary, t, w, 1e-7, losses=(N,), dp=d, dtype=dtype)
    alpha = rng.random(C).astype(dtype)
    for gamma in (2.0, 0.5, 0.0):
        compare("focal_crossentropy", p, t, alpha, w, gamma, 1e-7, losses=(N,), dp=d, dtype=dtype)
    t[-1] = z[-1]  # no error: the kink of |e|
    for y in (z, np.zeros_like(z)):  # rows without a direction, and ties everywhere
        compare("cosine_similarity", y, t, w, 1e-7, losses=(N,), dy=d, dtype=dtype)
        compare("cosine_similarity", t, y, w, 1e-7, losses=(N,), dy=d, dtype=dtype)
        compare("categorical_hinge", y, t, w, losses=(N,), dy=d, dtype=dtype)


KINDS = {  # options of the elementwise losses, and which predictions they take
    "squared": ((), "any"), "absolute": ((), "any"), "huber": ((0.8,), "any"),
    "percentage": ((1e-7,), "any"), "squared_log": ((1e-7,), "any"), "log_cosh": ((), "any"),
    "hinge": ((), "any"), "squared_hinge": ((), "any"), "poisson": ((1e-7,), "positive"),
    "kl_divergence": ((1e-7,), "share"), "binary_focal": ((2.0, 0.3, 0.7, 1e-7), "share"),
}  # fmt: skip


@both
@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize(("N", "C"), [(1, 1), (6, 1), (33, 10), (5, 16)])
def test_elementwise_losses(N, C, gradient, dtype, rng):
    assert set(KINDS) == set(TABLE_OF_LOSSES)
    w = rng.random(N).astype(dtype)
    for kind, (params, domain) in KINDS.items():
        z = numbers(rng, (N, C), dtype)
        y = {"any": z, "positive": abs(z), "share": np.round(rng.random((N, C)), 1).astype(dtype)}
        t = np.where(rng.random((N, C)) < 0.5, rng.integers(0, 2, (N, C)), rng.random((N, C)))
        t = t.astype(dtype)
        t[-1] = y[domain][-1]  # no error at all
        given = {"losses": (N,), "dy": (N, C) if gradient else None, "dtype": dtype}
        compare("elementwise_loss", kind, y[domain], t, params, w, **given)
        if kind == "binary_focal":
            for gamma in (0.0, 0.5, 1.0):
                params = (gamma, *params[1:])
                compare("elementwise_loss", kind, y[domain], t, params, w, **given)


def dtype_of(dtype, value):
    return np.dtype(dtype).type(value)


@both
def test_metrics(dtype, rng):
    p, t = rng.random((7, 3)).astype(dtype), np.eye(3, dtype=dtype)[[0, 1, 2, 2, 1, 0, 0]]
    compare("sparse_matches", p, t.argmax(axis=1), hits=(7,), dtype=dtype)
    compare("categorical_matches", p, t, hits=(7,), dtype=dtype)
    compare("binary_matches", p, t, 0.5, hits=(7,), dtype=dtype)


# ------------------------------------------------- penalties, clipping, updates (flat vectors)


@both
@pytest.mark.parametrize("P", [1, 15, 16, 100])
def test_penalties_and_clipping(P, dtype, rng):
    w, g = numbers(rng, P, dtype), numbers(rng, P, dtype)
    compare("penalty_grad", w, 0.1, 0.2, dw=g, dtype=dtype)
    matrix = w.reshape(-1, 5) if P % 5 == 0 else w.reshape(-1, 1)
    compare("penalty_grad", matrix, 0.1, 0.2, dw=g.reshape(matrix.shape), dtype=dtype)
    for c in (0.5, 1e6):  # clips, and does not
        compare("clip_by_value", c, g=g, dtype=dtype)
        compare("clip_by_norm", c, g=g, dtype=dtype)
    compare("clip_by_norm", 1.0, g=np.zeros(P, dtype), dtype=dtype)
    compare("scale_", 0.3, x=g, dtype=dtype)


@both
@pytest.mark.parametrize("P", [1, 15, 64])
def test_updates(P, dtype, rng):
    g, w, m = (numbers(rng, P, dtype) for _ in range(3))
    v, v_max = rng.uniform(1, 5, (2, P)).astype(dtype)
    for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):
        compare("sgd", g, 0.1, momentum, nesterov, w=w, m=m if momentum else None, dtype=dtype)
    a = (0.1 * m).astype(dtype)
    for mean in (None, a):
        for move in (None, m):
            numbers_ = (0.1, 0.9, 0.5 if move is not None else 0.0, 1e-7)
            compare("rmsprop", g, *numbers_, w=w, v=v, a=mean, m=move, dtype=dtype)
    for largest in (None, v_max):
        compare("adam", g, 0.01, 0.9, 0.999, 1e-7, w=w, m=m, v=v, v_max=largest, dtype=dtype)
    signed = (g + np.where(g == 0, 0.5, 0)).astype(dtype)  # so that no sign depends on rounding
    compare("nadam", g, 0.02, 0.01, 0.9, 0.99, 1.3, 1e-7, w=w, m=m, v=v, dtype=dtype)
    compare("adamax", g, 0.02, 0.9, 0.99, 1e-7, w=w, m=m, u=v, dtype=dtype)
    compare("adagrad", g, 0.02, 1e-7, w=w, a=v, dtype=dtype)
    compare("adadelta", g, 0.5, 0.9, 1e-3, w=w, a=v, x=v_max, dtype=dtype)
    compare("lion", signed, 0.02, 0.9, 0.99, w=w, m=(2 * signed).astype(dtype), dtype=dtype)
    compare("lion", np.zeros(P, dtype), 0.02, 0.9, 0.99, w=w, m=np.zeros(P, dtype), dtype=dtype)
    for power in (-0.5, -0.7, -0.0):
        compare("ftrl", g, 0.5, power, 0.1, 0.2, 0.3, w=w, n=v, z=m, dtype=dtype)
    rates = (0.02, 0.9, 0.99, 3.0, 7.0, 1e-7)
    compare("lamb", g, *rates, w=w, m=m, v=v, dtype=dtype)
    compare("lamb", g, *rates, w=np.zeros(P, dtype), m=m, v=v, dtype=dtype)
    compare("lamb", np.zeros(P, dtype), *rates, w=w, m=np.zeros(P, dtype), v=v, dtype=dtype)


@both
@pytest.mark.parametrize("shape", [(1,), (9,), (1, 1), (5, 3), (3, 16), (2, 3, 4)])
def test_factored_updates(shape, dtype, rng):
    g, w = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    r, c, v = (
        rng.uniform(1, 5, s).astype(dtype) for s in (shape[:-1], (*shape[:-2], shape[-1]), shape)
    )
    if len(shape) == 1:
        r = c = None
    for size in (1.0, 0.0):
        for rates in ((0.1, 0.0, 1e-30, 1e-3, 1.0), (0.1, 0.7, 1e-3, 0.1, 0.2)):
            compare("adafactor", g + size, *rates, w=size * w, r=r, c=c, v=v, dtype=dtype)


@both
@pytest.mark.parametrize("P", [1, 15, 64])
def test_before_and_after_an_update(P, dtype, rng):
    g, w, a = (numbers(rng, P, dtype) for _ in range(3))
    for yes in (0.0, 1.0):
        compare("accumulate", yes, 3, g=g, total=a, dtype=dtype)
        for momentum in (0.0, 0.9):
            compare("ema", momentum, yes, w=w, average=a, dtype=dtype)
    compare("not_negative", w=w, dtype=dtype)


@both
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1,), 0), ((7,), -1), ((5, 300), 0), ((300, 5), 0), ((6, 4), 1), ((6, 4), -1),
        ((6, 4), (0, 1)), ((2, 3, 4), 1), ((2, 3, 4), (1, 2)), ((2, 3, 4), (-1, 0)), ((0, 3), 0),
    ],
)  # fmt: skip
def test_norms(shape, axis, dtype, rng):
    w = rng.normal(size=shape).astype(dtype)
    if w.size:
        w[..., 0] = 0
    for low, high, rate in ((0.0, 1.5, 1.0), (1.0, 1.0, 1.0), (0.5, 1.2, 0.3)):
        compare("limit_norm", low, high, rate, 1e-7, axis, w=w, dtype=dtype)


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
            getattr(cpu, name)(*args, **{out: results[1]})
            np.testing.assert_allclose(*results[::-1], **PRECISION[dtype])
    target = np.full((6, 20), np.nan, dtype)
    cpu.softmax(wide, y=target[:, ::2])  # and so is an output with gaps
    np.testing.assert_allclose(target[:, ::2].sum(axis=1), 1, rtol=1e-5)
    assert np.isnan(target[:, 1::2]).all()
    other = wide.astype({"float32": "float64", "float64": "float32"}[dtype])
    compare("multiply", wide, other, y=wide.shape, dtype=dtype)


def test_every_kernel_was_compared(request):
    if len({item.name for item in request.session.items if item.module is request.module}) < 200:
        pytest.skip("only a run of this whole file can say whether every kernel was compared")
    makers = {"empty", "zeros", "from_host", "to_host"}
    assert set(public_functions()) - makers == COMPARED


def test_code_on_disk_is_good_for_these_sources_only(tmp_path, monkeypatch):
    """Numba asks whether the function's file has changed, not whether what it calls has."""
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    import importlib

    from tinynet.kernels import _cpu_machine

    (tmp_path / "kept_function.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    double = importlib.import_module("kept_function").double

    def read_from_disk():
        compiled = _cpu_machine.kept_on_disk(double)
        assert compiled(3) == 6
        return sum(compiled.stats.cache_hits.values()) == 1

    assert not read_from_disk()
    assert read_from_disk()
    monkeypatch.setattr(_cpu_machine, "sources", lambda: "others")
    assert not read_from_disk()
    assert read_from_disk()
