"""The CPU's threads: the barrier, their number, and what other processors need."""

import os
import subprocess
import sys
import time

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir
from numba import njit

from tinynet.kernels.cpu.machine import native, threads


@njit(nogil=True)
def walk(counter, cell, thread, count, rounds, seen):
    """In each round every thread adds 1 to a cell, then reads it: all must have come by."""
    for i in range(rounds):
        native.atomic_add(cell, 1)
        native.barrier(counter, count)
        seen[thread, i] = native.atomic_load(cell)
        native.barrier(counter, count)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_nobody_passes_before_all_have_come(count):
    rounds = 300
    shared, cell = np.zeros(3, np.int64), np.zeros(1, np.int64)
    seen = np.zeros((count, rounds), np.int64)
    counter, place = shared.ctypes.data, cell.ctypes.data
    walk(counter, place, 0, 1, 0, seen)  # compiled once, before the threads
    threads.run_together(lambda t: walk(counter, place, t, count, rounds, seen), count)
    np.testing.assert_array_equal(seen, np.tile(count * np.arange(1, rounds + 1), (count, 1)))
    assert shared[0] == (0 if count == 1 else 2 * rounds * count)
    assert shared[1] == 0  # nobody sleeps


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


def test_a_thread_that_waits_long_sleeps_and_is_woken():
    """The second thread comes so late that the first has stopped to spin."""
    shared, cell, seen = np.zeros(3, np.int64), np.zeros(1, np.int64), np.zeros((2, 1), np.int64)
    counter, place = shared.ctypes.data, cell.ctypes.data
    walk(counter, place, 0, 1, 0, seen)
    spent = []

    def work(t):
        if t == 0:
            time.sleep(0.3)
            walk(counter, place, 0, 2, 1, seen)
            return
        before = time.thread_time()
        walk(counter, place, 1, 2, 1, seen)
        spent.append(time.thread_time() - before)

    threads.run_together(work, 2)
    assert seen.tolist() == [[2], [2]]
    assert spent[0] < 0.15  # of 0.3 s that it waited


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
