"""Callbacks: the order of their hooks, against Keras; printed lines; what is refused."""

import contextlib
import re

import numpy as np
import pytest
from callback_models import X, Y, regression
from oracle import keras_case

import tinynet
from tinynet.callbacks import (
    Callback,
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    ReduceLROnPlateau,
)

HOOKS = [name for name in vars(Callback) if name.startswith("on_")]

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


OURS = ("on_train_exit",)
BATCH_HOOKS = ("on_batch_begin", "on_batch_end")  # the older names; their defaults are bypassed


@pytest.mark.parametrize("hooks", [
    tuple(h for h in HOOKS if h not in (*BATCH_HOOKS, *OURS)), (*BATCH_HOOKS, "on_epoch_end")
])  # fmt: skip
def test_hooks_are_called_in_the_order_of_keras(hooks):
    seen = events(tinynet, hooks)
    assert seen == keras_events(*hooks)["seen"].tolist()
    for hook in hooks:
        assert any(event.split()[0] == hook for event in seen), hook


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_a_fit_is_left_once_whatever_ends_it(error):
    class Ends(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if error is not None:
                raise error

    seen = []
    options = {"batch_size": 4, "verbose": 0,
               "callbacks": [Ends(), recorder(tinynet, seen, ("on_train_end", *OURS))]}  # fmt: skip
    model = regression()
    with pytest.raises(error) if error else contextlib.nullcontext():
        model.fit(X, Y, epochs=2, **options)
    assert seen == (["on_train_exit"] if error else ["on_train_end", "on_train_exit"])
    assert model.course is None
    model.evaluate(X, Y, **options)
    assert seen[-1] == "on_train_exit"


def test_an_error_on_leaving_leaves_the_model_free():
    class Fails(Callback):
        def on_train_exit(self):
            raise OSError("the disk is full")

    model = regression()
    with pytest.raises(OSError, match="the disk is full"):
        model.fit(X, Y, verbose=0, callbacks=Fails())
    assert model.course is None
    model.fit(X, Y, verbose=0)


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
