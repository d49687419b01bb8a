"""Ctrl-C and other signals while a model is trained, and two processes at the same time."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from fault_runs import (
    FIT,
    REAL,
    Do,
    Slow,
    X,
    build,
    check_after,
    every,
    never_interrupted,
    nothing,
    start,
)

from tinynet import models
from tinynet.resuming import files

pytestmark = pytest.mark.usefixtures("interruptible")


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
    assert header["progress"]["batch"] >= 3
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
        import fault_runs as t
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
    tests = str(pathlib.Path(__file__).parent.parent / "support")
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


A_CHILD = """
import os, sys, time
from tinynet.resuming import Interrupts

with Interrupts(terminate=True):
    child = os.fork()
    if not child:
        try:
            os.write(1, b"ready\\n")  # at once, whatever PYTHONUNBUFFERED says
            time.sleep(20)
            os._exit(1)
        except KeyboardInterrupt:
            os._exit(2)
    os.write(1, b"%d\\n" % child)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_child_of_a_callback_is_ended_by_a_signal(number):
    """What `multiprocessing.Pool.terminate` does: the handlers are those of the parent alone.

    In a process of its own, since other tests have begun threads in this one.
    """
    parent = subprocess.Popen([sys.executable, "-c", A_CHILD], stdout=subprocess.PIPE, text=True)
    with parent:
        said = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
        (child,) = said - {"ready"}
        begun = time.monotonic()
        os.kill(int(child), number)
        status = int(parent.stdout.readline())
        assert time.monotonic() - begun < 10
    assert status == (-number if number == signal.SIGTERM else 2)
