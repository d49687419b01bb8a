"""Callbacks: the order of their hooks and what they decide, against Keras; files; printed lines."""

import csv
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras_case

import tinynet
from tinynet import Sequential, layers
from tinynet.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)

X = np.random.default_rng(3).normal(size=(10, 2)).astype("float32")
Y = (X[:, :1] * 2 - X[:, 1:]).astype("float32")
HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def regression(k=tinynet, rate=0.05, metrics=("mae",)):
    model = k.Sequential([k.layers.Input((2,)), k.layers.Dense(1)])
    model.set_weights([np.array([[0.5], [0.25]], "float32"), np.array([0.1], "float32")])
    model.compile(k.optimizers.SGD(rate), "mse", metrics=list(metrics))
    return model


# ------------------------------------------------------------------------------- the hooks


def recorder(k, seen, hooks):
    """A callback of library k that notes hook and number, e.g. "on_epoch_end 2"."""

    def note(hook):
        def method(self, *args, logs=None):
            numbers = [str(a) for a in args if not isinstance(a, dict)]
            seen.append(" ".join([hook, *numbers]))

        return method

    return type("Recorder", (k.callbacks.Callback,), {hook: note(hook) for hook in hooks})()


def stopper(k):
    class Stop(k.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    return Stop()


def events(k, hooks):
    seen = []
    model = regression(k)
    watch = recorder(k, seen, hooks)
    options = {"batch_size": 4, "verbose": 0, "callbacks": [watch]}
    model.fit(X, Y, epochs=2, validation_data=(X[:5], Y[:5]), **options)
    model.fit(X, Y, epochs=3, initial_epoch=1, validation_split=0.3, validation_freq=2, **options)
    model.fit(X, Y, epochs=0, **options)
    model.fit(X, Y, epochs=3, **{**options, "callbacks": [watch, stopper(k)]})
    model.evaluate(X, Y, **options)
    model.predict(X, **options)
    model.predict(X, steps=2, **options)
    return seen


@keras_case
def keras_events(keras, *hooks):
    return {"seen": events(keras, hooks)}


BATCH_HOOKS = ("on_batch_begin", "on_batch_end")  # the older names; their defaults are bypassed


@pytest.mark.parametrize("hooks", [
    tuple(h for h in HOOKS if h not in BATCH_HOOKS), (*BATCH_HOOKS, "on_epoch_end")
])  # fmt: skip
def test_hooks_are_called_in_the_order_of_keras(hooks):
    seen = events(tinynet, hooks)
    assert seen == keras_events(*hooks)["seen"].tolist()
    for hook in hooks:
        assert any(event.split()[0] == hook for event in seen), hook


def test_a_callback_sees_model_params_and_logs():
    class Watch(Callback):
        def on_train_begin(self, logs=None):
            self.begun = (self.model, dict(self.params))

        def on_train_batch_end(self, batch, logs=None):
            self.batch_logs = dict(logs)

        def on_epoch_end(self, epoch, logs=None):
            self.epoch_logs = dict(logs)

        def on_test_end(self, logs=None):
            self.test_logs = dict(logs)

        def on_train_end(self, logs=None):
            self.last = dict(logs)

    watch, model = Watch(), regression()
    history = model.fit(X, Y, batch_size=4, epochs=2, validation_split=0.2, verbose=0,
                        callbacks=watch).history  # fmt: skip
    assert watch.begun == (model, {"verbose": 0, "epochs": 2, "steps": 2})
    assert list(watch.batch_logs) == ["loss", "mae"]
    assert watch.batch_logs["loss"] == history["loss"][-1]  # the last batch's is the epoch's
    assert watch.epoch_logs == watch.last == {name: v[-1] for name, v in history.items()}
    assert watch.test_logs == {"loss": history["val_loss"][-1], "mae": history["val_mae"][-1]}


def test_predict_shows_each_batch_of_outputs():
    seen = []
    model = regression()
    watch = LambdaCallback(on_predict_batch_end=lambda batch, logs: seen.append(logs["outputs"]))
    outputs = model.predict(X, batch_size=4, verbose=0, callbacks=[watch])
    np.testing.assert_array_equal(np.concatenate(seen), outputs)
    assert [len(s) for s in seen] == [4, 4, 2]


def test_what_a_callback_adds_to_the_logs_reaches_history():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["double"] = 2 * logs["loss"]

    history = regression().fit(X, Y, epochs=3, verbose=0, callbacks=[Adds()]).history
    assert history["double"] == [2 * v for v in history["loss"]]


def test_a_monitor_may_be_what_another_callback_adds():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_made_up"] = float(epoch)

    model = regression()
    stop = EarlyStopping("val_made_up", mode="min", patience=1)
    assert len(model.fit(X, Y, epochs=9, verbose=0, callbacks=[Adds(), stop]).epoch) == 2
    with pytest.raises(ValueError, match=r"'val_loss' is not measured.*There is: loss, mae"):
        model.fit(X, Y, verbose=0, callbacks=[Adds(), EarlyStopping()])


def test_a_hook_may_be_set_on_the_object():
    seen, watch = [], Callback()
    watch.on_epoch_end = lambda epoch, logs=None: seen.append(epoch)
    watch.on_batch_end = lambda batch, logs=None: seen.append(f"batch {batch}")
    regression().fit(X, Y, epochs=2, verbose=0, callbacks=[watch])
    assert seen == ["batch 0", 0, "batch 0", 1]


def test_lambda_callback():
    seen = []
    watch = LambdaCallback(
        on_train_begin=lambda logs: seen.append("begin"),
        on_epoch_end=lambda epoch, logs: seen.append((epoch, list(logs))),
        on_train_batch_begin=lambda batch, logs: seen.append(batch),
    )
    model = regression()
    model.fit(X, Y, batch_size=5, epochs=1, verbose=0, callbacks=[watch])
    assert seen == ["begin", 0, 1, (0, ["loss", "mae"])]
    with pytest.raises(TypeError, match="no hook 'on_epoch_ende'"):
        LambdaCallback(on_epoch_ende=print)
    with pytest.raises(TypeError, match="on_epoch_end must be a function, received 3"):
        LambdaCallback(on_epoch_end=3)


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


# -------------------------------------------------------------------------- learning rates


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


# ------------------------------------------------------------------------------------ files


def weights_in(path):
    model = regression()
    model.load_weights(path)
    return model.get_weights()[0].ravel().tolist()


class KeepWeights(Callback):
    def __init__(self):
        super().__init__()
        self.epochs, self.batches = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.model.get_weights()[0].ravel().tolist())

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(self.model.get_weights()[0].ravel().tolist())


def test_checkpoint_every_epoch(tmp_path, capsys):
    keep = KeepWeights()
    path = tmp_path / "w-{epoch:02d}-{val_loss:.3f}-{mae:.2f}.npz"
    model = regression()
    history = model.fit(X, Y, epochs=3, validation_data=(X, Y), verbose=0,
                        callbacks=[keep, ModelCheckpoint(path, verbose=1)]).history  # fmt: skip
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [
        f"w-{e + 1:02d}-{history['val_loss'][e]:.3f}-{history['mae'][e]:.2f}.npz" for e in range(3)
    ]
    assert [weights_in(tmp_path / name) for name in names] == keep.epochs
    assert f"Epoch 2: weights saved to {tmp_path / names[1]}\n" in capsys.readouterr().out


def test_checkpoint_every_few_batches(tmp_path):
    keep = KeepWeights()
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}-{batch}.npz", save_freq=2)
    regression().fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[keep, checkpoint])
    # three batches an epoch; the count goes on over epochs: batches 2, 4 and 6 of six
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1-2.npz", "2-1.npz", "2-3.npz"]
    assert weights_in(tmp_path / "2-1.npz") == keep.batches[3]


def test_checkpoint_of_the_best_only(tmp_path, capsys):
    class Give(Callback):
        values = (3.0, 4.0, 2.0, 2.0, 5.0)

        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = self.values[epoch]

    def saved(folder, **options):
        checkpoint = ModelCheckpoint(tmp_path / folder / "{epoch}.npz", "score",
                                     save_best_only=True, verbose=1, **options)  # fmt: skip
        (tmp_path / folder).mkdir()
        for _ in range(2):  # the best value outlives a fit
            regression().fit(X, Y, epochs=5, verbose=0, callbacks=[Give(), checkpoint])
            yield sorted(int(p.stem) for p in (tmp_path / folder).iterdir())
            for p in (tmp_path / folder).iterdir():
                p.unlink()

    assert list(saved("min", mode="min")) == [[1, 3], []]
    assert "Epoch 2: score did not improve on 3.0\n" in capsys.readouterr().out
    assert list(saved("max", mode="max")) == [[1, 2, 5], []]
    assert list(saved("limit", mode="min", initial_value_threshold=2.5)) == [[3], []]


def test_checkpoint_mistakes(tmp_path):
    model = regression()
    with pytest.raises(KeyError, match=r"names 'accuracy'.*there is: epoch, loss, mae"):
        model.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "{accuracy}.npz")])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match=r"val_loss is measured after an epoch.*save_freq=2"):
        model.fit(X, Y, verbose=0, validation_split=0.2, callbacks=[
            ModelCheckpoint(tmp_path / "w.npz", save_best_only=True, save_freq=2)
        ])  # fmt: skip
    for wrong in (0, -1, 1.5, "batch"):
        with pytest.raises(ValueError, match=r"save_freq must be \"epoch\" or an int >= 1"):
            ModelCheckpoint(tmp_path / "w.npz", save_freq=wrong)
    with pytest.raises(ValueError, match=r"npz"):
        ModelCheckpoint(tmp_path / "w.txt")


def read(path, **options):
    with open(path, newline="") as file:
        return list(csv.reader(file, **options))


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    history = regression().fit(X, Y, epochs=3, verbose=0, validation_data=(X, Y),
                               callbacks=[CSVLogger(path)]).history  # fmt: skip
    header, *rows = read(path)
    assert header == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    for epoch, row in enumerate(rows):
        assert row[0] == str(epoch)
        assert [float(v) for v in row[1:]] == [history[name][epoch] for name in header[1:]]
    assert len(rows) == 3


def test_csv_logger_appends_or_starts_anew(tmp_path):
    path = tmp_path / "log.csv"
    model = regression()
    for append, column in (
        (True, ["epoch", "0", "1"]),
        (True, ["epoch", "0", "1", "0", "1"]),  # without a second header
        (False, ["epoch", "0", "1"]),
    ):
        logger = CSVLogger(path, separator=";", append=append)
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[logger])
        assert [row[0] for row in read(path, delimiter=";")] == column


def test_csv_logger_marks_epochs_without_validation(tmp_path):
    path = tmp_path / "log.csv"
    regression().fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y), validation_freq=2,
                     callbacks=[CSVLogger(path)])  # fmt: skip
    header, first, second = read(path)
    assert header == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert first[3:] == ["NA", "NA"]
    assert all(math.isfinite(float(v)) for v in second)


def test_csv_logger_keeps_what_was_written_when_training_fails(tmp_path):
    def fail(epoch, logs):
        if epoch == 1:
            raise ZeroDivisionError

    logger = CSVLogger(tmp_path / "log.csv")
    with pytest.raises(ZeroDivisionError):
        regression().fit(X, Y, epochs=5, verbose=0, callbacks=[
            logger, LambdaCallback(on_epoch_end=fail)
        ])  # fmt: skip
    del logger  # an open file would be a ResourceWarning here
    assert [row[0] for row in read(tmp_path / "log.csv")] == ["epoch", "0", "1"]
    with pytest.raises(FileNotFoundError):
        regression().fit(X, Y, verbose=0, callbacks=[CSVLogger(tmp_path / "no" / "log.csv")])


# ------------------------------------------------------------------------------------ NaN


class Spoil(layers.Layer):
    """Turns the third batch into infinities."""

    count = 0

    def forward(self, x, training=False):
        self.count += training
        return x * np.inf if training and self.count == 3 else x

    def backward(self, dy):
        return dy


def test_terminate_on_nan(capsys):
    def fit(callback):
        model = Sequential([layers.Input((2,)), layers.Dense(1), Spoil()])
        model.compile("sgd", "mse")
        with np.errstate(all="ignore"):
            return model.fit(X, Y, batch_size=2, epochs=3, verbose=0, callbacks=[callback])

    history = fit(TerminateOnNaN())
    assert history.epoch == [0]
    assert not math.isfinite(history.history["loss"][0])
    assert re.match(r"Batch 2: the loss is (inf|nan), training ends\n", capsys.readouterr().out)
    with pytest.raises(RuntimeError, match="Batch 2: the loss is"):
        fit(TerminateOnNaN(raise_error=True))


# --------------------------------------------------------------------------- what is printed

LINE = r"{steps} ━{{20}} \d+s \S+/step - loss: \d\.\d{{4}} - mae: \d\.\d{{4}}"
BOTH = LINE + r" - val_loss: \d\.\d{{4}} - val_mae: \d\.\d{{4}}"


def test_verbose_of_fit(capsys):
    model = regression(rate=0.001)
    options = {"batch_size": 4, "epochs": 2, "validation_data": (X, Y)}
    model.fit(X, Y, verbose=0, **options)
    assert capsys.readouterr() == ("", "")
    for verbose in (1, "auto"):
        model.fit(X, Y, verbose=verbose, **options)
        out, err = capsys.readouterr()
        assert err == ""
        lines = out.splitlines()
        assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
        assert len(lines) == 4  # validation has no line of its own
        for line in (lines[1], lines[3]):
            assert re.fullmatch(BOTH.format(steps="3/3"), line), line
    model.fit(X, Y, verbose=2, **options)
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    assert re.fullmatch(
        r"3/3 - \d+s - \S+/step - loss: \S+ - mae: \S+ - val_loss: \S+ - val_mae: \S+", lines[1]
    )
    model.fit(X, Y, verbose=2, epochs=5, initial_epoch=4)
    assert capsys.readouterr().out.startswith("Epoch 5/5\n")


def test_verbose_of_evaluate_and_predict(capsys):
    model = regression(rate=0.001)
    for verbose in (0, 1, 2):
        model.evaluate(X, Y, batch_size=4, verbose=verbose)
        out = capsys.readouterr().out
        wanted = ["", LINE.format(steps="3/3") + "\n",
                  r"3/3 - \d+s - \S+/step - loss: \S+ - mae: \S+\n"][verbose]  # fmt: skip
        assert re.fullmatch(wanted, out), out
        model.predict(X, batch_size=4, verbose=verbose)
        out = capsys.readouterr().out
        wanted = ["", r"3/3 ━{20} \d+s \S+/step\n", r"3/3 - \d+s - \S+/step\n"][verbose]
        assert re.fullmatch(wanted, out), out
    model.train_on_batch(X, Y)
    model.test_on_batch(X, Y)
    model.predict_on_batch(X)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping(patience=-1), "patience must be >= 0, received -1"),
        (lambda: EarlyStopping(mode="up"), 'mode must be "auto", "min" or "max", received \'up\''),
        (lambda: ReduceLROnPlateau(factor=1.0), r"factor must be in \(0, 1\), received 1.0"),
        (lambda: ReduceLROnPlateau(factor=0), r"factor must be in \(0, 1\), received 0"),
        (lambda: ReduceLROnPlateau(patience=-2), "patience must be >= 0, received -2"),
        (lambda: ModelCheckpoint("x.npz", mode="best"), "mode must be"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("wrong", [3, "early_stopping", EarlyStopping, lambda epoch, logs: None])
def test_what_is_no_callback(wrong):
    model = regression()
    history = model.fit(X, Y, verbose=0)
    with pytest.raises(TypeError, match="expected Callback objects, received"):
        model.fit(X, Y, verbose=0, callbacks=[wrong])
    assert model.history is history
