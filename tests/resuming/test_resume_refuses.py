"""Snapshots: changed runs are refused; damaged files are survived, or named."""

import json
import pathlib
import random

import numpy as np
import pytest
import resume_runs as runs
from crashed_runs import FIT, REAL, Crash, X, build, crashed, every, go_on, same

import tinynet
from tinynet import layers
from tinynet.callbacks import BackupAndRestore, Callback, EarlyStopping, Snapshot
from tinynet.core import state as states
from tinynet.resuming import files
from tinynet.saving import state_files

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


def test_a_layer_with_a_state_that_can_t_be_kept_is_refused_before_the_first_step(tmp_path):
    class Odd(layers.Activation):
        def get_state(self):
            return {**super().get_state(), "file": pathlib.Path("x")}

    model = build(extra=[Odd("tanh")])
    with pytest.raises(TypeError, match="the state of a layer, metric or data set: a PosixPath"):
        model.fit(**FIT, resume=tmp_path)
    assert model.steps_taken == 0


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
    back = states.unpack(json.loads(json.dumps(states.pack(given, arrays))), arrays)
    assert repr(back) == repr(given)
    assert states.unpack(states.pack(float("nan"), []), []) != 0
    for wrong in (object(), {1, 2}, b"x", lambda: 0, np.array(["a"]), np.array([None])):
        with pytest.raises(TypeError, match="can't be kept"):
            states.pack([wrong], [])


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
    (lambda s: s["model"]["layers"][0].update(weights=[X[:5, :5], X[0, :5]]),
     r"kernel: expected shape \(6, 5\), received \(5, 5\)"),
    (lambda s: s["model"]["optimizer"]["variables"].pop(), "expected 10 arrays .* received 9"),
    (lambda s: s["model"].update(steps_taken="many"), "steps_taken is 'many'"),
    (lambda s: s["model"]["layers"].pop(), "has 3 layers, the state is of 2"),
    (lambda s: s["model"]["layers"][1].pop("key"), "key"),
    (lambda s: s.pop("epoch"), "epoch"),
])  # fmt: skip
def test_a_snapshot_that_lies(tmp_path, change, message):
    def lie(header, arrays):
        state, packed = state_files.state_in(header, arrays), []
        change(state)
        return {**header, "state": states.pack(state, packed)}, packed

    check_a_lie(tmp_path, lie, message)


@pytest.mark.parametrize(("change", "message"), [
    ({"state": {"array": 99}}, "index"),
    ({"state": None}, "subscriptable"),
    ({"progress": {}}, "epoch"),
    ({"fingerprint": {}}, "it is of another run"),
])  # fmt: skip
def test_a_header_that_lies(tmp_path, change, message):
    check_a_lie(tmp_path, lambda h, a: ({**h, **change}, list(a.values())), message)


def check_a_lie(tmp_path, lie, message):
    crashed(tmp_path)
    for path in snapshots(tmp_path):
        state_files.write(path, *lie(*files.read(path)))
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
