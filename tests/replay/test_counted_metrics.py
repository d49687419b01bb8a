"""Metrics counted within the recorded step on the CPU: the numbers of the reference."""

import numpy as np
import pytest
import replay_runs
from counted_cases import CASES, IDS, LEFT_TO_THE_HOST, SPARSE, X, compiled, counted, results

import tinynet


@pytest.fixture(autouse=True, params=[1, 2, 3], ids=lambda count: f"{count} threads")
def shares(request, monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", str(request.param))
    monkeypatch.setattr("tinynet.kernels.cpu.machine.program.WORK_PER_THREAD", 1)
    return request.param


def check(name, case, is_counted):
    model, history, measured = results(case, "cpu")
    assert model.explain_execution() == replay_runs.RECORDED
    assert all((one is not None) == is_counted for one in counted(model))
    _, expected, expected_measured = results(case, "reference")
    assert list(history) == list(expected)
    for key, values in expected.items():
        exact = is_counted and ("acc" in key or key.endswith("b"))
        np.testing.assert_allclose(history[key], values, rtol=1e-12 if exact else 1e-5)
    assert measured == pytest.approx(expected_measured, rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_counted_in_the_step(name):
    check(name, CASES[name], True)


@pytest.mark.parametrize("name", LEFT_TO_THE_HOST)
def test_what_is_more_than_matches_is_looked_at_afterwards(name):
    check(name, LEFT_TO_THE_HOST[name], False)


def test_weights_of_rows_do_not_touch_what_ignores_them():
    model = compiled(3, "softmax", SPARSE, ["accuracy"], "cpu")
    found = model.evaluate(X, IDS, sample_weight=np.linspace(0, 1, 45), verbose=0, return_dict=True)
    right = model.predict(X, verbose=0).argmax(axis=1) == IDS
    assert found["accuracy"] == pytest.approx(right.mean(), rel=1e-12)


def test_a_nan_is_no_hit():
    model = compiled(3, "softmax", SPARSE, ["accuracy"], "cpu")
    W, *others = model.get_weights()
    model.set_weights([np.full_like(W, np.nan), *others])
    assert model.evaluate(X, np.zeros(45, int), verbose=0)[1] == 0


def test_ties_go_to_the_first():
    model = compiled(3, "softmax", SPARSE, ["accuracy"], "cpu")
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    for label, expected in ((0, 1), (1, 0), (2, 0)):
        assert model.evaluate(X, np.full(45, label), verbose=0)[1] == expected


def test_many_steps_in_one_call(monkeypatch):
    """Each step has counts of its own; of batches that are left out none is counted."""
    monkeypatch.setattr(tinynet.engine.replay.Replay, "length", lambda self: 1000)
    model = compiled(3, "softmax", SPARSE, ["accuracy"], "cpu")
    for _ in range(2):
        found = model.evaluate(X, IDS, batch_size=4, verbose=0)[1]
        right = model.predict(X, verbose=0).argmax(axis=1) == IDS
        assert found == pytest.approx(right.mean(), rel=1e-12)
