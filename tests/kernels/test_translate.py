"""Formulas of the reference, printed for Numba and for CUDA: the same numbers as NumPy has."""

import numpy as np
import pytest
from formula_runs import by_cuda, by_numba, values

from tinynet.kernels import translate
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
