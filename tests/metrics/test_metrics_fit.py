"""Metrics in compile, fit and evaluate against Keras: names, order, weights, functions, classes."""

import csv

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet.callbacks import CSVLogger, EarlyStopping

N = 11  # rows: batches of 4, 4 and 3
RNG = np.random.default_rng(2)
X = RNG.normal(size=(N, 3)).astype("float32")
KERNEL = RNG.normal(size=(3, 4)).astype("float32")
IDS = RNG.integers(0, 4, N)
WEIGHT = RNG.integers(1, 4, N).astype("float32")
TARGETS = {
    "sparse": IDS,
    "one_hot": np.eye(4)[IDS].astype("float32"),
    "multi": RNG.integers(0, 2, (N, 4)).astype("float32"),
    "real": RNG.normal(size=(N, 4)).astype("float32"),
}
ENDS = {  # activation and loss
    "sparse": ("softmax", "sparse_categorical_crossentropy"),
    "one_hot": ("softmax", "categorical_crossentropy"),
    "multi": ("sigmoid", "binary_crossentropy"),
    "real": (None, "mse"),
}


def ops_of(k):
    """NumPy is tinynet's `ops`: a user's metric is the same source, but for that."""
    return np if k is tinynet else k.ops


def functions(k):
    """A user's functions: one value per row, and one for the batch."""
    ops = ops_of(k)

    def far_off(y_true, y_pred):
        return ops.max(ops.abs(y_true - y_pred), axis=-1)

    def of_the_batch(y_true, y_pred):
        return ops.mean(y_pred[:, 0])  # counts once, however many rows the batch has

    return far_off, of_the_batch


def classes(k):
    """A user's metrics."""
    ops = ops_of(k)

    class Share(k.metrics.Metric):
        """Weighted share of rows with a positive first output."""

        def __init__(self, name="share", **kwargs):
            super().__init__(name=name, **kwargs)
            self.hits = self.add_weight(name="hits", initializer="zeros")
            self.rows = self.add_variable(shape=(), initializer="zeros", name="rows")

        def update_state(self, y_true, y_pred, sample_weight=None):
            hits = ops.where(y_pred[:, 0] > 0.3, 1.0, 0.0)
            weight = ops.ones_like(hits) if sample_weight is None else sample_weight
            self.hits.assign_add(ops.sum(hits * weight))
            self.rows.assign(self.rows + ops.sum(weight))

        def result(self):
            return self.hits / self.rows

        def reset_state(self):
            self.hits.assign(0.0)
            self.rows.assign(0.0)

    class Extremes(k.metrics.Metric):
        """A dict, with names of its own; holds another metric; never says how it is reset."""

        def __init__(self, name="extremes", **kwargs):
            super().__init__(name=name, **kwargs)
            self.largest = self.add_weight(shape=(4,), initializer="zeros", name="largest")
            self.mean = k.metrics.Mean()
            self.batches = self.add_weight(initializer="zeros", dtype="int32", name="batches")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.largest.assign(ops.maximum(self.largest, ops.max(y_pred, axis=0)))
            self.mean.update_state(y_pred, sample_weight)
            self.batches.assign_add(1)

        def result(self):
            return {"the_mean": self.mean.result(), "largest": self.largest + 0.0,
                    "count": self.batches * 1.0}  # fmt: skip

    return Share, Extremes


CASES = {  # name: (targets, function of the library -> compile's arguments)
    "classification": ("sparse", lambda k: {
        "metrics": ["accuracy", k.metrics.SparseTopKCategoricalAccuracy(2),
                    k.metrics.SparseCategoricalCrossentropy(name="ce", ignore_class=1)],
        "weighted_metrics": ["accuracy", "sparse_categorical_crossentropy"],
    }),
    "one_hot": ("one_hot", lambda k: {
        "metrics": ["acc", k.metrics.F1Score(), k.metrics.F1Score("macro", name="f1"), "AUC",
                    "kl_divergence", "CategoricalHinge", k.metrics.OneHotMeanIoU(4)],
        "weighted_metrics": [k.metrics.FBetaScore("weighted", 2.0), "categorical_accuracy"],
    }),
    "multi": ("multi", lambda k: {
        "metrics": ["Precision", k.metrics.Recall(thresholds=[0.2, 0.5]), "binary_accuracy",
                    k.metrics.PrecisionAtRecall(0.6), "BinaryCrossentropy", "true_positives"],
        "weighted_metrics": [k.metrics.AUC(multi_label=True, num_thresholds=20, name="areas"),
                             "bce", k.metrics.FalseNegatives(0.4)],
    }),
    "regression": ("real", lambda k: {
        "metrics": ["mse", "MAE", "mape", "msle", "R2Score", "cosine_similarity", "LogCoshError",
                    k.metrics.R2Score(class_aggregation=None, name="r2s"), "RootMeanSquaredError"],
        "weighted_metrics": ["mse", "mse", "pearson_correlation"],
    }),
    "functions": ("real", lambda k: {
        "metrics": [functions(k)[0], k.metrics.mean_absolute_error,
                    lambda y, p: functions(k)[0](y, p),
                    k.metrics.MeanMetricWrapper(functions(k)[0], name="wrapped"), functions(k)[1],
                    k.metrics.MeanMetricWrapper(k.metrics.huber, name="bent", delta=0.3)],
        "weighted_metrics": [functions(k)[0], k.metrics.log_cosh],
    }),
    "classes": ("one_hot", lambda k: {
        "metrics": [classes(k)[1](), classes(k)[0](), "mse"],
        "weighted_metrics": [classes(k)[0](), classes(k)[0](name="weighty")],
    }),
}  # fmt: skip


def trained(k, name, **options):
    """History of two epochs, evaluate's list and its dict."""
    kind, arguments = CASES[name]
    activation, loss = ENDS[kind]
    layer = k.layers.Dense(4, activation=activation, use_bias=False)
    model = k.Sequential([k.layers.Input((3,)), layer]) if k is not tinynet else k.Sequential(
        [k.layers.Dense(4, activation=activation, use_bias=False, input_shape=(3,))]
    )  # fmt: skip
    model.set_weights([KERNEL])
    model.compile(k.optimizers.SGD(0.1), loss, **arguments(k), **options)
    y = TARGETS[kind]
    history = model.fit(
        X, y, sample_weight=WEIGHT, batch_size=4, epochs=2, shuffle=False, verbose=0,
        validation_data=(X[:5], y[:5], WEIGHT[:5]),
    )  # fmt: skip
    rest = {"sample_weight": WEIGHT, "batch_size": 4, "verbose": 0}
    return history.history, model.evaluate(X, y, **rest), model.evaluate(
        X, y, return_dict=True, **rest
    )  # fmt: skip


@keras_case
def keras_measured_training(keras, name):
    keras.backend.clear_session()  # names of metrics count on: recall_9
    history, values, named = trained(keras, name)
    result = {f"history/{key}": np.array(value) for key, value in history.items()}
    if len(values) == len(named):  # else Keras has listed one of two with the same name twice
        result |= {f"list/{i}": np.array(value) for i, value in enumerate(values)}
    return {**result, **{f"dict/{key}": np.array(value) for key, value in named.items()}}


@pytest.mark.parametrize("name", CASES)
def test_fit_and_evaluate_are_those_of_keras(name):
    expected = keras_measured_training(name)
    history, values, named = trained(tinynet, name)
    found = {f"history/{key}": np.array(value) for key, value in history.items()}
    found |= {f"list/{i}": np.array(value) for i, value in enumerate(values)}
    found |= {f"dict/{key}": np.array(value) for key, value in named.items()}
    listed = any(key.startswith("list/") for key in expected)
    found = {key: v for key, v in found.items() if listed or not key.startswith("list/")}
    assert set(found) == set(expected)
    for key, value in found.items():
        np.testing.assert_allclose(value, expected[key], rtol=2e-4, atol=2e-6, err_msg=key)
    assert [str(v) for v in named.values()] == [str(v) for v in values]
    assert list(history) == [*named, *(f"val_{key}" for key in named)]
    for key, value in named.items():
        assert isinstance(value, float if expected[f"dict/{key}"].ndim == 0 else np.ndarray)


@pytest.mark.parametrize("name", CASES)
def test_step_by_step_gives_the_same(name):
    """Where a device takes many batches at once, metrics must not notice."""
    for fast, slow in zip(trained(tinynet, name), trained(tinynet, name, run_eagerly=True),
                          strict=True):  # fmt: skip
        fast, slow = (list(v.values()) if isinstance(v, dict) else v for v in (fast, slow))
        for a, b in zip(fast, slow, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def small(metrics, weighted=None, **options):
    model = tinynet.Sequential([tinynet.layers.Dense(4, activation="softmax", input_shape=(3,))])
    model.compile("sgd", "categorical_crossentropy", metrics=metrics, weighted_metrics=weighted,
                  **options)  # fmt: skip
    return model


def fitted(metrics, weighted=None, **options):
    return small(metrics, weighted).fit(X, TARGETS["one_hot"], verbose=0, **options).history


def test_a_dict_of_one_output():
    assert list(fitted({"output": ["accuracy", "mse"]}, {"output": "mse"})) == [
        "loss", "accuracy", "mse", "weighted_mse"
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"one entry, because there is one output.*'b'"):
        small({"a": "mse", "b": "mse"})


def test_names_of_functions():
    names = list(fitted([lambda y, p: p[:, 0], lambda y, p: p[:, 1], functions(tinynet)[0]]))
    assert names == ["loss", "lambda", "lambda_1", "far_off"]


def test_what_needs_values_is_no_metric_of_a_model():
    for bad in ("mean", tinynet.metrics.Sum, tinynet.metrics.Mean()):
        with pytest.raises(TypeError, match=r"takes values.*MeanMetricWrapper"):
            small([bad])


def test_a_class_that_needs_arguments():
    for bad in ("mean_iou", tinynet.metrics.MeanIoU):
        with pytest.raises(TypeError, match=r"MeanIoU needs arguments.*'num_classes'.*an object"):
            small([bad])


def test_an_array_is_one_cell_and_is_not_monitored(tmp_path):
    path = tmp_path / "log.csv"
    history = fitted([tinynet.metrics.F1Score()], callbacks=[CSVLogger(path)])
    with path.open() as file:
        cell = next(csv.DictReader(file))["f1_score"]
    np.testing.assert_allclose([float(v) for v in cell.strip("[]").split(",")],
                               history["f1_score"][0], rtol=1e-12)  # fmt: skip
    with pytest.raises(ValueError, match=r"'f1_score' has 4 values, expected one"):
        fitted([tinynet.metrics.F1Score()], callbacks=[EarlyStopping("f1_score")])


def test_early_stopping_follows_what_is_in_a_dict():
    Share, Extremes = classes(tinynet)
    stop = EarlyStopping("the_mean", mode="max", patience=2)
    history = fitted([Extremes(), Share()], epochs=5, callbacks=[stop])
    assert len(history["the_mean"]) <= 5
    with pytest.raises(ValueError, match=r"'share' should rise or fall"):
        fitted([Share()], callbacks=[EarlyStopping("share")])  # up or down? nobody said


def test_a_direction_as_in_keras():
    class Up(classes(tinynet)[0]):
        _direction = "up"

    model = small([Up(name="up"), "mse", "Poisson", functions(tinynet)[0]])
    model.fit(X, TARGETS["one_hot"], verbose=0)
    directions = [model.metric_direction(n) for n in ("up", "mse", "Poisson", "far_off")]
    assert directions == [True, False, False, None]


def test_results_in_the_history_are_copies():
    class Last(tinynet.metrics.Metric):
        def __init__(self):
            super().__init__(name="last")
            self.last = self.add_weight(shape=(4,), name="last")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.last.assign(y_pred[-1])

        def result(self):
            return self.last.value

    history = fitted([Last()], epochs=2, shuffle=False)
    assert not np.array_equal(*history["last"])


def test_batches_may_be_kept():
    class Kept(tinynet.metrics.Metric):
        def reset_state(self):
            self.batches = []

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.batches.append(y_pred)

        def result(self):
            return len(self.batches)

    metric = Kept()
    model = small([metric])
    assert model.evaluate(X, TARGETS["one_hot"], batch_size=4, verbose=0)[1] == 3.0
    np.testing.assert_allclose(np.concatenate(metric.batches), model.predict(X, verbose=0), 1e-5)


def test_forgetting_super_is_an_error_that_says_so():
    class Bad(tinynet.metrics.Metric):
        def __init__(self):
            self.total = self.add_weight(name="total")

    with pytest.raises(RuntimeError, match=r"Bad.__init__ must call super\(\).__init__\(\)"):
        Bad()
