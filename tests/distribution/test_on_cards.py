"""Ranks with a card each: the sum of the gradients is a launch of the captured step. By the
stand-ins for CuPy and NCCL; test_real_cupy holds these against the real ones.
"""

import fake_cupy
import fake_nccl
import numpy as np
import pytest
import rank_runs
import threads_as_ranks

import tinynet
from tinynet import layers, optimizers
from tinynet.core.ranks import ALONE
from tinynet.kernels import gpu
from tinynet.kernels.gpu.machine import order

random = np.random.default_rng(8)
X, Y = random.normal(size=(70, 4)), random.normal(size=(70, 2))


@pytest.fixture(autouse=True)
def _card():
    with fake_cupy.in_place_of_a_card():
        yield


def trained(ranks, rule, dtype="float64", normalize=False, **fit):
    """A model, trained by these ranks, and its weights."""
    tinynet.utils.set_random_seed(2)
    model = tinynet.Sequential([
        layers.Input((4,)), layers.Dense(6, "tanh", dtype=dtype),
        *([layers.BatchNormalization(dtype=dtype)] if normalize else []),
        layers.Dropout(0.25, dtype=dtype), layers.Dense(2, dtype=dtype),
    ])  # fmt: skip
    model.compile(rule(), "mse", metrics=["mae"], device="gpu")
    model.ranks = ranks
    with tinynet.random.own_stream(2):
        model.fit(X, Y, verbose=0, epochs=2, **fit)
    return model, model.get_weights()


def check_equal(rule, dtype="float64", **options):
    """Two ranks that both have all rows end as one process does; returns the model of one."""
    _, alone = trained(ALONE, rule, dtype, **options)
    model, weights = trained(threads_as_ranks.EchoRanks(), rule, dtype, **options)
    for a, b in zip(weights, alone, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9 if dtype == "float64" else 1e-4, atol=1e-6)
    return model


def no_gradients_over_the_host(monkeypatch):
    add_up = threads_as_ranks.ThreadRanks.sum

    def of_counts(ranks, array):
        assert array.size == 1
        add_up(ranks, array)

    monkeypatch.setattr(threads_as_ranks.ThreadRanks, "sum", of_counts)


RULES = {
    "clipped": lambda: optimizers.Adam(0.02, global_clipnorm=0.1),
    "accumulated": lambda: optimizers.SGD(0.1, gradient_accumulation_steps=3),
    "averaged": lambda: optimizers.AdamW(0.02, use_ema=True, ema_overwrite_frequency=4),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_gradients_are_summed_in_the_captured_step(rule, dtype, monkeypatch):
    no_gradients_over_the_host(monkeypatch)
    model = check_equal(rule, dtype, batch_size=2)  # 35 steps: graphs of 16 of them
    assert model.explain_execution().startswith("recorded once and replayed")


@pytest.mark.parametrize(
    "setting", ["TINYNET_PERSISTENT=256", "TINYNET_DEBUG=1", "TINYNET_TF32X3=4"]
)
def test_with_the_other_ways_to_run_a_step(setting, monkeypatch):
    no_gradients_over_the_host(monkeypatch)
    monkeypatch.setenv(*setting.split("="))
    model = check_equal(RULES["clipped"], "float32", batch_size=16)
    assert model.explain_execution().startswith("recorded once and replayed")


def unconnected(*args):
    raise RuntimeError("invalid usage")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("available", False, "rank 0: CuPy finds no NCCL: pip install nvidia-nccl-cu12"),
     ("NcclCommunicator", unconnected, "rank 0: NCCL can't connect the cards (invalid usage)")],
)  # fmt: skip
def test_without_nccl_they_are_summed_on_the_host(name, value, said, monkeypatch):
    monkeypatch.setattr(fake_nccl, name, value)
    model = check_equal(RULES["clipped"], batch_size=16)
    way = f"eagerly; train: the sum over ranks is made on the host: {said}"
    assert model.explain_execution().startswith(way)


def test_synchronized_statistics_go_over_the_host():
    model = check_equal(RULES["clipped"], batch_size=16, normalize=True)
    assert "train: an exchange with other ranks within a step" in model.explain_execution()


def test_what_updates_waits_for_the_sum():
    grads, w = gpu.zeros((6,), "float32"), gpu.zeros((6,), "float32")
    ranks = threads_as_ranks.EchoRanks()
    one = gpu.sum_instruction(ranks, grads)
    span = (grads.data.ptr, grads.data.ptr + 24)
    assert order.accesses(one) == ([], [span])
    (update,) = gpu.sgd.instructions(grads, 0.1, 0.0, False, w=w, m=None)
    assert [len(group) for group in order.levels([one, update])] == [1, 1]
    assert gpu.sum_instruction(ranks, w).communicator is one.communicator


@pytest.mark.skipif(rank_runs.why_not() is not None, reason=str(rank_runs.why_not()))
def test_two_processes_end_as_one_does():
    error, explained = rank_runs.result(2, "cards")
    assert error < 1e-9
    assert explained.startswith("recorded once and replayed; rank 0 of 2")
