"""The CPU's threads: how they share the work, their number, and what other processors need."""

import os
import subprocess
import sys
import time

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

import tinynet as keras
from tinynet.kernels.cpu.exchange import exchange_instruction
from tinynet.kernels.cpu.machine import loop, native, program, threads
from tinynet.kernels.cpu.machine.call import Scratch, zeros
from tinynet.layers import Dense


def trained(threads_, workers, batch, monkeypatch, begin=lambda worker: None):
    """The weights after some steps in which threads meet at each layer, for norms, and alone."""
    monkeypatch.setenv("TINYNET_NUM_THREADS", str(threads_))
    monkeypatch.setattr(program, "cores", lambda: workers)
    monkeypatch.setattr(program, "WORK_PER_THREAD", 1)

    def run_together(work, count):
        def late(worker):
            if begin(worker) != "never":
                work(worker)

        threads.run_together(late, count)

    monkeypatch.setattr(program, "run_together", run_together)
    monkeypatch.setattr(keras.config, "_floatx", "float64")  # rounding would grow step by step
    random, models = np.random.default_rng(0), []
    x, y = random.normal(size=(301, 90)), random.integers(0, 4, 301)
    for optimizer in (keras.optimizers.Lamb(0.01, clipnorm=0.1), keras.optimizers.Adafactor(0.01),
                      keras.optimizers.Adam(0.01, global_clipnorm=0.1)):  # fmt: skip
        keras.utils.set_random_seed(0)
        model = keras.Sequential([
            keras.Input((90,)), Dense(80, "relu", kernel_constraint=keras.constraints.MaxNorm(0.9)),
            keras.layers.BatchNormalization(), keras.layers.Dropout(0.2), Dense(70, "tanh"),
            Dense(4, "softmax", kernel_regularizer="l2"),
        ])  # fmt: skip
        model.compile(optimizer, "sparse_categorical_crossentropy", device="cpu")
        losses = model.fit(x, y, batch_size=batch, epochs=2, verbose=0).history["loss"]
        models += [np.array(losses), *model.get_weights()]
    return models


@pytest.mark.parametrize("batch", [4, 150])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_shares_make_the_bits_whoever_does_them(count, batch, monkeypatch):
    expected = trained(count, 1, batch, monkeypatch)
    for workers in (2, 3):
        for a, b in zip(expected, trained(count, workers, batch, monkeypatch), strict=True):
            np.testing.assert_array_equal(a, b)
    one = trained(1, 1, batch, monkeypatch)
    np.testing.assert_allclose(np.concatenate([a.ravel() for a in expected]),
                               np.concatenate([a.ravel() for a in one]), atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("late", ["never", 0.002, 0.05])
def test_a_worker_that_has_no_core_is_not_waited_for(late, monkeypatch):
    expected, calls = trained(3, 1, 150, monkeypatch), []

    def begin(worker):
        if worker:
            calls.append(worker)
            return late if late == "never" else time.sleep(late)

    for a, b in zip(expected, trained(3, 2, 150, monkeypatch, begin), strict=True):
        np.testing.assert_array_equal(a, b)
    assert calls


@pytest.mark.skipif(threads._current_cpu() is None or threads.cores() < 2, reason="needs two cores")
def test_a_thread_leaves_the_core_of_another_and_may_go_anywhere_again():
    allowed = os.sched_getaffinity(0)
    taken = [threads._current_cpu()()]
    threads._leave(taken)
    assert len(set(taken)) == 2
    assert os.sched_getaffinity(0) == allowed
    every = sorted(allowed)
    threads._leave(every)  # nowhere to go
    assert every[-1] in allowed
    assert os.sched_getaffinity(0) == allowed


def test_none_goes_on_after_an_error():
    """Arrays that a call has given back may be in use by the next one."""
    running = []

    def work(t):
        if t == 0:
            while not running:
                time.sleep(0.001)
            raise KeyboardInterrupt
        running.append(True)
        time.sleep(0.1)
        running.append(False)

    with pytest.raises(KeyboardInterrupt):
        threads.run_together(work, 2)
    assert running == [True, False]


def test_a_worker_that_waits_long_sleeps_and_is_woken():
    """The first calls a function that takes its time, twice; the second waits for it."""
    spent, called = [], []
    call = exchange_instruction(lambda a: (time.sleep(0.2), called.append(1)), [np.zeros(1)], True)
    words, numbers = (part[None] for part in call.encode(1))
    stages = loop.stages_of(words)
    shares, meeting = np.zeros((2, loop.SCRATCH), np.int64), zeros((3 * native.MEETING,), np.int64)
    parts = [Scratch(shares[t], t, 2, 1, 1, 1, np.float64) for t in range(2)]

    def work(worker):
        before = time.thread_time()
        loop.run(words, numbers, np.empty_like(numbers), stages, np.zeros((2, 1)), 2, 0, 1,
                 shares, meeting, worker, 2, np.zeros((2, 2)), 0.0)  # fmt: skip
        spent.append(time.thread_time() - before)

    loop.run(words, numbers, np.empty_like(numbers), stages, np.zeros((0, 1)), 0, 0, 1, shares,
             meeting, 0, 1, np.zeros((2, 0)), 0.0)  # compiled before it is measured  # fmt: skip
    threads.run_together(work, 2)
    assert len(parts) == len(spent) == len(called) == 2
    assert max(spent) < 0.1  # of 0.4 s
    assert meeting[0] == 4
    assert meeting[1] == 0  # nobody sleeps


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, np.inf),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, np.inf),
        ({"cpu.max": ""}, np.inf),
        ({}, np.inf),
    ],
)
def test_quota_of_a_container(files, expected, tmp_path):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert threads.quota(tmp_path) == expected


@pytest.mark.parametrize(("allowed", "expected"), [(0.5, 1), (1, 1), (1.9, 1), (2, 2), (np.inf, 4)])
def test_no_more_threads_than_a_container_allows(allowed, expected, monkeypatch):
    for name in ("TINYNET_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.setattr(threads, "quota", lambda: allowed)
    assert threads.threads() == expected


FIT = """
import numpy as np, tinynet as keras
from tinynet.layers import Dense, Input
x = np.random.default_rng(0).normal(size=(64, 40)) * (np.arange(40) % 5 == 0)
losses = []
for device in ("reference", "cpu"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([Input((40,)), Dense(30, "relu"), Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", device=device)
    losses.append(model.fit(x, np.arange(64) % 3, epochs=2, verbose=0).history["loss"])
np.testing.assert_allclose(*losses, rtol=1e-5)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", [{"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, {"NUMBA_ENABLE_AVX": "0"},
               {"NUMBA_CPU_NAME": "haswell"}], ids=str)  # fmt: skip
def test_code_for_lesser_processors(target, tmp_path):
    """Mostly zeros, so that the vectors written by hand run, too."""
    environment = {**os.environ, **target, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", FIT], check=True, env=environment)


def machine_code(build, triple):
    """The assembler text of a function that `build` writes, for another processor."""
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(native.I64, [native.I64]), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(build(builder, function.args[0]))
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple).create_target_machine()
    return target.emit_assembly(llvm.parse_assembly(str(module)))


def test_arm_needs_no_inline_assembler():
    def both(builder, mode):
        kind = ir.FunctionType(native.I64, [])
        word = builder.call(native._fpcr(builder, "get", kind), [])
        builder.call(native._fpcr(builder, "set", ir.FunctionType(ir.VoidType(), [native.I64])),
                     [builder.or_(word, mode)])  # fmt: skip
        return word

    text = machine_code(both, "aarch64-unknown-linux-gnu").lower()
    assert "mrs" in text
    assert "msr" in text
    assert "fpcr" in text
