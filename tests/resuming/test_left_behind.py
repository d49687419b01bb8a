"""What a killed process leaves half written is cleared away by the next one that writes there."""

import os
import signal
import subprocess
import sys

import pytest
from crashed_runs import FIT, build

from tinynet.callbacks import BackupAndRestore, ModelCheckpoint
from tinynet.resuming import files
from tinynet.saving import atomic

KILLED = """
import os, sys
import crashed_runs as runs
from tinynet.callbacks import ModelCheckpoint, BackupAndRestore
from tinynet.saving import atomic

def dies(*arguments):
    os.kill(os.getpid(), 9)

atomic.os.replace = dies
path = sys.argv[1]
callback = BackupAndRestore(path) if path.endswith("backup") else ModelCheckpoint(path)
runs.build(device="reference").fit(**runs.FIT, callbacks=[callback])
"""


def hidden(folder):
    return sorted(path.name for path in folder.rglob(".*"))


@pytest.mark.parametrize("name", ["m-{epoch}.keras", "m.weights.h5", "m.npz", "backup"])
def test_killed_while_writing(tmp_path, name, monkeypatch):
    support = os.pathsep.join([*sys.path])
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / name)],
        env={**os.environ, "PYTHONPATH": support}, check=False,
    )  # fmt: skip
    assert process.returncode == -signal.SIGKILL
    assert len(hidden(tmp_path)) == 1
    monkeypatch.setattr(atomic, "_cleared", set())  # as in a new process
    made = BackupAndRestore if name == "backup" else ModelCheckpoint
    build(device="reference").fit(**FIT, callbacks=[made(tmp_path / name)])
    assert hidden(tmp_path) == []


def test_files_of_others_stay(tmp_path, monkeypatch):
    """One that is being written now, and what a user calls so."""
    (tmp_path / ".mine.keras.part").write_text("a user's")
    with atomic.atomic_path(tmp_path / "slow.npz") as temporary:
        monkeypatch.setattr(atomic, "_cleared", set())
        build(device="reference").save(tmp_path / "m.keras")
        assert os.path.exists(temporary)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".mine.keras.part", "slow.npz", "m.keras"}


@pytest.mark.parametrize("about_to", [False, True])
def test_cleared_by_another_process_before_it_was_locked(tmp_path, monkeypatch, about_to):
    """A new file is begun; those that were in vain are closed."""
    fcntl, make, made = pytest.importorskip("fcntl"), atomic.tempfile.mkstemp, []

    def slow(*args):
        made.append(make(*args))
        if len(made) == 1 and about_to:
            others.append(os.open(made[0][1], os.O_RDWR))
            fcntl.flock(others[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif len(made) == 1:
            os.unlink(made[0][1])
        return made[-1]

    others = []
    monkeypatch.setattr(atomic.tempfile, "mkstemp", slow)
    with atomic.atomic_path(tmp_path / "m.npz") as temporary:
        assert temporary == made[1][1]
    for descriptor, _ in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    for other in others:
        os.close(other)


def test_no_room_for_the_first_snapshot(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    model = build(device="reference")
    text = "no snapshot could be written: .*No space left on device; training has not begun"
    with pytest.raises(OSError, match=text) as caught:
        model.fit(**FIT, resume=tmp_path)
    assert caught.value.errno == 28
    assert model.steps_taken == 0
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"no snapshots can be kept here: .*training has not begun"):
        model.fit(**FIT, resume=tmp_path / "file" / "below")
