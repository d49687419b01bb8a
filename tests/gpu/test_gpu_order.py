"""Which launches of a step wait for which, against what another order of them would do."""

import itertools

import fake_cupy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.kernels import gpu, reference
from tinynet.kernels.gpu.card import runtime, sources
from tinynet.kernels.gpu.machine import order as launch_order
from tinynet.kernels.gpu.machine.launches import launch
from tinynet.kernels.gpu.passes.fusion import counted, fused


@pytest.fixture(autouse=True, scope="module")
def card():
    with fake_cupy.in_place_of_a_card():
        yield


def test_what_each_kernel_reads_and_writes_is_what_it_declares():
    a, b, c = (gpu.zeros((4,), "float32") for _ in range(3))
    span = {id(x): (x.data.ptr, x.data.ptr + 16) for x in (a, b, c)}
    numbers = (0.1, 0.9, 0.9, 1e-7)
    (one,) = gpu.adam.instructions(a, *numbers, w=b, m=c, v=c, v_max=None)
    reads, writes = launch_order.accesses(one)
    assert reads == ["step", span[id(a)]]
    assert writes == [span[id(b)], span[id(c)], span[id(c)]]
    (product,) = gpu.linear.instructions(a.reshape(2, 2), b.reshape(2, 2), None, y=c.reshape(2, 2))
    assert launch_order.accesses(product) == ([span[id(b)], span[id(a)]], [span[id(c)]])


def test_two_that_add_to_the_loss_of_a_step_do_not_meet():
    losses = gpu.zeros((4,), "float64")
    first, second = gpu.add_loss_instruction(losses), gpu.add_loss_instruction(losses)
    counted = launch("next_step", size=1, dtype="float64", losses=None, n=0)
    assert [len(group) for group in launch_order.levels([first, second, counted])] == [1, 1, 1]
    assert {name for name, kernel in sources.kernels().items() if kernel.counting} == {
        "add_loss", "add_penalty", "next_step"
    }  # fmt: skip


def test_a_dense_layer_backward_runs_at_once():
    x, dy, W = (gpu.zeros(s, "float32") for s in ((3, 4), (3, 5), (4, 5)))
    dW, db, dx = (gpu.zeros(s, "float32") for s in ((4, 5), (5,), (3, 4)))
    launches = [
        *gpu.linear_dW.instructions(x, dy, dW=dW), *gpu.sum_rows.instructions(dy, out=db),
        *gpu.linear_dx.instructions(dy, W, dx=dx), *gpu.affine.instructions(dx, 2.0, 0.0, y=dx),
    ]  # fmt: skip
    groups = launch_order.levels(launches)
    assert [[one.name for one in group] for group in groups] == [
        ["gemm", "sum_rows", "gemm"], ["affine"]
    ]  # fmt: skip


# adds to some of four numbers what others hold: the result of a program shows its order
additions = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=7)


def adding(program, numbers):
    """A launch for each addition."""
    launches = []
    for source, target in program:
        x, total = numbers[source : source + 1], numbers[target : target + 1]
        launches += gpu.add_to.instructions(x, total=total)
    return launches


def outcome(program):
    """The numbers after the additions, in this order."""
    values = np.array([1.0, 10.0, 100.0, 1000.0])
    for source, target in program:
        values[target] += values[source]
    return values.tolist()


@given(additions)
def test_any_order_within_a_group_gives_the_same(program):
    launches = adding(program, gpu.zeros((4,), "float64"))
    groups = launch_order.levels(launches)
    assert sorted(map(id, itertools.chain(*groups))) == sorted(map(id, launches))
    number = {id(one): i for i, one in enumerate(launches)}
    for turned in (False, True):
        order = [one for group in groups for one in (group[::-1] if turned else group)]
        assert outcome([program[number[id(one)]] for one in order]) == outcome(program)
    for one in groups[-1]:  # no launch waits longer than it must
        if len(groups) > 1:
            mine = launch_order.accesses(one)
            before = [launch_order.accesses(other) for other in groups[-2]]
            assert any(launch_order.conflict(mine, theirs) for theirs in before)


# ------------------------------------------------------------------------------ sums over rows


@pytest.mark.parametrize(
    ("R", "D", "parts"),
    # 3 multiprocessors with 4 blocks each; a group has 4 columns, a block 4 threads for each
    [(32, 4, 1), (33, 4, 2), (10**6, 4, 12), (10**6, 9, 4), (10**6, 100, 1), (0, 4, 1)],
)
def test_into_how_many_shares_rows_are_split(R, D, parts):
    assert runtime.current().parts(R, D) == parts


@pytest.mark.parametrize("R", [31, 32, 33, 100, 400])
def test_sums_over_rows_by_several_blocks_are_the_same_at_each_run(R):
    rng = np.random.default_rng(R)
    host = {name: rng.normal(size=(R, 6)).astype("float32") for name in ("x", "y", "dy")}
    arrays = {name: gpu.from_host(a) for name, a in host.items()}
    launches = [
        *gpu.elementwise_grad.instructions(
            "relu",
            arrays["x"],
            arrays["y"],
            arrays["dy"],
            (),
            dx=(dx := gpu.empty((R, 6), "float32")),
        ),
        *gpu.sum_rows.instructions(dx, out=(db := gpu.empty((6,), "float32"))),
    ]
    (one,) = fused(launches)
    assert (one.given["parts"] > 1) == (R > 32)
    found = []
    for _ in range(3):  # what the last block left of the run before does not count
        db.fill(np.nan)
        one.start(runtime.current())
        found.append(gpu.to_host(db))
    right = host["dy"] * (host["x"] > 0)
    np.testing.assert_array_equal(gpu.to_host(dx), right)
    np.testing.assert_allclose(found[0], right.sum(axis=0, dtype="float64"), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


# ------------------------------------------------------------------------------ the last launch


def test_the_sum_of_losses_waits_for_the_end_of_a_step():
    losses, x = gpu.zeros((4,), "float32"), gpu.zeros((4,), "float32")
    added, other = gpu.add_loss_instruction(losses), gpu.affine.instructions(x, 2.0, 0.0, y=x)
    made = counted([added, *other], "float32")
    assert [one.name for one in made] == ["affine", "next_step"]
    assert made[-1].given["losses"] is losses


def test_but_not_past_a_launch_that_has_to_do_with_it():
    losses = gpu.zeros((4,), "float32")
    added = gpu.add_loss_instruction(losses)
    overwritten = gpu.affine.instructions(losses, 2.0, 0.0, y=losses)
    penalty = [one for one in gpu.penalty_grad.instructions(losses, 0.1, 0.1, dw=None)
               if one.name == "add_penalty"]  # fmt: skip
    for after in (overwritten, penalty):  # another array; another sum in another order
        names = [one.name for one in counted([added, *after], "float32")]
        assert names == ["add_loss", after[0].name, "next_step"]


@pytest.mark.parametrize("shape", [(100, 6), (2, 40, 5)])
def test_column_means_of_adafactor_go_over_several_blocks(shape):
    rng = np.random.default_rng(1)
    g, w, v = (rng.normal(size=shape) for _ in range(3))
    r, c = rng.random(shape[:-1]), rng.random((*shape[:-2], shape[-1]))
    found, right = {}, {"w": w, "r": r, "c": c, "v": v}
    for name, array in right.items():
        right[name], found[name] = array.copy(), gpu.from_host(array)
    numbers = (0.01, 0.9, 1e-30, 1e-3, 1.0)
    launches = gpu.adafactor.instructions(gpu.from_host(g), *numbers, **found)
    parts = [one.given["parts"] for one in launches if one.name == "adafactor_columns"]
    assert parts == ([4] if len(shape) == 2 else [2, 2])  # of 32 rows
    gpu.adafactor(gpu.from_host(g), *numbers, **found)
    reference.adafactor(g, *numbers, **right)
    for name, array in found.items():
        np.testing.assert_allclose(gpu.to_host(array), right[name], rtol=1e-10, err_msg=name)
