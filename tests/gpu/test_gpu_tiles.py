"""Matrix products by our own CUDA kernel, run on the CPU, against NumPy's; and what of a step they
take along.
"""

import cuda_kernels
import fake_cupy
import numpy as np
import pytest
from cuda_on_cpu import launch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.kernels import gpu, reference
from tinynet.kernels.gpu.card import runtime
from tinynet.kernels.gpu.machine.call import Product
from tinynet.kernels.gpu.passes import tiles as tile_pass

PRECISION = {"float32": 2e-5, "float64": 1e-12}
SMALL, CARD = (4, 4), (32, 16)  # threads of a warp and side of the smallest tile: here, on a card


def draw(rng, *shape, dtype):
    return rng.normal(size=shape).astype(dtype)


def number(family, kind):
    """The number of an activation in the program of all kernels."""
    return cuda_kernels.finishing().index(cuda_kernels.framed(family, kind))


def multiplied(A, B, transposed, layout, sides, bias=None, kind=-1, x=None, y=None, parts=1):
    """(C, out) of the kernel, for A (M, K) and B (K, N) stored as they are or transposed."""
    warp, side = layout
    (M, K), N = A.shape, B.shape[1]
    dtype, tile = A.dtype.name, sides * side
    stored = [
        np.ascontiguousarray(a.T) if t else a for a, t in zip((A, B), transposed, strict=True)
    ]
    steps = [(1, len(a)) if t else (a.shape[1], 1)
             for a, t in zip((A, B), transposed, strict=True)]  # fmt: skip
    C, out = np.full((M, N), np.nan, dtype), np.full((M, N), np.nan, dtype)

    def at(array):
        return np.int64(0 if array is None else array.ctypes.data)

    tiles = -(-M // tile) * -(-N // tile)
    partial, arrived = np.full((tiles * parts, tile * tile), np.nan, dtype), np.zeros(tiles, "u4")
    args = (
        np.int64(sides), np.int64(parts), at(stored[0]), *map(np.int64, steps[0]), at(stored[1]),
        *map(np.int64, (*steps[1], M, N, K)), at(bias), np.int64(kind), *[np.float64(0.3)] * 3,
        at(x), at(y), at(partial), at(arrived), at(C), at(out),
    )  # fmt: skip
    launch("product", tiles * parts, side * side, args, dtype, warp)
    assert not arrived.any()
    return C, out


@settings(max_examples=60)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(0, 90), st.booleans(), st.booleans(),
    st.sampled_from(tile_pass.SIDES), st.sampled_from(sorted(PRECISION)), st.integers(0, 9),
    st.integers(1, 4),
)  # fmt: skip
def test_products_of_any_shape_and_layout(M, N, K, a, b, sides, dtype, seed, parts):
    rng = np.random.default_rng(seed)
    A, B, bias = (
        draw(rng, M, K, dtype=dtype),
        draw(rng, K, N, dtype=dtype),
        draw(rng, N, dtype=dtype),
    )
    kind = number("elementwise", "relu")
    C, out = multiplied(A, B, (a, b), SMALL, sides, bias, kind, parts=parts)
    expected = A.astype("float64") @ B.astype("float64") + bias
    tight = {"rtol": PRECISION[dtype], "atol": 10 * PRECISION[dtype]}
    np.testing.assert_allclose(C, expected, **tight)
    np.testing.assert_array_equal(out, np.maximum(C, 0))


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("sides", tile_pass.SIDES)
def test_blocks_as_large_as_on_a_card(sides, dtype):
    rng = np.random.default_rng(1)
    for (M, N, K), transposed in (((65, 130, 300), (False, True)), ((70, 33, 31), (True, False))):
        A, B = draw(rng, M, K, dtype=dtype), draw(rng, K, N, dtype=dtype)
        C, _ = multiplied(A, B, transposed, CARD, sides, parts=1 + M % 2)
        tight = {"rtol": PRECISION[dtype], "atol": 30 * PRECISION[dtype]}
        np.testing.assert_allclose(C, A.astype("float64") @ B, **tight)


@pytest.mark.parametrize("sides", tile_pass.SIDES)
def test_the_next_derivative_comes_along(sides):
    rng = np.random.default_rng(2)
    A, B, x = (draw(rng, *s, dtype="float64") for s in ((9, 20), (20, 11), (9, 11)))
    y, dx = np.empty_like(x), np.empty_like(x)
    reference.elementwise("elu", x, (0.3,), y=y)
    reference.elementwise_grad("elu", x, y, A @ B, (0.3,), dx=dx)
    kind = number("elementwise_grad", "elu")
    C, out = multiplied(A, B, (False, False), SMALL, sides, kind=kind, x=x, y=y)
    np.testing.assert_allclose(C, A @ B, rtol=1e-12)
    np.testing.assert_allclose(out, dx, rtol=1e-12)


def test_the_order_of_a_sum_is_fixed():
    rng = np.random.default_rng(3)
    A, B = draw(rng, 20, 200, dtype="float32"), draw(rng, 200, 20, dtype="float32")
    runs = [multiplied(A, B, (False, False), SMALL, 1, parts=3)[0] for _ in range(3)]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


# ------------------------------------------------------------------------- what they take along


@pytest.fixture
def card():
    with fake_cupy.in_place_of_a_card():
        yield


def arrays(**shapes):
    rng = np.random.default_rng(4)
    return {name: gpu.from_host(draw(rng, *s, dtype="float64")) for name, s in shapes.items()}


def run(launches):
    for one in launches:
        one.start(runtime.current())


def recorded(*calls):
    return [one for kernel, args, outputs in calls for one in kernel.instructions(*args, **outputs)]


def forward(a, activation="tanh"):
    return recorded(
        (gpu.linear, (a["x"], a["W"], a["b"]), {"y": a["z"]}),
        (gpu.elementwise, (activation, a["z"], ()), {"y": a["y"]}),
    )


SHAPES = {"x": (6, 5), "W": (5, 7), "b": (7,), "z": (6, 7), "y": (6, 7)}


def test_bias_and_activation_come_along(card):
    a = arrays(**SHAPES)
    (one,) = tile_pass.in_tiles(forward(a), tile_pass.Scalar(runtime.current()))
    run([one])
    z = a["x"].get() @ a["W"].get() + a["b"].get()
    np.testing.assert_allclose(a["z"].get(), z, rtol=1e-12)
    np.testing.assert_allclose(a["y"].get(), np.tanh(z), rtol=1e-12)


def test_a_layer_backward_is_three_launches(card):
    a = arrays(**SHAPES, dy=(6, 7), dx=(6, 5), dW=(5, 7), db=(7,), u=(6, 5), du=(6, 5))
    launches = recorded(
        (gpu.linear_dW, (a["x"], a["dy"]), {"dW": a["dW"]}),
        (gpu.sum_rows, (a["dy"],), {"out": a["db"]}),
        (gpu.linear_dx, (a["dy"], a["W"]), {"dx": a["dx"]}),
        (gpu.elementwise_grad, ("relu", a["u"], a["u"], a["dx"], ()), {"dx": a["du"]}),
    )
    made = tile_pass.in_tiles(launches, tile_pass.Scalar(runtime.current()))
    assert [one.name for one in made] == ["product", "sum_rows", "product"]
    run(made)
    x, dy, W, u = (a[name].get() for name in ("x", "dy", "W", "u"))
    np.testing.assert_allclose(a["dW"].get(), x.T @ dy, rtol=1e-12)
    np.testing.assert_allclose(a["db"].get(), dy.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(a["dx"].get(), dy @ W.T, rtol=1e-12)
    np.testing.assert_allclose(a["du"].get(), dy @ W.T * (u > 0), rtol=1e-12)


def test_an_activation_in_place(card):
    a = arrays(**SHAPES)
    a["y"] = a["z"]
    (one,) = tile_pass.in_tiles(forward(a), tile_pass.Scalar(runtime.current()))
    run([one])
    z = a["x"].get() @ a["W"].get() + a["b"].get()
    np.testing.assert_allclose(a["z"].get(), np.tanh(z), rtol=1e-12)


def test_what_would_be_written_while_others_read_it_stays_apart(card):
    a = arrays(dy=(6, 6), W=(6, 6), dx=(6, 6), u=(6, 6))
    launches = recorded(
        (gpu.linear_dx, (a["dy"], a["W"]), {"dx": a["dx"]}),
        (gpu.elementwise_grad, ("relu", a["u"], a["u"], a["dx"], ()), {"dx": a["dy"]}),
    )
    made = tile_pass.in_tiles(launches, tile_pass.Scalar(runtime.current()))
    assert [one.name for one in made] == ["product", "elementwise_grad"]


def test_what_is_made_in_other_steps_only_stays_apart(card):
    launches = forward(arrays(**SHAPES))
    launches[-1].when = gpu.Slot(1.0, 0)
    assert [
        one.name for one in tile_pass.in_tiles(launches, tile_pass.Scalar(runtime.current()))
    ] == [
        "product",
        "elementwise",
    ]


@pytest.mark.parametrize(
    ("blocks", "K", "sides", "tiles", "parts"),
    [(1, 5, 4, 6, 1), (6, 999, 4, 6, 1), (7, 999, 2, 20, 1), (99, 999, 1, 70, 1),
     (140, 257, 1, 70, 2), (700, 999, 1, 70, 4), (700, 256, 1, 70, 1)],
)  # fmt: skip
def test_there_is_work_for_all_multiprocessors(card, monkeypatch, blocks, K, sides, tiles, parts):
    """As large tiles as leave work for all; where the smallest don't, their depth is split."""
    monkeypatch.setattr(runtime.current(), "multiprocessors", blocks)
    a = arrays(A=(37, K), B=(K, 28), C=(37, 28))
    product = Product((False, False), (28, 37, K), a["B"], 28, a["A"], K, a["C"], 28)
    (one,) = tile_pass.in_tiles([product], tile_pass.Scalar(runtime.current()))
    assert (one.given["sides"], one.count, one.given["parts"]) == (sides, tiles * parts, parts)
    if K == 257:
        run([one])
        np.testing.assert_allclose(a["C"].get(), a["A"].get() @ a["B"].get(), rtol=1e-10)
