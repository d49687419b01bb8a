"""The peers that run on a card, as far as they go without one: here they compute on the CPU, their
steps are made instead of captured, and nothing is compiled. They train as the reference does.
"""

import functools
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("threadpoolctl")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import engines
import proof
from proof_rows import expected, rows

# PyTorch warns of it where it sees a card
pytestmark = pytest.mark.filterwarnings("ignore:This instance was constructed with capturable")


@pytest.fixture
def on_the_cpu():
    """The torch-gpu engine, with a list of how many steps each replay has made."""
    pytest.importorskip("torch")
    from engines.pytorch_gpu import TorchGpu

    class OnTheCpu(TorchGpu):
        place, made = "cpu", ()

        def compiled(self, function):
            return function

        def captured(self, offsets, steps):
            self.step(offsets)  # one is made before a capture, and none within

            class Graph:
                def replay(graph):
                    self.made = (*self.made, steps)
                    for _ in range(steps):
                        self.step(offsets)

            return Graph()

    return OnTheCpu


def test_torch_trains_as_the_reference_does(on_the_cpu, rows, expected):
    found = proof.compare(proof.record(on_the_cpu(*rows)), expected)
    assert found["passed"], found


def test_its_steps_go_into_graphs_of_16_and_of_1(on_the_cpu, rows):
    engine = on_the_cpu(*rows)
    engine.load(proof.initial_weights())
    engine.train(4, 35)
    assert engine.made == (16, 16, 1, 1, 1)
    assert (int(engine.at), float(engine.t)) == (35 * 4, 35.0)


def test_a_capture_leaves_the_training_where_it_was(on_the_cpu, rows):
    order = np.arange(24)
    ends = []
    for before in ((), (2, 8)):  # batch sizes that are captured first, between two stretches
        engine = on_the_cpu(*rows)
        engine.load(proof.initial_weights())
        engine.train(4, 3, order[:12])
        for batch in before:
            engine.graphs[batch] = engine.prepare(batch)
        engine.train(4, 3, order[12:])
        ends.append(engine.weights())
    for a, b in zip(*ends, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_rate_is_that_of_keras(on_the_cpu, rows):
    """After one step of Adam from zero moments: w - lr g / (|g| + epsilon / sqrt(1 - beta_2))."""
    engine = on_the_cpu(*rows)
    start = proof.initial_weights()
    engine.load(start)
    engine.train(8, 1, np.arange(8))
    g = engine.parameters[0].grad.numpy().T.astype(np.float64)
    change = engine.weights()[0] - start[0]
    right = -0.001 * g / (np.abs(g) + 1e-7 / (1 - 0.999) ** 0.5)
    np.testing.assert_allclose(change, right, atol=1e-7)
    assert (np.abs(g) > 1e-5).any()


@pytest.mark.parametrize(("tf32", "precision"), [("", "highest"), ("1", "high")])
def test_torch_multiplies_in_float32_unless_told(on_the_cpu, rows, monkeypatch, tf32, precision):
    import torch

    before = torch.get_float32_matmul_precision()
    monkeypatch.setenv("TINYNET_TF32", tf32)
    try:
        on_the_cpu(*rows)
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)


JAX = """
import json, sys
sys.path.insert(0, {benches!r})
import jax, images, proof, engines
from engines.jax_scan import JaxScan, JaxScanGpu
assert JaxScanGpu.place == "cuda"
JaxScanGpu.place = "cpu"
engine = JaxScanGpu(*images.load("random"))
import os
engine.load(proof.initial_weights())
loss = engine.train(32, 5, range(160))[1]
print(json.dumps([loss, jax.config.jax_platforms, jax.config.jax_default_matmul_precision,
                  os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"]]))
"""


@pytest.mark.parametrize(("tf32", "precision"), [("", "highest"), ("1", "tensorfloat32")])
def test_jax_multiplies_in_float32_unless_told(rows, monkeypatch, tf32, precision):
    pytest.importorskip("jax")
    monkeypatch.setenv("TINYNET_TF32", tf32)
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    code = JAX.format(benches=str(pathlib.Path(engines.__file__).parent.parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loss, *settings = json.loads(done.stdout)
    reference = engines.make("reference", *rows)
    reference.load(proof.initial_weights())
    assert loss == pytest.approx(reference.train(32, 5, np.arange(160))[1], abs=1e-4)
    assert settings == ["cpu", precision, "false"]


# ------------------------------------------------------------------------------- without a card


def says(monkeypatch, code, error):
    """`engines` as if starting a peer ended with this code and these last words."""
    done = subprocess.CompletedProcess([], code, stdout="", stderr=error)
    seen = []
    monkeypatch.setattr(engines, "installed", lambda module: True)
    monkeypatch.setattr(
        engines.subprocess, "run", lambda command, **options: seen.append(options) or done
    )
    uncached = functools.cache(engines.why_not_on_a_card.__wrapped__)
    monkeypatch.setattr(engines, "why_not_on_a_card", uncached)
    return seen


@pytest.mark.parametrize(
    ("peer", "message"),
    [
        ("torch-gpu", r"torch-gpu: torch sees no GPU: .* \(RuntimeError: no driver\)"),
        ("jax-gpu", r"this jax has no gpu backend: pip install 'jax\[cuda12\]' \(RuntimeError"),
    ],
)
def test_a_peer_without_a_card_says_why(peer, message, monkeypatch):
    says(monkeypatch, 1, "Traceback:\n  ...\nRuntimeError: no driver\n")
    with pytest.raises(engines.UnknownEngine, match=message):
        engines.check([], [peer])


def test_a_peer_with_a_card_may_start(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    seen = says(monkeypatch, 0, "")
    engines.check([], ["torch-gpu", "jax-gpu", "torch"])
    assert len(seen) == 2  # torch, on the cpu, is not asked
    for options in seen:
        assert "JAX_PLATFORMS" not in options["env"]
        assert options["env"]["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


@pytest.mark.parametrize(("peer", "module"), [("torch-gpu", "torch"), ("jax-gpu", "jax")])
def test_what_is_tried_fails_on_a_machine_without_a_card(peer, module):
    pytest.importorskip(module)
    if engines.why_not_on_a_card(peer) is None:
        pytest.skip("there is a card, and this peer runs on it")
    assert engines.why_not_on_a_card(peer).startswith(f"{peer}: {engines.ON_A_CARD[peer][1]} (")


def test_places():
    assert [engines.place_of(n) for n in ("cpu", "jax", "gemm")] == ["cpu"] * 3
    assert [engines.place_of(n) for n in ("gpu", "torch-gpu", "jax-gpu", "gemm-gpu")] == ["gpu"] * 4


@pytest.mark.parametrize(
    ("tf32", "place", "allowed"),
    [("", "gpu", (1e-4, 1e-3)), ("1", "cpu", (1e-4, 1e-3)), ("1", "gpu", (1e-2, 0.3))],
)
def test_only_tf32_on_a_card_may_differ_more(tf32, place, allowed, monkeypatch):
    monkeypatch.setenv("TINYNET_TF32", tf32)
    assert proof.tolerances(place) == allowed


def test_products_of_rounded_factors_pass_as_tf32_only(rows, expected, monkeypatch):
    """Factors rounded to TF32's 11 bits, as a card does."""
    from tinynet.kernels import reference

    def rounded(a):
        bits = np.ascontiguousarray(a).view(np.uint32) + np.uint32(0x1000)
        return (bits & np.uint32(0xFFFFE000)).view(np.float32)

    linear, linear_dx, linear_dW = reference.linear, reference.linear_dx, reference.linear_dW
    monkeypatch.setattr(
        reference, "linear", lambda x, W, b, *, y: linear(rounded(x), rounded(W), b, y=y)
    )
    monkeypatch.setattr(
        reference, "linear_dx", lambda dy, W, *, dx: linear_dx(rounded(dy), rounded(W), dx=dx)
    )
    monkeypatch.setattr(
        reference, "linear_dW", lambda x, dy, *, dW: linear_dW(rounded(x), rounded(dy), dW=dW)
    )
    found = proof.record(engines.make("reference", *rows))
    assert not proof.compare(found, expected, "gpu")["passed"]
    monkeypatch.setenv("TINYNET_TF32", "1")
    assert proof.compare(found, expected, "gpu")["passed"]
    assert not proof.compare(found, expected, "cpu")["passed"]
