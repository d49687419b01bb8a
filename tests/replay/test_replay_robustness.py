"""Recorded steps beside threads, forks, interrupts, callbacks and BLAS; nothing stays behind."""

import gc
import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from replay_runs import RECORDED, data, labels, maker, on, small
from threadpoolctl import threadpool_info

import tinynet
from tinynet import Sequential
from tinynet.engine.record import Program
from tinynet.layers import Dense

pytestmark = pytest.mark.usefixtures("two_threads")


def blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def fail(*args):
    raise KeyError("from a callback")


@pytest.mark.parametrize("hook", ["on_train_begin", "on_train_batch_end", "on_epoch_end", "none"])
def test_blas_has_its_threads_back(hook):
    before = blas_threads()
    assert before
    model = maker(small)(device="cpu")
    if hook == "none":
        model.fit(data(), labels(), verbose=0)
    else:
        with pytest.raises(KeyError, match="from a callback"):
            model.fit(data(), labels(), verbose=0, callbacks=[on(hook, fail)])
    assert blas_threads() == before
    model.predict(data(), verbose=0)
    assert blas_threads() == before


def test_batch_callbacks_see_every_batch_and_the_running_logs():
    seen = []
    for eagerly in (True, False):
        tinynet.utils.set_random_seed(1)
        rows = []
        model = maker(small)(device="cpu", run_eagerly=eagerly)

        def see(model, step, logs, rows=rows):
            rows.append((step, dict(logs)))

        hooks = [on("on_train_batch_begin", see), on("on_train_batch_end", see)]
        model.fit(data(), labels(), 3, 2, verbose=0, callbacks=hooks)
        seen.append(rows)
    steps = [i for i in range(7) for _ in "ab"] * 2
    assert [i for i, _ in seen[0]] == [i for i, _ in seen[1]] == steps
    for (_, eager), (_, replayed) in zip(*seen, strict=True):
        assert replayed == pytest.approx(eager, rel=1e-10)


def test_stop_training_after_a_batch_stops_at_once():
    model = maker(small)(device="cpu")
    model.fit(data(), labels(), 2, verbose=0)  # long stretches, were it not for the callback

    def stop(model, step, logs):
        model.stop_training = step == 3

    steps = model.steps_taken
    history = model.fit(
        data(), labels(), 2, 5, verbose=0, callbacks=[on("on_train_batch_end", stop)]
    )
    assert model.steps_taken == steps + 4
    assert len(history.history["loss"]) == 1


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_epoch_end"])
def test_an_interrupt_leaves_a_model_that_can_be_used(hook):
    results = []
    for device in ("reference", "cpu"):
        tinynet.utils.set_random_seed(1)
        model, epochs = maker(small)(device=device), []

        def interrupt(model, number, logs, epochs=epochs):
            epochs.append(number)
            if len(epochs) == (8 if hook == "on_train_batch_end" else 3):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            model.fit(data(), labels(), 8, 9, verbose=0, callbacks=[on(hook, interrupt)])
        assert len(model.history.history["loss"]) == 2
        model.fit(data(), labels(), 8, 2, verbose=0)
        results.append(model.predict(data(), verbose=0))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def trained(seed=1, device="cpu", epochs=3):
    tinynet.utils.set_random_seed(seed)
    model = maker(small)(device=device)
    options = {"epochs": epochs, "shuffle": False, "verbose": 0}
    return lambda: model.fit(data(), labels(), 8, **options) and model.get_weights()


def test_fit_in_other_threads():
    fits = [trained(seed, epochs=60) for seed in (1, 2)]
    results, before = {}, blas_threads()
    workers = [
        threading.Thread(target=lambda i=i: results.update({i: fits[i]()}))
        for i in range(len(fits))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    for i, seed in enumerate((1, 2)):
        for got, expected in zip(results[i], trained(seed, epochs=60)(), strict=True):
            np.testing.assert_array_equal(got, expected)
    assert blas_threads() == before


def _send_weights(pipe, epochs):
    pipe.send(trained(epochs=epochs)())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
def test_fit_after_a_fork():
    expected = trained()()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_send_weights, args=(there, 3))
    child.start()
    try:
        assert here.poll(60), "the child does not answer"
        for got, wanted in zip(here.recv(), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
        child.join(10)
        assert child.exitcode == 0
    finally:
        if child.is_alive():
            child.kill()


def test_many_fits_leave_nothing_behind():
    model = maker(small)(device="cpu")

    def programs_after(count):
        for i in range(count):
            model.fit(data(), labels(), 8 + i % 2, verbose=0)
            model.evaluate(data(), labels(), 8, verbose=0)
        gc.collect()
        return sum(type(one) is Program for one in gc.get_objects())

    first = programs_after(10)
    assert first > 0
    assert programs_after(200) == first
    program = next(p for _, p in model.execution.programs.values())
    count = len(model.execution.programs)
    model.fit(data(), labels(), 8, verbose=0)
    assert next(p for _, p in model.execution.programs.values()) is program
    assert len(model.execution.programs) == count


def test_programs_of_models_that_are_gone_are_gone():
    gc.collect()
    before = sum(type(one) is Program for one in gc.get_objects())
    for _ in range(5):
        trained()()
    gc.collect()
    assert sum(type(one) is Program for one in gc.get_objects()) == before


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_number_of_threads_that_is_none(value, monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", value)
    with pytest.raises(ValueError, match=f"TINYNET_NUM_THREADS must be an integer >= 1.*'{value}'"):
        trained()()


LOCATOR = "UserProvidedCacheLocator"
SCRIPT = """
import numpy as np
from tinynet import Sequential
from tinynet.layers import Dense, Input
model = Sequential([Input((2,)), Dense(1)])
model.compile("sgd", "mse", device="cpu")
model.fit(np.ones((4, 2), "float32"), np.ones(4), verbose=0)
print(model.explain_execution())
"""


def test_a_cache_folder_that_cannot_be_written():
    only = "UserProvidedCacheLocator"  # else Numba looks for another folder
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": "/proc/nope",
        "NUMBA_CACHE_LOCATOR_CLASSES": only,
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True,
                          env=environment, timeout=240)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith(RECORDED)


def test_an_interrupted_stretch_is_counted(monkeypatch):
    """Ctrl-C comes through when the compiled loop has ended: its steps have been made."""
    model = Sequential([Dense(3, input_shape=(4,))])
    model.compile("adam", "mse", device="cpu")
    x, y = np.ones((8, 4), "float32"), np.ones((8, 3), "float32")
    model.fit(x, y, batch_size=4, verbose=0)
    before = model.get_weights()
    program = model.execution.program("train", 4, model.dataset(x, y), [])
    finished = program.machine.run

    def interrupted(*args, **options):
        finished(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(program.machine, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    assert (model.get_weights()[0] != before[0]).any()
    assert model.optimizer.iterations == model.steps_taken > 2
