"""Metrics counted on the card within the recorded step: the same numbers as from predictions, and
no predictions come back.
"""

import numpy as np
import pytest
import replay_runs
from counted_cases import (
    CASES,
    IDS,
    LEFT_TO_THE_HOST,
    SPARSE,
    YES,
    X,
    compiled,
    counted,
    results,
)
from test_gpu_replay import card, machine_of  # noqa: F401  `card` is used

import tinynet
from tinynet.kernels.gpu.card import runtime
from tinynet.metrics.collection import Collection


@pytest.mark.parametrize("name", CASES)
def test_counted_on_the_card(name):
    model, history, measured = results(CASES[name], "gpu")
    assert model.explain_execution() == replay_runs.RECORDED
    assert all(one is not None for one in counted(model))
    _, expected, expected_measured = results(CASES[name], "reference")
    assert list(history) == list(expected)
    for key, values in expected.items():
        exact = "acc" in key or key.endswith("b")
        np.testing.assert_allclose(history[key], values, rtol=1e-12 if exact else 1e-5)
    assert list(measured) == list(expected_measured)
    assert measured == pytest.approx(expected_measured, rel=1e-5)


@pytest.mark.parametrize("name", LEFT_TO_THE_HOST)
def test_what_is_more_than_matches_is_left_to_the_host(name):
    model, history, measured = results(LEFT_TO_THE_HOST[name], "gpu")
    assert model.explain_execution() == replay_runs.RECORDED
    assert counted(model) == [None] * len(counted(model))
    _, expected, expected_measured = results(LEFT_TO_THE_HOST[name], "reference")
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-5)
    assert measured == pytest.approx(expected_measured, rel=1e-5)


def test_weighted_metrics_are_left_to_the_host():
    tinynet.utils.set_random_seed(2)
    y, w = IDS, np.linspace(0, 1, 45)
    model = compiled(3, "softmax", SPARSE, None, "gpu")
    model.compile("sgd", SPARSE, weighted_metrics=["accuracy"], device="gpu")
    found = model.evaluate(X, y, sample_weight=w, verbose=0, return_dict=True)
    assert set(counted(model)) == {None}
    right = model.predict(X, verbose=0).argmax(axis=1) == y
    assert found["accuracy"] == pytest.approx((right * w).sum() / w.sum())


def test_sample_weights_do_not_touch_metrics_that_ignore_them():
    model = compiled(3, "softmax", SPARSE, ["accuracy"], "gpu")
    found = model.evaluate(X, IDS, sample_weight=np.linspace(0, 1, 45), verbose=0, return_dict=True)
    right = model.predict(X, verbose=0).argmax(axis=1) == IDS
    assert found["accuracy"] == pytest.approx(right.mean(), rel=1e-12)


def test_one_small_transfer_for_a_stretch(monkeypatch):
    monkeypatch.setattr(tinynet.engine.replay.Replay, "length", lambda self: 1000)
    brought, to_host = [], runtime.Runtime.to_host

    def watched(self, array):
        if not isinstance(array, np.ndarray):
            brought.append(array.shape)
        return to_host(self, array)

    monkeypatch.setattr(runtime.Runtime, "to_host", watched)
    model = compiled(3, "softmax", SPARSE, ["accuracy"], "gpu")
    model.train_on_batch(X[:8], IDS[:8])  # before the first step the state is kept
    brought.clear()
    model.fit(X[:40], IDS[:40], batch_size=8, verbose=0)
    assert brought == [(5, 1), (5,)]  # matches and losses of five steps


def test_other_metrics_after_another_compile():
    model = compiled(3, "softmax", SPARSE, ["accuracy"], "gpu")
    model.fit(X, IDS, batch_size=45, verbose=0)
    first = machine_of(model)
    model.compile(model.optimizer, model.loss, metrics=["sparse_top_k_categorical_accuracy"],
                  device="gpu")  # fmt: skip
    history = model.fit(X, IDS, batch_size=45, verbose=0).history
    assert history["sparse_top_k_categorical_accuracy"] == [1.0]  # 5 of 3
    assert machine_of(model) is not first


def test_predictions_that_are_nan_match_as_on_the_host():
    model = compiled(3, "softmax", SPARSE, ["accuracy"], "gpu")
    W, *rest = model.get_weights()
    model.set_weights([W * np.nan, *rest])
    found = model.evaluate(X, IDS, verbose=0, return_dict=True)
    assert counted(model) != [None]
    assert found["accuracy"] == 0  # NaN is no hit, as in metrics.SparseCategoricalAccuracy


def test_matches_of_a_collection():
    ids = Collection(["accuracy"], None, (9,), (None, 3))
    assert ids.matches(IDS, (None, 3), True) == [("sparse_matches",)]
    assert ids.matches(IDS, (None, 3), False) is None
    assert ids.matches(IDS, (None, 7, 3), True) is None
    assert Collection(["accuracy"], None, (9, 1), (None, 1)).matches(YES, (None, 1), False) == [
        ("binary_matches", 0.5)
    ]
    ids.count(np.array([7.0]), 9)
    ids.count(np.array([1.0]), 1)
    assert ids.results() == {"accuracy": pytest.approx(0.8)}
