"""What a formula may not have: the error names the file, the line and what is in the way."""

import functools

import numpy as np
import pytest

from tinynet.kernels import translate
from tinynet.kernels.recording import Unsupported


def sums(x):
    total = x.sum()
    return x / total


def condition(x):
    if x > 0:
        return x
    return -x


def conditional(x):
    return x if x > 0 else -x


def both(x):
    return np.where(x > 0 and x < 1, x, 0)


def chain(x):
    return np.where(0 < x < 1, x, 0)


def loop(x):
    for _ in range(3):
        x = x * x
    return x


def unknown(x):
    return np.sort(x)


def of_python(x):
    import math

    return math.exp(x)


def entry(x):
    return x * x[0]


def in_place(x):
    x += 1
    return x


def alias(x):
    y = x
    y *= 2
    return y


def remainder(x):
    return x % 2


def text(x):
    return x * "a"


def axis(x):
    return np.maximum(x, 0, where=x > 1)


def itself(x):
    return itself(x)


def other(x):
    return sums(x) + 1


def nothing(x):
    y = x * x  # noqa: F841


def undefined(x):
    return x * missing  # noqa: F821


def invert(x):
    return ~x


@pytest.mark.parametrize(
    ("function", "line", "reason"),
    [
        (sums, "total = x.sum()", ".sum() of an array"),
        (condition, "if x > 0:", "np.where"),
        (conditional, "return x if x > 0 else -x", "np.where"),
        (both, "np.where(x > 0 and x < 1, x, 0)", "& and |"),
        (chain, "0 < x < 1", "(a < x) & (x < b)"),
        (loop, "for _ in range(3):", "For"),
        (unknown, "np.sort(x)", "np.sort"),
        (of_python, "math.exp(x)", "NumPy's is np.exp"),
        (entry, "x * x[0]", "x[0]"),
        (in_place, "x += 1", "changed in place"),
        (alias, "y *= 2", "changed in place"),
        (remainder, "x % 2", "Mod"),
        (text, 'x * "a"', "not a number"),
        (axis, "where=x > 1", "argument where"),
        (itself, "return itself(x)", "without end"),
        (other, "total = x.sum()", ".sum() of an array"),  # in the function that it calls
        (undefined, "x * missing", "missing has no value"),
        (invert, "return ~x", "~ of numbers"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_error_shows_the_line_and_says_what_may_be_used(function, line, reason):
    with pytest.raises(translate.Untranslatable) as caught:
        translate.read(function)
    message = str(caught.value)
    shown = function.__code__ if function not in (itself, other) else sums.__code__
    if function is not itself:
        first, last = shown.co_firstlineno, shown.co_firstlineno + 4
        number = int(message.split(f"{__file__}:")[1].split(":")[0])
        assert first <= number <= last
    assert __file__ in message
    assert line in message
    assert reason in message
    assert "a formula may use arithmetic, comparisons" in message


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (nothing, "neither returns nor changes"),
        (np.exp, "not a function that is written in Python"),
        (functools.partial(sums), "not a function that is written in Python"),
        (lambda *x: x, "*args"),
        (eval("lambda x: x"), "source can't be found"),
    ],
)
def test_other_reasons(function, reason):
    with pytest.raises(translate.Untranslatable, match=reason.replace("*", r"\*")):
        translate.read(function)


def test_it_is_what_the_recorder_takes_for_not_recordable():
    assert issubclass(translate.Untranslatable, Unsupported)


def test_lambdas_on_one_line_are_told_apart():
    pair = (lambda x: x * 2, lambda x, y: x * 0 + 2)
    first, second = (
        translate.numba(translate.read(pair[0])),
        translate.numba(translate.read(pair[1], 2)),
    )
    assert "(x_ * T(2.0))" not in second
    assert "return x_ * T(2.0)" in first
    assert "(x_ * T(0.0)) + T(2.0)" in second


def test_constants_come_from_closures_globals_and_defaults():
    scale = 3

    def f(x, slope, shift=0.5):
        return scale * x + slope * np.pi + shift

    text = translate.numba(translate.read(f, 1, options=1))
    assert "T(3.0)" in text
    assert "T(0.5)" in text
    assert "3.14159" in text


def test_options_are_computed_in_float64_and_meet_the_entries_in_their_dtype():
    def f(x, beta):
        return (1 - beta) * x

    assert "T(1.0 - beta_)" in translate.numba(translate.read(f))
    assert "real(1.0 - beta_)" in translate.cuda(translate.read(f))


def test_a_branch_that_an_absent_array_rules_out_is_left_out():
    def rule(g, lr, momentum, *, w, m):
        if momentum == 0:
            w -= lr * g
            return
        m *= momentum
        m -= lr * g
        w += m

    formula = translate.read(rule, absent=("m",))
    assert formula.changed == ("w",)
    assert "momentum" not in translate.numba(formula).split("\n", 1)[1]
    assert translate.read(rule).changed == ("w", "m")
