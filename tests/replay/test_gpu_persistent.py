"""Whole models in the persistent kernel (TINYNET_PERSISTENT), against `reference`: on the CPU,
where its blocks are threads that wait for each other, and on a card where there is one. The tests
of whole models are those of the cpu device's replay.
"""

import itertools
import re

import cuda_kernels
import fake_cupy
import numpy as np
import pytest
import replay_runs
from replay_runs import data, labels
from test_gpu_feed import long_stretches, no_room, pieces  # noqa: F401
from test_gpu_replay import (  # noqa: F401  `card` is used
    card,
    compiled,
    emulated_only,
    machine_of_rows,
    test_each_loss,
    weights_of,
)
from test_replay import (  # noqa: F401  run here too
    test_each_layer_between_dense_ones,
    test_each_optimizer,
    test_frozen_layers_below_and_above,
    test_inputs_of_rank_3,
    test_inputs_that_are_mostly_zero,
    test_outputs_of_rank_3,
)
from test_replay_optimizers import (  # noqa: F401
    test_constraints_with_all_options,
    test_each_rule,
    test_options,
)

import tinynet
from tinynet import Sequential
from tinynet.kernels.gpu.card import data as card_data
from tinynet.kernels.gpu.card import sources
from tinynet.kernels.gpu.machine import options, order
from tinynet.kernels.gpu.passes import persistent as persistent_pass
from tinynet.kernels.gpu.passes import tiles
from tinynet.layers import Dense, Input

LEFT_OUT = {"next_step", "find_bad", "tensor_product"}  # no step of the kernel has these
EVERY = [kernel for name, kernel in cuda_kernels.every().items() if name not in LEFT_OUT]


@pytest.fixture
def own_kernels():
    """The program has just the kernels that it needs, as everywhere but in these tests."""


@pytest.fixture(autouse=True)
def started(request, monkeypatch):
    """Counts launches of persistent kernels, of which every test here makes some.

    They share one program with all kernels: it is compiled once instead of for every test. On a
    card that would take minutes.
    """
    monkeypatch.setenv("TINYNET_PERSISTENT", "1024")
    monkeypatch.setattr(replay_runs, "WAYS", (False,))  # eagerly: in test_gpu_replay
    emulated = request.node.callspec.params.get("card") == "emulated"
    if emulated and "own_kernels" not in request.fixturenames:
        both = EVERY, cuda_kernels.finishing()
        monkeypatch.setattr(persistent_pass, "_kernels", lambda groups: both)
    counted, start = [], persistent_pass.Persistent.start

    def watched(self, control, steps):
        counted.append(steps)
        start(self, control, steps)

    monkeypatch.setattr(persistent_pass.Persistent, "start", watched)
    yield counted
    by_numpy = request.node.callspec.params.get("name") == "muon"
    assert counted or by_numpy, "no persistent kernel was launched"


def fitted(**options):
    x, y = data(50, dtype="float32"), labels(50)
    model = compiled(**options)
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    return model


def program_of(model):
    return machine_of_rows(model, 8).persistent[False]


def test_the_groups_of_a_step(own_kernels):
    groups = [[one.name for one in group] for group in program_of(fitted()).groups]
    assert groups == [
        ["gather_step", "dropout_mask"],
        ["product"],  # with bias and relu
        ["multiply"],
        ["product"],
        ["sparse_softmax_crossentropy"],
        ["add_loss", "product", "sum_rows", "product"],
        ["multiply"],
        ["elementwise_grad"],
        ["product", "sum_rows"],
        ["adam"],
    ]


def test_only_the_kernels_that_are_needed_are_compiled(own_kernels):
    model = fitted()
    names = [kernel.name for kernel in program_of(model).kernels]
    assert names == sorted({one.kernel.name for group in program_of(model).groups for one in group})
    text, *_ = sources.persistent(program_of(model).kernels)
    assert re.findall(r"case \d+: at\.(\w+)\(", text) == names


def test_two_runs_are_bit_equal():
    np.testing.assert_array_equal(weights_of(fitted()), weights_of(fitted()))


@emulated_only
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_how_many_blocks_run_changes_no_bit(monkeypatch, blocks):
    """Their number decides only how large tiles are, which is held here."""
    monkeypatch.setattr(tiles, "SIDES", (1,))
    expected = weights_of(fitted())
    monkeypatch.setattr(fake_cupy, "MULTIPROCESSORS", blocks)
    with fake_cupy.in_place_of_a_card():
        model = fitted()
        assert program_of(model).blocks == blocks
        np.testing.assert_array_equal(weights_of(model), expected)


@emulated_only
def test_blocks_as_large_as_on_a_card(monkeypatch, own_kernels):
    monkeypatch.setattr(fake_cupy, "THREADS", 256)
    monkeypatch.setattr(fake_cupy, "WARP", 32)
    x, y, results = data(64, (70,), "float32"), labels(64), []
    with fake_cupy.in_place_of_a_card():
        for device in ("gpu", "reference"):
            tinynet.utils.set_random_seed(1)
            hidden = [Dense(100, "relu"), Dense(33, "tanh")]
            model = Sequential([Input((70,)), *hidden, Dense(3, "softmax")])
            model.compile("adam", "sparse_categorical_crossentropy", device=device)
            history = model.fit(x, y, batch_size=32, epochs=2, verbose=0).history
            results.append((weights_of(model), history["loss"]))
    np.testing.assert_allclose(*(loss for _, loss in results), rtol=1e-5)
    np.testing.assert_allclose(*(weights for weights, _ in results), rtol=1e-3, atol=1e-5)


def test_many_steps_are_several_launches(monkeypatch):
    monkeypatch.setattr(tinynet.engine.replay.Replay, "length", lambda self: 1000)
    expected = weights_of(fitted())
    monkeypatch.setattr(persistent_pass, "MOST_STEPS", 2)
    np.testing.assert_array_equal(weights_of(fitted()), expected)


def test_large_steps_are_fewer_in_a_launch(monkeypatch):
    operations = 2 * 8 * (2 * (5 * 4 + 4 * 3) + 4 * 3)  # y and dW of both layers, dx of the second
    monkeypatch.setattr(persistent_pass, "MOST_OPERATIONS", 7.5 * operations)
    assert program_of(fitted()).steps == 7


@pytest.mark.parametrize(("asked", "most"), [("8", 512), ("9999", 8)])
def test_rows_up_to_which(monkeypatch, started, asked, most):
    monkeypatch.setenv("TINYNET_PERSISTENT", asked)
    monkeypatch.setattr(options, "MOST_PERSISTENT", most)
    model = compiled()
    for rows in (8, 9):
        model.fit(data(18, dtype="float32"), labels(18), batch_size=rows, verbose=0)
        machine = machine_of_rows(model, rows)
        assert (bool(machine.persistent), bool(machine.graphs)) == (rows == 8, rows == 9)


def test_what_does_not_fit_goes_into_graphs(monkeypatch):
    fitted()
    monkeypatch.setattr(sources, "INSTRUCTIONS", 8 * (20 + 5) * 4)  # four instructions
    model = fitted()
    assert not program_of(model).fits
    assert machine_of_rows(model, 8).graphs


@emulated_only
def test_a_card_that_can_not_start_all_blocks_at_once_runs_graphs(monkeypatch):
    fitted()
    monkeypatch.setattr(fake_cupy, "COOPERATIVE", 0)
    model = fitted()
    assert not program_of(model).fits
    assert machine_of_rows(model, 8).graphs


def test_the_variable_is_a_number(monkeypatch):
    fitted()
    monkeypatch.setenv("TINYNET_PERSISTENT", "yes")
    with pytest.raises(ValueError, match=r"TINYNET_PERSISTENT must be the number of rows .*'yes'"):
        fitted()


def test_sparse_data_stay_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(data(30) > 2, data(30), 0).astype("float32")
    models = []
    for rows in (x, sparse.csr_matrix(x)):
        models.append(compiled())
        models[-1].fit(rows, labels(30), batch_size=7, epochs=2, verbose=0)
    assert list(machine_of_rows(models[1], 7).persistent) == [True]
    np.testing.assert_array_equal(*map(weights_of, models))


def test_data_that_come_in_pieces(monkeypatch, no_room):  # noqa: F811
    seen = pieces(monkeypatch)
    found = weights_of(fitted())
    assert len(seen) > 2
    monkeypatch.setattr(card_data, "SHARE", 0.8)
    np.testing.assert_array_equal(found, weights_of(fitted()))


def test_metrics_and_predictions():
    x, y = data(50, dtype="float32"), labels(50)
    results = []
    for device in ("gpu", "reference"):
        tinynet.utils.set_random_seed(1)
        model = Sequential([Input((5,)), Dense(6, activation="selu"), Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], device=device)
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
        results.append((history, model.evaluate(x, y, batch_size=8, verbose=0),
                        model.predict(x, batch_size=8, verbose=0)))  # fmt: skip
    (ours, measured, outputs), (expected, right, wanted) = results
    assert ours["accuracy"] == expected["accuracy"]
    np.testing.assert_allclose(ours["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(measured, right, rtol=1e-5)
    np.testing.assert_allclose(outputs, wanted, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------ the instructions


def instructions(program):
    """(group, head by name) of each, in order."""
    rows = program._instructions()
    heads = [dict(zip(persistent_pass.HEAD, row, strict=False)) for row in rows]
    numbers = [k for k, group in enumerate(program.groups) for _ in group]
    return list(zip(numbers, heads, strict=True))


def test_all_wait_at_the_beginning_of_a_group():
    program = program_of(fitted())
    found = instructions(program)
    for (before, _), (group, head) in itertools.pairwise(found):
        assert head["wait"] == (group != before)
    assert found[0][1]["wait"] == 0  # rows are gathered while the step before is still updating


def test_where_the_first_group_needs_what_the_last_one_makes_it_waits():
    program = program_of(fitted())
    program.groups = program.groups[1:] + program.groups[:1]  # a step that ends with gathering
    assert instructions(program)[0][1]["wait"] == 1


def test_blocks_of_a_group_follow_each_other():
    program = program_of(fitted())
    found, place = instructions(program), 0
    for number, head in found:
        if head["wait"]:
            place = 0
        if number:
            assert head["first"] == place % program.blocks
            place += head["blocks"]


def test_the_head_is_laid_out_as_in_the_source():
    text = (sources.FOLDER / "persistent.cu").read_text()
    fields = text[text.index("struct Instruction {") : text.index("};")]
    names = [line.split(";")[0].split()[-1] for line in fields.splitlines() if "i64" in line]
    assert names == [*persistent_pass.HEAD, "words[WORDS]"]
    fitted()


def test_launches_of_a_group_do_not_meet():
    program = program_of(fitted())
    for group in program.groups:
        seen = [order.accesses(one) for one in group]
        for i, one in enumerate(seen):
            assert not any(order.conflict(one, other) for other in seen[i + 1 :])
