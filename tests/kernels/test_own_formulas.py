"""A user's activation, loss and update rule: a few lines of NumPy, trained with on every device."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys

import fake_cupy
import numba
import numpy as np
import pytest

import tinynet as keras
from tinynet import activations, layers, losses, optimizers, saving
from tinynet.kernels import reference

ROOT = pathlib.Path(__file__).parents[2]


def bent(x, slope):
    return np.where(x > 0, slope * x * x + x, np.expm1(np.minimum(x, 0)))


def d_bent(x, y, slope):
    return np.where(x > 0, 2 * slope * x + 1, np.exp(np.minimum(x, 0)))


def sorted_away(x):
    return np.sort(x) * 0 + x


def d_sorted_away(x, y):
    return np.ones_like(x)


@saving.register_keras_serializable("own")
class Quartic(losses.ElementwiseLoss):
    config_keys = ("name", "reduction", "scale")

    def __init__(self, scale=0.5, **options):
        super().__init__(**options)
        self.scale = scale

    @property
    def options(self):
        return (self.scale,)

    @staticmethod
    def f(p, y, scale):
        return scale * (p - y) ** 4

    @staticmethod
    def df(p, y, scale):
        return 4 * scale * (p - y) ** 3


@saving.register_keras_serializable("own")
class SignMomentum(optimizers.Optimizer):
    rule_keys = ("beta",)

    def __init__(self, learning_rate=0.01, beta=0.9, **options):
        super().__init__(learning_rate, **options)
        self.beta = beta

    @staticmethod
    def rule(g, lr, beta, *, w, m):
        m += (1 - beta) * (g - m)
        w -= lr * np.tanh(10 * m)


X = np.random.default_rng(0).normal(size=(64, 6))
Y = np.random.default_rng(1).normal(size=(64, 3))
curve = saving.register_keras_serializable("own")(
    activations.Elementwise(bent, d_bent, name="curve", slope=0.2)
)


def trained(
    device, activation=curve, loss=Quartic, optimizer=SignMomentum, dtype="float64", **compiled
):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([
        layers.Input((6,)), layers.Dense(8, activation=activation, dtype=dtype),
        layers.Activation(activation, dtype=dtype), layers.Dense(3, dtype=dtype),
    ])  # fmt: skip
    model.compile(optimizer=optimizer(), loss=loss(), device=device, **compiled)
    history = model.fit(X.astype(dtype), Y.astype(dtype), epochs=3, batch_size=16, verbose=0)
    return model, history.history["loss"]


def same_training(one, other, dtype="float64"):
    bound = {"float32": 1e-4, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(one[1], other[1], rtol=bound)
    for p, q in zip(one[0].weights, other[0].weights, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=bound, atol=bound)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_recorded_and_trains_as_the_reference_does(dtype):
    eager = trained("reference", dtype=dtype)
    recorded = trained("cpu", dtype=dtype)
    same_training(eager, recorded, dtype)
    assert recorded[1][-1] < recorded[1][0]
    assert recorded[0].explain_execution().startswith("recorded")
    steps = recorded[0].optimizer.step_number
    assert steps == 12


def test_weight_decay_clipping_averages_and_schedules_go_with_a_rule():
    def rule(**options):
        rate = optimizers.schedules.ExponentialDecay(0.02, 3, 0.5)
        return lambda: SignMomentum(rate, weight_decay=0.1, clipnorm=0.5, use_ema=True, **options)

    same_training(trained("reference", optimizer=rule()), trained("cpu", optimizer=rule()))
    rule = rule(gradient_accumulation_steps=2)
    same_training(trained("reference", optimizer=rule), trained("cpu", optimizer=rule))


def test_its_gradient_is_checked():
    model, _ = trained("reference")
    assert keras.gradcheck(model, X, Y)
    wrong = activations.Elementwise(
        bent, lambda x, y, slope: 1.001 * d_bent(x, y, slope), slope=0.2
    )
    model, _ = trained("reference", wrong)
    with pytest.raises(AssertionError):
        keras.gradcheck(model, X, Y)


def test_it_is_saved_by_its_registered_name(tmp_path):
    model, _ = trained("cpu", curve.with_options(slope=0.3))
    model.save(tmp_path / "own.keras")
    again = saving.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert again.layers[0].activation.options == {"slope": 0.3}
    assert (type(again.loss), again.loss.scale) == (Quartic, 0.5)
    assert (type(again.optimizer), again.optimizer.beta) == (SignMomentum, 0.9)
    np.testing.assert_array_equal(again.optimizer.state["m"], model.optimizer.state["m"])
    again.fit(X, Y, batch_size=16, verbose=0)
    assert again.explain_execution().startswith("recorded")
    config = activations.serialize(activations.Elementwise(bent, d_bent, name="relu", slope=1.0))
    with pytest.raises(
        ValueError, match="not one of tinynet"
    ):  # never taken for the relu that there is
        activations.deserialize(config)
    assert activations.deserialize(config, {"relu": curve}).options == {"slope": 1.0}


def test_what_cannot_be_read_runs_eagerly_with_the_same_numbers():
    odd = activations.Elementwise(sorted_away, d_sorted_away)
    eager, other = trained("reference", odd), trained("cpu", odd)
    same_training(eager, other)
    said = other[0].explain_execution()
    assert "np.sort(x) * 0 + x" in said
    assert f"{__file__}:" in said


def test_a_class_that_brings_more_than_its_formula_is_not_recorded():
    class Halved(Quartic):
        def backward(self):
            return super().backward() / 2

    model, _ = trained("cpu", loss=Halved)
    assert "Halved" in model.explain_execution()
    same_training(trained("reference", loss=Halved), trained("cpu", loss=Halved))


def test_options_are_numbers():
    with pytest.raises(TypeError, match="slope must be a number"):
        activations.Elementwise(bent, d_bent, slope="steep")
    with pytest.raises(NotImplementedError, match="f\\(p, y\\)"):
        losses.ElementwiseLoss()(Y, Y)


def test_equal_names_are_told_apart():
    def one():
        def f(x):
            return 2 * x

        def df(x, y):
            return np.full_like(x, 2)

        return activations.Elementwise(f, df)

    def other():
        def f(x):
            return 3 * x

        def df(x, y):
            return np.full_like(x, 3)

        return activations.Elementwise(f, df)

    for make in (one, other):
        same_training(trained("reference", make()), trained("cpu", make()))


# ------------------------------------------------------------------------- a part of tinynet's own


def register_new_parts(monkeypatch):
    """An activation and a loss by names that exist nowhere, as new lines of two files."""
    functions = reference.activations.FUNCTIONS
    monkeypatch.setitem(functions, "zigzag", (bent, d_bent))
    monkeypatch.setitem(reference.losses.ELEMENTWISE_LOSSES, "sextic", (
        lambda y, t: (y - t) ** 2 * (y - t) ** 4, lambda y, t: 6 * (y - t) ** 3 * (y - t) ** 2
    ))  # fmt: skip
    zigzag = activations._Known("zigzag", slope=0.1)
    monkeypatch.setitem(activations._registry.objects, "zigzag", zigzag)
    monkeypatch.setitem(activations._registry.keys, "zigzag", zigzag)

    class Sextic(losses.ElementwiseLoss):
        kind = "sextic"

    return Sextic


@pytest.mark.parametrize("device", ["reference", "cpu", "gpu"])
def test_a_new_formula_of_the_reference_trains(device, monkeypatch):
    loss = register_new_parts(monkeypatch)
    card = fake_cupy.in_place_of_a_card() if device == "gpu" else contextlib.nullcontext()
    with card:
        model, history = trained(device, "zigzag", loss)
        assert device == "reference" or model.explain_execution().startswith("recorded")
    assert history[-1] < history[0]
    same_training(trained("reference", "zigzag", loss), (model, history))


# ------------------------------------------------------------------------------ kept on disk, once


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_compiled_formulas_are_kept_on_disk(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n\ndef f(x):\n    return SCALE * x\n\ndef df(x, y):\n"
        "    return np.full_like(x, SCALE)\n\nSCALE = 3\n"
    )
    code = (
        "import numpy as np, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import mine\n"
        "from tinynet.kernels import cpu\n"
        "y = np.zeros((2, 3))\n"
        "cpu.elementwise((mine.f, mine.df), np.ones((2, 3)), (), y=y)\n"
        "(one,) = [i for n, i in cpu.INSTRUCTIONS.items() if n.startswith('elementwise_f_')]\n"
        "print(y[0, 0], sum(one.dispatcher.stats.cache_hits.values()))\n"
    )

    def run():
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
        )  # fmt: skip
        return done.stdout.split()

    assert run() == ["3.0", "0"]
    assert run() == ["3.0", "1"]
    text = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(text.replace("SCALE = 3", "SCALE = 4"))
    assert run() == ["4.0", "0"]


@pytest.mark.parametrize(
    "formula",
    [r"\(g \* g - v\) \* \(1 - beta_2\)",  # adam, nadam and lamb: thrice in the reference alone
     r"0\.044715"],
)  # fmt: skip
def test_a_formula_stands_in_the_reference_alone(formula):
    files = [p for p in (ROOT / "kernels").rglob("*.py") if re.search(formula, p.read_text())]
    places = {p.relative_to(ROOT).as_posix() for p in files}
    assert len(places) == 1
    assert places.pop().startswith("kernels/reference/")


def test_the_update_of_adam_stands_once():
    written = r"w(\[i\])? -= .*alpha.* \* m(\[i\])? / \(.*sqrt\(v(\[i\])?\)"
    files = [p for folder in ("kernels", "tinynet") for p in (ROOT / folder).rglob("*.py")]
    lines = [line.strip() for p in files for line in p.read_text().splitlines()
             if re.search(written, line)]  # fmt: skip
    assert [line.partition("  #")[0] for line in lines if "lr sqrt" not in line] == [
        "w -= alpha * m / (np.sqrt(v) + epsilon)"
    ]
