"""Metrics against scikit-learn and against pencil and paper; what they refuse."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

from tinynet import metrics

# ---------------------------------------------------------------------- against other references


@given(
    rows=st.integers(2, 9), columns=st.integers(1, 5), seed=st.integers(0, 99),
    average=st.sampled_from(["micro", "macro", "weighted", None]),
    beta=st.sampled_from([0.5, 1.0, 2.0]),
)  # fmt: skip
def test_f_scores_are_those_of_scikit_learn(rows, columns, seed, average, beta):
    from sklearn.metrics import fbeta_score

    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, (rows, columns)), rng.random((rows, columns))
    w = rng.uniform(1, 2, rows)
    metric = metrics.FBetaScore(average, beta, threshold=0.5)
    options = {"beta": beta, "sample_weight": w, "zero_division": 0, "average": average}
    if columns == 1:  # which scikit-learn takes for one of two classes
        y2, p2 = np.hstack([1 - y, y]), np.hstack([1 - p, p])
        expected = fbeta_score(y2, p2 > 0.5, **{**options, "average": None})[1:]
        expected = expected if average is None else expected[0]
    else:
        expected = fbeta_score(y, p > 0.5, **options)
    np.testing.assert_allclose(metric(y, p, w), expected, atol=1e-5)


@given(rows=st.integers(2, 9), columns=st.integers(1, 5), seed=st.integers(0, 99))
def test_r2_is_that_of_scikit_learn(rows, columns, seed):
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(seed)
    y, p, w = rng.normal(size=(rows, columns)), rng.normal(size=(rows, columns)), rng.random(rows)
    for ours, theirs in (
        ("uniform_average", "uniform_average"),
        ("variance_weighted_average", "variance_weighted"),
        (None, "raw_values"),
    ):
        expected = r2_score(y, p, sample_weight=w, multioutput=theirs)
        np.testing.assert_allclose(metrics.R2Score(ours)(y, p, w), expected, rtol=1e-6)


@given(rows=st.integers(1, 30), classes=st.integers(2, 5), seed=st.integers(0, 99))
def test_iou_is_the_jaccard_score_of_scikit_learn(rows, classes, seed):
    from sklearn.metrics import jaccard_score

    rng = np.random.default_rng(seed)
    y, p, w = rng.integers(0, classes, rows), rng.integers(0, classes, rows), rng.random(rows) + 0.1
    present = np.union1d(y, p)  # scikit-learn counts absent classes as 0, Keras leaves them out
    expected = jaccard_score(y, p, labels=present, average="macro", sample_weight=w)
    found = metrics.MeanIoU(classes, dtype="float64")(y, p, w)
    assert found == pytest.approx(expected, rel=1e-5)


# --------------------------------------------------------------------------------------- by hand


def test_sum_and_mean_take_any_shape():
    total = metrics.Sum()
    assert total.result() == 0.0
    assert total([[1, 2], [3, 4]]) == 10.0
    assert total([1, 1], [2, 3]) == 15.0
    assert total([[1, 2], [3, 4]], [1, 0]) == 18.0
    total.reset_state()
    assert total(7) == 7.0
    mean = metrics.Mean()
    assert mean([[1, 2], [3, 4]]) == 2.5  # two rows: 1.5 and 3.5
    assert mean([5]) == pytest.approx(10 / 3)  # a row counts once, however long it is


@keras_case
def keras_reductions(keras):
    return {name: reductions(getattr(keras.metrics, name)()) for name in ("Mean", "Sum")}


def reductions(metric):
    x = np.arange(6, dtype="float32").reshape(3, 2)
    w = np.array([1, 2, 0.5], "float32")
    return [
        float(metric(*arguments))
        for arguments in (
            (x,), (x, w), (x, w[:, None]), (x, x / 4), (x, np.float32(2)), (x[:, 0],),
            (x[:, 0], w), (x[:, 0], w[:, None]), (x[:, :1], w), (np.float32(3),),
            (np.float32(3), np.float32(2)), (np.float32(3), np.array([2], "float32")),
        )
    ]  # fmt: skip


def test_reductions_are_those_of_keras():
    expected = keras_reductions()
    for name in ("Mean", "Sum"):
        np.testing.assert_allclose(reductions(getattr(metrics, name)()), expected[name], rtol=1e-6)


def test_weights_may_be_numbers():
    y, p = [[1], [0]], [[0.9], [0.8]]
    assert metrics.TruePositives()(y, p, 3.0) == 3.0
    assert metrics.MeanSquaredError()(y, p, 3.0) == metrics.MeanSquaredError()(y, p)
    assert metrics.R2Score()([[1.0], [2.0]], [[1.0], [2.5]], 2.0) == 0.5


def test_counts_by_hand():
    y, p = [[1, 0], [1, 1]], [[0.9, 0.8], [0.2, 0.5]]  # 0.5 is not above 0.5
    assert metrics.TruePositives()(y, p) == 1.0
    assert metrics.FalsePositives()(y, p) == 1.0
    assert metrics.FalseNegatives()(y, p) == 2.0
    assert metrics.TrueNegatives()(y, p) == 0.0
    nan = [[np.nan, np.nan], [0.9, 0.9]]
    assert metrics.TruePositives()(y, nan) == 2.0  # NaN is above no threshold
    assert metrics.FalsePositives()(y, nan) == 0.0


def test_r2_of_targets_that_do_not_vary():
    assert metrics.R2Score()([[1.0], [1.0]], [[1.0], [2.0]]) == 0.0
    assert np.isnan(metrics.R2Score()([[1.0], [1.0]], [[1.0], [1.0]]))
    metric = metrics.R2Score(num_regressors=1)
    with pytest.warns(UserWarning, match="1 regressors are too many .* 2 values"):
        assert metric([[1.0], [2.0]], [[1.0], [2.5]]) == 0.5


def test_iou_counts_whole_weights():
    metric = metrics.MeanIoU(2)
    with pytest.warns(UserWarning, match=r"int32.*fractions.*float32"):
        metric.update_state([0, 1], [0, 0], np.array([1.9, 0.9]))
    assert metric.result() == pytest.approx(1.0)  # weights 1 and 0


def test_ids_that_are_no_class():
    p = np.full((3, 2), 0.5)
    for call in (
        metrics.sparse_categorical_crossentropy,
        metrics.SparseCategoricalCrossentropy(),
        metrics.SparseTopKCategoricalAccuracy(),
    ):
        for bad in (2, -1):
            with pytest.raises(ValueError, match=rf"row 1 has class id {bad}.*\[0, 2\)"):
                call(np.array([0, bad, 1]), p)
    assert metrics.SparseCategoricalAccuracy()([0, 2, 1], p) == pytest.approx(1 / 3)


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: metrics.FBetaScore(average="mean"), r"average must be one of.*'mean'"),
        (lambda: metrics.FBetaScore(beta=0.0), "beta must be a number > 0, received 0.0"),
        (lambda: metrics.F1Score(threshold=1.5), r"threshold must be in \(0, 1\], received 1.5"),
        (lambda: metrics.F1Score()([1, 0], [1, 0]), r"\(N, C\), received \(2,\)"),
        (lambda: metrics.R2Score("mean"), "class_aggregation.*'mean'"),
        (lambda: metrics.R2Score(num_regressors=-1), ">= 0, received -1"),
        (lambda: metrics.R2Score()([1, 0], [1, 0]), r"\(N, C\), received \(2,\)"),
        (lambda: metrics.PrecisionAtRecall(1.5), r"recall must be in \[0, 1\], received 1.5"),
        (lambda: metrics.RecallAtPrecision(0.5, 0), "num_thresholds must be >= 1, received 0"),
        (lambda: metrics.RecallAtPrecision(0.5)(ONES, 2 * ONES), r"probabilities.*\[2.0, 2.0\]"),
        (lambda: metrics.RecallAtPrecision(0.5, class_id=3)(ONES, ONES), r"\[0, 3\), received 3"),
        (lambda: metrics.AUC(num_labels=2), "num_labels.*multi_label"),
        (lambda: metrics.AUC(multi_label=True, num_labels=2)(ONES, ONES), r"'N', 2.*\(2, 3\)"),
        (lambda: metrics.AUC(multi_label=True)([1, 0], [1, 0]), r"'N', 'L'.*\(2,\)"),
        (lambda: metrics.AUC(label_weights=[1, 2])(ONES, ONES), r"2 label_weights.*\(2, 3\)"),
        (lambda: metrics.IoU(2, [2]), r"\[0, 2\), received \[2\]"),
        (lambda: metrics.MeanIoU(2)([0, 1], [0]), "2 targets and 1 predictions"),
        (lambda: metrics.MeanIoU(2)([0, 1], [0, 1], [1, 1, 1]), r"2 values, received \(3,\)"),
        (lambda: metrics.Hinge()(ONES, ONES[:, :2]), r"\(2, 2\), received \(2, 3\)"),
        (lambda: metrics.BinaryCrossentropy(label_smoothing=2), r"\[0, 1\], received 2"),
        (lambda: metrics.Mean(dtype="complex64"), "NumPy dtype.*'complex64'"),
        (lambda: metrics.Mean(dtype={"config": {}}), "NumPy dtype"),
        (lambda: metrics.Mean()([1, 2], [1, 2, 3]), r"\(2,\), received \(3,\)"),
    ],
)
def test_refusals(make, text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=text):
            make()
