"""Every metric and function against Keras: unequal batches, weights, reset, configs, names."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

from tinynet import metrics

SIZES = (4, 1, 7)  # rows of the batches


def batch(kind, n, rng):
    """(y_true, y_pred); kind says what the targets are."""
    p = rng.uniform(0.02, 0.98, (n, 4))
    if kind == "real":
        return rng.normal(size=(n, 4)), rng.normal(size=(n, 4))
    if kind == "column":  # (N,) beside (N, 1)
        return rng.normal(size=n), rng.normal(size=(n, 1))
    if kind == "positive":
        return rng.uniform(0, 3, (n, 4)), rng.uniform(0, 3, (n, 4))
    if kind == "signs":
        return rng.choice([-1.0, 1.0], (n, 4)), rng.normal(size=(n, 4))
    if kind == "zero_one":
        return rng.integers(0, 2, (n, 4)), rng.normal(size=(n, 4))
    if kind == "multi":
        return rng.integers(0, 2, (n, 4)), p
    if kind == "binary":
        return rng.integers(0, 2, (n, 1)), p[:, :1]
    if kind == "tenths":  # with ties, and exactly on thresholds
        return rng.integers(0, 2, (n, 4)), rng.integers(0, 11, (n, 4)) / 10
    if kind == "logits":
        return rng.integers(0, 2, (n, 4)), rng.normal(0, 3, (n, 4))
    if kind == "one_hot":
        return np.eye(4)[rng.integers(0, 4, n)], p
    if kind == "distribution":
        y = rng.uniform(0, 1, (n, 4)) * rng.integers(0, 2, (n, 4))  # some are 0
        return y / np.maximum(y.sum(axis=1, keepdims=True), 1), p / p.sum(axis=1, keepdims=True)
    if kind == "sparse":
        return rng.integers(0, 4, n), p
    if kind == "some_ignored":
        return rng.choice([-1, 0, 1, 2, 3], n), p
    if kind == "ids":
        return rng.integers(0, 4, n), rng.integers(0, 4, n)
    if kind == "sorted_ids":
        return rng.integers(0, 6, n), np.array([rng.permutation(6) for _ in range(n)])
    if kind == "sequence":
        return np.eye(3)[rng.integers(0, 3, (n, 2))], rng.uniform(0.02, 0.98, (n, 2, 3))
    raise ValueError(kind)


def batches(kind, whole_weights=False):
    rng = np.random.default_rng(5)
    for n in SIZES:
        y, p = batch(kind, n, rng)
        w = rng.integers(0, 4, n).astype("int32") if whole_weights else rng.uniform(0, 2, n)
        yield y.astype("float32"), p.astype("float32"), w if whole_weights else w.astype("float32")


def o(**options):
    """Options with a stable repr."""
    return tuple(options.items())


MULTI = o(multi_label=True, label_weights=(0.5, 1.0, 2.0, 0.0))
CASES = [  # class, options, kind of data
    ("MeanSquaredError", (), "real"),
    ("MeanAbsoluteError", (), "column"),
    ("MeanAbsolutePercentageError", (), "real"),
    ("MeanAbsolutePercentageError", (), "zero_one"),  # divided by zero
    ("MeanSquaredLogarithmicError", (), "positive"),
    ("MeanSquaredLogarithmicError", (), "real"),  # below zero
    ("LogCoshError", (), "real"),
    ("RootMeanSquaredError", (), "column"),
    ("CosineSimilarity", (), "real"),
    ("CosineSimilarity", o(axis=1), "sequence"),
    ("R2Score", (), "real"),
    ("R2Score", (), "column"),
    ("R2Score", o(class_aggregation=None), "real"),
    ("R2Score", o(class_aggregation="variance_weighted_average", num_regressors=2), "real"),
    ("R2Score", o(class_aggregation=None, num_regressors=1), "real"),
    ("Hinge", (), "signs"),
    ("Hinge", (), "zero_one"),
    ("SquaredHinge", (), "signs"),
    ("SquaredHinge", (), "zero_one"),
    ("CategoricalHinge", (), "one_hot"),
    ("KLDivergence", (), "distribution"),
    ("Poisson", (), "positive"),
    ("BinaryCrossentropy", o(label_smoothing=0.2), "multi"),
    ("BinaryCrossentropy", o(from_logits=True), "logits"),
    ("CategoricalCrossentropy", o(label_smoothing=0.1), "one_hot"),
    ("CategoricalCrossentropy", o(from_logits=True, label_smoothing=0.1), "one_hot"),
    ("CategoricalCrossentropy", (), "sequence"),
    ("SparseCategoricalCrossentropy", o(from_logits=True), "sparse"),
    ("SparseCategoricalCrossentropy", o(ignore_class=2), "sparse"),
    ("SparseCategoricalCrossentropy", o(ignore_class=-1), "some_ignored"),
    ("PearsonCorrelation", (), "real"),
    ("ConcordanceCorrelation", (), "real"),
    ("ConcordanceCorrelation", o(axis=1), "sequence"),
    ("Accuracy", (), "ids"),
    ("BinaryAccuracy", o(threshold=0.3), "tenths"),
    ("SparseTopKCategoricalAccuracy", o(k=3, from_sorted_ids=True), "sorted_ids"),
    *(
        (name, options, kind)
        for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")
        for options, kind in [((), "binary"), (o(thresholds=(0.25, 0.8)), "multi")]
    ),
    ("TruePositives", o(thresholds=(0.0, 0.5, 1.0)), "logits"),  # even: predictions are clipped
    ("FalseNegatives", o(thresholds=(0.0, 0.6, 1.0)), "logits"),  # not even: they are not
    ("Precision", o(thresholds=(0.4,)), "tenths"),
    ("Recall", o(top_k=2, class_id=1), "one_hot"),
    *(
        (name, (("num_thresholds", n), *options), kind)
        for name in ("SensitivityAtSpecificity", "SpecificityAtSensitivity",
                     "PrecisionAtRecall", "RecallAtPrecision")
        for n, options, kind in [
            (11, (("_", 0.6),), "multi"), (200, (("_", 0.5), ("class_id", 2)), "one_hot"),
        ]
    ),
    ("PrecisionAtRecall", o(_=0.4, num_thresholds=1), "binary"),
    ("SpecificityAtSensitivity", o(_=0.7, num_thresholds=2), "multi"),
    *(
        ("AUC", (("curve", curve), ("summation_method", method), ("num_thresholds", 7), *more),
         "multi")
        for curve, method, more in [
            ("PRGAIN", "interpolation", ()), ("PRGAIN", "minoring", ()), ("prgain", "Majoring", ()),
            ("pr", "interpolation", MULTI), ("PR", "majoring", MULTI), ("roc", "minoring", MULTI),
        ]
    ),
    ("AUC", o(multi_label=True, num_labels=4, thresholds=(0.1, 0.35, 0.8)), "multi"),
    ("AUC", o(multi_label=True, from_logits=True), "logits"),
    ("AUC", o(label_weights=(0.5, 1.0, 2.0, 0.0), num_thresholds=9), "multi"),
    ("AUC", o(label_weights=(0.5, 1.0, 2.0, 0.0), thresholds=(0.1, 0.35)), "multi"),
    *(
        ("FBetaScore", o(average=average, beta=beta, threshold=threshold), kind)
        for average in (None, "micro", "macro", "weighted")
        for beta, threshold, kind in [(2.0, None, "one_hot"), (0.5, 0.4, "tenths")]
    ),
    ("F1Score", (), "one_hot"),
    ("F1Score", o(average="weighted"), "sparse_as_one_hot"),
    ("F1Score", o(average="macro", threshold=0.5), "binary"),
    ("IoU", o(num_classes=4, target_class_ids=(0, 2)), "ids"),
    ("IoU", o(num_classes=4, target_class_ids=(1,), dtype="float32"), "ids"),
    ("IoU", o(num_classes=3, target_class_ids=(1, 2), ignore_class=0), "ids"),  # id 3 is unknown
    ("IoU", o(num_classes=4, target_class_ids=(0, 1), sparse_y_pred=False), "sparse"),
    ("BinaryIoU", (), "binary"),
    ("BinaryIoU", o(target_class_ids=(1,), threshold=0.3, dtype="float32"), "tenths_column"),
    ("MeanIoU", o(num_classes=4), "ids"),
    ("MeanIoU", o(num_classes=4, dtype="float32", ignore_class=1), "ids"),
    ("OneHotIoU", o(num_classes=4, target_class_ids=(0, 3)), "one_hot"),
    ("OneHotMeanIoU", o(num_classes=4, dtype="float32"), "one_hot"),
    ("OneHotMeanIoU", o(num_classes=4, sparse_y_pred=True), "one_hot_ids"),
]  # fmt: skip
ALIKE = {"sparse_as_one_hot": "one_hot", "tenths_column": "binary", "one_hot_ids": "one_hot"}
FIRST = {  # the name of the argument that has no default
    "SensitivityAtSpecificity": "specificity",
    "SpecificityAtSensitivity": "sensitivity",
    "PrecisionAtRecall": "recall",
    "RecallAtPrecision": "precision",
}


def build(module, cls, options, /, **more):
    given = {FIRST[cls] if k == "_" else k: list(v) if isinstance(v, tuple) else v
             for k, v in options}  # fmt: skip
    return getattr(module, cls)(**given, **more)


def data(name, options, kind):
    whole = "IoU" in name and "dtype" not in dict(options)
    for y, p, w in batches(ALIKE.get(kind, kind), whole):
        yield y, p.argmax(axis=-1) if kind == "one_hot_ids" else p, w


def run(metric, name, options, kind, weighted):
    """The result after every batch, after a reset, and of the last batch alone."""
    results = []
    for y, p, w in data(name, options, kind):
        w = np.stack([w, w + 1], axis=1) if p.ndim == 3 and "axis" not in dict(options) else w
        metric.update_state(y, p, sample_weight=w if weighted else None)
        results.append(np.array(metric.result()))
    metric.reset_state()
    results.append(np.array(metric.result()))
    metric.update_state(y, p)
    return np.array([*results, np.array(metric.result())])


@keras_case
def keras_every_metric(keras, name, options, kind):
    metric = build(keras.metrics, name, options, name="m")
    plain = run(metric, name, options, kind, weighted=False)
    metric.reset_state()
    weighted = run(metric, name, options, kind, weighted=True)
    config = json.dumps(keras.metrics.serialize(metric)["config"], default=as_list)
    return {"plain": plain, "weighted": weighted, "config": config}


def as_list(value):
    return np.asarray(value).tolist()


@pytest.mark.parametrize(("name", "options", "kind"), CASES)
def test_results_are_those_of_keras(name, options, kind):
    expected = keras_every_metric(name, options, kind)
    metric = build(metrics, name, options)
    for weighted in (False, True):
        found = run(metric, name, options, kind, weighted)
        wanted = expected["weighted" if weighted else "plain"]
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)
        metric.reset_state()


@pytest.mark.parametrize(("name", "options", "kind"), CASES)
def test_configs_are_those_of_keras(name, options, kind):
    theirs = json.loads(str(keras_every_metric(name, options, kind)["config"]))
    ours = build(metrics, name, options, name="m")
    mine = json.loads(json.dumps(ours.get_config()))  # plain values only
    if (name, dict(options).get("axis", -1)) == ("CosineSimilarity", 1):
        theirs["axis"] = 1  # which Keras forgets
    plain = dict(theirs)
    if isinstance(theirs.get("label_weights"), dict):  # Keras writes an array as a dict; we a list
        plain["label_weights"] = theirs["label_weights"]["config"]["value"]
    assert rounded(mine) == rounded(plain)
    policy = {"module": "keras", "class_name": "DTypePolicy", "registered_name": None}
    for dtype in (theirs["dtype"], {**policy, "config": {"name": theirs["dtype"]}}):
        again = metrics.deserialize({
            "module": "keras.metrics", "class_name": name, "registered_name": None,
            "config": {**theirs, "dtype": dtype},
        })  # fmt: skip
        assert type(again) is type(ours)
        assert rounded(again.get_config()) == rounded(mine)
    again = metrics.deserialize(json.loads(json.dumps(metrics.serialize(ours))))
    np.testing.assert_array_equal(
        run(again, name, options, kind, True), run(ours, name, options, kind, True)
    )


def rounded(value):
    """Numbers to six digits, in configs: Keras has some in float32."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return round(value, 6) if isinstance(value, float) else value


SPLITTABLE = [case for case in CASES if dict(case[1]).get("axis", -1) == -1]


@given(case=st.sampled_from(SPLITTABLE), cuts=st.sets(st.integers(1, 11), max_size=4))
def test_any_split_into_batches_gives_the_same(case, cuts):
    name, options, kind = case
    columns = zip(*data(name, options, kind), strict=True)
    y, p, w = (np.concatenate(parts) for parts in columns)
    whole, parts = build(metrics, name, options), build(metrics, name, options)
    whole.update_state(y, p, w)
    for part in zip(*(np.split(a, sorted(cuts)) for a in (y, p, w)), strict=True):
        parts.update_state(*part)
    np.testing.assert_allclose(parts.result(), whole.result(), rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------------------------- functions

FUNCTIONS = [  # name, options, kind of data
    *((name, (), kind)
      for name, kind in [
          ("mean_squared_error", "real"), ("mean_squared_error", "column"),
          ("mean_absolute_error", "real"), ("mean_absolute_percentage_error", "real"),
          ("mean_squared_logarithmic_error", "real"), ("log_cosh", "real"), ("huber", "real"),
          ("hinge", "signs"), ("squared_hinge", "zero_one"), ("categorical_hinge", "one_hot"),
          ("kl_divergence", "distribution"), ("poisson", "positive"),
          ("binary_crossentropy", "multi"), ("categorical_crossentropy", "one_hot"),
          ("sparse_categorical_crossentropy", "sparse"), ("binary_focal_crossentropy", "multi"),
          ("categorical_focal_crossentropy", "one_hot"), ("pearson_correlation", "real"),
          ("concordance_correlation", "real"), ("binary_accuracy", "tenths"),
          ("binary_accuracy", "binary"), ("categorical_accuracy", "one_hot"),
          ("categorical_accuracy", "sequence"), ("sparse_categorical_accuracy", "sparse"),
          ("top_k_categorical_accuracy", "sequence"),
          ("sparse_top_k_categorical_accuracy", "sparse"),
      ]),
    ("huber", o(delta=0.4), "real"),
    ("binary_crossentropy", o(from_logits=True, label_smoothing=0.2), "logits"),
    ("binary_crossentropy", o(axis=0), "multi"),
    ("binary_focal_crossentropy",
     o(apply_class_balancing=True, alpha=0.4, gamma=1.5, from_logits=True, label_smoothing=0.1),
     "logits"),
    ("categorical_crossentropy", o(from_logits=True, label_smoothing=0.2), "one_hot"),
    ("categorical_crossentropy", o(axis=1), "sequence"),
    ("categorical_focal_crossentropy",
     o(alpha=0.4, gamma=1.5, from_logits=True, label_smoothing=0.1), "one_hot"),
    ("sparse_categorical_crossentropy", o(from_logits=True, ignore_class=-1), "some_ignored"),
    ("pearson_correlation", o(axis=0), "real"),
    ("concordance_correlation", o(axis=0), "real"),
    ("binary_accuracy", o(threshold=0.3), "tenths"),
    ("top_k_categorical_accuracy", o(k=2), "one_hot"),
    ("sparse_top_k_categorical_accuracy", o(k=2), "sparse"),
    ("sparse_top_k_categorical_accuracy", o(k=2, from_sorted_ids=True), "sorted_ids"),
]  # fmt: skip


@keras_case
def keras_function(keras, name, options, kind):
    y, p, _ = list(batches(kind))[-1]
    return {"values": getattr(keras.metrics, name)(y, p, **dict(options))}


@pytest.mark.parametrize(("name", "options", "kind"), FUNCTIONS)
def test_functions_are_those_of_keras(name, options, kind):
    expected = keras_function(name, options, kind)["values"]
    y, p, _ = list(batches(kind))[-1]
    found = getattr(metrics, name)(y, p, **dict(options))
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)
    if "accuracy" not in name:
        wide = getattr(metrics, name)(y, p.astype("float64"), **dict(options))
        assert wide.dtype == np.float64
        np.testing.assert_allclose(wide, expected, rtol=2e-5, atol=1e-6)


@keras_case
def keras_metric_names(keras):
    from keras.src.metrics import ALL_OBJECTS_DICT

    exported = [n for n in dir(keras.metrics) if not n.startswith("_")]
    names = {name: cls.__name__ for name, cls in ALL_OBJECTS_DICT.items()}
    return {"exported": exported, "names": list(names), "classes": list(names.values())}


def test_every_name_of_keras_is_here():
    expected = keras_metric_names()
    assert not set(expected["exported"]) - set(metrics.__all__)
    for name, cls in zip(expected["names"], expected["classes"], strict=True):
        if cls == "Metric":  # the base class, which is of no use by its name
            continue
        assert metrics.base._registry.lookup(str(name)) is getattr(metrics, str(cls))


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
