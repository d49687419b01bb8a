"""Whole models on the `gpu` device: steps made one by one, and recorded steps replayed as graphs,
against `reference`; on a card where there is one, and without (fake_cupy). The tests are those of
the cpu device's replay.
"""

import re

import fake_cupy
import numpy as np
import pytest
import replay_runs
import test_replay
from replay_runs import data, labels
from test_replay import (  # noqa: F401  run here too
    LOSSES,
    test_each_layer_between_dense_ones,
    test_each_layer_first_and_last,
    test_each_optimizer,
    test_frozen_layers_below_and_above,
    test_inputs_of_rank_3,
    test_inputs_that_are_mostly_zero,
    test_kinds_of_input,
    test_outputs_of_rank_3,
    test_weight_decay_with_exclusions,
)
from test_replay_optimizers import (  # noqa: F401
    test_a_penalty_is_scaled_with_the_loss,
    test_constraints_with_all_options,
    test_each_rule,
    test_options,
)

import tinynet
from tinynet import Sequential
from tinynet.kernels import gpu
from tinynet.kernels.gpu.card import runtime, sources
from tinynet.kernels.gpu.machine import program as graph_program
from tinynet.kernels.gpu.machine.call import Launch
from tinynet.layers import Dense, Dropout, Input

_run = replay_runs.run


@pytest.fixture(autouse=True, params=["emulated", "gpu"])
def card(request, monkeypatch):
    """The CPU in place of a card, and a card, where there is one."""
    params = getattr(request.node, "callspec", None) and request.node.callspec.params
    if params and params.get("name") == "categorical_hinge":
        # its gradients cancel, and Adam blows up what another order of a sum leaves of them
        monkeypatch.setattr(replay_runs, "PRECISION", {"float64": {"rtol": 1e-3, "atol": 1e-3}})

    def run(make, *args, device="cpu", **options):
        def make_there(device, **chosen):
            return make(device="gpu" if device == "cpu" else device, **chosen)

        return _run(make_there, *args, device=device, **options)

    monkeypatch.setattr(replay_runs, "run", run)  # `agree` calls it
    if request.param == "gpu":
        yield
        return
    with fake_cupy.in_place_of_a_card():
        yield


emulated_only = pytest.mark.parametrize("card", ["emulated"], indirect=True)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_each_loss(name, weighted):
    test_replay.test_each_loss(name, "sum_over_batch_size", weighted)  # kernels see only weights


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_each_reduction(reduction, weighted):
    test_replay.test_each_loss(next(iter(LOSSES)), reduction, weighted)


# ----------------------------------------------------------------------------------- the machine


def compiled(rows=40, width=5, loss="sparse_categorical_crossentropy", **options):
    tinynet.utils.set_random_seed(1)
    model = Sequential(
        [Input((width,)), Dense(4, activation="relu"), Dropout(0.3, seed=1), Dense(3, "softmax")]
    )
    model.compile("adam", loss, device="gpu", **options)
    return model


def machine_of(model, kind="train"):
    (program,) = [p for (k, *_), (_, p) in model.execution.programs.items() if k == kind]
    return program.machine


def weights_of(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def test_several_steps_share_a_graph_and_the_rest_is_made_one_by_one(monkeypatch):
    monkeypatch.setattr(tinynet.engine.replay.Replay, "length", lambda self: 1000)
    x, y = data(37 * 4, dtype="float32"), labels(37 * 4)
    results = []
    for together in (graph_program.TOGETHER, 1000, 3):
        monkeypatch.setattr(graph_program, "TOGETHER", together)
        model = compiled()
        model.fit(x, y, batch_size=4, epochs=2, verbose=0)
        graphs = machine_of(model).graphs
        assert {steps for _, steps, _ in graphs} == ({together, 1} if together < 1000 else {1})
        results.append(weights_of(model))
        launches = sum(len(launched) for _, launched in graphs.values())
        assert launches > 10
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_two_runs_are_bit_equal():
    x, y = data(50, dtype="float32"), labels(50)
    runs = []
    for _ in range(2):
        model = compiled()
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        runs.append(weights_of(model))
    np.testing.assert_array_equal(*runs)


def test_bias_and_activation_are_one_launch_each_way():
    model = compiled()
    model.fit(data(8, dtype="float32"), labels(8), verbose=0)
    names = [launch.name for launch in machine_of(model).step]
    assert names.count("bias_elementwise") == names.count("elementwise_grad_bias") == 1
    assert "elementwise" not in names
    assert "elementwise_grad" not in names
    assert names.count("adam") == 1
    assert "add_loss" not in names  # the last launch sums the losses up
    assert names[-1] == "next_step"
    assert "store_step" not in names  # nobody wants the predictions


@pytest.mark.parametrize("columns", ["int32", "int64"])
@pytest.mark.parametrize("values", ["float32", "float64", "int8"])
def test_sparse_data_stay_sparse_on_the_card(values, columns):
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(data(30) > 2, data(30), 0).astype(values)
    matrix = sparse.csr_matrix(x)
    matrix.indices, matrix.indptr = matrix.indices.astype(columns), matrix.indptr.astype(columns)
    models = []
    for rows in (x, matrix):
        model = compiled()
        models.append(model)
        model.fit(rows, labels(30), batch_size=7, epochs=2, verbose=0)
        assert model.explain_execution() == replay_runs.RECORDED
    assert {sparse for sparse, *_ in machine_of_rows(models[1], 7).graphs} == {True}
    np.testing.assert_array_equal(*map(weights_of, models))


def machine_of_rows(model, rows):
    return replay_runs.machine_of(model, "train", rows)


def test_the_control_is_laid_out_as_in_the_sources():
    text = re.search(r"struct Control \{(.*?)\};", sources.source(), re.DOTALL)[1]
    fields = re.findall(r"(\w+);", text)
    assert tuple(fields) == graph_program.FIELDS


@emulated_only
def test_an_interrupted_recording_leaves_nothing_captured(monkeypatch):
    model = compiled()
    monkeypatch.setattr(Launch, "start", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.fit(data(8, dtype="float32"), labels(8), verbose=0)
    monkeypatch.undo()
    with fake_cupy.in_place_of_a_card():
        model.fit(data(8, dtype="float32"), labels(8), verbose=0)


def test_a_number_that_a_kernel_takes_for_constant_must_not_change():
    w = gpu.zeros((3,), "float32")
    changing = gpu.Slot(0.5, 0)
    assert len(list(gpu.scale_.instructions(changing, x=w))) == 1
    with pytest.raises(gpu.Unsupported, match="'double c' of clip_to_norm changes from step"):
        list(gpu.clip_by_norm.instructions(changing, g=w))


# ------------------------------------------------------------------------ memory, debugging


@emulated_only
def test_a_batch_that_does_not_fit_is_an_error_with_the_size_that_would(monkeypatch):
    model = compiled()
    model.fit(data(8, dtype="float32"), labels(8), batch_size=4, verbose=0)
    before = weights_of(model)
    monkeypatch.setattr(fake_cupy.memory, "limit", 2000)
    with pytest.raises(MemoryError, match=r"batch of 300 rows is too large: .*no room for") as info:
        model.fit(data(300, dtype="float32"), labels(300), batch_size=300, verbose=0)
    assert "2,000 of" in str(info.value)
    fitting = int(
        re.search(r"so that ([\d,]+) rows would fit", str(info.value))[1].replace(",", "")
    )
    assert 1 <= fitting < 300
    np.testing.assert_array_equal(weights_of(model), before)
    model.fit(data(20, dtype="float32"), labels(20), batch_size=min(fitting, 10), verbose=0)
    assert model.explain_execution() == replay_runs.RECORDED


@emulated_only
def test_out_of_memory_names_what_was_asked_and_what_is_free(monkeypatch):
    monkeypatch.setattr(fake_cupy.memory, "limit", 1000)
    with pytest.raises(gpu.OutOfMemory, match=r"no room for 4,000 bytes; 1,000 of [\d,]+") as info:
        gpu.empty((10, 100), "float32")
    assert (info.value.asked, info.value.free) == (4000, 1000)
    with pytest.raises(MemoryError, match="no room for 8,000 bytes"):
        gpu.from_host(np.zeros(1000))


@pytest.mark.parametrize("eagerly", [True, False])
def test_debug_names_the_kernel_that_wrote_nan(monkeypatch, eagerly):
    monkeypatch.setenv("TINYNET_DEBUG", "1")
    model = compiled(run_eagerly=eagerly)
    x, y = data(8, dtype="float32"), labels(8)
    model.fit(x, y, verbose=0)
    if not eagerly:
        assert not machine_of(model).graphs  # one kernel after another
    W, *rest = model.get_weights()
    W[0, 0] = np.nan
    model.set_weights([W, *rest])
    with pytest.raises(FloatingPointError, match=r"gpu kernel 'gemm' wrote nan at index \(0, 0\)"):
        model.fit(x, y, verbose=0)


def test_debug_2_prints_time_and_rates(monkeypatch, capsys):
    monkeypatch.setenv("TINYNET_DEBUG", "2")
    compiled().fit(data(8, dtype="float32"), labels(8), verbose=0)
    lines = capsys.readouterr().out.splitlines()
    assert any(re.match(r"gpu gemm: \d+ us, [\d,]+ bytes, .* GB/s, .* GFLOP/s", x) for x in lines)
    assert any(line.startswith("gpu adam: ") for line in lines)


def test_debug_takes_a_number(monkeypatch):
    monkeypatch.setenv("TINYNET_DEBUG", "yes")
    with pytest.raises(ValueError, match="TINYNET_DEBUG must be 0, 1 or 2, received 'yes'"):
        gpu.affine(gpu.zeros((2,), "float32"), 1.0, 0.0, y=gpu.zeros((2,), "float32"))


@emulated_only
def test_graphs_are_given_up_before_the_process_ends():
    model = compiled()
    model.fit(data(8, dtype="float32"), labels(8), verbose=0)
    assert machine_of(model).graphs
    runtime.current().forget_graphs()
    assert not machine_of(model).graphs
    model.fit(data(8, dtype="float32"), labels(8), verbose=0)  # captured anew
