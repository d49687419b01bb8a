"""Callbacks that follow a value or set the learning rate: what they decide, against Keras."""

import math

import numpy as np
import pytest
from callback_models import X, Y, regression
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

import tinynet
from tinynet.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)

# -------------------------------------------------------------------------- following a value


class Fake:
    """A model whose weights are the number of the epoch."""

    def __init__(self, k=None):
        self.stop_training, self.weights, self.restored = False, -1, None
        self.log_names, self.log_names_may_grow = ["loss", "acc", "val_loss", "val_acc"], False
        self.metrics = []
        if k is not None:
            self.optimizer = k.optimizers.SGD(1.0)

    def metric_direction(self, name):
        return {"acc": True}.get(name)

    def get_weights(self):
        return [self.weights]

    def set_weights(self, weights):
        self.restored = weights[0]


def drive(k, callback, values, monitor="val_loss"):
    """Let `callback` see the values, one per epoch; (end, wait, stopped, best, restored)."""
    model = Fake()
    callback.set_model(model)
    callback.on_train_begin({})
    epoch = -1
    for epoch, value in enumerate(values):
        model.weights = epoch
        callback.on_epoch_end(epoch, {monitor: value})
        if model.stop_training:
            break
    callback.on_train_end({})
    restored = -1 if model.restored is None else model.restored
    return [epoch, callback.wait, callback.stopped_epoch, callback.best_epoch, restored]


SEQUENCES = (
    (4.0, 3.0, 2.0, 1.0),
    (1.0, 2.0, 3.0, 4.0, 5.0),
    (1.0, 1.0, 1.0, 1.0),
    (3.0, 4.0, 2.0, 5.0, 2.0, 2.0, 1.5, 9.0, 9.0, 9.0),
    (5.0, 4.875, 4.75, 4.625, 4.5, 4.375, 4.25),
    (2.0, math.inf, 1.0, math.inf, math.inf),
    (3.0, 1.0, math.nan, 2.0, math.nan, math.nan, 0.5),
    (7.0,),
)
STOPPING = [
    *({"patience": p} for p in (0, 1, 2, 3)),
    {"patience": 1, "min_delta": 0.5},
    {"patience": 2, "min_delta": -0.25},
    {"patience": 2, "baseline": 2.5},
    {"patience": 1, "baseline": 0.0},
    {"patience": 1, "start_from_epoch": 3},
    {"patience": 0, "start_from_epoch": 1},
    {"patience": 1, "mode": "max"},
    {"patience": 2, "mode": "max", "min_delta": 1.0, "baseline": 3.0},
]


def stopping(k):
    rows = []
    for values in SEQUENCES:
        for options in STOPPING:
            callback = k.callbacks.EarlyStopping(restore_best_weights=True, **options)
            rows.append(drive(k, callback, values))
    random = np.random.default_rng(0)
    for _ in range(60):
        options = {
            "patience": int(random.integers(0, 5)), "min_delta": random.integers(0, 3) / 4,
            "start_from_epoch": int(random.integers(0, 3)), "mode": random.choice(["min", "max"]),
            "baseline": random.choice([None, 2.0, 3.0]),
        }  # fmt: skip
        values = (random.integers(0, 24, random.integers(1, 15)) / 4).tolist()
        callback = k.callbacks.EarlyStopping(restore_best_weights=True, **options)
        rows.append(drive(k, callback, values))
    return rows


@keras_case
def keras_stopping(keras):
    return {"rows": stopping(keras)}


def test_early_stopping_decides_as_keras_does():
    """Epoch it ended in, wait, stopped_epoch, best_epoch, and the epoch whose weights are back."""
    # In all of them the first monitored value is a number; for NaN there see below.
    np.testing.assert_array_equal(stopping(tinynet), keras_stopping()["rows"])


@given(
    values=st.lists(st.integers(0, 12).map(lambda n: n / 4), min_size=1, max_size=20),
    patience=st.integers(0, 6),
    sign=st.sampled_from([-1, 1]),
)
def test_early_stopping_by_its_definition(values, patience, sign):
    """Ends in the first epoch but the first with `patience` epochs since the best one."""
    end, *_, best, restored = drive(
        tinynet,
        EarlyStopping(patience=patience, mode="max" if sign > 0 else "min",
                      restore_best_weights=True),
        values,
    )  # fmt: skip
    expected = len(values) - 1
    for epoch in range(1, len(values)):
        since = epoch - int(np.argmax(sign * np.array(values[: epoch + 1])))
        if since and since >= patience:
            expected = epoch
            break
    assert end == expected
    assert best == restored == int(np.argmax(sign * np.array(values[: end + 1])))


def test_nan_is_never_the_best():
    """Keras would take a first NaN for the best, stop after `patience` and restore its weights."""
    nan = math.nan
    for patience, values, expected in (
        (2, (nan, 3.0, 2.0, nan, 1.0), [4, 0, 0, 4, 4]),
        (2, (nan, nan, 1.0), [1, 2, 1, 0, -1]),
        (1, (2.0, nan, 1.0), [1, 1, 1, 0, 0]),
        (0, (nan, 3.0), [1, 0, 0, 1, 1]),  # never in the first epoch
    ):
        callback = EarlyStopping(patience=patience, restore_best_weights=True)
        assert drive(tinynet, callback, values) == expected
    checkpoint = ModelCheckpoint("never.npz", save_best_only=True)
    checkpoint.set_model(Fake())
    checkpoint.on_epoch_end(0, {"val_loss": nan})  # would fail to save a fake
    assert checkpoint.best is None


def test_directions():
    for monitor, mode, values, end in (
        ("val_acc", "auto", (1.0, 2.0, 1.0, 3.0), 2),
        ("acc", "auto", (1.0, 0.5, 2.0), 1),
        ("loss", "auto", (1.0, 0.5, 2.0, 0.1), 2),
        ("acc", "min", (1.0, 0.5, 2.0, 0.1), 2),
    ):
        assert drive(tinynet, EarlyStopping(monitor, mode=mode), values, monitor)[0] == end
    model = regression(metrics=["mae", lambda y, p: np.abs(y - p).max(axis=-1)])
    for name, rises in (("mae", False), ("no_such", None)):
        assert model.fit(X, Y, verbose=0).model.metric_direction(name) is rises


def test_an_unknown_direction_asks_for_a_mode():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["made_up"] = 1.0

    with pytest.raises(ValueError, match=r"'made_up' should rise or fall; say mode=\"max\""):
        regression().fit(X, Y, verbose=0, callbacks=[Adds(), EarlyStopping("made_up")])


@pytest.mark.parametrize("make", [
    lambda **o: EarlyStopping(**o), lambda **o: ReduceLROnPlateau(**o),
    lambda **o: ModelCheckpoint("x.npz", save_best_only=True, **o),
])  # fmt: skip
def test_a_missing_monitor_is_an_error_before_the_first_epoch(make):
    model = regression()
    before = model.get_weights()
    for options, message in (
        ({}, r"'val_loss' is not measured; pass validation_data or validation_split .*"
             r"There is: loss, mae"),
        ({"monitor": "accuracy", "mode": "max"}, "'accuracy' is not measured. There is: loss, mae"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            model.fit(X, Y, verbose=0, callbacks=[make(**options)])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(X, Y, epochs=2, validation_data=(X, Y), validation_freq=2, verbose=0,
              callbacks=[EarlyStopping()])  # fmt: skip


def test_best_weights_come_back_even_without_an_early_stop():
    class Spoil(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.kept = getattr(self, "kept", [])
            self.kept.append(self.model.get_weights())
            self.model.optimizer.learning_rate = [0.05, 3.0, 3.0][epoch]

    model, spoil = regression(), Spoil()
    stop = EarlyStopping("val_loss", patience=50, restore_best_weights=True)
    history = model.fit(X, Y, epochs=3, validation_data=(X, Y), verbose=0, callbacks=[spoil, stop])
    assert history.epoch == [0, 1, 2]
    assert int(np.argmin(history.history["val_loss"])) == stop.best_epoch == 1
    for a, b in zip(model.get_weights(), spoil.kept[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert stop.stopped_epoch == 0


def test_early_stopping_says_what_it_did(capsys):
    stop = EarlyStopping("loss", patience=1, verbose=1, mode="max", restore_best_weights=True)
    regression().fit(X, Y, epochs=5, verbose=0, callbacks=[stop])
    out = capsys.readouterr().out
    assert "Epoch 2: early stopping, loss has not improved on" in out
    assert "Restoring the weights of the best epoch: 1\n" in out


def plateau(k, values, **options):
    """Learning rates after each epoch."""
    callback = k.callbacks.ReduceLROnPlateau(**options)
    callback.set_model(Fake(k))
    callback.on_train_begin({})
    rates = []
    for epoch, value in enumerate(values):
        logs = {"val_loss": value}
        before = float(callback.model.optimizer.learning_rate)
        callback.on_epoch_end(epoch, logs)
        assert logs["learning_rate"] == pytest.approx(before)
        rates.append(float(callback.model.optimizer.learning_rate))
    return rates


PLATEAUS = [
    {"patience": 1},
    {"patience": 2, "factor": 0.5},
    {"patience": 0, "factor": 0.5},
    {"patience": 1, "factor": 0.25, "cooldown": 2},
    {"patience": 1, "factor": 0.1, "min_lr": 0.05},
    {"patience": 1, "factor": 0.5, "min_delta": 0.25},
    {"patience": 2, "factor": 0.5, "mode": "max", "cooldown": 1},
]


@keras_case
def keras_plateaus(keras):
    return {str(i): plateau(keras, values, **options)
            for i, (options, values) in enumerate(plateau_cases())}  # fmt: skip


def plateau_cases():
    random = np.random.default_rng(4)
    mixed = [(random.integers(0, 12, 14) / 8).tolist() for _ in range(4)]
    return [(o, v) for o in PLATEAUS for v in ([1.0] * 8, [5.0, 4.875, 4.75, 4.625], *mixed)]


def test_reduce_lr_on_plateau_is_that_of_keras():
    expected = keras_plateaus()
    for i, (options, values) in enumerate(plateau_cases()):
        np.testing.assert_allclose(plateau(tinynet, values, **options), expected[str(i)], rtol=1e-6,
                                   err_msg=f"{options} {values}")  # fmt: skip


def test_reduce_lr_in_fit(capsys):
    reduce = ReduceLROnPlateau("loss", factor=0.5, patience=1, mode="max", verbose=1)
    model = regression()
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[reduce]).history
    assert history["learning_rate"] == [0.05, 0.05, 0.025]  # the rate that the epoch ran with
    assert model.optimizer.learning_rate == 0.0125
    assert capsys.readouterr().out.startswith("Epoch 2: learning rate reduced to 0.025\n")


def test_a_rate_at_its_floor_is_not_reduced_again(capsys):
    """0.05 * 0.4 is 0.02 to Keras, whose rates are float32, and 0.020000000000000004 in Python."""
    reduce = ReduceLROnPlateau("loss", 0.4, patience=0, mode="max", min_lr=0.02, cooldown=2,
                               verbose=1)  # fmt: skip
    model = regression(rate=0.05)
    model.fit(X, Y, epochs=6, verbose=0, callbacks=[reduce])
    assert capsys.readouterr().out.count("learning rate reduced") == 1
    assert reduce.cooldown_counter == 0


# -------------------------------------------------------------------------- learning rates


@pytest.mark.parametrize("schedule", [3, None, "step", 0.1])
def test_a_schedule_that_is_no_function(schedule):
    with pytest.raises(TypeError, match=r"a function of \(epoch, rate\), received"):
        LearningRateScheduler(schedule)


def test_learning_rate_scheduler(capsys):
    model = regression(rate=0.08)
    halve = LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1)
    assert model.fit(X, Y, epochs=3, verbose=0, callbacks=[halve]).history["learning_rate"] == [
        0.04, 0.02, 0.01
    ]  # fmt: skip
    assert "Epoch 2: learning rate set to 0.02\n" in capsys.readouterr().out
    one_argument = LearningRateScheduler(lambda epoch: 0.1 * (epoch + 1))
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[one_argument]).history
    assert history["learning_rate"] == [0.1, 0.2]
    theirs = LearningRateScheduler(tinynet.optimizers.schedules.ExponentialDecay(0.4, 1, 0.5))
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[theirs]).history
    assert history["learning_rate"] == pytest.approx([0.4, 0.2, 0.1])


@pytest.mark.parametrize("wrong", [1, "0.1", None, True])
def test_a_schedule_must_return_a_float(wrong):
    model = regression()
    with pytest.raises(ValueError, match="schedule must return a float, received"):
        model.fit(X, Y, verbose=0, callbacks=[LearningRateScheduler(lambda epoch: wrong)])
    assert model.optimizer.learning_rate == 0.05
    assert model.optimizer.iterations == 0
