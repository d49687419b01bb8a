"""The kernels of the `gpu` device against the reference: on a card where there is one, and without:
launches run on the CPU (cuda_on_cpu), arrays come from a stand-in for CuPy (fake_cupy).

The tests are those of the cpu kernels, with the gpu's in their place.
"""

import inspect
import types

import fake_cupy
import kernel_pairs
import numpy as np
import pytest
from kernel_values import public_functions
from test_cpu_kernels import *  # noqa: F403  every test there is run here too
from test_cpu_kernels_layers import *  # noqa: F403
from test_cpu_kernels_losses import *  # noqa: F403
from test_cpu_kernels_updates import *  # noqa: F403

from tinynet.kernels import gpu, reference
from tinynet.kernels.gpu.card import runtime

# what is about the cpu device alone
for _name in ("test_all_devices_have_the_same_functions_with_the_same_parameters",):
    globals().pop(_name, None)


class OnHost:
    """The gpu's kernels, called with NumPy's arrays and writing to them."""

    def __getattr__(self, name):
        kernel = getattr(gpu, name)

        def there(value):
            if isinstance(value, dict):
                return {k: there(v) for k, v in value.items()}
            if not isinstance(value, np.ndarray):
                return value
            if runtime.current().cupy is fake_cupy:
                return fake_cupy.ndarray(value)  # the array itself, whatever its layout
            return gpu.from_host(value)

        def call(*args, **outputs):
            results = {k: there(v) for k, v in outputs.items()}
            kernel(*map(there, args), **results)
            for k, v in outputs.items():
                for name, array in (v if isinstance(v, dict) else {None: v}).items():
                    if array is not None:
                        array[...] = gpu.to_host(results[k][name] if name else results[k])

        return call


@pytest.fixture(autouse=True, scope="module")
def _nothing_compared_yet():
    kernel_pairs.COMPARED.clear()


@pytest.fixture(autouse=True, params=["emulated", "gpu"])
def card(request, monkeypatch):
    """The CPU in place of a card, and a card, where there is one."""
    monkeypatch.setattr(kernel_pairs, "cpu", OnHost())
    if request.param == "gpu":
        yield
        return
    with fake_cupy.in_place_of_a_card():
        yield


emulated_only = pytest.mark.parametrize("card", ["emulated"], indirect=True)


def test_the_interface_is_that_of_the_reference():
    for name, function in public_functions().items():
        assert inspect.signature(getattr(gpu, name)) == inspect.signature(function), name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_host_arrays_are_brought_over(dtype):
    data = np.arange(12, dtype=">i2").reshape(6, 2)[::2]  # gaps, and the other byte order
    for source in (data, data > 3, data.astype("float16")):
        for rows in (np.array([2, 0, 2]), [1], slice(1, 3)):
            out = gpu.empty((len(source[rows]), 2), dtype)
            gpu.gather(source, rows, out=out)
            assert gpu.to_host(out).tolist() == source[rows].astype(dtype).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sparse_matrix_times_a_dense_one(dtype):
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.Generator(np.random.PCG64(1))
    dense = np.where(rng.random((7, 9)) < 0.3, rng.normal(size=(7, 9)), 0).astype(dtype)
    W, dy = rng.normal(size=(9, 5)).astype(dtype), rng.normal(size=(7, 5)).astype(dtype)
    b = rng.normal(size=5).astype(dtype)
    y, dW = gpu.empty((7, 5), dtype), gpu.empty((9, 5), dtype)
    for x in (sparse.csr_array(dense), sparse.csc_matrix(dense.astype("float64"))):
        gpu.linear(x, *map(gpu.from_host, (W, b)), y=y)
        gpu.linear_dW(x, gpu.from_host(dy), dW=dW)
        np.testing.assert_allclose(gpu.to_host(y), dense @ W + b, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(gpu.to_host(dW), dense.T @ dy, rtol=2e-5, atol=1e-6)


def test_arrays_without_entries():
    y = gpu.zeros((3, 4), "float32")
    gpu.linear(gpu.empty((3, 0), "float32"), gpu.empty((0, 4), "float32"), None, y=y)
    assert not gpu.to_host(y).any()
    gpu.affine(gpu.empty((0, 4), "float32"), 1.0, 2.0, y=gpu.empty((0, 4), "float32"))


def test_what_is_refused():
    x, host = gpu.zeros((2, 3), "float32"), np.zeros((2, 3), "float32")
    with pytest.raises(TypeError, match="expected an array on the card, received ndarray"):
        gpu.add(x, host, y=x)
    with pytest.raises(TypeError, match=r"gpu kernel 'maximum': arrays of shapes \(2, 3\), \(3,\)"):
        gpu.maximum(x, gpu.zeros((3,), "float32"), y=x)
    with pytest.raises(TypeError, match="one dtype, float32 or float64"):
        gpu.affine(gpu.zeros((2,), "int64"), 1.0, 0.0, y=gpu.zeros((2,), "int64"))


def test_a_kernel_that_the_gpu_lacks_is_named(monkeypatch):
    monkeypatch.setattr(reference, "fresh_kernel", lambda x, *, y: None, raising=False)
    with pytest.raises(AttributeError, match="gpu device has no kernel 'fresh_kernel' yet"):
        _ = gpu.fresh_kernel
    assert not hasattr(gpu, "nothing_of_this_name")


@emulated_only
def test_without_a_card_the_error_says_what_is_missing():
    with pytest.MonkeyPatch.context() as patch:  # undone before `card` takes its stand-in away
        patch.setattr(runtime, "_current", None)
        patch.setattr(runtime, "explain", lambda: "this and that is missing")
        for call in (gpu.require, lambda: gpu.empty((1,), "float32")):
            with pytest.raises(gpu.Unusable, match="this and that is missing"):
                call()


@emulated_only
def test_tf32_only_on_demand(monkeypatch):
    modes = []
    monkeypatch.setattr(fake_cupy.cublas, "cublasSetMathMode", lambda _, m: modes.append(m) or 0)
    one = gpu.zeros((1, 1), "float32")
    for value in ("", "1"):
        monkeypatch.setenv("TINYNET_TF32", value)
        runtime.current().close_cublas()
        gpu.linear(one, one, None, y=one)
    assert modes == [runtime.FP32, runtime.TF32]


@emulated_only
def test_a_large_array_comes_over_in_pieces(monkeypatch):
    """CuPy's asarray would pin a copy of the whole in the host's memory."""
    monkeypatch.setattr(runtime, "AT_ONCE", 100)
    monkeypatch.setattr(fake_cupy, "asarray", None)
    set_, seen = fake_cupy.ndarray.set, []
    monkeypatch.setattr(
        fake_cupy.ndarray, "set", lambda self, piece: seen.append(piece.nbytes) or set_(self, piece)
    )
    x = np.arange(84.0).reshape(21, 4)  # 32 bytes a row
    for source in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        seen.clear()
        assert gpu.to_host(gpu.from_host(source)).tolist() == x.tolist()
        assert seen == [96] * 7
    assert gpu.to_host(gpu.from_host(x[:2].repeat(9, axis=1))).shape == (2, 36)  # a row is larger


@emulated_only
def test_release_gives_much_idle_memory_back_and_pinned_memory_too(monkeypatch):
    freed, idle = [], [gpu.IDLE_BYTES]
    for name in ("get_default_memory_pool", "get_default_pinned_memory_pool"):
        pool = types.SimpleNamespace(
            free_all_blocks=lambda name=name: freed.append(name), free_bytes=lambda: idle[0]
        )
        monkeypatch.setattr(fake_cupy, name, lambda pool=pool: pool)
    gpu.release()
    assert freed == []
    idle[0] += 1
    gpu.release()
    assert freed == ["get_default_memory_pool", "get_default_pinned_memory_pool"]
