"""What goes wrong while a model is trained: made to happen, for real, and survived.

After each of these the model can be used, History fits the weights, the message says what happened
and what was saved, and the same command goes on from there.
"""

import contextlib
import os
import shutil

import numpy as np
import pytest
from fault_runs import FIT, REAL, Do, X, build, check_after, every, never_interrupted

import tinynet
from tinynet import layers, models
from tinynet.callbacks import CSVLogger, ModelCheckpoint, TerminateOnNaN
from tinynet.resuming import files

pytestmark = pytest.mark.usefixtures("interruptible")


# -------------------------------------------------------------------------------- disk and files


@contextlib.contextmanager
def full_disk(room):
    """No file of this process can grow beyond `room` bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_does_not_end_training_for_a_snapshot(tmp_path):
    weights, values = never_interrupted()
    model, limit = build(), contextlib.ExitStack()
    fill = Do("on_train_batch_end", 7, lambda: limit.enter_context(full_disk(5000)))
    with (
        limit,
        pytest.warns(
            UserWarning,
            match=r"no snapshot .*too large; training goes on\. Saved "
            r"is .*snapshot-..npz \(epoch 1, after batch 6\)",
        ) as told,
    ):
        history = model.fit(**FIT, callbacks=[every(tmp_path), fill])
    assert len(told) == 1
    assert history.history == values
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lock", *files.NAMES]
    places = [files.read(tmp_path / name)[0]["progress"]["batch"] for name in files.NAMES]
    assert sorted(places) == [5, 6]
    check_after(model, tmp_path)


def test_a_disk_that_is_full_from_the_beginning(tmp_path):
    model = build()
    before = model.get_weights()
    with full_disk(5000), pytest.raises(OSError, match="too large") as caught:
        model.fit(**FIT, resume=tmp_path)
    assert any("Nothing was saved" in note for note in caught.value.__notes__)
    assert model.steps_taken == 0
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    check_after(model, tmp_path / "other")


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5", "m.npz", "m.safetensors"])
def test_a_full_disk_leaves_the_older_checkpoint(tmp_path, name):
    path, model, limit = tmp_path / name, build(), contextlib.ExitStack()
    fill = Do("on_epoch_end", 2, lambda: limit.enter_context(full_disk(300)))
    with limit, pytest.raises(OSError, match="too large"):
        model.fit(**FIT, callbacks=[fill, ModelCheckpoint(path)])
    assert model.history.epoch == [0]
    assert [p.name for p in tmp_path.iterdir()] == [name]
    if name in ("m.keras", "m.h5"):
        assert models.load_model(path).optimizer.iterations == 12
    else:
        build().load_weights(path)
    check_after(model)


def test_a_full_disk_for_the_csv_log(tmp_path):
    model, limit = build(), contextlib.ExitStack()
    fill = Do("on_epoch_begin", 2, lambda: limit.enter_context(full_disk(10)))
    with limit, pytest.raises(OSError, match="too large"):
        model.fit(**FIT, callbacks=[fill, CSVLogger(tmp_path / "log.csv")])
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2  # header and an epoch
    check_after(model)


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    model = build()
    with pytest.raises(OSError, match="file"):
        model.fit(**FIT, resume=tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        model.fit(**FIT, resume=tmp_path / "file" / "below")
    assert model.steps_taken == 0
    for made in (CSVLogger, ModelCheckpoint):
        name = tmp_path / "file" / ("m.keras" if made is ModelCheckpoint else "log.csv")
        with pytest.raises(OSError, match="file"):
            build().fit(**FIT, callbacks=[made(name)])
    check_after(model)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_may_only_be_read(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            build().fit(**FIT, resume=tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_the_folder_is_removed_while_training(tmp_path):
    snapshots, checkpoints = tmp_path / "run", tmp_path / "best"
    model = build()
    history = model.fit(**FIT, callbacks=[
        every(snapshots), ModelCheckpoint(checkpoints / "{epoch}.keras"),
        Do("on_epoch_end", 1, lambda: (shutil.rmtree(snapshots), shutil.rmtree(checkpoints))),
    ])  # fmt: skip
    assert history.epoch == [0, 1, 2]
    assert sorted(p.name for p in snapshots.iterdir()) == list(files.NAMES)
    assert sorted(p.name for p in checkpoints.iterdir()) == ["2.keras", "3.keras"]


# ------------------------------------------------------------------------- callbacks, generators


@pytest.mark.parametrize("hook", [
    "on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end",
    "on_epoch_end", "on_train_end",
])  # fmt: skip
@pytest.mark.parametrize("saving", [True, False])
def test_a_callback_that_raises(tmp_path, hook, saving):
    def fail():
        raise ZeroDivisionError("in the callback")

    at = {"on_train_batch_begin": 14, "on_train_batch_end": 14, "on_epoch_begin": 2,
          "on_epoch_end": 2}.get(hook, 1)  # fmt: skip
    model = build()
    callbacks = [every(tmp_path)] if saving else []
    with pytest.raises(ZeroDivisionError, match="in the callback") as caught:
        model.fit(**FIT, callbacks=[*callbacks, Do(hook, at, fail)])
    if saving and hook != "on_train_begin":
        assert "Saved is" in caught.value.__notes__[0]
    assert model.history.epoch == {"on_train_begin": [], "on_train_end": [0, 1, 2]}.get(hook, [0])
    check_after(model, tmp_path if saving else None, hook)


@pytest.mark.parametrize("saving", [True, False])
def test_a_generator_that_raises(tmp_path, saving):
    def data(broken):
        for i in range(36):
            if i == broken:
                raise OSError("the disk with the data is gone")
            yield X[i : i + 8], REAL[i : i + 8]

    fit = {"epochs": 3, "steps_per_epoch": 12, "verbose": 0, "resume": tmp_path if saving else None}
    model = build()
    with pytest.raises(OSError, match="is gone") as caught:
        model.fit(data(15), **fit)
    assert model.history.epoch == [0]
    assert model.steps_taken == model.optimizer.step_number == 15
    if saving:  # all that could be trained was saved
        assert "(epoch 2, after batch 3)" in caught.value.__notes__[0]
        whole, other = build(), build()
        expected = whole.fit(data(None), **{**fit, "resume": None})
        assert other.fit(data(None), **fit).history == expected.history
    check_after(model)


def test_a_generator_that_ends_early(tmp_path):
    def data(batches):
        for i in range(batches):
            yield X[i : i + 8], REAL[i : i + 8]

    fit = {"epochs": 3, "steps_per_epoch": 12, "verbose": 0, "resume": tmp_path}
    model = build()
    with pytest.warns(UserWarning, match="the data ended after 20 batches"):
        model.fit(data(20), **fit)
    assert model.history.epoch == [0, 1]
    assert model.steps_taken == 20
    check_after(model)


# ------------------------------------------------------------------------------------------ NaN


class Bomb(layers.Layer):
    """Its output, or its gradient, holds NaN from training step `step` on."""

    def __init__(self, step, where, **options):
        super().__init__(**options)
        self.step, self.where = step, where

    def forward(self, x, training=False):
        y = np.array(x)
        if training and self.where == "forward" and self.context.step >= self.step:
            y[3, 1] = np.nan
        self.saved = self.context.step
        return y

    def backward(self, dy):
        dx = np.array(dy)
        if self.where == "backward" and self.saved >= self.step:
            dx[3, 1] = np.inf
        return dx


def with_bomb(step, where, device):
    tinynet.utils.set_random_seed(1)
    model = tinynet.Sequential([layers.Input((6,)), layers.Dense(5), Bomb(step, where, name="bomb"),
                                layers.Dense(2)])  # fmt: skip
    model.compile("sgd", "mse", device=device)
    return model


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize(("where", "words"), [
    ("forward", "step 4: the output of layer 'bomb' (Bomb) holds nan, 1 of 40 values, "
                "first at (3, 1)"),
    ("backward", "step 4: the gradient by the input of layer 'bomb' (Bomb) holds inf, 1 of 40 "
                 "values, first at (3, 1)"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.filterwarnings("ignore:overflow")
def test_where_the_first_nan_comes_up(capsys, device, where, words):
    model, terminate = with_bomb(4, where, device), TerminateOnNaN(explain=True)
    model.fit(**FIT, callbacks=[terminate])
    assert str(terminate.found) == words
    assert (terminate.found.layer, terminate.found.stage) == ("bomb", where)
    assert f"training ends. First, in {words}" in capsys.readouterr().out
    assert model.steps_taken == 5  # a bad gradient is noticed before the next loss
    with pytest.raises(RuntimeError, match="First, in step 4"):
        with_bomb(4, where, device).fit(
            **FIT, callbacks=[TerminateOnNaN(raise_error=True, explain=True)]
        )


def test_find_nan_changes_nothing_and_sees_every_stage():
    model = build(rate=0.1)
    model.fit(**FIT)
    before = model.get_weights(), model.optimizer.step_number, model.steps_taken
    assert model.find_nan(X, REAL) is None
    for a, b in zip(model.get_weights(), before[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert (model.optimizer.step_number, model.steps_taken) == before[1:]

    model.layers[0].kernel.value[2, 1] = np.nan
    found = model.find_nan(X, REAL)
    assert (found.stage, found.layer, found.place) == ("weights", model.layers[0].name, (2, 1))
    model.set_weights(before[0])
    model.optimizer.state["m"][3] = np.inf
    assert model.find_nan(X, REAL).stage == "optimizer"

    other = build()
    found = other.find_nan(X, REAL * 1e30)
    assert (found.stage, found.value, found.place) == ("loss", np.inf, (0,))
    other.compile(tinynet.optimizers.SGD(1e38), "mse", device="reference")
    found = other.find_nan(X, REAL * 1e4)
    assert found.stage == "update"
    assert found.where.startswith("after the update, ")
    bad = X.copy()
    bad[2, 3] = np.nan
    with pytest.raises(ValueError, match="x: row 2 holds nan"):
        model.find_nan(bad, REAL)
