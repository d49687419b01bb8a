"""Snapshots: killed runs end bit-equal, changed ones are refused, damaged files are survived."""

import json
import os
import pathlib
import random
import subprocess
import sys

import numpy as np
import pytest
import resume_runs as runs

import tinynet
from tinynet import execution, layers
from tinynet.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    GradientMonitor,
    Snapshot,
)
from tinynet.kernels import DEVICES
from tinynet.resuming import files, values

X, IDS, REAL = runs.X, runs.IDS, runs.REAL


# ------------------------------------------------------------------------------------- kills


def kill(device, kills, seed, folder):
    script = pathlib.Path(runs.__file__)
    done = subprocess.run(
        [sys.executable, script, device, str(kills), str(seed), folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all bit-equal" in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("device", DEVICES)
def test_killed_runs_end_bit_equal(tmp_path, device):
    kill(device, 15, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("device", DEVICES)
def test_many_killed_runs_end_bit_equal(tmp_path, device):
    kill(device, 100, 2, tmp_path)


# ------------------------------------------------------------------- without another process


class Crash(Callback):
    """Raises after so many batches; it counts over the epochs and remembers nothing else."""

    def __init__(self, batch):
        super().__init__()
        self.left = batch

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("crash")

    def get_state(self):
        return None


def build(units=5, rate=0.05, device="auto", loss="mse", extra=(), **options):
    model = tinynet.Sequential([
        layers.Input((6,)), layers.Dense(units, "tanh"), *extra, layers.Dropout(0.3),
        layers.Dense(2),
    ])  # fmt: skip
    model.compile(tinynet.optimizers.Adam(rate, **options), loss, device=device, metrics=["mae"])
    return model


FIT = {"x": X, "y": REAL, "batch_size": 8, "epochs": 3, "verbose": 0}


def every(folder, batches=1):
    return Snapshot(folder, seconds=None, batches=batches)


def crashed(folder, batch=17, **options):
    """A run that has crashed: its last snapshot is of batch 16."""
    model = build()
    fit = {**FIT, "callbacks": [every(folder), Crash(batch)], **options}
    with pytest.raises(RuntimeError, match="crash"):
        model.fit(**fit)
    return model


def go_on(folder, model=None, **options):
    model = build() if model is None else model
    fit = {**FIT, "callbacks": [every(folder), Crash(10**9)], **options}
    return model, model.fit(**fit)


def same(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_seeds_in_the_process_that_goes_on(tmp_path):
    """What was not seeded is in the snapshot, too: weights, order, masks, NumPy's own stream."""
    tinynet.utils.set_random_seed(1)
    whole = build()
    expected = whole.fit(**FIT)
    after = np.random.random()  # noqa: NPY002
    tinynet.utils.set_random_seed(1)
    crashed(tmp_path)
    tinynet.utils.set_random_seed(2)
    model, history = go_on(tmp_path)
    same(model.get_weights(), whole.get_weights())
    assert history.history == expected.history
    assert history.epoch == expected.epoch
    assert np.random.random() == after  # noqa: NPY002
    assert tinynet.random.draw_seed() != 0


def test_in_the_same_process_with_the_same_model(tmp_path):
    """As in a notebook: the cell is run again."""
    tinynet.utils.set_random_seed(1)
    whole = build()
    whole.fit(**FIT)
    tinynet.utils.set_random_seed(1)
    model = crashed(tmp_path)
    go_on(tmp_path, model)
    same(model.get_weights(), whole.get_weights())


def test_a_finished_run_and_more_epochs(tmp_path):
    def run(epochs, folder=tmp_path, **options):
        tinynet.utils.set_random_seed(1)
        model = build(use_ema=True, ema_momentum=0.5)
        fit = {**FIT, "epochs": epochs, "resume": folder, **options}
        return model, model.fit(**fit)

    whole, expected = run(5, None)
    shorter, before = run(3, None)
    _, history = run(3)
    assert history.history == before.history
    again, history = run(3)
    assert history.history == before.history
    assert history.epoch == [0, 1, 2]
    same(again.get_weights(), shorter.get_weights())  # and not averaged twice
    longer, history = run(5)
    assert history.epoch == [0, 1, 2, 3, 4]
    assert history.history == expected.history
    same(longer.get_weights(), whole.get_weights())
    with pytest.raises(ValueError, match="5 epochs are behind it, epochs=4 are asked for"):
        run(4)
    # and a plain fit afterwards runs all its epochs
    assert longer.fit(**FIT).epoch == [0, 1, 2]
    assert not longer.resumed


def test_early_stopping_stays_stopped(tmp_path):
    def run(epochs, folder):
        tinynet.utils.set_random_seed(1)
        model = build(rate=0.0)
        stop = EarlyStopping("loss", patience=2, min_delta=10, restore_best_weights=True)
        return model, stop, model.fit(**{**FIT, "epochs": epochs, "callbacks": stop,
                                         "resume": folder})  # fmt: skip

    _, _, expected = run(20, None)
    assert len(expected.epoch) < 20
    for epochs in (20, 20, 30):
        _, stop, history = run(epochs, tmp_path)
        assert history.history == expected.history
        assert stop.stopped_epoch == expected.epoch[-1]


@pytest.mark.parametrize("device", DEVICES, indirect=True)
def test_another_device(tmp_path, device):
    second = next(d for d in DEVICES if d != device)
    tinynet.utils.set_random_seed(1)
    whole = build(device=device)
    expected = whole.fit(**FIT)
    tinynet.utils.set_random_seed(1)
    with pytest.raises(RuntimeError, match="crash"):
        build(device=device).fit(**FIT, callbacks=[every(tmp_path), Crash(20)])
    model, history = go_on(tmp_path, build(device=second))
    for a, b in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(history.history["loss"], expected.history["loss"], rtol=1e-5)


@pytest.mark.parametrize("batch", [5, 12, 30])
def test_a_monitor_of_gradients_goes_on(tmp_path, batch):
    def run(*callbacks):
        tinynet.utils.set_random_seed(1)
        tinynet.backend.clear_session()  # the layers have the same names again
        monitor = GradientMonitor(X, REAL, rows=20)
        history = build().fit(**FIT, callbacks=[monitor, *callbacks]).history
        return repr((list(history), history, monitor.histograms, monitor.epoch))

    expected = run()
    with pytest.raises(RuntimeError, match="crash"):
        run(every(tmp_path), Crash(batch))
    assert run(every(tmp_path), Crash(10**9)) == expected


class Hooked(runs.Batches):
    """Its order is its own: it can be kept because the data set says what it is."""

    def __init__(self):
        super().__init__()
        self.order, self.random = np.arange(9), np.random.default_rng(4)

    def on_epoch_end(self):
        self.random.shuffle(self.order)

    def __getitem__(self, i):
        return super().__getitem__(self.order[i])

    def get_state(self):
        return {"order": self.order, "random": self.random.bit_generator.state}

    def set_state(self, state):
        self.order, self.random.bit_generator.state = state["order"], state["random"]


@pytest.mark.parametrize("batch", [4, 9, 13, 18])
def test_a_data_set_with_a_state_of_its_own(tmp_path, batch):
    def run(*callbacks):
        tinynet.utils.set_random_seed(1)
        model = build()
        return model, model.fit(Hooked(), epochs=3, verbose=0, callbacks=list(callbacks))

    whole, expected = run()
    with pytest.raises(RuntimeError, match="crash"):
        run(every(tmp_path), Crash(batch))
    model, history = run(every(tmp_path), Crash(10**9))
    same(model.get_weights(), whole.get_weights())
    assert history.history == expected.history


@pytest.mark.parametrize("batch", [3, 9, 14])
def test_validation_batches_begin_anew_in_every_epoch(tmp_path, batch):
    def run(*callbacks):
        tinynet.utils.set_random_seed(1)
        model = build()
        return model.fit(X, REAL, 9, 3, 0, list(callbacks), validation_data=runs.Batches(),
                         validation_steps=4).history  # fmt: skip

    expected = run()
    with pytest.raises(RuntimeError, match="crash"):
        run(every(tmp_path), Crash(batch))
    assert run(every(tmp_path), Crash(10**9)) == expected


def test_batches_of_a_pydataset_are_not_made_twice(tmp_path):
    class Told(runs.Batches):
        def __init__(self):
            super().__init__()
            self.asked = []

        def __getitem__(self, i):
            self.asked.append(i)
            return super().__getitem__(i)

    with pytest.raises(RuntimeError, match="crash"):
        build().fit(Told(), shuffle=False, verbose=0, callbacks=[every(tmp_path), Crash(6)])
    data = Told()
    build().fit(data, shuffle=False, verbose=0, callbacks=[every(tmp_path), Crash(10**9)])
    assert data.asked == [0, 5, 6, 7, 8]  # 0 was looked at for its shape


def test_backup_and_restore_knows_its_place_in_the_data(tmp_path):
    """With steps_per_epoch an epoch begins in the middle of a pass."""
    fit = {**FIT, "epochs": 6, "steps_per_epoch": 5}
    tinynet.utils.set_random_seed(1)
    whole = build()
    with pytest.warns(UserWarning, match="the data ended"):
        whole.fit(**fit)
    tinynet.utils.set_random_seed(1)
    with pytest.raises(RuntimeError, match="crash"):
        build().fit(**fit, callbacks=[BackupAndRestore(tmp_path / "b", 1), Crash(9)])
    tinynet.utils.set_random_seed(1)  # a backup holds no seeds of masks
    model = build()
    with pytest.warns(UserWarning, match="the data ended"):
        model.fit(**fit, callbacks=BackupAndRestore(tmp_path / "b", 1))
    same(model.get_weights(), whole.get_weights())


# ------------------------------------------------------------ History and how steps are grouped


@pytest.mark.parametrize("weighted", [False, True])
def test_the_history_does_not_depend_on_stretches(monkeypatch, weighted):
    metrics = ["accuracy", "sparse_categorical_crossentropy"]
    weight = runs.WEIGHTS if weighted else None
    found = []
    for seconds in (0, 1e-4, 1000):
        monkeypatch.setattr(execution, "STRETCH_SECONDS", seconds)
        tinynet.utils.set_random_seed(1)
        iou = tinynet.metrics.MeanIoU(3, sparse_y_pred=False, dtype="float64")
        f1 = tinynet.metrics.F1Score(average="macro")
        model = tinynet.Sequential([layers.Input((6,)), layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics,
                      weighted_metrics=[*metrics, iou], device="cpu")  # fmt: skip
        fit = model.fit(X, IDS, 7, 4, verbose=0, sample_weight=weight, validation_split=0.3)
        regression = build(device="cpu")
        regression.compile("sgd", "mae", device="cpu", metrics=["r2_score", "rmse", f1],
                           weighted_metrics=["msle", "cosine_similarity"])  # fmt: skip
        other = regression.fit(X, np.abs(REAL), 3, 4, verbose=0, sample_weight=weight)
        found.append((fit.history, other.history))
    assert found[0] == found[1] == found[2]
    assert model.execution.length() > 10  # the last ones were long


def test_zeros_are_counted_in_the_whole_data_set(monkeypatch):
    """Rows that must be copied are multiplied alike whichever stretch they come in."""
    x = np.random.default_rng(1).normal(size=(240, 50)).astype(">f8")  # not of this machine
    x[:120, 10:] = 0
    found = []
    for seconds in (0, 1000):
        monkeypatch.setattr(execution, "STRETCH_SECONDS", seconds)
        tinynet.utils.set_random_seed(1)
        model = tinynet.Sequential([layers.Input((50,)), layers.Dense(40), layers.Dense(2)])
        model.compile("adam", "mse", device="cpu")
        model.fit(x, x[:, :2], 20, 3, shuffle=False, verbose=0)
        found.append(model.get_weights())
        assert not model.execution.reasons
    same(*found)


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("change", "message"), [
    ({"model": lambda: build(units=6)}, r"model config layers\[1\] config units was 5, is now 6"),
    ({"model": lambda: build(extra=[layers.Dense(5)])}, "model config layers was"),
    ({"model": lambda: build(beta_1=0.8)}, "optimizer config beta_1 was 0.9, is now 0.8"),
    ({"model": lambda: build(rate=0.1)}, "optimizer config learning_rate was 0.05, is now 0.1"),
    ({"model": lambda: build(use_ema=True)}, "use_ema was false, is now true"),
    ({"model": lambda: build(loss="mae")}, "compile loss .* was"),
    ({"batch_size": 9}, "fit batch_size was 8, is now 9"),
    ({"shuffle": False}, "fit shuffle was true, is now false"),
    ({"shuffle": "batch"}, 'is now "batch"'),
    ({"validation_split": 0.1}, "fit validation_split was 0.0, is now 0.1"),
    ({"steps_per_epoch": 4}, "fit steps_per_epoch was null, is now 4"),
    ({"validation_data": (X, REAL)}, "validation data was null"),
    ({"x": X + 1}, "training data x 64 rows was"),
    ({"y": REAL * 2}, "training data y 64 rows was"),
    ({"x": X[:80], "y": REAL[:80]}, r"training data x shape\[0\] was 90, is now 80"),
    ({"x": X.astype("float64")}, 'training data x dtype was "float32", is now "float64"'),
    ({"sample_weight": runs.WEIGHTS}, "training data sample_weight was null"),
    ({"callbacks": lambda folder: [every(folder)]}, "callbacks was"),
    ({"callbacks": lambda folder: [every(folder), EarlyStopping("loss")]}, "callbacks.0. class"),
])  # fmt: skip
def test_a_changed_run_is_refused_and_nothing_changes(tmp_path, change, message):
    crashed(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.npz")}
    change = dict(change)
    model = change.pop("model", build)()
    if "callbacks" in change:
        change["callbacks"] = change["callbacks"](tmp_path)
    weights = model.get_weights()
    with pytest.raises(ValueError, match=f"snapshot-.*it is of another run: .*{message}"):
        go_on(tmp_path, model, **change)
    same(model.get_weights(), weights)
    assert model.steps_taken == 0
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.npz")} == before
    go_on(tmp_path)  # the right one still can


def test_an_option_of_a_callback_is_part_of_the_run(tmp_path):
    fit = {**FIT, "resume": tmp_path}
    build().fit(**fit, callbacks=EarlyStopping("loss", patience=8))
    with pytest.raises(ValueError, match=r"callbacks\[0\] patience was 8, is now 9"):
        build().fit(**fit, callbacks=EarlyStopping("loss", patience=9))


@pytest.mark.parametrize(("arguments", "message"), [
    (("",), "folder must be a path"), ((3,), "folder must be a path"),
    (("run", -1), "seconds must be a number >= 0"), (("run", True), "seconds must be"),
    (("run", 1, 0), "batches must be an integer >= 1"), (("run", 1, 1.5), "batches must be"),
])  # fmt: skip
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Snapshot(*arguments)


def test_one_snapshot_and_no_backup_beside_it(tmp_path):
    with pytest.raises(ValueError, match="takes one Snapshot"):
        build().fit(**FIT, resume=tmp_path, callbacks=[every(tmp_path)])
    with pytest.raises(ValueError, match="both restore; use one"):
        build().fit(**FIT, resume=tmp_path, callbacks=[BackupAndRestore(tmp_path / "b")])


def test_a_callback_that_cannot_say_what_it_remembers(tmp_path):
    class Remembers(Callback):
        def __init__(self):
            super().__init__()
            self.count = 0

    class Nothing(Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    class Odd(Remembers):
        def get_state(self):
            return {"file": pathlib.Path("x")}

    both = [Remembers(), Remembers(), Nothing()]
    with pytest.warns(UserWarning, match="Remembers has no get_state") as told:
        build().fit(**FIT, resume=tmp_path / "a", callbacks=both)
    assert len(told) == 1
    with pytest.warns(UserWarning, match="Odd has a state that can't be kept .a PosixPath") as told:
        build().fit(**FIT, resume=tmp_path / "b", callbacks=[Odd()])
    assert len(told) == 1


def test_a_metric_that_hides_its_sums_is_kept_out_of_the_middle_of_an_epoch(tmp_path):
    class Hides(tinynet.metrics.Metric):
        def __init__(self):
            super().__init__(name="hides")
            self.largest = 0.0

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.largest = max(self.largest, float(y_pred.max()))

        def result(self):
            return self.largest

        def reset_state(self):
            self.largest = 0.0

    def run(*callbacks):
        tinynet.utils.set_random_seed(1)
        model = build()
        model.compile("adam", "mse", metrics=[Hides()])
        return model, model.fit(**FIT, callbacks=list(callbacks))

    whole, expected = run()
    with (
        pytest.warns(UserWarning, match="Hides keeps its sums where"),
        pytest.raises(RuntimeError, match="crash"),
    ):
        run(every(tmp_path), Crash(17))
    with pytest.warns(UserWarning, match="between epochs only"):
        model, history = run(every(tmp_path), Crash(10**9))
    same(model.get_weights(), whole.get_weights())
    assert history.history == expected.history


# ----------------------------------------------------------------------------------- the files


def test_values_come_back_as_they_were():
    given = {
        "a": [1, 2.5, float("inf"), None, True, "ü"], ("t", 1): (np.float32(0.1), np.int8(-3)),
        3: np.arange(6, dtype="float16").reshape(2, 3), "nested": {"x": {"y": [np.bool_(True)]}},
        "empty": [(), {}, np.zeros((0, 2))], "big": 2**200,
    }  # fmt: skip
    arrays = []
    back = values.unpack(json.loads(json.dumps(values.pack(given, arrays))), arrays)
    assert repr(back) == repr(given)
    assert values.unpack(values.pack(float("nan"), []), []) != 0
    for wrong in (object(), {1, 2}, b"x", lambda: 0, np.array(["a"]), np.array([None])):
        with pytest.raises(TypeError, match="can't be kept"):
            values.pack([wrong], [])


def snapshots(folder):
    paths = [folder / name for name in files.NAMES]
    return sorted(paths, key=lambda path: files.read(path)[0]["number"])


def test_a_damaged_snapshot_gives_way_to_the_one_before(tmp_path):
    tinynet.utils.set_random_seed(1)
    whole = build()
    whole.fit(**FIT)
    tinynet.utils.set_random_seed(1)
    crashed(tmp_path)
    older, newest = snapshots(tmp_path)
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match=f"{newest.name}: this is no snapshot.*from.*{older.name}"):
        model, _ = go_on(tmp_path)
    same(model.get_weights(), whole.get_weights())


def test_two_damaged_snapshots_are_not_passed_over(tmp_path):
    crashed(tmp_path)
    for path in snapshots(tmp_path):
        path.write_bytes(b"?")
    with pytest.raises(ValueError, match=r"snapshot-a.npz: .*snapshot-b.npz: .*To begin anew"):
        go_on(tmp_path)
    for path in tmp_path.glob("*.npz"):
        path.unlink()
    go_on(tmp_path)


def test_mutated_snapshots(tmp_path):
    crashed(tmp_path)
    path = snapshots(tmp_path)[1]
    content, rng = path.read_bytes(), random.Random(1)
    header, arrays = files.read(path)
    target, refused = tmp_path / "mutant.npz", 0
    for _ in range(300):
        data = bytearray(content)
        kind = rng.randrange(3)
        if kind == 0:
            del data[rng.randrange(len(data)) :]
        elif kind == 1:
            for _ in range(rng.randrange(1, 5)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        else:
            place = rng.randrange(len(data) - 8)
            data[place : place + 8] = rng.choice([2**31, 2**62, 2**64 - 1]).to_bytes(8, "little")
        target.write_bytes(bytes(data))
        try:
            found, others = files.read(target)
        except ValueError as error:
            assert str(target) in str(error)  # noqa: PT017
            refused += 1
            continue
        assert found == header
        assert {k: v.tobytes() for k, v in others.items()} == {
            k: v.tobytes() for k, v in arrays.items()
        }
    assert refused > 150


@pytest.mark.parametrize(("change", "message"), [
    (lambda h, a: a.update(weights=a["weights"][:-1]), "weights: expected 47 numbers, found"),
    (lambda h, a: a.pop("optimizer/m"), "optimizer/m: expected 47 numbers, found nothing"),
    (lambda h, a: h.update(steps_taken="many"), "steps_taken is 'many'"),
    (lambda h, a: h.update(keys=[]), "another number of layers with random numbers"),
    (lambda h, a: h.update(generators={"array": 99}), "index"),
    (lambda h, a: h.pop("place"), "place"),
])  # fmt: skip
def test_a_snapshot_that_lies(tmp_path, change, message):
    crashed(tmp_path)
    for path in snapshots(tmp_path):
        header, arrays = files.read(path)
        change(header, arrays)
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
        np.savez(path, header=text, **arrays)
    model = build()
    weights = model.get_weights()
    with pytest.raises(ValueError, match=f"can't go on from this snapshot: .*{message}"):
        go_on(tmp_path, model)
    same(model.get_weights(), weights)


def test_the_folder_holds_two_snapshots_and_a_lock(tmp_path):
    folder = tmp_path / "made" / "for it"
    build().fit(**FIT, resume=folder)
    (folder / ".snapshot-a.npz.half").write_bytes(b"what a killed process left")
    build().fit(**FIT, resume=folder)
    assert sorted(p.name for p in folder.iterdir()) == ["lock", "snapshot-a.npz", "snapshot-b.npz"]
