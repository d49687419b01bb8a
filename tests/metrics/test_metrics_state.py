"""A metric's variables, what holds them, and configs of functions."""

import json

import numpy as np
import pytest
from oracle import keras_case

from tinynet import losses, metrics
from tinynet.core.variable import Variable
from tinynet.metrics.collection import is_sum


def test_a_variable_is_an_array_in_expressions():
    v = Variable(np.array([1.0, 2.0], "float32"), name="v")
    assert (v.shape, v.dtype, v.ndim, len(v), v.name) == ((2,), np.float32, 1, 2, "v")
    for found, expected in (
        (v + 1, [2, 3]), (1 - v, [0, -1]), (v * v, [1, 4]), (v / 2, [0.5, 1]), (-v, [-1, -2]),
        (v > 1, [False, True]), (np.sqrt(v), [1, np.sqrt(2)]), (np.maximum(v, 1.5), [1.5, 2]),
        (np.concatenate([v, v]), [1, 2, 1, 2]), (v[1:], [2]), (np.asarray(v), [1, 2]),
        (np.sum(v), 3), (np.mean(v), 1.5),
    ):  # fmt: skip
        assert not isinstance(found, Variable)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(v.value, [1, 2])
    number = Variable(np.float64(3))
    assert (float(number), int(number), bool(number)) == (3.0, 3, True)


def test_a_variable_changes_by_assignment_only():
    v = Variable(np.zeros(2, "float32"), name="v")
    np.asarray(v)[0] = 7
    v.numpy()[0] = 7
    assert not v.value.any()
    value = v.value
    v.assign([1, 2]).assign_add(1).assign_sub([0, 1])
    np.testing.assert_array_equal(v.value, [2, 2])
    same = v
    v += 1
    v *= [1, 2]
    assert v is same
    assert v.value is value
    np.testing.assert_array_equal(value, [3, 6])
    array = np.zeros(2)
    np.add(v, 1, out=array)
    np.testing.assert_array_equal(array, [4, 7])
    for bad in ([1], 0, [[1, 2]]):
        with pytest.raises(ValueError, match=r"v: expected an array of shape \(2,\)"):
            v.assign(bad)
    with pytest.raises(ValueError, match=r"\(2,\), received \(3, 2\)"):
        v.assign_add(np.ones((3, 2)))
    np.testing.assert_array_equal(value, [3, 6])


class Holder(metrics.Metric):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.own = self.add_variable((2,), "ones", name="own")
        self.whole = self.add_weight(dtype="int", name="whole")
        self.mean = metrics.Mean()
        self.several = [metrics.Sum(), 3, metrics.Sum()]
        self.named = {"a": metrics.Mean(), "b": "no metric"}

    def update_state(self, y_true, y_pred, sample_weight=None):
        for metric in (self.mean, self.several[0], self.several[2], self.named["a"]):
            metric.update_state(y_pred)


def test_variables_of_metrics_within_are_reset_too():
    metric = Holder(dtype="float64")
    names = [v.name for v in metric.variables]
    assert names == ["own", "whole", "total", "count", "total", "total", "total", "count"]
    assert [v.dtype for v in metric.variables[:2]] == [np.float64, np.int32]
    np.testing.assert_array_equal(metric.own.value, [1, 1])
    metric.update_state([1.0], [2.0])
    assert [m.result() for m in (metric.mean, metric.several[2], metric.named["a"])] == [2, 2, 2]
    metric.reset_state()
    assert not any(v.value.any() for v in metric.variables)  # zeros, as in Keras, and not ones
    assert metric.name == "holder"
    assert Holder.from_config(metric.get_config()).dtype == "float64"


def test_sums_do_not_care_about_the_dtype():
    for dtype in ("float16", "float32", {"config": {"name": "mixed_float16"}}):
        mean = metrics.Mean(dtype=dtype)
        for _ in range(3000):
            mean.update_state(1.0)
        mean.update_state(0.0)
        assert mean.result() == 3000 / 3001


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (metrics.BinaryAccuracy(), True),
        (metrics.AUC(), True),
        (metrics.CosineSimilarity(axis=0), False),
        (metrics.PearsonCorrelation(), True),
        (metrics.ConcordanceCorrelation(axis=1), False),
        (metrics.CategoricalCrossentropy(axis=0), False),
        (metrics.MeanMetricWrapper(metrics.huber, delta=2.0), True),
        (metrics.MeanMetricWrapper(metrics.pearson_correlation, axis=0), False),
        (metrics.MeanMetricWrapper(lambda y, p: p), False),
        (metrics.MeanMetricWrapper(losses.MeanSquaredError()), False),
        (Holder(), False),
    ],
)
def test_which_metrics_may_see_several_batches_at_once(metric, expected):
    assert is_sum(metric) is expected


# --------------------------------------------------------------------------- configs of functions


def off_by(y_true, y_pred, power=1):
    return np.abs(y_true - y_pred) ** power


@keras_case
def keras_metric_configs(keras):
    m = keras.metrics
    return {
        "function": json.dumps(m.serialize(m.huber)),
        "wrapper": json.dumps(m.serialize(m.MeanMetricWrapper(m.huber, "bent", delta=0.3))),
        "own": json.dumps(m.serialize(m.MeanMetricWrapper(off_by, "own", power=2))),
    }


def test_configs_of_functions_are_those_of_keras():
    expected = {key: json.loads(str(text)) for key, text in keras_metric_configs().items()}
    assert metrics.serialize(metrics.huber) == expected["function"]
    bent = metrics.MeanMetricWrapper(metrics.huber, "bent", delta=0.3)
    assert metrics.serialize(bent) == expected["wrapper"]
    own = metrics.MeanMetricWrapper(off_by, "own", power=2)
    assert metrics.serialize(own) == expected["own"]

    assert metrics.deserialize(expected["function"]) is metrics.huber
    assert metrics.get(expected["function"]) is metrics.huber
    again = metrics.deserialize(expected["wrapper"])
    y, p = [[0.0], [0.0]], [[1.0], [2.0]]
    assert again(y, p) == bent(y, p) == pytest.approx(0.3 * 1.5 - 0.3**2 / 2)
    again = metrics.deserialize(expected["own"], {"off_by": off_by})
    assert (again.name, again(np.zeros(2), np.array([1.0, 3.0]))) == ("own", 5.0)
    with pytest.raises(ValueError, match=r"'off_by' is not one of tinynet's.*custom_objects"):
        metrics.deserialize(expected["own"])


def test_what_has_no_name_can_not_be_serialized():
    with pytest.raises(TypeError, match="no name to be found by"):
        metrics.serialize(lambda y, p: p)
    with pytest.raises(TypeError, match="fn must be a function, received 3"):
        metrics.MeanMetricWrapper(3)
    assert metrics.get(off_by) is off_by
    assert "off_by" in repr(metrics.MeanMetricWrapper(off_by))
