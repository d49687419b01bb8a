"""Every metric against Keras: unequal batches, weights, reset, configs."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_cases import batches, o
from oracle import keras_case

from tinynet import metrics

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
