"""Products by tensor cores at float32's accuracy (TINYNET_TF32X3): the source by the C++
compiler, and what NVRTC makes of it, where the instructions of tensor cores are carried out as
NVIDIA's manual of PTX says, but for how they round sums.
"""

import pathlib

import fake_cupy
import numpy as np
import pytest

import tinynet
from tinynet import Sequential
from tinynet.kernels import gpu
from tinynet.kernels.gpu.card import runtime
from tinynet.kernels.gpu.machine import options
from tinynet.kernels.gpu.passes import tiles
from tinynet.layers import Dense, Input


@pytest.fixture(params=["source", "ptx"])
def card(request, monkeypatch):
    """Blocks and warps as large as on a card; three multiprocessors."""
    if request.param == "ptx":
        pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed")
        monkeypatch.setenv("TINYNET_TESTS_PTX", "1")
    monkeypatch.setattr(fake_cupy, "THREADS", 256)
    monkeypatch.setattr(fake_cupy, "WARP", 32)
    with fake_cupy.in_place_of_a_card():
        yield


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def products(N, D, H):
    """(launch, where its result is, what is right) for a layer's y, dW and dx."""
    x, W, dy = draw(N, D), draw(D, H, seed=1), draw(N, H, seed=2)
    there = {k: gpu.from_host(a) for k, a in (("x", x), ("W", W), ("dy", dy))}
    out = {k: gpu.empty(s, "float32") for k, s in (("y", (N, H)), ("dW", (D, H)), ("dx", (N, D)))}
    calls = (
        (gpu.linear, (there["x"], there["W"], None), "y", x.astype("f8") @ W),
        (gpu.linear_dW, (there["x"], there["dy"]), "dW", x.T.astype("f8") @ dy),
        (gpu.linear_dx, (there["dy"], there["W"]), "dx", dy.astype("f8") @ W.T),
    )
    for kernel, arguments, name, right in calls:
        launches = kernel.instructions(*arguments, **{name: out[name]})
        (one,) = tiles.in_tiles(launches, tiles.TensorCores(runtime.current()))
        yield one, out[name], right


# whole tiles; ragged ones whose rows begin anywhere; one that is less than a quad
@pytest.mark.parametrize("shape", [(256, 64, 64), (131, 37, 70), (130, 300, 10), (3, 2, 1)])
def test_layouts_and_sizes(card, shape):
    for one, out, right in products(*shape):
        one.start(runtime.current())
        error = np.linalg.norm(gpu.to_host(out) - right) / np.linalg.norm(right)
        assert error < 3e-7, one.given  # of TF32 it is 3e-4


def test_a_deep_product_is_split_and_joined_in_order(card):
    (_, (one, out, right), _) = products(1300, 40, 30)
    assert one.given["parts"] == 6  # of 256 numbers at least; six blocks for three multiprocessors
    found = []
    for _ in range(2):
        out.fill(np.nan)
        one.start(runtime.current())
        found.append(gpu.to_host(out))
    np.testing.assert_array_equal(*found)
    assert np.linalg.norm(found[0] - right) / np.linalg.norm(right) < 3e-7


def test_three_products_are_made(card, monkeypatch):
    """The error shows each of them: without the small halves of either factor it is TF32's."""
    x, W = draw(128, 64), np.eye(64, dtype="float32")
    y = gpu.empty((128, 64), "float32")
    launches = gpu.linear.instructions(gpu.from_host(x), gpu.from_host(W), None, y=y)
    (one,) = tiles.in_tiles(launches, tiles.TensorCores(runtime.current()))
    one.start(runtime.current())
    np.testing.assert_allclose(gpu.to_host(y), x, rtol=2**-21)  # 22 bits of x
    (one,) = tiles.in_tiles(
        gpu.linear.instructions(gpu.from_host(W.repeat(2, 0)), gpu.from_host(x[:64]), None, y=y),
        tiles.TensorCores(runtime.current()),
    )
    one.start(runtime.current())
    np.testing.assert_allclose(gpu.to_host(y), x[:64].repeat(2, 0), rtol=2**-21)


def trained(device, activation):
    tinynet.utils.set_random_seed(4)
    model = Sequential([Input((9,)), Dense(20, activation), Dense(7, activation), Dense(3)])
    model.compile("adam", "mse", device=device)
    history = model.fit(draw(96, 9), draw(96, 3, seed=1), batch_size=48, epochs=2, verbose=0)
    return model, history.history["loss"]


@pytest.mark.parametrize("card", ["source"], indirect=True)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_whole_models(card, monkeypatch, activation):
    monkeypatch.setenv("TINYNET_TF32X3", "48")
    model, loss = trained("gpu", activation)
    expected, right = trained("reference", activation)
    (program,) = [p for (k, *_), (_, p) in model.execution.programs.items() if k == "train"]
    names = [one.name for one in program.machine.step]
    assert names.count("tensor_product") == 8  # forward, dW, and dx of all layers but the first
    assert "gemm" not in names
    assert "add_bias" not in names
    np.testing.assert_allclose(loss, right, rtol=1e-5)
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("card", ["source"], indirect=True)
@pytest.mark.parametrize("without", ["variable", "rows", "capability", "float32"])
def test_elsewhere_products_are_those_of_cublas(card, monkeypatch, without):
    rows = {"variable": "0", "rows": "9"}
    monkeypatch.setenv("TINYNET_TF32X3", rows.get(without, "8"))
    if without == "capability":
        monkeypatch.setattr(runtime.current(), "capability", (7, 5))
    dtype = "float64" if without == "float32" else "float32"
    model = Sequential([Input((5,)), Dense(4, dtype=dtype)])
    model.compile("sgd", "mse", device="gpu")
    model.fit(draw(8, 5), draw(8, 4), batch_size=8, verbose=0)
    (program,) = [p for (k, *_), (_, p) in model.execution.programs.items() if k == "train"]
    assert "gemm" in [one.name for one in program.machine.step]


@pytest.mark.parametrize("card", ["source"], indirect=True)
def test_the_bench_states_the_error(card, monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parents[2] / "benches"))
    import precision

    monkeypatch.setattr(precision, "SIZES", ((100, 784, 30),))
    found = {one["mode"]: one["error"] for one in precision.errors()}
    assert list(found) == ["float32", "tf32", "3xtf32"]
    assert found["3xtf32"] < 3e-7


@pytest.mark.parametrize("name", ["TINYNET_TF32X3", "TINYNET_PERSISTENT"])
def test_the_variables_are_numbers_of_rows(monkeypatch, name):
    monkeypatch.setenv(name, "many")
    assert f"{name} must be the number of rows" in " ".join(options.described().values())
    monkeypatch.setenv(name, "300")
    assert "300 rows" in " ".join(options.described().values())
