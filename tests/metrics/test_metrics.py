"""Metrics against Keras over unequal batches, AUC's edges, thresholds, ties, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

from tinynet import metrics

SIZES = (4, 1, 7)  # rows of the batches


def batches(kind):
    """Batches (y_true, y_pred, sample_weight); kind says what the targets are."""
    rng = np.random.default_rng(3)
    for n in SIZES:
        C = 1 if kind == "binary" else 4
        shape = (n, 2, C) if kind == "sequence" else (n, C)
        p = rng.integers(0, 11, shape) / 10  # with ties, and often exactly 0, 0.5 or 1
        if kind == "sparse":
            p = rng.uniform(0.05, 1, shape)
            y = rng.integers(0, 4, n)
        elif kind == "ids":
            p, y = rng.integers(0, 3, n), rng.integers(0, 3, n)
        elif kind in ("one_hot", "sequence"):
            p = rng.uniform(0.05, 1, shape)
            y = np.eye(4)[rng.integers(0, 4, shape[:-1])]
        elif kind == "real":
            p, y = rng.normal(size=shape), rng.normal(size=shape)
        elif kind == "column":  # (N,) beside (N, 1)
            p, y = p[:, :1], rng.integers(0, 2, n)
        elif kind == "ties":
            p = rng.integers(0, 3, shape) / 2
            y = rng.integers(0, 4, n)
        elif kind == "one_hot_ties":
            p = rng.integers(0, 3, shape) / 2
            y = np.eye(4)[rng.integers(0, 4, n)]
        else:
            y = rng.integers(0, 2, shape)
        w = rng.uniform(0.5, 2, n)
        yield y.astype("float32"), p.astype("float32"), w.astype("float32")


CASES = [  # class, options, kind of data
    ("Accuracy", (), "ids"),
    ("BinaryAccuracy", (), "binary"),
    ("BinaryAccuracy", (), "column"),
    ("BinaryAccuracy", (("threshold", 0.3),), "multi"),
    ("CategoricalAccuracy", (), "one_hot"),
    ("CategoricalAccuracy", (), "one_hot_ties"),
    ("CategoricalAccuracy", (), "sequence"),
    ("SparseCategoricalAccuracy", (), "sparse"),
    ("SparseCategoricalAccuracy", (), "ties"),
    ("TopKCategoricalAccuracy", (("k", 2),), "one_hot"),
    ("TopKCategoricalAccuracy", (("k", 2),), "one_hot_ties"),
    ("TopKCategoricalAccuracy", (), "one_hot"),  # k = 5 of 4 classes
    ("SparseTopKCategoricalAccuracy", (("k", 1),), "sparse"),
    ("SparseTopKCategoricalAccuracy", (("k", 3),), "sparse"),
    ("SparseTopKCategoricalAccuracy", (("k", 2),), "ties"),
    *(
        (name, options, kind)
        for name in ("Precision", "Recall")
        for options, kind in [
            ((), "binary"),
            ((), "column"),
            ((("thresholds", 0.3),), "binary"),
            ((("thresholds", (0.9, 0.1, 0.5)),), "multi"),
            ((("thresholds", (0.0, 0.5, 1.0)),), "multi"),
            ((("class_id", 2),), "multi"),
            ((("top_k", 2),), "multi"),
            ((("top_k", 2), ("class_id", 1)), "one_hot"),
            ((("top_k", 3), ("thresholds", 0.4)), "one_hot"),
        ]
    ),
    ("AUC", (), "binary"),
    ("MeanSquaredError", (), "real"),
    ("MeanSquaredError", (), "column"),
    ("MeanAbsoluteError", (), "real"),
    ("MeanAbsoluteError", (), "sequence"),
    ("RootMeanSquaredError", (), "real"),
    ("BinaryCrossentropy", (), "multi"),
    ("BinaryCrossentropy", (("from_logits", True), ("label_smoothing", 0.2)), "multi"),
    ("CategoricalCrossentropy", (("label_smoothing", 0.1),), "one_hot"),
    ("CategoricalCrossentropy", (("from_logits", True),), "one_hot"),
    ("SparseCategoricalCrossentropy", (), "sparse"),
    ("SparseCategoricalCrossentropy", (("from_logits", True),), "sparse"),
]


def build(module, name, options):
    given = {k: list(v) if isinstance(v, tuple) else v for k, v in options}
    return getattr(module, name)(**given)


def run(metric, kind, weighted):
    """The result after every batch; then after a reset and the last batch alone."""
    results = []
    for y, p, w in batches(kind):
        metric.update_state(y, p, sample_weight=weights_for(w, y, p) if weighted else None)
        results.append(np.array(metric.result()))
    metric.reset_state()
    metric.update_state(y, p)
    return np.array([*results, np.array(metric.result())])


def weights_for(w, y, p):
    return w if p.ndim < 3 else np.stack([w, w + 1], axis=1)  # Keras takes (N, T) for (N, T, C)


@keras_case
def keras_metric_results(keras, name, options, kind):
    metric = build(keras.metrics, name, options)
    empty = np.array(metric.result())
    plain = run(metric, kind, weighted=False)
    metric.reset_state()
    return {"empty": empty, "plain": plain, "weighted": run(metric, kind, weighted=True)}


@pytest.mark.parametrize(("name", "options", "kind"), CASES)
def test_results_are_those_of_keras(name, options, kind):
    expected = keras_metric_results(name, options, kind)
    metric = build(metrics, name, options)
    np.testing.assert_array_equal(metric.result(), expected["empty"])
    found = run(metric, kind, weighted=False)
    np.testing.assert_allclose(found, expected["plain"], rtol=2e-6, atol=1e-7)
    metric.reset_state()
    np.testing.assert_array_equal(metric.result(), expected["empty"])
    found = run(metric, kind, weighted=True)
    np.testing.assert_allclose(found, expected["weighted"], rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "options", "kind"), CASES)
def test_unequal_batches_count_like_one(name, options, kind):
    parts, whole = build(metrics, name, options), build(metrics, name, options)
    for y, p, w in batches(kind):
        parts.update_state(y, p, weights_for(w, y, p))
    y, p, w = (np.concatenate(arrays) for arrays in zip(*batches(kind), strict=True))
    whole.update_state(y, p, weights_for(w, y, p))
    np.testing.assert_allclose(parts.result(), whole.result(), rtol=1e-6, atol=1e-12)
    assert np.shape(whole.result()) in ((), (3,))
    assert isinstance(whole.result(), (float, np.ndarray))


@given(
    cuts=st.lists(st.integers(1, 29), max_size=5, unique=True),
    case=st.sampled_from(
        [
            ("BinaryAccuracy", {}),
            ("Precision", {"thresholds": [0.2, 0.6]}),
            ("AUC", {"num_thresholds": 7, "curve": "PR"}),
            ("MeanSquaredError", {}),
        ]
    ),
)
def test_any_split_into_batches_gives_the_same(cuts, case):
    rng = np.random.default_rng(0)
    y, p, w = rng.integers(0, 2, (30, 1)), rng.uniform(size=(30, 1)), rng.uniform(1, 2, 30)
    name, options = case
    metric = getattr(metrics, name)(**options)
    expected = metric(y, p, w)
    metric.reset_state()
    places = sorted(cuts)
    for part in zip(np.split(y, places), np.split(p, places), np.split(w, places), strict=True):
        metric.update_state(*part)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-9)


# ------------------------------------------------------------------------------------------ AUC

AUC_OPTIONS = [
    (("curve", curve), ("summation_method", method), *grid)
    for curve in ("ROC", "PR")
    for method in ("interpolation", "minoring", "majoring")
    for grid in (
        (("num_thresholds", 5),),  # a grid of quarters: predictions lie on it exactly
        (("num_thresholds", 2),),
        (("thresholds", (0.75, 0.25, 0.3)),),
    )
]


def auc_data(logits=False):
    """Quarters from 0 to 1, so that many predictions are exactly on a threshold."""
    rng = np.random.default_rng(8)
    for n in SIZES:
        p = rng.normal(0, 3, (n, 2)) if logits else rng.integers(0, 5, (n, 2)) / 4
        y = rng.uniform(size=(n, 2)) < 0.3 + 0.4 * (p > 0.4)
        yield y.astype("float32"), p.astype("float32"), rng.uniform(0.5, 2, n).astype("float32")


def auc_values(module, options):
    values = []
    for logits in (False, True):
        for weighted in (False, True):
            metric = build(module, "AUC", (*options, ("from_logits", logits)))
            for y, p, w in auc_data(logits):
                metric.update_state(y, p, sample_weight=w if weighted else None)
            values.append(float(metric.result()))
    return values


@keras_case
def keras_auc(keras, options):
    return {"values": auc_values(keras.metrics, options)}


@pytest.mark.parametrize("options", AUC_OPTIONS)
def test_auc_is_that_of_keras(options):
    np.testing.assert_allclose(
        auc_values(metrics, options), keras_auc(options)["values"], rtol=2e-6, atol=1e-7
    )


def test_auc_approaches_the_exact_area():
    """With a fine grid every two predictions are told apart, and the trapezoids are the area."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 500)
    p = np.clip(rng.normal(0.4 + 0.2 * y, 0.2), 0, 1).round(3)
    w = rng.uniform(0.5, 2, 500)
    for weight in (None, w):
        exact = roc_auc_score(y, p, sample_weight=weight)
        fine = metrics.AUC(4001)(y, p, weight)
        assert fine == pytest.approx(exact, abs=1e-12)
        below = metrics.AUC(50, summation_method="minoring")(y, p, weight)
        above = metrics.AUC(50, summation_method="majoring")(y, p, weight)
        assert below < exact < above
        assert metrics.AUC(50)(y, p, weight) == pytest.approx((below + above) / 2, rel=1e-12)
        pr = metrics.AUC(4001, curve="PR")(y, p, weight)
        assert pr == pytest.approx(average_precision_score(y, p, sample_weight=weight), abs=0.01)


def test_auc_by_hand():
    y, p = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]  # one of four pairs is in the wrong order
    assert metrics.AUC()(y, p) == pytest.approx(0.75)
    assert metrics.AUC()([0, 1], [0.0, 1.0]) == 1.0
    assert metrics.AUC()([1, 0], [0.0, 1.0]) == 0.0
    assert metrics.AUC()([0, 1], [0.5, 0.5]) == 0.5
    assert metrics.AUC()([1, 1], [0.5, 0.7]) == 0.0  # no negatives: no curve
    assert metrics.AUC()([0, 0], [0.5, 0.7]) == 0.0
    assert metrics.AUC(curve="PR")([0, 0], [0.5, 0.7]) == 0.0
    assert metrics.AUC(thresholds=[0.5])([0, 1], [0, 1]) == 1.0  # integers are probabilities too


def test_auc_of_integer_logits():
    assert metrics.AUC(from_logits=True)([0, 1, 0, 1], [-3, -1, 2, 4]) == pytest.approx(0.75)


@pytest.mark.parametrize("bad", [[0.5, 1.5], [-0.1, 0.5], [np.nan, 0.5]])
def test_auc_wants_probabilities(bad):
    metric = metrics.AUC()
    with pytest.raises(ValueError, match=r"\[0, 1\].*from_logits=True"):
        metric.update_state([0, 1], bad)
    assert metric.result() == 0.0
    assert not metric.true_positives.value.any()
    assert not metric.false_negatives.value.any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"curve": "RCO"}, 'one of "ROC", "PR", "PRGAIN", received \'RCO\''),
        ({"summation_method": "sum"}, "interpolation.*received 'sum'"),
        ({"num_thresholds": 1}, "num_thresholds must be > 1, received 1"),
    ],
)
def test_auc_options(options, text):
    with pytest.raises(ValueError, match=text):
        metrics.AUC(**options)


# ----------------------------------------------------------------------- thresholds, k, classes


@pytest.mark.parametrize("name", ["Precision", "Recall", "BinaryAccuracy"])
def test_a_float32_on_the_threshold_is_not_above_it(name):
    """float32(0.3) is larger than 0.3 in float64: it must be compared in its own precision."""
    y = np.array([[1], [0]], "float32")
    for dtype in ("float32", "float64"):
        p = np.array([[0.3], [0.3]], dtype)
        option = {"threshold" if name == "BinaryAccuracy" else "thresholds": 0.3}
        metric = getattr(metrics, name)(**option)
        assert metric(y, p) == (0.5 if name == "BinaryAccuracy" else 0.0)
        assert metric(y, np.nextafter(p, 1, dtype=dtype)) > 0.2


def test_precision_and_recall_by_hand():
    y, p = [[1, 0, 1], [0, 1, 1]], [[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]]
    assert metrics.Precision()(y, p) == 3 / 4
    assert metrics.Recall()(y, p) == 3 / 4
    assert metrics.Precision(top_k=1)(y, p) == 1.0
    assert metrics.Recall(top_k=1)(y, p) == 0.5
    assert metrics.Recall(class_id=2)(y, p) == 0.5
    assert metrics.Precision(class_id=0)([[0, 1]], [[0.1, 0.9]]) == 0.0  # none predicted: no 0/0
    np.testing.assert_array_equal(metrics.Recall(thresholds=[0.65, 0.05])(y, p), [0.5, 1.0])
    assert metrics.Precision()(y, p, [2, 1]) == 4 / 6


def test_one_dimensional_predictions_count_row_by_row():
    metric = metrics.BinaryAccuracy()
    metric.update_state([1, 0, 1], [0.9, 0.2, 0.1])
    metric.update_state([0], [0.9])
    assert metric.result() == 0.5
    assert metrics.BinaryAccuracy()([1, 0, 1], [0.9, 0.2, 0.1], [1, 1, 2]) == 0.5
    error = metrics.MeanSquaredError()
    error.update_state([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    error.update_state([1.0], [1.0])
    assert error.result() == 0.75


def test_ties_count_as_keras_counts_them():
    p = [[0.4, 0.4, 0.2]]
    assert metrics.SparseCategoricalAccuracy()([0], p) == 1.0  # the first of equals is the answer
    assert metrics.SparseCategoricalAccuracy()([1], p) == 0.0
    assert metrics.SparseTopKCategoricalAccuracy(1)([1], p) == 1.0  # none is larger
    assert metrics.SparseTopKCategoricalAccuracy(2)([2], p) == 0.0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: metrics.BinaryAccuracy(threshold=1.0), r"\(0, 1\), received 1.0"),
        (lambda: metrics.TopKCategoricalAccuracy(0), "k must be an int >= 1, received 0"),
        (lambda: metrics.SparseTopKCategoricalAccuracy(-2), "received -2"),
        (lambda: metrics.Precision(thresholds=[0.5, 1.2]), r"\[0, 1\].*1.2"),
        (lambda: metrics.Recall(thresholds=-0.1), r"\[0, 1\].*-0.1"),
        (lambda: metrics.Precision(class_id=3)(np.eye(3), np.eye(3)), r"\[0, 3\), received 3"),
        (lambda: metrics.Recall(class_id=-1)(np.eye(3), np.eye(3)), r"\[0, 3\), received -1"),
        (lambda: metrics.Precision()(np.zeros((2, 3)), np.zeros((2, 2))), r"\(2, 2\).*\(2, 3\)"),
        (lambda: metrics.AUC()(np.zeros((2, 3)), np.zeros((2, 2))), r"\(2, 2\).*\(2, 3\)"),
        (lambda: metrics.MeanSquaredError()([1.0, 2.0], [[1.0]]), r"rows.*\(2,\).*\(1, 1"),
        (lambda: metrics.BinaryAccuracy()([1, 0], [[1.0]]), r"number of rows.*\(1, 1\)"),
        (lambda: metrics.CategoricalAccuracy()([1, 0], np.eye(2)), r"one-hot.*\(2, 2\).*\(2,\)"),
        (lambda: metrics.SparseCategoricalAccuracy()(np.eye(2), np.eye(2)), r"ids.*\(2,\).*\(2, 2"),
        (lambda: metrics.Accuracy()([1, 0], [1, 0], [1, 2, 3]), r"sample_weight.*\(2,\).*\(3,\)"),
        (lambda: metrics.Recall()([1, 0], [1, 0], [[2, 3]]), r"sample_weight.*\(2,\).*\(1, 2\)"),
        (lambda: metrics.MeanSquaredError()([[1.0]], [[1.0]], [[1.0, 2]]), r"sample_weight.*\(1, "),
    ],
)
def test_refusals(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_mean():
    mean = metrics.Mean()
    assert mean.result() == 0.0
    assert mean([1, 3]) == 2.0
    assert mean(8, [2]) == 5.0
    assert mean([[1.0, 1.0]], [[0.0]]) == 5.0
    mean.reset_state()
    assert mean(7) == 7.0


def test_sums_do_not_lose_digits():
    metric = metrics.Mean()
    for _ in range(1000):
        metric.update_state(np.full(1000, 0.1, "float32"))
    assert metric.result() == pytest.approx(float(np.float32(0.1)), rel=1e-12)
