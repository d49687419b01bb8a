"""Cases that make themselves, in Keras and in tinynet (see `parity/`).

The ordinary suite has 40 of one seed, whose answers by Keras are recorded; `pytest -m parity` runs
200 others live, `--parity-cases 1000 --parity-seed 7` as many as one likes. A case that fails is
made smaller and printed as a script.
"""

import hashlib
import json

import numpy as np
import oracle
import pytest

import tinynet
from parity import (
    callback_purposes,  # noqa: F401  it registers its purposes
    cases,
    compare,
    purpose,
)
from parity.script import script
from parity.shrink import shrink

SUITE_SEED, SUITE_CASES = 60, 40


def pytest_generate_tests(metafunc):
    if "live_number" in metafunc.fixturenames:
        first = metafunc.config.getoption("--parity-from")
        count = metafunc.config.getoption("--parity-cases")
        metafunc.parametrize("live_number", range(first, first + count))


# ---------------------------------------------------------------------------- the ordinary suite


def numbers(answers):
    """Answers that a recording holds: weights as a few of their entries and two sums."""
    short = {}
    for name, value in answers.items():
        if isinstance(value, np.ndarray):
            flat = value.ravel()
            value = [*flat[:2], flat.sum(), np.abs(flat).sum()]
        if isinstance(value, list):
            value = [float(f"{v:.9g}") if isinstance(v, float) else v for v in value]
        short[name] = value
    return short


@oracle.keras_case
def keras_answers(keras, number, digest):
    case = cases.draw(SUITE_SEED, number)
    return {"json": json.dumps(numbers(compare.answers(keras, case)))}


@pytest.mark.parametrize("number", range(SUITE_CASES))
def test_a_case_of_the_suite(number):
    case = cases.draw(SUITE_SEED, number)
    digest = hashlib.sha256(json.dumps(case).encode()).hexdigest()[:12]  # a recording of this case
    theirs = json.loads(str(keras_answers(number, digest)["json"]))
    assert "error" not in theirs, theirs["error"]
    ours = numbers(compare.answers(tinynet, case))
    found = compare.differences(theirs, ours, compare.tolerance(case))
    if found:
        report(case, found)


# ---------------------------------------------------------------------------------- and many more


@pytest.mark.parity
def test_a_case(live_number, request):
    keras = live_keras()
    case = cases.draw(request.config.getoption("--parity-seed"), live_number, later=True)
    if live_number % 100 == 99:
        forget_compiled()
    verdict, found = compare.judge(keras, tinynet, case)
    request.config.parity[verdict] += 1
    if verdict in (compare.THROUGHOUT, compare.ROUNDING, compare.NAN):
        print(verdict, *found, sep="\n")  # pytest -rP shows these
    if verdict == compare.DIFFER:
        report(case, found, request.config.getoption("--parity-shrink"))


@pytest.mark.parity
@pytest.mark.parametrize("name", purpose.PURPOSES)
@pytest.mark.parametrize("number", range(3))
def test_a_difference_on_purpose(name, number, request):
    purpose.check(name, 23, number, live_keras(), tinynet)
    request.config.parity[f"on purpose: {name.replace('_', ' ')}"] += 1


def forget_compiled():
    """JAX keeps what it compiled, some 40 MB a case."""
    import jax

    jax.clear_caches()


def live_keras():
    if not oracle.HAVE_KERAS:
        pytest.skip("Keras is not installed")
    return oracle.live_keras()


def report(case, found, seconds=120):
    """Fail, with a small script that shows why."""
    if oracle.HAVE_KERAS:
        keras, kind = oracle.live_keras(), found[0].partition(":")[0].lstrip("0123456789 ")

        def fails(smaller):
            verdict, still = compare.judge(keras, tinynet, smaller)
            return verdict == compare.DIFFER and any(kind in line for line in still)

        case = shrink(case, fails, seconds)
        found = compare.differences(
            compare.answers(keras, case), compare.answers(tinynet, case), compare.tolerance(case)
        )
    pytest.fail("\n".join(found) + "\n\n" + script(case, found), pytrace=False)


# ------------------------------------------------------------------------- the tester, tested


def test_a_case_is_plain_and_depends_on_nothing_but_its_seed():
    for number in range(50):
        for later in (False, True):
            case = cases.draw(3, number, later)
            assert json.loads(json.dumps(case)) == case == cases.draw(3, number, later)
            assert case["calls"][0]["call"] == "compile"


def test_a_difference_is_seen():
    case = cases.draw(SUITE_SEED, 0)
    right = compare.answers(tinynet, case)
    assert not compare.differences(right, right, compare.TOLERANCE["float32"])
    for name, value in right.items():
        if isinstance(value, (list, np.ndarray)) and np.size(value) == 0:
            continue
        if isinstance(value, (int, float, np.ndarray)) and not isinstance(value, bool):
            wrong = value + 3e-4 * max(np.abs(value).max(), 1.0)
        else:
            wrong = [*value, 0.5] if isinstance(value, list) else "something else"
        found = compare.differences(right, {**right, name: wrong}, compare.TOLERANCE["float32"])
        assert len(found) == 1, name
        assert found[0].startswith(name), name


def test_what_comes_after_nan():
    theirs = {"1 fit: history loss": [1.0, 0.5], "3 fit: history loss": [0.4, float("nan")]}
    for line in ("3 fit: weight 0 kernel: x", "end: weight 0 kernel: x", "4 load_weights: weight 1",
                 "3 fit: EarlyStopping.best: x", "3 fit: saved weight 0: x",
                 "end: learning rate: x"):  # fmt: skip
        assert compare.comes_after_nan(line, theirs), line
        assert not compare.comes_after_nan(line, {"1 fit: history loss": [1.0]}), line
    for line in ("1 fit: weight 0 kernel: x", "3 fit: history loss: x", "3 fit: epochs: x",
                 "4 predict: x", "error: x", "events: x"):  # fmt: skip
        assert not compare.comes_after_nan(line, theirs), line


@pytest.mark.parity
def test_means_of_float64_throughout():
    keras = live_keras()
    x = np.array([1.0, 1e-10])
    with oracle.jax_computes_in("float64"):
        assert float(keras.ops.mean(x)) == 0.5
        with compare.float64_throughout():
            assert float(keras.ops.mean(x)) == x.mean() != 0.5
        assert float(keras.ops.mean(x)) == 0.5


def test_a_failing_case_is_made_smaller():
    case = next(c for c in (cases.draw(3, n) for n in range(99)) if len(c["layers"]) > 4)
    small = shrink(case, lambda c: any(call["call"] == "fit" for call in c["calls"]))
    assert [call["call"] for call in small["calls"]] == ["compile", "fit"]
    assert len(small["layers"]) == 2
    assert small["calls"][1]["epochs"] == 1
    assert "callbacks" not in small["calls"][1]


@pytest.mark.filterwarnings("ignore:the data ended")
def test_a_script_runs(monkeypatch):
    monkeypatch.setattr("sys.argv", ["script", "tinynet"])
    for number in range(12):
        case = cases.draw(SUITE_SEED, number, later=True)
        before = tinynet.config.floatx()
        try:
            exec(compile(script(case, ["x: y"]), "script", "exec"), {"__name__": "script"})
        finally:
            tinynet.config.set_floatx(before)
