"""What goes wrong while a model is trained: made to happen, for real, and survived.

After each of these the model can be used, History fits the weights, the message says what happened
and what was saved, and the same command goes on from there.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
import resume_runs as runs

import tinynet
from tinynet import layers, models
from tinynet.callbacks import Callback, CSVLogger, ModelCheckpoint, Snapshot, TerminateOnNaN
from tinynet.resuming import files

X, REAL = runs.X, runs.REAL
FIT = {"x": X, "y": REAL, "batch_size": 8, "epochs": 3, "verbose": 0}  # 12 batches an epoch


@pytest.fixture(autouse=True)
def _interruptible():
    """A shell starts what it runs in the background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def build(device="reference", rate=0.05):
    tinynet.utils.set_random_seed(1)
    model = tinynet.Sequential([
        layers.Input((6,)), layers.Dense(5, "tanh"), layers.BatchNormalization(),
        layers.Dropout(0.3), layers.Dense(2),
    ])  # fmt: skip
    model.compile(tinynet.optimizers.Adam(rate), "mse", device=device, metrics=["mae"])
    return model


def never_interrupted(device="reference"):
    model = build(device)
    history = model.fit(**FIT)
    return model.get_weights(), history.history


def every(folder, batches=1):
    return Snapshot(folder, seconds=None, batches=batches)


class Do(Callback):
    """Does something at a hook, in the call number `at` of it, from 1."""

    def __init__(self, hook, at, action):
        super().__init__()
        self.left, self.action = at, action
        setattr(self, hook, self._call)

    def _call(self, *arguments):
        self.left -= 1
        if self.left == 0:
            self.action()

    def get_state(self):
        return None


def nothing():
    pass


def check_after(model, folder=None, hook="on_train_batch_end", device="reference"):
    """The model is one that can be used; the same command ends as if nothing had happened."""
    history = model.history
    if history is not None:  # it was begun
        assert all(len(values) == len(history.epoch) for values in history.history.values())
    assert model.optimizer.step_number == model.steps_taken
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if folder is not None:
        weights, values = never_interrupted(device)
        other = build(device)
        if list(folder.glob("*.npz")):  # seeds are in there
            tinynet.utils.set_random_seed(99)
        found = other.fit(**FIT, callbacks=[every(folder), Do(hook, 10**9, nothing)])
        for a, b in zip(other.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)
        assert found.history == values
    again = model.fit(**FIT)
    assert again.epoch == [0, 1, 2]
    assert np.isfinite(again.history["loss"]).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())


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
    places = [files.read(tmp_path / name)[0]["place"]["batch"] for name in files.NAMES]
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


# -------------------------------------------------------------------------------------- signals


def interrupt():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_ctrl_c_ends_after_the_step(tmp_path, device, hook):
    model = build(device)
    with pytest.raises(KeyboardInterrupt) as caught:
        model.fit(**FIT, callbacks=[every(tmp_path, 5), Do(hook, 16, interrupt)])
    assert model.steps_taken == 16  # this one, too, is done
    assert model.history.epoch == [0]
    (note,) = caught.value.__notes__
    assert note.startswith("Training ended in epoch 2. Saved is ")
    assert "(epoch 2, after batch 4)" in note
    check_after(model, tmp_path, hook, device)


def test_ctrl_c_within_the_arithmetic_of_a_step(tmp_path):
    """Without snapshots, too: no weight is updated that the counters don't know of."""
    weights = []
    for interrupted in (True, False):
        model = build()
        backward, left = model.backward, [5]

        def press(*arguments, left=left, backward=backward, **options):
            left[0] -= 1
            if left[0] == 0:
                interrupt()
            return backward(*arguments, **options)

        model.backward = press
        if interrupted:
            with pytest.raises(KeyboardInterrupt):
                model.fit(**FIT)
        else:
            left[0] = -1
            stop = Do("on_train_batch_end", 5, lambda m=model: setattr(m, "stop_training", True))
            model.fit(**FIT, callbacks=[stop])
        assert model.steps_taken == model.optimizer.step_number == 5
        weights.append(model.get_weights())
        del model.backward
        check_after(model)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_second_ctrl_c_does_not_wait(tmp_path, capfd):
    def twice():
        interrupt()
        interrupt()
        raise AssertionError("it waited")

    model = build()
    with pytest.raises(KeyboardInterrupt):
        model.fit(**FIT, callbacks=[every(tmp_path), Do("on_train_batch_begin", 8, twice)])
    assert model.steps_taken == 7
    assert "Ctrl-C once more ends at once" in capfd.readouterr().err
    check_after(model, tmp_path, "on_train_batch_begin")


@pytest.mark.parametrize("hook", ["on_test_batch_begin", "on_epoch_end", "on_epoch_begin",
                                  "on_train_begin", "on_test_end"])  # fmt: skip
def test_ctrl_c_elsewhere(tmp_path, hook):
    fit = {**FIT, "validation_split": 0.4}
    whole = build()
    expected = whole.fit(**fit)
    model = build()
    with pytest.raises(KeyboardInterrupt):
        model.fit(**fit, callbacks=[every(tmp_path, 100), Do(hook, 1, interrupt)])
    other = build()
    found = other.fit(**fit, callbacks=[every(tmp_path, 100), Do(hook, 10**9, nothing)])
    assert found.history == expected.history
    for a, b in zip(other.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    check_after(model)


def test_ctrl_c_while_waiting_for_data(tmp_path):
    def data(wait):
        for i in range(36):
            if i == wait:
                interrupt()
                raise AssertionError("it waited")
            yield X[i : i + 8], REAL[i : i + 8]

    fit = {"epochs": 3, "steps_per_epoch": 12, "verbose": 0, "resume": tmp_path}
    with pytest.raises(KeyboardInterrupt) as caught:
        build().fit(data(20), **fit)
    assert "(epoch 2, after batch 8)" in caught.value.__notes__[0]
    whole, model = build(), build()
    expected = whole.fit(data(None), **{**fit, "resume": None})
    assert model.fit(data(None), **fit).history == expected.history
    for a, b in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_handler_of_ones_own_is_left_alone():
    came = []
    before = signal.signal(signal.SIGINT, lambda *arguments: came.append(arguments))
    try:
        history = build().fit(**FIT, callbacks=[Do("on_train_batch_end", 5, interrupt)])
        assert len(came) == 1
        assert history.epoch == [0, 1, 2]
    finally:
        signal.signal(signal.SIGINT, before)


def test_snapshots_in_another_thread(tmp_path):
    weights, _ = never_interrupted()
    model = build()
    thread = threading.Thread(target=lambda: model.fit(**FIT, resume=tmp_path))
    thread.start()
    thread.join()
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


SLOW_RUN = """
    import sys, time
    sys.path.insert(0, {tests!r})
    import test_faults as t
    class Slow(t.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                print("ready", flush=True)
            time.sleep(0.02)
    t.build({device!r}).fit(**t.FIT, callbacks=[t.every({folder!r}, 1000), Slow()])
"""


def start(folder, device="reference"):
    code = SLOW_RUN.format(tests=str(pathlib.Path(__file__).parent), device=device,
                           folder=str(folder))  # fmt: skip
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    return child


class Slow(Callback):
    """Of the same name as the one in the other process."""

    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_from_another_process(tmp_path, number):
    """The step is finished, the snapshot written, and the exit status is the usual one."""
    child = start(tmp_path)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == -number
    said = out if number == signal.SIGTERM else err
    assert "Saved is" in said
    assert "the same command goes on from there" in said
    header, _ = max((files.read(p) for p in tmp_path.glob("*.npz")), key=lambda f: f[0]["number"])
    assert header["place"]["batch"] >= 3
    weights, values = never_interrupted()
    model = build()
    history = model.fit(**FIT, callbacks=[every(tmp_path, 1000), Slow()])
    assert history.history == values
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


# --------------------------------------------------------------------------- two at the same time


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks and signals")
def test_a_second_process_is_kept_out_until_the_first_is_gone(tmp_path):
    child = start(tmp_path)
    with pytest.raises(RuntimeError, match="another process is writing to it"):
        build().fit(**FIT, callbacks=[every(tmp_path, 1000), Slow()])
    child.kill()
    child.communicate()
    assert build().fit(**FIT, callbacks=[every(tmp_path, 1000), Slow()]).epoch == [0, 1, 2]


def test_a_second_fit_of_the_same_process(tmp_path):
    def other():
        with pytest.raises(RuntimeError, match="another fit of this process"):
            build().fit(**FIT, resume=tmp_path)

    first = build()
    model = first.fit(**FIT, resume=tmp_path, callbacks=[Do("on_epoch_end", 1, other)])
    assert model.epoch == [0, 1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5", "m.npz"])
def test_two_processes_that_write_the_same_file(tmp_path, name):
    """Whenever it is read, it is one of the two, whole."""
    path, code = (
        tmp_path / name,
        """
        import sys, time
        sys.path.insert(0, {tests!r})
        import test_faults as t
        model = t.build()
        save = model.save if {name!r}.endswith(".keras") else model.save_weights
        for w in model.weights:
            w.assign(w.numpy() * 0 + {number})
        print("ready", flush=True)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            save({path!r})
    """,
    )
    tests = str(pathlib.Path(__file__).parent)
    writers = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code.format(
            tests=tests, name=name, path=str(path), number=number))],
            stdout=subprocess.PIPE, text=True)
        for number in (1, 2)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if not path.exists():
            time.sleep(0.01)
            continue
        model = models.load_model(path) if name == "m.keras" else build()
        if name != "m.keras":
            model.load_weights(path)
        values = {float(v) for w in model.get_weights() for v in w.ravel()}
        assert values in ({1.0}, {2.0})
        seen |= values
    assert [writer.wait() for writer in writers] == [0, 0]
    for writer in writers:
        writer.stdout.close()
    assert seen
    assert [p.name for p in tmp_path.iterdir()] == [name]


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
