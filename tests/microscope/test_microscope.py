"""The microscope: every number on the page, computed again from what is embedded in it, by
`microscope_again`. A number that it does not know fails the test.
"""

import re

import numpy as np
import pytest
import scipy.sparse
from microscope_again import (
    CASES,
    HITS,
    IDS,
    X,
    categorical_case,
    compiled,
    data_of,
    dense,
    expected_numbers,
    numbers_of,
    page_of,
    softmax_case,
)
from oracle import HAVE_KERAS

import tinynet
from tinynet import layers, optimizers
from tinynet.microscope import embed, peer


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("which", CASES)
def test_every_number_comes_out_again(which, trained, device, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DEVICE", device)
    model, y, spec = CASES[which]()
    if trained:
        model.fit(X, y, batch_size=5, epochs=2, verbose=0)
    html = page_of(model, X, y, tmp_path)
    data = data_of(html)
    expected, W, grads, run = expected_numbers(model, data, spec, y)
    shown = numbers_of(html)
    assert len(shown) > 250
    checks = {}
    for key, value in shown:
        if key.startswith("check."):
            checks[key] = value
        else:
            np.testing.assert_allclose(value, expected[key], rtol=1e-9, atol=1e-13, err_msg=key)
    names = re.findall(r"<code>([\w/]+)\[([\d, ]+)\]</code></th><td><data data-k=\"check\.(\d+)\.b",
                       html)  # fmt: skip
    assert len(names) * 4 == len(checks) > 40
    for path, index, k in names:
        at = tuple(int(i) for i in index.split(","))
        gradient = grads[path][at]
        np.testing.assert_allclose(checks[f"check.{k}.backward"], gradient, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(checks[f"check.{k}.backward64"], gradient, rtol=1e-9, atol=1e-14)
        numeric, largest = checks[f"check.{k}.numeric"], 1e-3 * np.abs(grads[path]).max()
        sides = []
        for h in (1e-5, -1e-5):
            moved = {**W, path: W[path].copy()}
            moved[path][at] += h
            sides.append(run(moved)[0]["loss"])
        np.testing.assert_allclose(numeric, (sides[0] - sides[1]) / 2e-5, rtol=1e-4, atol=1e-8)
        error = abs(numeric - gradient) / max(abs(numeric), abs(gradient), largest)
        assert checks[f"check.{k}.error"] == pytest.approx(error, rel=0.5, abs=1e-10)
        assert error <= 1e-6
    assert html.count('class="verdict pass"') == len(names)


def test_the_second_computation_can_fail(tmp_path):
    """A gradient that is wrong by 0.1 % is seen by the page's own check, and by ours."""

    class Wrong(layers.Dense):
        def backward_from_logits(self, dz):
            dx = super().backward_from_logits(dz)
            self.kernel.grad[...] *= 1.001
            return dx

    stack = [Wrong(5, "tanh", name="a", dtype="float64"), dense(4, "softmax", "c")]
    model = compiled(stack, "adam", "sparse_categorical_crossentropy")
    html = page_of(model, X, IDS, tmp_path)
    assert 'class="verdict fail"' in html
    assert html.count('class="verdict fail"') >= 5


def test_sample_weights_enter_in_the_loss(tmp_path):
    model, y, _ = categorical_case()
    w = np.linspace(0, 2, len(X))
    trace = model.trace(X, y, sample_weight=w)
    np.testing.assert_allclose(trace.loss.w, w / len(X), rtol=1e-12)
    html = page_of(model, X, y, tmp_path, sample_weight=w)
    shown = dict(numbers_of(html))
    assert shown["row.3.w"] == pytest.approx(w[3] / len(X), rel=1e-12)
    assert shown["loss.data"] == pytest.approx(trace.loss.before, rel=1e-12)


class Square(layers.Layer):
    """A layer that the page has no card for, with a learned f.

    y = f x^2      (N, D)
    """

    def build(self, input_shape):
        self.f = self.add_weight((input_shape[-1],), "ones", name="f")

    def forward(self, x, training=False):
        self.saved = x
        return self.f.value * x * x

    def backward(self, dy):
        x = self.recall()
        self.f.grad[...] = (dy * x * x).sum(axis=0)
        return 2 * self.f.value * x * dy


def plain(name, *args, **options):
    return getattr(layers, name)(*args, **options, dtype="float64")


HEAD = (4, "softmax", "c")
OTHERS = {
    "own layer": lambda: [dense(4, None, "a"), Square(name="sq", dtype="float64"), dense(*HEAD)],
    "activation layers": lambda: [dense(5, None, "a"), plain("ReLU"), dense(4, None, "c"),
                                  plain("Softmax")],
    "softmax inside": lambda: [dense(5, "softmax", "a"), dense(*HEAD)],
    "prelu, leaky, elu": lambda: [dense(5, None, "a"), plain("PReLU"), dense(5, "leaky_relu", "b"),
                                  plain("ELU"), dense(*HEAD)],
    "frozen": lambda: [dense(5, "relu", "a", trainable=False),
                       dense(5, "gelu", "b", trainable=False),
                       plain("BatchNormalization", trainable=False), dense(*HEAD)],
    "no bias": lambda: [dense(5, "silu", "a", use_bias=False), dense(*HEAD)],
    "frozen above": lambda: [dense(5, "tanh", "a"), dense(*HEAD, trainable=False)],
}  # fmt: skip


@pytest.mark.parametrize("which", OTHERS)
def test_any_built_layer_has_a_card(which, tmp_path):
    model = compiled(OTHERS[which](), "adam", "sparse_categorical_crossentropy")
    trace = model.trace(X, IDS)
    html = page_of(model, X, IDS, tmp_path)
    assert 'class="verdict fail"' not in html
    assert (which == "own layer") == ('<code class="f">y = f x^2 (N, D)</code>' in html)
    for L in range(len(model.layers)):
        assert f'id="f{L}"' in html
        assert f'id="b{L}"' in html
    shown = dict(numbers_of(html))
    for L, call in enumerate(trace.layers):
        assert shown[f"stat.{L}.y.mean"] == pytest.approx(call.y.mean(), rel=1e-9, abs=1e-15)
        if call.dx is not None and f"stat.{L}.dx.norm" in shown:
            assert shown[f"stat.{L}.dx.norm"] == pytest.approx(np.linalg.norm(call.dx), rel=1e-9)
    assert str(trace)


LOSSES = ["mae", "huber", tinynet.losses.SparseCategoricalCrossentropy(from_logits=True),
          tinynet.losses.BinaryCrossentropy(from_logits=True)]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_other_losses(loss, tmp_path):
    y = IDS if "Sparse" in type(loss).__name__ else HITS
    model = compiled([dense(5, "tanh", "a"), dense(4, None, "c")], "sgd", loss)
    html = page_of(model, X, y, tmp_path)
    shown = dict(numbers_of(html))
    assert shown["loss.data"] == pytest.approx(model.trace(X, y).loss.before, rel=1e-12)
    gradient = data_of(html)["loss"]["dp"]
    dz = embed.decode(data_of(html)["arrays"][gradient])
    for c in range(4):
        assert shown[f"chain.{c}.engine"] == dz[0, c]
        if f"chain.{c}.chain" in shown:
            np.testing.assert_allclose(shown[f"chain.{c}.chain"], dz[0, c], rtol=1e-9)


def test_sequences_of_rows(tmp_path):
    """(N, T, D) inputs: Dense sees N T rows."""
    x = np.random.Generator(np.random.PCG64(8)).normal(size=(5, 3, 6))
    y = np.random.Generator(np.random.PCG64(9)).integers(0, 4, (5, 3))
    model = compiled([dense(5, "tanh", "a"), dense(4, "softmax", "c")], "sgd",
                     "sparse_categorical_crossentropy", shape=(3, 6))  # fmt: skip
    html = page_of(model, x, y, tmp_path)
    shown = dict(numbers_of(html))
    assert shown["drill.a/kernel.sum"] == pytest.approx(shown["drill.a/kernel.backward"], rel=1e-9)


def test_a_kink_is_marked_and_not_failed(tmp_path):
    stack = [dense(4, "relu", "a", kernel_initializer="zeros"), dense(4, "softmax", "c")]
    model = compiled(stack, "sgd", "sparse_categorical_crossentropy")
    html = page_of(model, X, IDS, tmp_path)  # every z is exactly 0, where ReLU turns
    assert 'class="verdict kink"' in html
    assert 'class="verdict fail"' not in html


@pytest.mark.skipif(
    not (HAVE_KERAS and peer.installed(*peer.BACKENDS)), reason="Keras is not installed"
)
@pytest.mark.parametrize("which", CASES)
def test_keras_takes_the_same_step(which):
    model, y, _ = CASES[which]()
    model.fit(X, y, batch_size=5, epochs=1, verbose=0)
    trace = model.trace(X, y)
    result = peer.compare(model, trace)
    assert result["loss"] == pytest.approx(trace.loss.before, rel=2e-6)
    kinds = {row["what"] for row in result["rows"]}
    assert kinds == {"outputs", "gradient", "after"}
    for row in result["rows"]:
        assert row["difference"] <= 2e-5 * max(row["ours"], 1e-2), row


@pytest.mark.parametrize("optimizer", [
    optimizers.AdamW(), optimizers.Adam(amsgrad=True), optimizers.SGD(),
    optimizers.RMSprop(momentum=0.9, centered=True), optimizers.SGD(global_clipnorm=0.01),
], ids=lambda o: f"{o.name}-{o.global_clipnorm}")  # fmt: skip
def test_other_optimizers(optimizer, tmp_path):
    stack = [dense(5, "tanh", "a"), dense(4, "softmax", "c")]
    model = compiled(stack, optimizer, "sparse_categorical_crossentropy")
    html = page_of(model, X, IDS, tmp_path)
    trace, shown = model.trace(X, IDS), dict(numbers_of(html))
    model.run_eagerly = True
    model.fit(X, IDS, batch_size=len(X), epochs=1, verbose=0, shuffle=False)
    for p in model.parameters:
        step = np.linalg.norm(p.numpy() - trace.parameters[p.path].before)
        assert shown[f"up.{p.path}.step"] == pytest.approx(step, rel=1e-9)
    assert '<code class="f">' in html.split('id="update"')[1]


ALL_RULES = [name for name, rule in vars(optimizers).items() if isinstance(rule, type)
             and issubclass(rule, optimizers.Optimizer)
             and name not in ("Optimizer", "LossScaleOptimizer")]  # fmt: skip


@pytest.mark.parametrize("name", ALL_RULES)
def test_every_optimizer_has_its_page(name, tmp_path):
    """Also those whose moments are no arrays like the weights, or whose rule is not listed."""
    model, y, _ = softmax_case()
    model.compile(getattr(optimizers, name)(0.01), model.loss, device="reference")
    model.fit(X, y, batch_size=6, epochs=2, verbose=0)
    shown = dict(numbers_of(page_of(model, X, y, tmp_path, keras="auto")))
    trace = model.trace(X, y)
    for path, p in trace.parameters.items():
        if p.gradient is not None:
            assert shown[f"up.{path}.step"] == pytest.approx(np.linalg.norm(p.step), rel=1e-6)
    for key, largest in shown.items():
        if re.fullmatch(r"peer\.\w+\.difference", key):
            assert largest < 1e-4, key


def test_sparse_rows_are_full_ones_in_a_trace(tmp_path):
    model, y, _ = softmax_case()
    x = X * (X > 0)
    page_of(model, scipy.sparse.csr_matrix(x.reshape(len(x), -1)), y, tmp_path)
    trace = model.trace(scipy.sparse.csr_matrix(x), y)
    np.testing.assert_array_equal(trace.x, x)
    np.testing.assert_allclose(trace.loss.before, model.trace(x, y).loss.before, rtol=1e-12)
