"""`fit`: whole histories against Keras, and what the generated cases brought to light."""

import warnings

import numpy as np
import pytest
from fit_models import (
    BINARY,
    IDS,
    ONE_HOT,
    REAL,
    SPARSE,
    VIDS,
    VONE_HOT,
    VWEIGHTS,
    VX,
    WEIGHTS,
    Rows,
    X,
    binary,
    classifier,
    inject,
    normalized,
    regression,
)
from oracle import keras_case

import tinynet
from tinynet import Sequential, layers

# name -> (model, compile's arguments made by k, fit's arguments made by k)
CASES = {
    "sparse": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.1, momentum=0.9), **SPARSE},
        lambda k: {"x": X, "y": IDS, "batch_size": 16, "validation_data": (VX, VIDS)},
    ),
    "one-hot, weighted": (
        classifier,
        lambda k: {
            "optimizer": k.optimizers.Adam(0.02), "loss": "categorical_crossentropy",
            "metrics": ["accuracy", "mse"], "weighted_metrics": ["accuracy"],
        },
        lambda k: {
            "x": X, "y": ONE_HOT, "batch_size": 12, "sample_weight": WEIGHTS,
            "validation_data": (VX, VONE_HOT, VWEIGHTS), "validation_batch_size": 7,
        },
    ),
    "binary, class weights, split": (
        binary,
        lambda k: {
            "optimizer": "rmsprop", "loss": "binary_crossentropy",
            "metrics": ["accuracy", "Precision"], "weighted_metrics": ["accuracy"],
        },
        lambda k: {
            "x": X, "y": BINARY, "batch_size": 8, "validation_split": 0.3,
            "class_weight": {0: 0.5, 1: 3.0},
        },
    ),
    "split with sample weights": (
        binary,
        lambda k: {"optimizer": "adam", "loss": "bce", "weighted_metrics": ["accuracy"]},
        lambda k: {
            "x": X, "y": BINARY[:, None], "validation_split": 0.25, "sample_weight": WEIGHTS
        },
    ),
    "normalization and penalties": (
        normalized,
        lambda k: {"optimizer": k.optimizers.Adam(0.01, amsgrad=True), **SPARSE},
        lambda k: {"x": X, "y": IDS[:, None], "batch_size": 16, "validation_data": (VX, VIDS)},
    ),
    "regression": (
        regression,
        lambda k: {
            "optimizer": k.optimizers.SGD(0.02, clipnorm=0.5), "loss": k.losses.Huber(0.7),
            "metrics": ["mae", "mse"],
        },
        lambda k: {"x": X, "y": REAL, "batch_size": 9, "sample_weight": WEIGHTS},
    ),
    "schedule and decay": (
        regression,
        lambda k: {
            "optimizer": k.optimizers.AdamW(
                k.optimizers.schedules.CosineDecay(0.05, 10), weight_decay=0.1
            ),
            "loss": "mse",
        },
        lambda k: {"x": X, "y": REAL},
    ),
    "split of float noise": (
        regression,
        lambda k: {"optimizer": "sgd", "loss": "mse"},
        lambda k: {
            "x": np.concatenate([X, X]), "y": np.concatenate([REAL, REAL]), "batch_size": 1,
            "validation_split": 0.9, "epochs": 1,
        },
    ),
    "every second validation": (
        classifier,
        lambda k: {"optimizer": "sgd", **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "validation_freq": 2, "epochs": 5
        },
    ),
    "listed validations": (
        classifier,
        lambda k: {"optimizer": "sgd", **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "validation_freq": [1, 4], "epochs": 5
        },
    ),
    "validation steps": (
        classifier,
        lambda k: {"optimizer": "sgd", **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "validation_steps": 2,
            "validation_batch_size": 7,
        },
    ),
    "too many validation steps": (
        classifier,
        lambda k: {"optimizer": "sgd", **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "validation_steps": 5,
            "validation_batch_size": 7, "epochs": 2,
        },
    ),
    "initial epoch": (
        classifier,
        lambda k: {"optimizer": "adam", **SPARSE},
        lambda k: {"x": X, "y": IDS, "initial_epoch": 2, "epochs": 4},
    ),
    "fewer steps than data": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.3), **SPARSE},
        lambda k: {"x": X, "y": IDS, "batch_size": 16, "steps_per_epoch": 3, "epochs": 4},
    ),
    "more steps than data": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.3), **SPARSE},
        lambda k: {"x": X, "y": IDS, "batch_size": 16, "steps_per_epoch": 6},
    ),
    "steps but no batch size": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.3), **SPARSE},
        lambda k: {"x": X, "y": IDS, "steps_per_epoch": 4},
    ),
    "callbacks": (
        classifier,
        lambda k: {"optimizer": k.optimizers.SGD(0.5), **SPARSE},
        lambda k: {
            "x": X, "y": IDS, "validation_data": (VX, VIDS), "epochs": 12,
            "callbacks": [
                k.callbacks.LearningRateScheduler(lambda e, lr: lr * 3.0 if e == 3 else lr),
                k.callbacks.ReduceLROnPlateau(patience=1, factor=0.5, cooldown=1),
                k.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
            ],
        },
    ),
}  # fmt: skip


def train(k, name):
    """(model, History, how often the data ran out)."""
    make, compile_with, fit_with = CASES[name]
    model = inject(make(k))
    model.compile(**compile_with(k))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(**{"verbose": 0, "shuffle": False, "epochs": 3, **fit_with(k)})
    ended = [str(w.message) for w in caught if "the data ended" in str(w.message)]
    ran_out = [str(w.message) for w in caught if "ran out of data" in str(w.message)]
    return model, history, len(ended) + len(ran_out)


@keras_case
def keras_fit(keras, name):
    model, history, ran_out = train(keras, name)
    result = {f"history {key}": values for key, values in history.history.items()}
    result |= {f"weights {i:02d}": w for i, w in enumerate(all_weights(model))}
    return result | {"ran out": ran_out, "epochs": history.epoch}


def all_weights(model):
    return [w for layer in model.layers for w in layer.get_weights()]


@pytest.mark.parametrize("name", CASES)
def test_histories_are_those_of_keras(name):
    expected = keras_fit(name)
    model, history, ran_out = train(tinynet, name)
    theirs = {k.removeprefix("history "): v for k, v in expected.items() if "history" in k}
    assert set(history.history) == set(theirs)
    for key, values in theirs.items():
        assert all(type(v) is float for v in history.history[key])
        np.testing.assert_allclose(
            history.history[key], values, rtol=1e-4, atol=1e-6, err_msg=f"{name}: {key}"
        )
    assert history.epoch == expected["epochs"].tolist()
    assert ran_out == expected["ran out"]
    weights = [v for k, v in sorted(expected.items()) if k.startswith("weights")]
    for ours, w in zip(all_weights(model), weights, strict=True):
        np.testing.assert_allclose(ours, w, rtol=1e-3, atol=1e-4)


def test_the_split_of_float_noise_trains_on_nine_rows():
    """floor(100 (1 - 0.9)) is 9, because 1 - 0.9 is a little less than 0.1."""
    rows = Rows()
    model = Sequential([layers.Input((1,)), rows, layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.arange(100.0)[:, None] / 100
    model.fit(x, x, validation_split=0.9, verbose=0, shuffle=False)
    assert sorted(round(v * 100) for v in rows.trained) == list(range(9))
    assert sorted(round(v * 100) for v in rows.tested) == list(range(9, 100))


def test_the_order_of_a_history():
    """loss, metrics, val_loss, val_metrics, as compile names them; Keras sorts by name."""
    model = classifier(tinynet)
    model.compile(
        "sgd", "sparse_categorical_crossentropy",
        metrics=["sparse_categorical_accuracy", "accuracy"], weighted_metrics=["accuracy"],
    )  # fmt: skip
    names = ["loss", "sparse_categorical_accuracy", "accuracy", "weighted_accuracy"]
    history = model.fit(X, IDS, validation_data=(VX, VIDS), verbose=0)
    assert list(history.history) == names + [f"val_{n}" for n in names]
    assert model.history is history
    assert history.params == {"verbose": 0, "epochs": 1, "steps": 2}
    assert model.metrics_names == names
    assert list(model.evaluate(X, IDS, verbose=0, return_dict=True)) == names


# ------------------------------------------------------- what the generated cases brought to light


def keras_and_ours(k, hooks, **options):
    """The events of a small fit, and the names of the last logs."""
    seen = []

    def noted(hook):
        def method(self, *args, logs=None):
            seen.append(" ".join([hook, *sorted(logs or args[-1] or ())]))

        return method

    watch = type("Watch", (k.callbacks.Callback,), {hook: noted(hook) for hook in hooks})()
    model = inject(classifier(k))
    model.compile(k.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    rates = k.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    model.fit(X, IDS, epochs=2, verbose=0, validation_data=(VX, VIDS), shuffle=False,
              callbacks=[rates, watch], **options)  # fmt: skip
    model.predict(VX, verbose=0, callbacks=[watch])
    return seen


@keras_case
def keras_seen(keras, *hooks):
    return {"seen": keras_and_ours(keras, hooks, steps_per_epoch=5)}


def test_validation_without_batch_size_has_32_rows_whatever_steps_per_epoch_makes_of_it():
    hooks = ("on_test_batch_end", "on_epoch_end")
    seen = keras_and_ours(tinynet, hooks, steps_per_epoch=5)  # training batches of 10 rows
    assert seen == keras_seen(*hooks)["seen"].tolist()
    assert [event.split()[0] for event in seen] == list(hooks) * 2


def test_on_predict_end_is_handed_nothing():
    hooks = ("on_predict_batch_end", "on_predict_end")
    seen = keras_and_ours(tinynet, hooks, steps_per_epoch=5)
    assert seen == keras_seen(*hooks)["seen"].tolist()
    assert seen == ["on_predict_batch_end outputs", "on_predict_end"]


def test_on_train_end_sees_the_measured_values_not_what_callbacks_added():
    hooks = ("on_train_end",)
    assert keras_and_ours(tinynet, hooks, steps_per_epoch=5) == keras_seen(*hooks)["seen"].tolist()
