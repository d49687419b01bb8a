"""Metrics in a compiled model: which one a name means, their names and order, one's own."""

import numpy as np
import pytest
from oracle import keras_case

from tinynet import losses, metrics
from tinynet.layers import Dense, Input
from tinynet.metrics.collection import Collection, check_names
from tinynet.models import Sequential


def collection(given=None, weighted=None, target=(None, 1), output=(None, 1)):
    return Collection(given, weighted, target, output)


def kinds(c):
    return [type(metric) for _, metric, _ in c.items]


def names(c):
    return [name for name, _, _ in c.items]


@pytest.mark.parametrize("name", ["accuracy", "acc", "Accuracy", "ACC"])
@pytest.mark.parametrize(
    ("target", "output", "cls"),
    [
        ((8, 1), (8, 1), "BinaryAccuracy"),
        ((8,), (8, 1), "BinaryAccuracy"),
        ((8,), (8, 3), "SparseCategoricalAccuracy"),
        ((8, 1), (8, 3), "SparseCategoricalAccuracy"),
        ((8, 3), (8, 3), "CategoricalAccuracy"),
        ((8, 5), (8, 5, 3), "SparseCategoricalAccuracy"),
        ((8, 5, 3), (8, 5, 3), "CategoricalAccuracy"),
    ],
)
def test_accuracy_by_shape(name, target, output, cls):
    check_names([name])
    c = collection([name], None, target, (None, *output[1:]))
    assert [k.__name__ for k in kinds(c)] == [cls]
    assert names(c) == [name]
    assert keras_choice(name, target, output)["cls"] == cls


@keras_case
def keras_choice(keras, name, target, output):
    from keras.src.trainers.compile_utils import get_metric

    return {"cls": type(get_metric(name, np.zeros(target), np.zeros(output))).__name__}


@pytest.mark.parametrize(
    ("target", "output", "cls"),
    [
        ((8,), (None, 1), metrics.BinaryCrossentropy),
        ((8,), (None, 3), metrics.SparseCategoricalCrossentropy),
        ((8, 3), (None, 3), metrics.CategoricalCrossentropy),
    ],
)
def test_crossentropy_by_shape(target, output, cls):
    for name in ("crossentropy", "ce"):
        assert kinds(collection(name, None, target, output)) == [cls]


def by_two(y_true, y_pred):
    return np.abs(y_pred - y_true)[:, 0] / 2


class Largest(metrics.Metric):
    """A user's metric that keeps its state in its own way."""

    value = 0.0

    def reset_state(self):
        self.value = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value = max(self.value, float(y_pred.max()))

    def result(self):
        return self.value


def test_names_come_in_the_order_of_compile():
    given = ["mae", metrics.AUC(name="area"), by_two, Largest(), metrics.Recall, "accuracy"]
    c = collection(given, ["mae", "mse"])
    expected = ["mae", "area", "by_two", "largest", "recall", "accuracy", "weighted_mae", "mse"]
    assert names(c) == expected
    assert list(c.results()) == expected
    assert [weighted for _, _, weighted in c.items] == [False] * 6 + [True] * 2


def test_one_name_or_a_nested_list():
    assert names(collection("mse")) == names(collection([["mse"]])) == ["mse"]
    assert names(collection([["mse", "mae"]])) == ["mse", "mae"]
    assert names(collection()) == names(collection([])) == []
    assert names(collection(metrics.AUC())) == ["auc"]


def test_a_name_twice_gets_a_number():
    assert names(collection(["mse", "mse", "mse"])) == ["mse", "mse_1", "mse_2"]
    assert names(collection([Largest(name="loss")])) == ["loss_1"]
    assert names(collection(["mse"], ["mse", "mse"])) == ["mse", "weighted_mse", "weighted_mse_1"]


@pytest.mark.parametrize("shape", [(), (1,)])
def test_weights_of_rows_for_one_value_of_a_batch(shape):
    def of_all(y, p):
        return np.abs(y - p).mean().reshape(shape)

    model = Sequential([Input((2,)), Dense(1)])
    model.compile("sgd", "mse", weighted_metrics=[of_all])
    model.evaluate(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    with pytest.raises(ValueError, match=r"of_all: expected a value for each of 4 rows, .* rec"):
        model.evaluate(np.ones((4, 2)), np.ones((4, 1)), sample_weight=np.ones(4), verbose=0)


def test_only_weighted_metrics_take_weights():
    c = collection(["mae", by_two], ["mae", by_two])
    y, p = np.zeros((3, 1)), np.array([[1.0], [2.0], [6.0]])
    c.update(y, p, np.array([1.0, 1.0, 2.0]))
    assert c.results() == {
        "mae": 3.0,
        "by_two": 1.5,
        "weighted_mae": 15 / 4,
        "weighted_by_two": 7.5 / 4,
    }
    c.reset()
    assert set(c.results().values()) == {0.0}
    c.update(y, p, None)
    assert c.results()["weighted_mae"] == 3.0


def test_unknown_names_suggest_the_nearest():
    for call in (check_names, lambda m: collection(m)):
        with pytest.raises(ValueError, match=r"unknown metric 'acuracy'.*did you mean 'Accuracy'"):
            call(["mse", "acuracy"])
        with pytest.raises(ValueError, match="unknown metric 'recal'; did you mean 'Recall'"):
            call("recal")
    for bad in (3, [["mse"], ["mae"]], [None]):
        with pytest.raises(TypeError, match="expected names, metrics or functions"):
            check_names(bad)


def test_a_loss_serves_as_a_function():
    c = collection([losses.Huber(), losses.Huber(name="bent")])
    assert names(c) == ["huber_loss", "bent"]
    c.update(np.zeros((2, 1)), np.array([[1.0], [3.0]]), None)
    assert c.results() == {"huber_loss": 1.5, "bent": 1.5}


def test_the_users_metrics_through_fit_and_evaluate():
    model = Sequential([Dense(1, use_bias=False, kernel_initializer="ones", input_shape=(1,))])
    model.compile("sgd", "mse", metrics=[Largest(), by_two], weighted_metrics=["mae"])
    x, y = np.array([[1.0], [2.0], [5.0]]), np.zeros((3, 1))
    result = model.evaluate(
        x, y, sample_weight=np.array([1.0, 1.0, 2.0]), batch_size=2, verbose=0, return_dict=True
    )
    assert list(result) == ["loss", "largest", "by_two", "mae"]
    assert result["largest"] == 5.0
    assert result["by_two"] == pytest.approx(8 / 6)
    assert result["mae"] == pytest.approx(13 / 4)
    model.fit(x, y, verbose=0)
    assert list(model.history.history) == ["loss", "largest", "by_two", "mae"]


def test_the_base_says_what_is_missing():
    metric = metrics.Metric()
    with pytest.raises(NotImplementedError, match="Metric needs update_state"):
        metric([1], [1])
    with pytest.raises(NotImplementedError, match="Metric needs result"):
        metric.result()


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize(
    ("name", "units", "loss"),
    [
        *((name, 1, "BinaryCrossentropy") for name in ("accuracy", "acc", "binary_accuracy", "ce")),
        ("accuracy", 1, "BinaryFocalCrossentropy"),
        ("binary_accuracy", 3, "BinaryCrossentropy"),
        ("crossentropy", 3, "SparseCategoricalCrossentropy"),
        ("accuracy", 3, "SparseCategoricalCrossentropy"),
    ],
)
def test_names_of_metrics_mean_logits_where_the_loss_does(name, units, loss, device):
    """The same weights with the activation in the model and with it in the loss: same metric."""
    activation = "softmax" if "Categorical" in loss else "sigmoid"
    x = np.random.default_rng(1).normal(size=(40, 4))
    y = np.arange(40) % max(units, 2)
    y = np.eye(3)[y] if name == "binary_accuracy" and units == 3 else y
    values, weights = [], None
    for logits in (False, True):
        model = Sequential([Input((4,)), Dense(units, None if logits else activation)])
        model.compile("sgd", getattr(losses, loss)(from_logits=logits), metrics=[name],
                      device=device)  # fmt: skip
        weights = weights or model.get_weights()
        model.set_weights(weights)
        logs = model.evaluate(x, y, verbose=0, return_dict=True)
        assert list(logs) == ["loss", name]
        values.append(logs[name])
    assert values[1] == pytest.approx(values[0], rel=1e-5)
    assert 0.05 < values[0] < 0.95 or "ce" in name or "cross" in name


def test_a_threshold_of_zero_is_for_logits():
    metric = metrics.BinaryAccuracy(threshold=0)
    assert metric([1, 1, 0, 0], [0.2, -0.2, -3.0, 0.1]) == 0.5
    assert metrics.BinaryAccuracy.from_config(metric.get_config()).threshold == 0.0
    with pytest.raises(ValueError, match="threshold"):
        metrics.BinaryAccuracy(threshold=float("nan"))
