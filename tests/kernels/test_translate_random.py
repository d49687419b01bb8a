"""Random formulas, written to a file as a user would, against NumPy: by Numba, C++, JavaScript."""

import functools
import importlib.util
import itertools

import numpy as np
import pytest
from formula_runs import NODE, by_cuda, by_node, by_numba
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tinynet.kernels import translate

ONE = ["-{}", "np.abs({})", "np.sqrt(np.abs({}))", "np.tanh({})", "np.exp(-np.abs({}))",
       "np.log1p(np.abs({}))", "np.sign({})", "np.square(np.tanh({}))", "np.expm1(np.tanh({}))",
       "np.arctan({})", "np.floor({})", "np.sin({})", "helper({})", "np.tanh({}) ** 3",
       "(np.abs({}) + 1) ** -0.5", "np.clip({}, -a, b)", "expit({})", "np.isnan({}) * 1.0",
       "np.zeros_like({})"]  # fmt: skip
TWO = ["{} + {}", "{} - {}", "{} * np.tanh({})", "{} / (1 + np.abs({}))", "np.maximum({}, {})",
       "np.minimum({}, {})", "np.where({} > {}, x, y)", "np.where(({} <= {}) & (x != 0), x, 1)",
       "(({} < {}) | ~(y > 0)).astype(x.dtype)", "np.where(x >= b, {}, {})",
       "({} if a > 1 else {})", "np.logaddexp(np.tanh({}), np.tanh({}))"]  # fmt: skip
leaves = st.sampled_from(["x", "y", "a", "0.5", "(1 - b)", "np.pi", "SCALE", "2 * x"])


def _combined(inner):
    one = st.builds(lambda form, p: f"({form.format(p)})", st.sampled_from(ONE), inner)
    two = st.builds(lambda form, p, q: f"({form.format(p, q)})", st.sampled_from(TWO), inner, inner)
    return one | two


expressions = st.recursive(leaves, _combined, max_leaves=8)
HEAD = """import numpy as np
from scipy.special import expit

SCALE = 0.75


def helper(v):
    half = v / 2
    half = half + SCALE
    return np.where(half > 1, half, -half)


"""
count = itertools.count()
PHASES = (
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
)  # each example compiles: shrinking takes long


def functions_of(texts, folder):
    """The functions of (x, y, a, b) with these expressions, from a file."""
    path = folder / f"random_{next(count)}.py"
    body = "".join(
        f"def f{i}(x, y, a, b):\n    u = 0 * x + {first}\n    u += y\n    return u * ({then})\n\n\n"
        for i, (first, then) in enumerate(texts)
    )
    path.write_text(HEAD + body)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [getattr(module, f"f{i}") for i in range(len(texts))]


def numbers(dtype):
    x = np.array([0.0, 1.0, -1.0, 0.3, -2.5, 40.0, -40.0, np.inf, -np.inf, np.nan], dtype)
    return [v.ravel().copy() for v in np.meshgrid(x, x)]


def check(run, function, formula, dtype, a, b, **given):
    x, y = numbers(dtype)
    with np.errstate(all="ignore"):
        wanted = np.broadcast_to(np.asarray(function(x, y, a, b), np.float64), x.shape)
        exact = function(x.astype("f8"), y.astype("f8"), a, b)
    (actual,) = run(formula, [x, y], [a, b], **given)
    # where float32 and float64 take different sides of a condition, nothing can be said
    steady = np.isclose(
        wanted, np.broadcast_to(exact, x.shape), rtol=1e-4, atol=1e-4, equal_nan=True
    )
    bound = {"float32": 1e-3, "float64": 1e-9}[dtype]
    np.testing.assert_allclose(actual[steady], wanted[steady], rtol=bound, atol=bound)
    assert steady.mean() > 0.5


@settings(max_examples=10, phases=PHASES)
@given(first=expressions, then=expressions, a=st.floats(0.1, 3), b=st.floats(0.1, 3))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_formulas_by_numba(tmp_path_factory, dtype, first, then, a, b):
    (function,) = functions_of([(first, then)], tmp_path_factory.getbasetemp())
    check(by_numba, function, translate.read(function, 2), dtype, a, b)


@settings(max_examples=2, phases=PHASES)
@given(
    texts=st.lists(st.tuples(expressions, expressions), min_size=12, max_size=12),
    a=st.floats(0.1, 3), b=st.floats(0.1, 3),
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_formulas_as_cuda(tmp_path_factory, dtype, texts, a, b):
    functions = functions_of(texts, tmp_path_factory.getbasetemp())
    formulas = tuple(translate.read(f, 2) for f in functions)
    for function, formula in zip(functions, formulas, strict=True):
        check(functools.partial(by_cuda, among=formulas), function, formula, dtype, a, b)


@pytest.mark.skipif(NODE is None, reason="Node is not installed: https://nodejs.org")
@settings(max_examples=20, phases=PHASES)
@given(first=expressions, then=expressions, a=st.floats(0.1, 3), b=st.floats(0.1, 3))
def test_random_formulas_as_javascript(tmp_path_factory, first, then, a, b):
    (function,) = functions_of([(first, then)], tmp_path_factory.getbasetemp())
    check(by_node, function, translate.read(function, 2), "float64", a, b)
