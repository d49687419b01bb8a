"""Formulas of the reference, printed for Numba and for CUDA: the same numbers as NumPy has."""

import inspect

import numpy as np
import pytest
from formula_runs import by_cuda, by_numba, values

from tinynet.kernels import reference, translate
from tinynet.kernels.reference.activations import FUNCTIONS
from tinynet.kernels.reference.losses import ELEMENTWISE_LOSSES

PRECISION = {"float32": {"rtol": 2e-6, "atol": 2e-6}, "float64": {"rtol": 1e-13, "atol": 1e-13}}
OPTIONS = {
    "negative_slope": 0.1, "max_value": 1.5, "threshold": 0.3, "slope": 0.2, "alpha": 0.7, "b": 4.0,
    "default_value": -2.0, "delta": 0.8, "epsilon": 1e-3, "gamma": 2.0, "positive": 0.3,
    "negative": 0.7,
}  # fmt: skip
both = pytest.mark.parametrize("dtype", PRECISION)
runs = pytest.mark.parametrize("run", [by_numba, by_cuda], ids=["numba", "cuda"])


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def same(actual, wanted, dtype):
    assert actual.dtype == wanted.dtype == dtype
    np.testing.assert_allclose(actual, wanted, **PRECISION[dtype])


ACTIVATIONS = {
    kind: (translate.read(f), translate.read(df, 2)) for kind, (f, df) in FUNCTIONS.items()
}
LOSSES = {
    kind: translate.join(kind, translate.read(f, 2), translate.read(df, 2))
    for kind, (f, df) in ELEMENTWISE_LOSSES.items()
}
ALL = (*(formula for pair in ACTIVATIONS.values() for formula in pair), *LOSSES.values())


@both
@runs
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_activations(kind, run, dtype, rng):
    f, df = FUNCTIONS[kind]
    forward, backward = ACTIVATIONS[kind]
    options = [OPTIONS[name] for name in forward.options]
    (x,) = values(rng, dtype)
    with np.errstate(all="ignore"):
        y = f(x, *options).astype(dtype)
        slope = np.asarray(df(x, y, *options)).astype(dtype)
    same(run(forward, [x], options, ALL)[0], y, dtype)
    same(run(backward, [x, y], options, ALL)[0], slope, dtype)


@both
@runs
@pytest.mark.parametrize("kind", ELEMENTWISE_LOSSES)
def test_losses(kind, run, dtype, rng):
    formula = LOSSES[kind]
    focal = kind == "binary_focal"
    y, t = values(rng, dtype, 2, *[[0.0, 0.25, 0.5, 1.0]] if focal else [])
    if focal:
        y, t = np.clip(np.abs(y), 0, 1), np.clip(np.abs(t), 0, 1)
    for gamma in (2.0, 0.5, 1.0, 3.0) if focal else (2.0,):
        given = {**OPTIONS, "gamma": gamma}
        options = [given[name] for name in formula.options]
        with np.errstate(all="ignore"):
            wanted = [np.asarray(g(y, t, *options)).astype(dtype) for g in ELEMENTWISE_LOSSES[kind]]
        for actual, one in zip(run(formula, [y, t], options, ALL), wanted, strict=True):
            same(actual, one, dtype)


ABSENT = {"rmsprop": [(), ("a",), ("m",), ("a", "m")], "adam": [(), ("v_max",)],
          "sgd": [(), ("m",)]}  # fmt: skip
RULE_OPTIONS = {
    "lr": 0.1, "momentum": 0.9, "nesterov": 1.0, "rho": 0.9, "epsilon": 1e-3, "alpha": 0.02,
    "beta_1": 0.9, "beta_2": 0.99, "m_rate": 0.02, "g_rate": 0.03, "v_root": 1.2, "power": -0.5,
    "l1": 0.2, "l2": 0.3, "shrinkage": 0.1, "c": 0.7, "factor": 0.3, "due": 1.0, "steps": 3.0,
    "overwrite": 1.0, "share": 0.25,
}  # fmt: skip
OTHERS = [{"momentum": 0.0}, {"nesterov": 0.0}, {"power": -0.7}, {"power": -2.0}, {"due": 0.0},
          {"overwrite": 0.0}]  # fmt: skip
ENTRY_BY_ENTRY = {"affine": 1, "multiply": 2, "add": 2, "add_to": 1, "maximum": 2,
                  "maximum_grad": 3, "moving_average": 1, "deviation": 1,
                  "activity_penalty_grad": 2}  # fmt: skip


def rules():
    """(function, how many arrays it only reads, those that are None) of every rule."""
    for name, f in reference.RULES.items():
        inputs = int(next(iter(inspect.signature(f).parameters)) in ("g", "w"))
        for absent in ABSENT.get(name, [()]):
            yield f, (0 if name == "not_negative" else inputs), absent
    for name, inputs in ENTRY_BY_ENTRY.items():
        yield getattr(reference, name), inputs, ()


RULES = {
    "-".join([f.__name__, *absent]): (f, translate.read(f, inputs, absent=absent), absent)
    for f, inputs, absent in rules()
}
ALL_RULES = tuple(formula for _, formula, _ in RULES.values())


@both
@runs
@pytest.mark.parametrize("name", RULES)
def test_rules(name, run, dtype, rng):
    f, formula, absent = RULES[name]
    given = dict(
        RULE_OPTIONS, scale=2.0, shift=0.5, least=0.3, momentum=0.0 if "m" in absent else 0.9
    )
    for change in [{}, *(o for o in OTHERS if set(o) <= set(formula.options))]:
        if absent == ("m",) and "momentum" in change:
            continue
        options = {n: {**given, **change}[n] for n in formula.options}
        arrays = dict(zip(formula.entries, values(rng, dtype, len(formula.entries)), strict=True))
        for positive in {"v", "v_max", "a", "x", "n"} & set(formula.changed):
            arrays[positive] = np.abs(arrays[positive]) + arrays[positive].dtype.type(10)
        if name.startswith("rmsprop") and "a" in arrays:
            arrays["a"] = np.sign(arrays["g"]) * 0  # its square is less than v
        wanted = {n: a.copy() for n, a in arrays.items()} | dict.fromkeys(absent)
        with np.errstate(all="ignore"):
            f(**options, **wanted)
        results = run(formula, list(arrays.values()), list(options.values()), ALL_RULES)
        for (target, _), actual in zip(formula.results, results, strict=True):
            bound = {"float32": 3e-5, "float64": 1e-12}[dtype]
            np.testing.assert_allclose(actual, wanted[target], bound, bound, err_msg=target)


def test_what_has_sums_is_no_formula():
    for name in reference.updates.WITH_SUMS:
        with pytest.raises(translate.Untranslatable):
            translate.read(getattr(reference, name), 1)
