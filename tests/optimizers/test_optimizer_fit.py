"""Averaging, accumulation, scaling and constraints within `fit`, against Keras; going on."""

import numpy as np
import pytest
from oracle import keras_case

import tinynet
from tinynet.callbacks import BackupAndRestore, Callback, EarlyStopping, SwapEMAWeights

D, H, N = 4, 5, 37
EMA = (("use_ema", True), ("ema_momentum", 0.8))
CASES = {
    "averaged, overwritten": ("SGD", (*EMA, ("ema_overwrite_frequency", 3)), ""),
    "measured with the average": ("Adam", EMA, "swap"),
    "average at the end of an epoch": ("Nadam", EMA, "swap on epoch"),
    "best weights": ("Adam", EMA, "best"),
    "accumulated and averaged": ("Lamb", (("gradient_accumulation_steps", 4), *EMA), "swap"),
    "scaled": ("Adagrad", (("loss_scale_factor", 8.0), ("clipnorm", 0.3)), "penalties"),
    "constrained, with all": (
        "Adam", (*EMA, ("gradient_accumulation_steps", 2), ("weight_decay", 0.1)), "constraints",
    ),
}  # fmt: skip


def numbers():
    random = np.random.default_rng(11)
    x, y = random.normal(size=(N, D)).astype("f4"), random.normal(size=(N, 2)).astype("f4")
    start = [random.normal(size=s).astype("f4") / 2 for s in ((D, H), (H,), (H, 2), (2,))]
    return x, y, start


def build(keras, name, options, extra, **compile_options):
    constrained = extra == "constraints"
    first = {"kernel_regularizer": keras.regularizers.L2(0.05)} if extra == "penalties" else {}
    last = {}
    if constrained:
        first = {"kernel_constraint": keras.constraints.MaxNorm(0.9), "bias_constraint": "non_neg"}
        last = {"kernel_constraint": keras.constraints.MinMaxNorm(0.3, 0.8, 0.5, 1)}
    normalize = keras.layers.BatchNormalization(gamma_constraint="unit_norm")
    model = keras.Sequential([
        keras.layers.Input((D,)),
        keras.layers.Dense(H, "tanh", **first),
        *([normalize] if constrained else []),
        keras.layers.Dense(2, **last),
    ])  # fmt: skip
    start = iter(numbers()[2])
    for layer in model.layers:
        if layer is not normalize:
            layer.set_weights([next(start), next(start)])
    rule = getattr(keras.optimizers, name)(learning_rate=0.05, **dict(options))
    model.compile(rule, "mse", **compile_options)
    return model


def watcher(base):
    class Watch(base):
        """Keeps the weights as they are at the end of every epoch."""

        def on_epoch_end(self, epoch, logs=None):
            self.seen = [*getattr(self, "seen", []), np.array(self.model.get_weights()[0])]

        def on_train_end(self, logs=None):
            self.last = np.array(self.model.get_weights()[0])

    return Watch()


def run(keras, name, options, extra, **compile_options):
    x, y, _ = numbers()
    model = build(keras, name, options, extra, **compile_options)
    watch = watcher(keras.callbacks.Callback)
    callbacks = [watch]
    if extra.startswith("swap"):
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch="epoch" in extra))
    if extra == "best":
        callbacks.append(keras.callbacks.EarlyStopping("loss", restore_best_weights=True))
    fit = {"batch_size": 8, "shuffle": False, "verbose": 0, "validation_data": (x[:11], y[:11] / 2)}
    history = model.fit(x, y, epochs=3, callbacks=callbacks, **fit)
    result = {name: history.history[name] for name in ("loss", "val_loss")}
    result |= {"epoch ends": watch.seen, "train end": watch.last}
    result |= {f"weights {i}": w for i, w in enumerate(model.get_weights())}
    if keras is not tinynet:  # Keras's average and weights share memory now, which JAX refuses
        for v in model.optimizer.variables:
            v.assign(np.array(v))
    again = model.fit(x, y, epochs=2, **fit).history  # the state goes on
    result |= {f"again {name}": again[name] for name in ("loss", "val_loss")}
    result["measured"] = model.evaluate(x, y, verbose=0)
    return result


@keras_case
def keras_optimizer_run(keras, name, options, extra):
    return run(keras, name, options, extra)


@pytest.mark.parametrize("name", CASES)
def test_a_fit_is_that_of_keras(name):
    expected = keras_optimizer_run(*CASES[name])
    got = run(tinynet, *CASES[name])
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=2e-4, atol=2e-5, err_msg=key)


def test_an_average_takes_the_place_of_the_weights_once():
    """Stopped early, or by an exception: whatever ends training, the model has the average."""

    class Stop(Callback):
        def __init__(self, how):
            super().__init__()
            self.how = how

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.stop_training = True
                self.raw = self.model.get_weights()
                if self.how == "raise":
                    raise KeyboardInterrupt

    x, y, _ = numbers()
    results = {}
    for how in ("stop", "raise", "stop, swapped"):
        model, stop = build(tinynet, "Adam", EMA, ""), Stop(how)
        before = [SwapEMAWeights(swap_on_epoch=True)] if "swapped" in how else []
        fit = {"epochs": 5, "batch_size": 8, "shuffle": False, "verbose": 0}
        try:
            model.fit(x, y, callbacks=[*before, stop], **fit)
        except KeyboardInterrupt:
            assert how == "raise"
        optimizer = model.optimizer
        average = optimizer.ops.to_host(optimizer.average)[optimizer.slices[0]].reshape(D, H)
        np.testing.assert_array_equal(model.get_weights()[0], average)
        results[how] = (model.get_weights()[0], stop.raw[0])
    for how in results:
        np.testing.assert_array_equal(results[how][0], results["stop"][0])
    # further callbacks have seen the weights; or behind SwapEMAWeights, the average
    assert np.abs(results["stop"][1] - average).max() > 1e-3
    np.testing.assert_array_equal(results["stop, swapped"][1], average)


def test_nothing_is_averaged_where_nothing_was_trained():
    x, y, start = numbers()
    model = build(tinynet, "Adam", EMA, "")
    model.fit(x, y, epochs=2, initial_epoch=2, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], start[0])


def test_evaluate_and_predict_with_the_average():
    x, y, _ = numbers()
    model = build(tinynet, "Adam", EMA, "")
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    raw = model.evaluate(x, y, verbose=0)
    weights = model.get_weights()
    swapped = model.evaluate(x, y, verbose=0, callbacks=[SwapEMAWeights()])
    outputs = model.predict(x, verbose=0, callbacks=[SwapEMAWeights()])
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)  # they are back
    model.optimizer.finalize_variable_values()
    assert model.evaluate(x, y, verbose=0) == swapped != raw
    np.testing.assert_array_equal(model.predict(x, verbose=0), outputs)


def test_swapping_needs_an_average():
    x, y, _ = numbers()
    with pytest.raises(ValueError, match="needs an optimizer with use_ema=True, received Adam"):
        build(tinynet, "Adam", (), "").fit(x, y, verbose=0, callbacks=[SwapEMAWeights()])


# -------------------------------------------------------------------------- BackupAndRestore


class Crash(Callback):
    """Ends the process, as it were, after a batch (counted over the epochs) or an epoch."""

    def __init__(self, epoch=None, batch=None):
        super().__init__()
        self.epoch, self.batches_left = epoch, batch
        if batch is not None:
            self.on_train_batch_end = self.count

    def count(self, batch, logs=None):
        self.batches_left -= 1
        if self.batches_left == 0:
            raise RuntimeError("crash")

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise RuntimeError("crash")


def dropout_model(rule="Nadam", units=H, **options):
    tinynet.utils.set_random_seed(5)
    model = tinynet.Sequential([
        tinynet.layers.Input((D,)), tinynet.layers.Dense(units, "tanh"),
        tinynet.layers.BatchNormalization(), tinynet.layers.Dropout(0.3, seed=3),
        tinynet.layers.Dense(2),
    ])  # fmt: skip
    model.compile(getattr(tinynet.optimizers, rule)(0.05, **options), "mse")
    return model


OPTIONS = {"use_ema": True, "ema_momentum": 0.7, "gradient_accumulation_steps": 2}
FIT = {"epochs": 4, "batch_size": 8, "verbose": 0}


@pytest.mark.parametrize(
    ("freq", "crash"),
    [("epoch", {"epoch": 2}), ("epoch", {"batch": 13}), (2, {"batch": 7}), (2, {"batch": 11}),
     (5, {"epoch": 1}), (5, {"batch": 11}), (3, {"batch": 3})],
)  # fmt: skip
@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["plain", "options"])
def test_an_interrupted_fit_goes_on_where_it_was(tmp_path, freq, crash, options):
    """Same weights as without the interruption; shuffled, with dropout and moving statistics."""
    x, y, _ = numbers()
    whole = dropout_model(**options)
    expected = whole.fit(x, y, **FIT).history["loss"]

    folder = tmp_path / "deep" / "backup"
    first = dropout_model(**options)
    with pytest.raises(RuntimeError, match="crash"):
        first.fit(x, y, callbacks=[BackupAndRestore(folder, freq), Crash(**crash)], **FIT)
    assert [p.name for p in folder.iterdir()] == ["backup.npz"]
    tinynet.utils.set_random_seed(99)  # another process
    second = dropout_model(**options)
    second.shuffle_seed = 123
    second.set_weights([w + 1 for w in second.get_weights()])
    history = second.fit(x, y, callbacks=BackupAndRestore(folder, freq), **FIT)
    for a, b in zip(second.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    assert second.optimizer.step_number == whole.optimizer.step_number == 20
    assert history.epoch[-1] == 3
    # an epoch that was interrupted is measured over its remaining batches
    np.testing.assert_allclose(history.history["loss"][1:], expected[history.epoch[1] :], rtol=1e-5)
    assert not folder.exists()
    # a fit afterwards is one of its own: all its epochs are run
    again = second.fit(x, y, callbacks=BackupAndRestore(folder), **FIT)
    assert again.epoch == second.fit(x, y, **FIT).epoch == [0, 1, 2, 3]


def test_a_backup_that_is_kept(tmp_path):
    x, y, _ = numbers()
    model = dropout_model()
    (tmp_path / "mine.txt").write_text("mine")
    keep = BackupAndRestore(tmp_path, delete_checkpoint=False)
    assert model.fit(x, y, callbacks=[keep], **FIT).epoch == [0, 1, 2, 3]
    assert model.fit(x, y, callbacks=[keep], **FIT).epoch == []  # all of them are done
    assert model.fit(x, y, callbacks=[keep], **{**FIT, "epochs": 6}).epoch == [4, 5]
    BackupAndRestore(tmp_path).on_train_end()
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_damaged_backup(tmp_path):
    x, y, _ = numbers()

    def crashed(**options):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        model = dropout_model()
        backup = BackupAndRestore(folder, **options)
        with pytest.raises(RuntimeError, match="crash"):
            model.fit(x, y, callbacks=[backup, Crash(epoch=3)], **FIT)
        return folder

    folder = crashed()
    path = folder / "backup.npz"
    content = path.read_bytes()
    for damaged in (content[:-100], b"", content[:500] + b"?" * 40 + content[540:]):
        path.write_bytes(damaged)
        model = dropout_model()
        before = model.get_weights()
        with pytest.raises(ValueError, match=r"backup.npz: this can't be loaded"):
            model.fit(x, y, callbacks=[BackupAndRestore(folder)], **FIT)
        for a, b in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)
        assert (model.optimizer.step_number, model.steps_taken) == (0, 0)
        assert path.read_bytes() == damaged  # still there to be looked at
    path.write_bytes(content)
    for other, message in (
        (dropout_model(units=H + 1), r"kernel: expected shape \(4, 6\), received \(4, 5\)"),
        (dropout_model("SGD"), r"sgd: expected 2 arrays .*, received 15"),
        (dropout_model(use_ema=True), r"nadam: expected 21 arrays .*, received 15"),
    ):
        before = other.get_weights()
        with pytest.raises(ValueError, match=message):
            other.fit(x, y, callbacks=[BackupAndRestore(folder)], **FIT)
        for a, b in zip(other.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)

    folder = crashed(double_checkpoint=True)
    (folder / "backup.npz").write_bytes(b"nothing")
    model = dropout_model()
    model.fit(x, y, callbacks=[BackupAndRestore(folder, double_checkpoint=True)], **FIT)
    whole = dropout_model()
    whole.fit(x, y, **FIT)
    for a, b in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("",), "must not be empty"), (("x", "batch"), "save_freq .* 'batch'"),
     (("x", 0), "save_freq .* 0"), (("x", True), "save_freq .* True")],
)  # fmt: skip
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BackupAndRestore(*arguments)


def test_early_stopping_sees_the_weights_and_its_best_ones_win():
    """Restoring the best weights comes after the average has taken over, as in Keras."""
    x, y, _ = numbers()
    model, watch = build(tinynet, "Adam", EMA, ""), watcher(Callback)
    model.fit(x, y, epochs=3, verbose=0,
              callbacks=[watch, EarlyStopping("loss", restore_best_weights=True)])  # fmt: skip
    best = np.argmin(model.history.history["loss"])
    np.testing.assert_array_equal(model.get_weights()[0], watch.seen[best])
    assert np.abs(watch.last - watch.seen[best]).max() > 1e-3


def test_a_scaled_loss_scales_penalties_on_outputs():
    """Whatever the loss is multiplied by, the step is the same: 8 is exact."""
    random = np.random.default_rng(4)
    x, y = random.normal(size=(15, 5)), random.normal(size=(15, 2))

    def trained(factor):
        model = tinynet.Sequential([
            tinynet.layers.Input((5,), dtype="float64"),
            tinynet.layers.Dense(4, "tanh", activity_regularizer="l2", dtype="float64",
                                 kernel_initializer=tinynet.initializers.HeNormal(seed=3)),
            tinynet.layers.Dense(2, dtype="float64",
                                 kernel_initializer=tinynet.initializers.HeNormal(seed=4)),
        ])  # fmt: skip
        model.compile(tinynet.optimizers.SGD(0.1, loss_scale_factor=factor), "mse")
        model.fit(x, y, batch_size=6, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    for plain, scaled in zip(trained(None), trained(8.0), strict=True):
        np.testing.assert_allclose(scaled, plain, rtol=1e-12)
