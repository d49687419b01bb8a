"""Faults of the machine itself: a disk that is full, a folder nobody may write, a process told to
end; and a second fit after each. Ordinary faults are in test_faults.

A full and a read-only disk are real ones, small, mounted for one child process by `unshare`.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
import resume_runs as runs

import tinynet
from tinynet import layers, models
from tinynet.callbacks import CSVLogger, ModelCheckpoint, TerminateOnNaN
from tinynet.resuming import files

X, REAL = runs.X, runs.REAL
FIT = {"x": X, "y": REAL, "batch_size": 8, "epochs": 3, "verbose": 0}  # 12 batches an epoch
HERE = [str(pathlib.Path(path).parent) for path in (__file__, runs.__file__)]
NOT_ALLOWED = r"Read-only file system|Permission denied"
FILES = ["m.keras", "m.h5", "m.weights.h5", "m.npz", "m.safetensors", "m.onnx"]


@pytest.fixture(autouse=True)
def _interruptible():
    """A shell starts what it runs in the background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def build(device="reference"):
    tinynet.utils.set_random_seed(1)
    model = tinynet.Sequential([
        layers.Input((6,)), layers.Dense(5, "tanh"), layers.Dropout(0.3), layers.Dense(2)
    ])  # fmt: skip
    model.compile("adam", "mse", device=device)
    return model


def write(model, path):
    """With whatever writes files of this name."""
    suffix = pathlib.Path(path).suffixes
    how = model.export if suffix == [".onnx"] else model.save_weights
    (model.save if path.name in ("m.keras", "m.h5") else how)(path)


def read(path):
    """The weights in it; an exported graph is taken as it is."""
    if path.name in ("m.keras", "m.h5"):
        return models.load_model(path).get_weights()
    if path.suffix == ".onnx":
        return [np.frombuffer(path.read_bytes(), np.uint8)]
    model = build()
    model.load_weights(path)
    return model.get_weights()


def same(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def whole_run(device="reference"):
    model = build(device)
    history = model.fit(**FIT)
    return model.get_weights(), history.history


# ---------------------------------------------------------------- a real disk, full or read-only


def on_a_disk(name):
    """Run a function of this module in a process that has a disk of 512 kB of its own."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare, with which to mount a disk for one process")
    with tempfile.TemporaryDirectory() as folder:
        mount = f"mount -t tmpfs -o size=512k none {folder}"
        allowed = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True,
                                 text=True, check=False)  # fmt: skip
        if allowed.returncode:
            pytest.skip(f"no disk may be mounted here: {allowed.stderr.strip()}")
        code = f"import sys; sys.path[:0] = {HERE!r}; import test_real_faults as t; "
        code += f"t.{name}(t.pathlib.Path({folder!r}))"
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, code],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all well\n"), done.stdout + done.stderr


def fill(folder):
    """Write until nothing fits any more."""
    with open(folder / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def full_disk(folder):
    model, path = build(), None
    model.fit(**FIT)
    before = {}
    for name in FILES:
        write(model, folder / name)
        before[name] = read(folder / name)
    listed = sorted(p.name for p in folder.iterdir())
    fill(folder)
    model.fit(**FIT)
    for name in FILES:  # nothing is lost, and nothing half written is left
        path = folder / name
        with pytest.raises(OSError, match="No space left"):
            write(model, path)
        same(read(path), before[name])
        assert sorted(p.name for p in folder.iterdir()) == sorted([*listed, "filler"])
    for callback in (ModelCheckpoint(folder / "m.keras"), CSVLogger(folder / "log.csv")):
        with pytest.raises(OSError, match="No space left"):
            build().fit(**FIT, callbacks=[callback])
    with pytest.raises(OSError, match="No space left"):
        build().fit(**FIT, resume=folder / "run")

    (folder / "filler").unlink()  # and a second fit after that
    for name in FILES:
        write(model, folder / name)
        assert any((a != b).any() for a, b in zip(read(folder / name), before[name], strict=True))
    weights, history = whole_run()
    again = build()
    found = again.fit(**FIT, resume=folder / "run", callbacks=[CSVLogger(folder / "log.csv")])
    assert found.history == history
    same(again.get_weights(), weights)
    print("all well")


def full_while_training(folder):
    """Snapshots can't be written for an epoch: training goes on, and so does the next run."""
    weights, history = whole_run()

    class Fills(tinynet.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            fill(folder) if epoch == 1 else (folder / "filler").unlink(missing_ok=True)

        def get_state(self):
            return None

    model = build()
    snapshots = tinynet.callbacks.Snapshot(folder / "run", None, 1)
    with pytest.warns(UserWarning, match="no snapshot.*No space left.*training goes on"):
        found = model.fit(**FIT, callbacks=[Fills(), snapshots])
    assert found.history == history
    same(model.get_weights(), weights)
    again = build()
    snapshots = tinynet.callbacks.Snapshot(folder / "run", None, 1)
    assert again.fit(**FIT, callbacks=[Fills(), snapshots]).history == history
    same(again.get_weights(), weights)
    print("all well")


def read_only_disk(folder):
    model = build()
    model.fit(**FIT, resume=folder / "run")
    for name in FILES:
        write(model, folder / name)
    before = {name: read(folder / name) for name in FILES}
    weights = model.get_weights()
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    not_allowed(model, folder)
    assert build().fit(**FIT).history == whole_run()[1]  # nothing to write: nothing to fear
    for name in FILES:
        same(read(folder / name), before[name])
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    same(model.get_weights(), weights)
    again = build()
    again.fit(**FIT, resume=folder / "run")
    same(again.get_weights(), weights)
    print("all well")


def not_allowed(model, folder):
    """All that writes is refused with an OSError, before a step is taken."""
    for name in FILES:
        with pytest.raises(OSError, match=NOT_ALLOWED):
            write(model, folder / name)
    for options in (
        {"resume": folder / "run"},
        {"resume": folder / "other"},
        {"callbacks": [CSVLogger(folder / "log.csv")]},
    ):
        other = build()
        with pytest.raises(OSError, match=NOT_ALLOWED):
            other.fit(**FIT, **options)
        assert other.steps_taken == 0
        assert len(other.fit(**FIT).epoch) == 3  # a second fit, without the folder
    other = build()
    with pytest.raises(OSError, match=NOT_ALLOWED):
        other.fit(**FIT, callbacks=[ModelCheckpoint(folder / "{epoch}.keras")])
    assert other.history.epoch in ([], [0])
    assert len(other.fit(**FIT).epoch) == 3


@pytest.mark.parametrize("what", ["full_disk", "full_while_training", "read_only_disk"])
def test_on_a_real_disk(what):
    on_a_disk(what)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="POSIX users")
def test_a_folder_that_a_user_may_only_read():
    """As somebody who is not root; root may write anywhere."""
    with tempfile.TemporaryDirectory() as name:
        folder, model = pathlib.Path(name), build()
        model.fit(**FIT)
        for file in FILES:  # and everything that writes them is imported
            write(model, folder / file)
        before = {p.name: p.read_bytes() for p in folder.iterdir()}
        root = os.geteuid() == 0
        (folder / "run").mkdir()
        if root:
            for path in (folder, *folder.iterdir()):
                os.chown(path, 65534, -1)
        (folder / "run").chmod(0o500)
        folder.chmod(0o500)
        if root:
            os.seteuid(65534)
        try:
            not_allowed(model, folder)
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)
            (folder / "run").chmod(0o700)
        assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before
        model.fit(**FIT, resume=folder / "run")


# ----------------------------------------------------------------------------------- SIGTERM


LONG = {**FIT, "epochs": 400}
CHILD = """
import sys
sys.path[:0] = {tests!r}
import test_real_faults as t
model = t.build("cpu")
model.fit(**t.FIT)  # compiled now
print("ready", flush=True)
t.build("cpu").fit(**t.LONG, resume={folder!r})
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_told_to_end_between_compiled_steps(tmp_path, number):
    """Many steps run at once in compiled code; the step ends, the snapshot is written."""
    code = CHILD.format(tests=HERE, folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)  # fmt: skip
    try:
        assert child.stdout.readline() == "ready\n"
        until = time.monotonic() + 60
        while not list(tmp_path.glob("*.npz")) and time.monotonic() < until:
            time.sleep(0.001)
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == -number
    assert "the same command goes on from there" in out + err
    found = [files.read(path)[0] for path in tmp_path.glob("*.npz")]
    assert found
    whole = build("cpu")
    expected = whole.fit(**LONG)
    model = build("cpu")
    history = model.fit(**LONG, resume=tmp_path)
    assert history.history == expected.history
    same(model.get_weights(), whole.get_weights())
    assert len(model.fit(**FIT).epoch) == 3


# ---------------------------------------------------------------------- a second fit after others


def test_a_second_fit_after_nan(tmp_path):
    """The run ends where the loss was NaN; with the weights of before it trains again."""
    path, model = tmp_path / "best.keras", build()
    best = ModelCheckpoint(path, "loss", save_best_only=True)
    model.fit(**FIT, callbacks=[best])
    good = model.get_weights()
    model.compile(tinynet.optimizers.SGD(1e30), "mse", device="reference")
    with np.errstate(all="ignore"):
        stop = TerminateOnNaN(explain=True)
        history = model.fit(**FIT, callbacks=[stop, best])
    assert stop.found is not None
    assert history.epoch in ([], [0])
    assert not all(np.isfinite(w).all() for w in model.get_weights())
    same(models.load_model(path).get_weights(), good)  # NaN is never the best
    model = models.load_model(path)
    again = model.fit(**FIT)
    assert np.isfinite(again.history["loss"]).all()
    assert again.epoch == [0, 1, 2]


def test_a_second_fit_after_a_validation_that_raises(tmp_path):
    def data():
        yield X[:8], REAL[:8]
        raise OSError("the disk with the data is gone")

    model, whole = build(), build()
    with pytest.raises(OSError, match="is gone"):
        model.fit(**FIT, resume=tmp_path, validation_data=data(), validation_steps=2)
    assert model.history.epoch == []
    assert model.steps_taken == model.optimizer.step_number == 12  # the epoch itself was done
    assert model.fit(**FIT).epoch == [0, 1, 2]
    assert whole.fit(**FIT).epoch == [0, 1, 2]


def test_a_second_fit_after_the_folders_were_removed(tmp_path):
    class Removes(tinynet.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                for folder in tmp_path.iterdir():
                    shutil.rmtree(folder)

        def get_state(self):
            return None

    def run():
        model = build()
        history = model.fit(**FIT, callbacks=[
            ModelCheckpoint(tmp_path / "best" / "{epoch}.keras", keep_last=1), Removes(),
            tinynet.callbacks.Snapshot(tmp_path / "run", None, 1),
        ])  # fmt: skip
        return model.get_weights(), history.history

    weights, history = whole_run()
    for _ in range(2):  # the second one finds the first one's snapshots
        found, again = run()
        same(found, weights)
        assert again == history
        assert [p.name for p in (tmp_path / "best").iterdir()] == ["3.keras"]


WRITER = """
import sys, time
sys.path[:0] = {tests!r}
import test_real_faults as t
model, path = t.build(), t.pathlib.Path({path!r})
t.write(model, path)
for w in model.weights:
    w.assign(w.numpy() * 0 + {number})
print("ready", flush=True)
until = time.monotonic() + 0.5
while time.monotonic() < until:
    t.write(model, path)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is open")
@pytest.mark.parametrize("name", [
    *("m.h5", "m.onnx"), *(pytest.param(name, marks=pytest.mark.slow) for name in
                                      ("m.keras", "m.weights.h5", "m.npz", "m.safetensors")),
])  # fmt: skip
def test_a_fit_after_two_processes_wrote_one_file(tmp_path, name):
    """Whenever it is read it is whole; and training with that file goes on."""
    path, model = tmp_path / name, build()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER.format(
            tests=HERE, path=str(path), number=number)], stdout=subprocess.PIPE)
        for number in (1, 2)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    while any(writer.poll() is None for writer in writers):
        read(path)
    for writer in writers:
        writer.stdout.close()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [p.name for p in tmp_path.iterdir()] == [name]
    if name != "m.onnx":
        assert {float(v) for w in read(path) for v in w.ravel()} in ({1.0}, {2.0})
        model.set_weights(read(path))
        model.fit(**FIT, callbacks=[ModelCheckpoint(path)])
        same(read(path), model.get_weights())
    else:
        onnx = pytest.importorskip("onnx")
        onnx.checker.check_model(onnx.load(path), full_check=True)
    assert model.fit(**FIT).epoch == [0, 1, 2]
