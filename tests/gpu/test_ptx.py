"""What NVRTC makes of the kernels, run on the CPU with blocks as large as on a card (ptx_on_cpu):
some kernels here, all of them in the slow test.
"""

import os
import pathlib
import subprocess
import sys

import fake_cupy
import numpy as np
import ptx_to_cpp
import pytest

from tinynet.kernels import gpu, reference
from tinynet.kernels.gpu.card import runtime
from tinynet.kernels.gpu.machine.call import Launch
from tinynet.kernels.gpu.passes.fusion import fused

pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed")
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setenv("TINYNET_TESTS_PTX", "1")
    monkeypatch.setattr(fake_cupy, "THREADS", 256)
    monkeypatch.setattr(fake_cupy, "WARP", 32)
    with fake_cupy.in_place_of_a_card():
        yield


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def on_card(shape):
    return gpu.empty(shape, "float32")


def test_sums_over_rows_by_several_blocks(card):
    R, D = 300, 40
    x, dy = draw(R, D), draw(R, D, seed=1)
    dx, db = on_card((R, D)), on_card((D,))
    launches = gpu.elementwise_grad.instructions("relu", *map(gpu.from_host, (x, x, dy)), (), dx=dx)
    (one,) = fused([*launches, *gpu.sum_rows.instructions(dx, out=db)])
    assert one.given["parts"] == 5  # of 64 rows; a group has 32 columns
    one.start(runtime.current())
    np.testing.assert_array_equal(gpu.to_host(dx), dy * (x > 0))
    np.testing.assert_allclose(gpu.to_host(db), (dy * (x > 0)).sum(axis=0), rtol=1e-4, atol=1e-4)


def test_statistics_of_a_batch(card):
    x = draw(200, 33) + 100
    mean, var = on_card((33,)), on_card((33,))
    made = gpu.batchnorm.instructions(
        gpu.from_host(x), None, None, 1e-3, y=on_card(x.shape), xhat=on_card(x.shape), mean=mean,
        var=var,
    )  # fmt: skip
    made[0].start(runtime.current())
    np.testing.assert_allclose(gpu.to_host(mean), x.mean(axis=0, dtype="float64"), rtol=1e-6)
    np.testing.assert_allclose(gpu.to_host(var), x.var(axis=0, dtype="float64"), rtol=1e-4)


def test_a_loss_and_its_gradient(card):
    z, labels, w = draw(5, 70), np.arange(5), np.full(5, 0.2, "float32")
    found = {k: on_card(s) for k, s in (("p", z.shape), ("losses", (5,)), ("dz", z.shape))}
    right = {k: np.empty(a.shape, "float32") for k, a in found.items()}
    gpu.sparse_softmax_crossentropy(*map(gpu.from_host, (z, labels, w)), **found)
    reference.sparse_softmax_crossentropy(z, labels, w, **right)
    for name, array in found.items():
        np.testing.assert_allclose(gpu.to_host(array), right[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("__shared__ float s[8]; s[threadIdx.x % 8] = 1; x[0] = s[0];", "a race in shared memory"),
        ("*(float2*)(x + 1) = make_float2(0, 0);", "a misaligned store"),
        ("if (threadIdx.x & 1) x[0] = __shfl_xor_sync(~0u, x[0], 1);", "a divergent warp"),
    ],
)
def test_what_goes_wrong_on_a_card_is_found(body, message, tmp_path):
    code = f"""
import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests/support")!r}]
import cuda_on_cpu, numpy as np
text = '#define KERNEL extern "C" __global__ void\\nKERNEL wrong(float* x) {{ {body} }}\\n'
x = np.zeros(64, "float32")
program = cuda_on_cpu.program_of(text, "wrong", "float32", 32)
cuda_on_cpu.run(program, "wrong", 1, 32, [np.int64(x.ctypes.data)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "TINYNET_TESTS_PTX": "1"})  # fmt: skip
    assert message in done.stderr
    assert done.returncode != 0


def test_an_instruction_that_is_not_known_is_named():
    with pytest.raises(KeyError, match="bogus"):
        ptx_to_cpp.translate(".visible .entry f() {\nbogus.f32 %f1, %f2;\n}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "tests", ["tests/kernels/test_gpu_kernels.py", "tests/replay/test_gpu_replay.py"]
)
def test_all_kernels_and_whole_models(tests):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", tests, "-k", "emulated"],
        cwd=ROOT, env={**os.environ, "TINYNET_TESTS_PTX": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout


def test_the_stand_in_launches_nothing_else(card, monkeypatch):
    """That the tests above run PTX: with a translator that forgets, they fail."""
    monkeypatch.setattr(ptx_to_cpp, "statement", lambda *_: "")
    x = gpu.from_host(draw(3, 5))
    one = gpu.affine.instructions(x, 2.0, 0.5, y=x)[0]
    assert isinstance(one, Launch)
    before = gpu.to_host(x)
    one.start(runtime.current())
    np.testing.assert_array_equal(gpu.to_host(x), before)
