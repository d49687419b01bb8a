"""CUDA kernels made from formulas, run on the CPU: each of the reference's with NaN and infinity in
its arrays, and a user's own, also where a step fuses them with what stands beside them.
"""

import inspect

import cuda_kernels
import fake_cupy
import numpy as np
import pytest
from replay_runs import RECORDED, machine_of

import tinynet
from tinynet.kernels import gpu, reference
from tinynet.kernels.gpu.card import formulas, runtime, sources
from tinynet.kernels.gpu.machine.call import outputs_of
from tinynet.kernels.gpu.passes import fusion, tiles
from tinynet.kernels.reference.activations import FUNCTIONS
from tinynet.kernels.reference.losses import ELEMENTWISE_LOSSES

PRECISION = {"float32": {"rtol": 3e-5, "atol": 1e-5}, "float64": {"rtol": 1e-11, "atol": 1e-13}}
EDGES = [0.0, -0.0, 1.0, -1.0, 0.3, -3.0, 30.0, -30.0, np.inf, -np.inf, np.nan]
OPTIONS = {"alpha": 0.7, "b": 4.0, "threshold": 0.3, "max_value": 1.5, "power": -0.5, "gamma": 2.0,
           "epsilon": 1e-3, "least": 0.1}  # fmt: skip
both = pytest.mark.parametrize("dtype", PRECISION)


@pytest.fixture(autouse=True)
def card():
    with fake_cupy.in_place_of_a_card():
        yield


def edges(dtype, count):
    """`count` vectors; the first two meet every pair of EDGES."""
    rng = np.random.default_rng(5)
    a, b = (v.ravel() for v in np.meshgrid(EDGES, EDGES))
    vectors = [a, b, *rng.normal(size=(count, a.size))][:count]
    return [v.astype(dtype) for v in vectors]


def agree(name, *args, dtype, **outputs):
    """Run a kernel on the reference and on the stand-in for a card; NaN meets NaN."""
    wanted = {k: None if v is None else np.array(v) for k, v in outputs.items()}
    given = {k: None if v is None else gpu.from_host(v) for k, v in outputs.items()}
    there = [gpu.from_host(a) if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(all="ignore"):
        getattr(reference, name)(*args, **wanted)
    getattr(gpu, name)(*there, **given)
    for key, value in wanted.items():
        if value is not None:
            found = gpu.to_host(given[key])
            np.testing.assert_allclose(found, value, **PRECISION[dtype], err_msg=f"{name} {key}")


@both
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_activations(kind, dtype):
    f, _ = FUNCTIONS[kind]
    params = [OPTIONS.get(p, 0.1) for p in list(inspect.signature(f).parameters)[1:]]
    x, dy = edges(dtype, 2)
    with np.errstate(all="ignore"):
        y = np.asarray(f(x, *params), dtype)
    agree("elementwise", kind, x, params, y=np.empty_like(x), dtype=dtype)
    agree("elementwise_grad", kind, x, y, dy, params, dx=np.empty_like(x), dtype=dtype)


@both
@pytest.mark.parametrize("kind", ELEMENTWISE_LOSSES)
def test_losses(kind, dtype):
    f, _ = ELEMENTWISE_LOSSES[kind]
    params = [OPTIONS.get(p, 0.4) for p in list(inspect.signature(f).parameters)[2:]]
    y, t = (v[:, None] for v in edges(dtype, 2))  # a row each: NaN stays in its own
    if kind == "binary_focal":  # a negative number has no power of 0.5
        y, t = (np.clip(v, 0, 1) for v in (y, t))
    w = np.linspace(0.1, 1, len(y)).astype(dtype)
    agree("elementwise_loss", kind, y, t, params, w, losses=np.empty_like(w),
          dy=np.empty_like(y), dtype=dtype)  # fmt: skip


@both
@pytest.mark.parametrize("name", cuda_kernels.ENTRYWISE)
def test_what_changes_arrays_entry_by_entry(name, dtype):
    function, (inputs, *optional) = getattr(reference, name), cuda_kernels.ENTRYWISE[name]
    parameters, outputs = list(inspect.signature(function).parameters), outputs_of(function)
    numbers = [OPTIONS.get(p, 0.4) for p in parameters[inputs : len(parameters) - len(outputs)]]
    for left_out in ((), *((o,) for o in optional)):
        arrays = edges(dtype, inputs + len(outputs))
        roots = ("v", "a", "n", "v_max", "u", "var") if name not in ("add", "ema") else ()
        given = dict(zip((*parameters[:inputs], *outputs), arrays, strict=True))
        given |= {k: np.abs(v) for k, v in given.items() if k in roots}
        args = [given.pop(p) for p in parameters[:inputs]]
        given |= dict.fromkeys(left_out)
        if name == "sgd" and left_out:  # without momentum
            numbers[1] = 0.0
        agree(name, *args, *numbers, dtype=dtype, **given)


def test_no_formula_stands_in_a_file_as_well():
    made = {*cuda_kernels.ENTRYWISE, *formulas.frames()}
    assert set(reference.RULES) <= made
    assert not made & set(sources.kernels())
    for name in reference.RULES:
        function, (inputs, *_) = getattr(reference, name), cuda_kernels.ENTRYWISE[name]
        assert formulas.entrywise(function, inputs).made_from[0] is function


# ------------------------------------------------------------------------------ a user's formulas

WIDTH = 0.5  # a number of this module that a formula uses


def bump(x, height, width=WIDTH):
    return height * np.exp(-np.square(x / width))


def d_bump(x, y, height, width=WIDTH):
    return -2 * x / width**2 * y


def four(x, a, b, c, d):
    return a + b * x + c * np.tanh(d * x)


def d_four(x, y, a, b, c, d):
    return b + c * d * (1 - np.tanh(d * x) ** 2)


def tilted(y, t, slope):
    e = y - t
    return np.where(e > 0, slope * e, -e) + np.log1p(e * e)


def d_tilted(p, q, slope):  # its own names for its arguments
    e = p - q
    return np.where(e > 0, slope, -1) + 2 * e / (1 + e * e)


def rule(g, lr, decay, *, w, average):
    average *= decay
    average += (1 - decay) * np.abs(g)
    w -= lr * g / (average + 1e-6)


OWN = {"bump": ((bump, d_bump), (1.5,)), "four": ((four, d_four), (0.1, 0.2, 0.3, 0.4)),
       "lambdas": ((lambda x: x * x * np.sign(x), lambda x, y: 2 * np.abs(x)), ())}  # fmt: skip
own = pytest.mark.parametrize("which", OWN)


@both
@own
def test_an_own_activation(which, dtype):
    pair, params = OWN[which]
    x, dy = (v.astype(dtype) for v in np.random.default_rng(1).normal(size=(2, 9, 7)))
    y = pair[0](x, *params).astype(dtype)
    agree("elementwise", pair, x, params, y=np.empty_like(x), dtype=dtype)
    agree("elementwise_grad", pair, x, y, dy, params, dx=np.empty_like(x), dtype=dtype)


@both
def test_an_own_loss(dtype):
    y, t = (v.astype(dtype) for v in np.random.default_rng(2).normal(size=(2, 6, 5)))
    w = np.linspace(0, 1, 6).astype(dtype)
    for dy in (np.empty_like(y), None):
        agree("elementwise_loss", (tilted, d_tilted), y, t, (3.0,), w, losses=np.empty_like(w),
              dy=dy, dtype=dtype)  # fmt: skip


@both
def test_an_own_rule(dtype):
    g, w, average = (v.astype(dtype) for v in np.random.default_rng(3).normal(size=(3, 40)))
    wanted, found = [w.copy(), np.abs(average)], [gpu.from_host(a) for a in (w, np.abs(average))]
    reference.update(rule, g, (0.1, 0.9), w=wanted[0], moments={"average": wanted[1]})
    gpu.update(rule, gpu.from_host(g), (0.1, 0.9), w=found[0], moments={"average": found[1]})
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(gpu.to_host(a), b, **PRECISION[dtype])
    changing = gpu.Slot(0.1, 0)
    rates = gpu.update.instructions(rule, gpu.from_host(g), (changing, 0.9), w=found[0],
                                    moments={"average": found[1]})  # fmt: skip
    assert [one.name for one in rates] == ["rule"]


def test_two_formulas_of_one_name_are_two_kernels():
    pairs = [(lambda x, k=k: k * x, lambda x, y, k=k: 0 * x + k) for k in (2.0, 3.0, 2.0)]
    x, results, kernels = gpu.from_host(np.ones((2, 3))), [], []
    for pair in pairs:
        y = gpu.empty((2, 3), "float64")
        gpu.elementwise(pair, x, (), y=y)
        results.append(gpu.to_host(y)[0, 0])
        kernels.append(formulas.framed("elementwise", pair, 0))
    assert results == [2, 3, 2]
    assert kernels[0] == kernels[2] != kernels[1]  # of one text: compiled once


def by_table(x):
    return np.interp(x, [-1.0, 1.0], [0.0, 2.0])


def d_by_table(x, y):
    return np.where(np.abs(x) < 1, np.ones_like(x), 0)


def rule_of_ranks(g, lr, *, w, m):
    m += np.sort(g)
    w -= lr * m


def test_what_can_not_be_read_is_named_and_runs_by_numpy():
    x, w = np.random.default_rng(6).normal(size=(2, 4, 5))
    pair = by_table, d_by_table
    with pytest.raises(gpu.Unsupported, match=r"np.interp\(x, .*an expression of the kind List"):
        gpu.elementwise.instructions(pair, gpu.from_host(x), (), y=gpu.from_host(x))
    agree("elementwise", pair, x, (), y=np.empty_like(x), dtype="float64")
    agree("elementwise_grad", pair, x, x, w, (), dx=np.empty_like(x), dtype="float64")
    wanted, found = [w.copy(), 0 * w], [gpu.from_host(a) for a in (w, 0 * w)]
    reference.update(rule_of_ranks, x, (0.1,), w=wanted[0], moments={"m": wanted[1]})
    gpu.update(rule_of_ranks, gpu.from_host(x), (0.1,), w=found[0], moments={"m": found[1]})
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(gpu.to_host(a), b)


# ------------------------------------------------------------------------- beside other launches


def arrays(**shapes):
    rng = np.random.default_rng(4)
    return {name: gpu.from_host(rng.normal(size=shape)) for name, shape in shapes.items()}


def step(a, pair, params):
    """Launches of a Dense layer forward, and of its activation and bias backward."""
    return [
        *gpu.linear.instructions(a["x"], a["W"], a["b"], y=a["z"]),
        *gpu.elementwise.instructions(pair, a["z"], params, y=a["y"]),
        *gpu.elementwise_grad.instructions(pair, a["z"], a["y"], a["dy"], params, dx=a["dz"]),
        *gpu.sum_rows.instructions(a["dz"], out=a["db"]),
    ]


def results(launches, a):
    for one in launches:
        one.start(runtime.current())
    return [gpu.to_host(a[name]) for name in ("y", "dz", "db")]


@own
def test_fused_with_bias_and_its_gradient(which):
    pair, params = OWN[which]
    narrow, wide = (6, 7), (6, 5)
    a = arrays(x=wide, W=(5, 7), b=(7,), z=narrow, y=narrow, dy=narrow, dz=narrow, db=(7,))
    launches = step(a, pair, params)
    expected = results(launches, a)
    made = fusion.fused(launches)
    assert [one.name for one in made] == ["gemm", "bias_elementwise", "elementwise_grad_bias"]
    for found, wanted in zip(results(made, a), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@own
def test_taken_along_by_products(which):
    """Up to three options; an activation of more has a launch of its own."""
    pair, params = OWN[which]
    narrow, wide = (6, 7), (6, 5)
    a = arrays(x=wide, W=(5, 7), b=(7,), z=narrow, y=narrow, dy=narrow, dz=narrow, db=(7,))
    launches = step(a, pair, params)
    expected = results(launches, a)
    made = tiles.in_tiles(launches, tiles.Scalar(runtime.current()))
    first = ["product", "elementwise"] if which == "four" else ["product"]
    assert [one.name for one in made] == [*first, "elementwise_grad", "sum_rows"]
    for found, wanted in zip(results(made, a), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


# ----------------------------------------------------------------------------------- whole models


class Tilted(tinynet.losses.ElementwiseLoss):
    f, df, options = staticmethod(tilted), staticmethod(d_tilted), (3.0,)


class Own(tinynet.optimizers.Optimizer):
    rule, rule_keys = staticmethod(rule), ("decay",)

    def __init__(self, learning_rate=0.05, decay=0.8, **options):
        super().__init__(learning_rate, **options)
        self.decay = decay


@pytest.mark.parametrize("persistent", ["0", "64"])
@own
def test_a_model_of_own_formulas_trains_as_on_the_reference(which, persistent, monkeypatch):
    monkeypatch.setenv("TINYNET_PERSISTENT", persistent)
    (f, df), params = OWN[which]
    options = dict(zip("abcd", params, strict=False))
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(30, 5)), rng.normal(size=(30, 2))
    runs = []
    for device in ("reference", "gpu"):
        tinynet.utils.set_random_seed(3)
        act = tinynet.activations.Elementwise(f, df, name="own", **options)
        layers = [tinynet.layers.Dense(6, act, dtype="float64") for _ in range(2)]
        out = tinynet.layers.Dense(2, dtype="float64")
        model = tinynet.Sequential([tinynet.layers.Input((5,)), *layers, out])
        model.compile(Own(), Tilted(), device=device)
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, validation_data=(x, y)).history
        runs.append((history, model.get_weights()))
    assert model.explain_execution() == RECORDED
    machine = machine_of(model, "train", 8)
    assert (bool(machine.persistent), bool(machine.graphs)) == (
        persistent != "0",
        persistent == "0",
    )
    names = [one.name for one in machine.step]
    assert names.count("bias_elementwise") == names.count("elementwise_grad_bias") == 2
    assert {"elementwise_loss", "rule"} <= set(names)
    for name, values in runs[0][0].items():
        np.testing.assert_allclose(runs[1][0][name], values, rtol=1e-9, err_msg=name)
    for a, b in zip(runs[0][1], runs[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)
