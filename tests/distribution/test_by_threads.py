"""The protocol of several ranks, with threads of this process for ranks: it needs no MPI."""

import fake_cupy
import numpy as np
import pytest
import threads_as_ranks
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import distribution, layers, metrics, optimizers
from tinynet.core.ranks import ALONE
from tinynet.inspecting.untouched import untouched

random = np.random.default_rng(8)
X = random.normal(size=(41, 4))
Y = (X[:, :1] > 0.2).astype(float)
WEIGHTS = random.random(41)


@pytest.fixture(autouse=True)
def _float64_on_one_thread(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "1")
    before = tinynet.config.floatx()
    tinynet.config.set_floatx("float64")
    yield
    tinynet.config.set_floatx(before)


def model(
    device="cpu",
    optimizer="sgd",
    loss="binary_crossentropy",
    measured=(),
    normalize=True,
    penalty="l2",
):
    tinynet.utils.set_random_seed(2)
    inside = [layers.BatchNormalization(momentum=0.5)] if normalize else []
    made = tinynet.Sequential([
        layers.Input((4,)), layers.Dense(6, "tanh", kernel_regularizer=penalty), *inside,
        layers.Dropout(0.25), layers.Dense(1, "sigmoid", activity_regularizer="l1"),
    ])  # fmt: skip
    made.compile(optimizers.get(optimizer), loss, metrics=list(measured), device=device)
    return made


def fitted(made, ranks, rows, **fit):
    """What is left of a fit on so many rows. Threads have one root stream, which processes don't:
    the one that draws the seed of the permutations first would change what the others draw.
    """
    made.ranks = ranks
    with tinynet.random.own_stream(2):
        history = made.fit(X[:rows], Y[:rows], verbose=0, **fit).history
    return made.get_weights(), history


def check_equal(size, rows, make, **fit):
    """All ranks end as one process does, and with the same bits as each other."""
    weights, history = fitted(make(), ALONE, rows, **fit)
    models = [make() for _ in range(size)]
    found = threads_as_ranks.together(
        size, lambda ranks: fitted(models[ranks.rank], ranks, rows, **fit)
    )
    for own, own_history in found:
        for a, b, first in zip(own, weights, found[0][0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
            np.testing.assert_array_equal(a, first)
        assert own_history == found[0][1]
        for name, values in history.items():
            np.testing.assert_allclose(own_history[name], values, rtol=1e-10, err_msg=name)
    return models


@settings(max_examples=15)
@given(st.integers(2, 4), st.integers(2, 41), st.integers(1, 13), st.booleans(), st.booleans())
def test_any_number_of_rows(size, rows, batch, weighted, normalize):
    weights = WEIGHTS[:rows] if weighted else None
    check_equal(size, rows, lambda: model(normalize=normalize), batch_size=batch, epochs=2,
                sample_weight=weights)  # fmt: skip


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_every_part_of_a_step(device):
    def make():
        rule = optimizers.AdamW(0.02, weight_decay=0.1, global_clipnorm=0.1, use_ema=True,
                                gradient_accumulation_steps=2)  # fmt: skip
        measured = ["accuracy", metrics.AUC(30), metrics.PearsonCorrelation(axis=0)]
        return model(device, rule, measured=measured)

    made, *_ = check_equal(3, 41, make, batch_size=11, epochs=3, validation_split=0.2)
    assert "rank 0 of 3" in made.explain_execution()
    assert made.explain_execution().startswith("recorded" if device == "cpu" else "eagerly")


def test_more_rows_than_a_thread_keeps_gradients_for(two_threads):
    """From 129 rows on every thread sums gradients by itself: they are joined before the sum."""
    found = []
    for ranks in (ALONE, threads_as_ranks.EchoRanks()):
        made = model(
            optimizer=optimizers.Adam(clipnorm=0.1), normalize=False, penalty=None
        )  # an echo would have it, too
        made.ranks = ranks
        made.fit(np.tile(X, (20, 1)), np.tile(Y, (20, 1)), batch_size=400, epochs=2, verbose=0)
        found.append(made.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_a_card_sums_gradients_on_the_host():
    """The stand-in for a card; there is no exchange within what it captures."""
    found = []
    with fake_cupy.in_place_of_a_card():
        for ranks in (ALONE, threads_as_ranks.EchoRanks()):
            made = model("gpu", normalize=True, penalty=None)
            found.append(fitted(made, ranks, 9, batch_size=9, epochs=2)[0])
        assert "train: an exchange with other ranks within a step" in made.explain_execution()
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_local_statistics_are_each_ranks_own_and_averaged_after_the_epoch():
    made = [model() for _ in range(2)]
    rows = [X[:8], X[8:16]]  # without shuffling, the parts of one batch of 16

    def of_rank(ranks):
        return fitted(made[ranks.rank], ranks, 16, batch_size=16, shuffle=False)

    first = model().layers[0]  # the same first weights
    (weights, _), (others, _) = threads_as_ranks.together(2, of_rank, synchronize=False)
    means = [np.tanh(x @ first.kernel.numpy() + first.bias.numpy()).mean(axis=0) for x in rows]
    np.testing.assert_allclose(weights[4], 0.5 * np.mean(means, axis=0))  # moving: half of it
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_array_equal(a, b)


def test_ranks_that_round_differently_go_on_from_the_first_ones_weights():
    made = [model(), model()]

    def of_rank(ranks):
        one = made[ranks.rank]
        one.ranks = ranks
        off = tinynet.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: one.layers[0].bias.assign(
                one.layers[0].bias.numpy() * (1 + 1e-14 * ranks.rank)
            )
        )
        return fitted(one, ranks, 41, epochs=2, callbacks=[off])

    with pytest.warns(UserWarning, match="all go on from the first rank's"):
        (weights, _), (others, _) = threads_as_ranks.together(2, of_rank)
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_array_equal(a, b)


class Batches(tinynet.utils.PyDataset):
    def __len__(self):
        return 11

    def __getitem__(self, i):
        return X[3 * i : 3 * i + 3], Y[3 * i : 3 * i + 3]


@pytest.mark.parametrize("steps", [None, 2])
def test_a_pydataset_goes_on_with_the_same_number_of_ranks_only(steps, tmp_path):
    """A step is of a batch from each rank: with more of them it would be another training."""

    def trained(folder, size, epochs):
        made = [model("reference") for _ in range(size)]

        def of_rank(ranks):
            one = made[ranks.rank]
            one.ranks = ranks
            with tinynet.random.own_stream(2):
                one.fit(Batches(workers=0), epochs=epochs, steps_per_epoch=steps, verbose=0,
                        resume=tmp_path / folder)  # fmt: skip
            return one.get_weights()

        return threads_as_ranks.together(size, of_rank)

    trained("a", 3, 1)
    said = r"training data batches of a PyDataset in a step \(one from each rank\) was 3, is now 4"
    with pytest.raises(ValueError, match=said):
        trained("a", 4, 2)
    for own, whole in zip(trained("a", 3, 2), trained("b", 3, 2), strict=True):
        for a, b in zip(own, whole, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_look_at_the_model_puts_nothing_back_of_what_other_ranks_write_meanwhile():
    made, laid = model(), np.zeros(3)
    made.ranks = ranks = threads_as_ranks.EchoRanks()
    ranks.laid = laid  # as in the memory that ranks of one machine share
    made.fit(X, Y, epochs=1, verbose=0)
    kernel = made.layers[0].kernel
    before = kernel.numpy().copy()
    with untouched(made):
        laid[1] = 5
        ranks.comm.shared["slots"][1] = "said by the other"
        ranks.comm.shared["barrier"]._count = 1  # where it waits
        kernel.assign(before + 1)
    assert laid.tolist() == [0, 5, 0]
    assert ranks.comm.shared["slots"] == [None, "said by the other"]
    assert ranks.comm.shared["barrier"]._count == 1
    np.testing.assert_array_equal(kernel.numpy(), before)


def test_the_choice_is_checked(monkeypatch):
    for wrong in ("mpi", True, distribution.DataParallel):
        with pytest.raises(TypeError, match=r"^distribute: expected "):
            model().compile("sgd", "mse", distribute=wrong)
    with pytest.raises(ValueError, match='"first" or "all"'):
        distribution.DataParallel(output="none")
    with pytest.raises(TypeError, match="synchronize must be a bool"):
        distribution.DataParallel(synchronize=2)
    monkeypatch.setenv("TINYNET_DISTRIBUTE", "gloo")
    with pytest.raises(ValueError, match="TINYNET_DISTRIBUTE"):
        model()


def test_without_mpi4py_one_process_trains_and_several_are_told(monkeypatch):
    distribution._ranks.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "mpi4py", None)
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert distribution.DataParallel().ranks() is ALONE
    distribution._ranks.cache_clear()
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(ImportError, match=r'Open MPI, 4 processes.*pip install "tinynet\[mpi\]"'):
        distribution.DataParallel().ranks()
