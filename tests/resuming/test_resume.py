"""Snapshots: killed runs end bit-equal, in whatever way they are taken up again."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import resume_runs as runs
from crashed_runs import FIT, IDS, REAL, Crash, X, build, crashed, every, go_on, same

import tinynet
from tinynet import layers
from tinynet.callbacks import BackupAndRestore, EarlyStopping, GradientMonitor
from tinynet.engine import replay as execution
from tinynet.kernels import DEVICES

# ------------------------------------------------------------------------------------- kills


def kill(device, kills, seed, folder):
    script = pathlib.Path(runs.__file__)
    done = subprocess.run(
        [sys.executable, script, device, str(kills), str(seed), folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all bit-equal" in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("device", DEVICES)
def test_killed_runs_end_bit_equal(tmp_path, device):
    kill(device, 15, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("device", DEVICES)
def test_many_killed_runs_end_bit_equal(tmp_path, device):
    kill(device, 100, 2, tmp_path)


# ------------------------------------------------------------------- without another process


def test_other_seeds_in_the_process_that_goes_on(tmp_path):
    """What was not seeded is in the snapshot, too: weights, order, masks, NumPy's own stream."""
    tinynet.utils.set_random_seed(1)
    whole = build()
    expected = whole.fit(**FIT)
    after = np.random.random()  # noqa: NPY002
    tinynet.utils.set_random_seed(1)
    crashed(tmp_path)
    tinynet.utils.set_random_seed(2)
    model, history = go_on(tmp_path)
    same(model.get_weights(), whole.get_weights())
    assert history.history == expected.history
    assert history.epoch == expected.epoch
    assert np.random.random() == after  # noqa: NPY002
    assert tinynet.random.draw_seed() != 0


def test_in_the_same_process_with_the_same_model(tmp_path):
    """As in a notebook: the cell is run again."""
    tinynet.utils.set_random_seed(1)
    whole = build()
    whole.fit(**FIT)
    tinynet.utils.set_random_seed(1)
    model = crashed(tmp_path)
    go_on(tmp_path, model)
    same(model.get_weights(), whole.get_weights())


def test_a_finished_run_and_more_epochs(tmp_path):
    def run(epochs, folder=tmp_path, **options):
        tinynet.utils.set_random_seed(1)
        model = build(use_ema=True, ema_momentum=0.5)
        fit = {**FIT, "epochs": epochs, "resume": folder, **options}
        return model, model.fit(**fit)

    whole, expected = run(5, None)
    shorter, before = run(3, None)
    _, history = run(3)
    assert history.history == before.history
    again, history = run(3)
    assert history.history == before.history
    assert history.epoch == [0, 1, 2]
    same(again.get_weights(), shorter.get_weights())  # and not averaged twice
    longer, history = run(5)
    assert history.epoch == [0, 1, 2, 3, 4]
    assert history.history == expected.history
    same(longer.get_weights(), whole.get_weights())
    with pytest.raises(ValueError, match="5 epochs are behind it, epochs=4 are asked for"):
        run(4)
    # and a plain fit afterwards runs all its epochs
    assert longer.fit(**FIT).epoch == [0, 1, 2]
    assert not longer.resumed


def test_early_stopping_stays_stopped(tmp_path):
    def run(epochs, folder):
        tinynet.utils.set_random_seed(1)
        model = build(rate=0.0)
        stop = EarlyStopping("loss", patience=2, min_delta=10, restore_best_weights=True)
        return model, stop, model.fit(**{**FIT, "epochs": epochs, "callbacks": stop,
                                         "resume": folder})  # fmt: skip

    _, _, expected = run(20, None)
    assert len(expected.epoch) < 20
    for epochs in (20, 20, 30):
        _, stop, history = run(epochs, tmp_path)
        assert history.history == expected.history
        assert stop.stopped_epoch == expected.epoch[-1]


@pytest.mark.parametrize("device", DEVICES, indirect=True)
def test_another_device(tmp_path, device):
    second = next(d for d in DEVICES if d != device)
    tinynet.utils.set_random_seed(1)
    whole = build(device=device)
    expected = whole.fit(**FIT)
    tinynet.utils.set_random_seed(1)
    with pytest.raises(RuntimeError, match="crash"):
        build(device=device).fit(**FIT, callbacks=[every(tmp_path), Crash(20)])
    model, history = go_on(tmp_path, build(device=second))
    for a, b in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(history.history["loss"], expected.history["loss"], rtol=1e-5)


@pytest.mark.parametrize("batch", [5, 12, 30])
def test_a_monitor_of_gradients_goes_on(tmp_path, batch):
    def run(*callbacks):
        tinynet.utils.set_random_seed(1)
        tinynet.backend.clear_session()  # the layers have the same names again
        monitor = GradientMonitor(X, REAL, rows=20)
        history = build().fit(**FIT, callbacks=[monitor, *callbacks]).history
        return repr((list(history), history, monitor.histograms, monitor.epoch))

    expected = run()
    with pytest.raises(RuntimeError, match="crash"):
        run(every(tmp_path), Crash(batch))
    assert run(every(tmp_path), Crash(10**9)) == expected


class Hooked(runs.Batches):
    """Its order is its own: it can be kept because the data set says what it is."""

    def __init__(self):
        super().__init__()
        self.order, self.random = np.arange(9), np.random.default_rng(4)

    def on_epoch_end(self):
        self.random.shuffle(self.order)

    def __getitem__(self, i):
        return super().__getitem__(self.order[i])

    def get_state(self):
        return {"order": self.order, "random": self.random.bit_generator.state}

    def set_state(self, state):
        self.order, self.random.bit_generator.state = state["order"], state["random"]


class HookedAtBegin(Hooked):
    def on_epoch_begin(self):
        super().on_epoch_end()

    def on_epoch_end(self):
        pass


@pytest.mark.parametrize("data", [Hooked, HookedAtBegin])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch", [4, 9, 10, 13, 18])
def test_a_data_set_with_a_state_of_its_own(tmp_path, batch, shuffle, data):
    def run(*callbacks):
        tinynet.utils.set_random_seed(1)
        model = build()
        return model, model.fit(data(), epochs=3, shuffle=shuffle, verbose=0,
                                callbacks=list(callbacks))  # fmt: skip

    whole, expected = run()
    with pytest.raises(RuntimeError, match="crash"):
        run(every(tmp_path), Crash(batch))
    model, history = run(every(tmp_path), Crash(10**9))
    same(model.get_weights(), whole.get_weights())
    assert history.history == expected.history


@pytest.mark.parametrize("batch", [3, 9, 14])
def test_validation_batches_begin_anew_in_every_epoch(tmp_path, batch):
    def run(*callbacks):
        tinynet.utils.set_random_seed(1)
        model = build()
        return model.fit(X, REAL, 9, 3, 0, list(callbacks), validation_data=runs.Batches(),
                         validation_steps=4).history  # fmt: skip

    expected = run()
    with pytest.raises(RuntimeError, match="crash"):
        run(every(tmp_path), Crash(batch))
    assert run(every(tmp_path), Crash(10**9)) == expected


def test_batches_of_a_pydataset_are_not_made_twice(tmp_path):
    class Told(runs.Batches):
        def __init__(self):
            super().__init__()
            self.asked = []

        def __getitem__(self, i):
            self.asked.append(i)
            return super().__getitem__(i)

    with pytest.raises(RuntimeError, match="crash"):
        build().fit(Told(), shuffle=False, verbose=0, callbacks=[every(tmp_path), Crash(6)])
    data = Told()
    build().fit(data, shuffle=False, verbose=0, callbacks=[every(tmp_path), Crash(10**9)])
    assert data.asked == [0, 5, 6, 7, 8]  # 0 was looked at for its shape


def test_backup_and_restore_knows_its_place_in_the_data(tmp_path):
    """With steps_per_epoch an epoch begins in the middle of a pass."""
    fit = {**FIT, "epochs": 6, "steps_per_epoch": 5}
    tinynet.utils.set_random_seed(1)
    whole = build()
    with pytest.warns(UserWarning, match="the data ended"):
        whole.fit(**fit)
    tinynet.utils.set_random_seed(1)
    with pytest.raises(RuntimeError, match="crash"):
        build().fit(**fit, callbacks=[BackupAndRestore(tmp_path / "b", 1), Crash(9)])
    tinynet.utils.set_random_seed(1)  # a backup holds no seeds of masks
    model = build()
    with pytest.warns(UserWarning, match="the data ended"):
        model.fit(**fit, callbacks=BackupAndRestore(tmp_path / "b", 1))
    same(model.get_weights(), whole.get_weights())


# ------------------------------------------------------------ History and how steps are grouped


@pytest.mark.parametrize("weighted", [False, True])
def test_the_history_does_not_depend_on_stretches(monkeypatch, weighted):
    metrics = ["accuracy", "sparse_categorical_crossentropy"]
    weight = runs.WEIGHTS if weighted else None
    found = []
    for seconds in (0, 1e-4, 1000):
        monkeypatch.setattr(execution, "SECONDS_PER_CALL", seconds)
        tinynet.utils.set_random_seed(1)
        iou = tinynet.metrics.MeanIoU(3, sparse_y_pred=False, dtype="float64")
        f1 = tinynet.metrics.F1Score(average="macro")
        model = tinynet.Sequential([layers.Input((6,)), layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics,
                      weighted_metrics=[*metrics, iou], device="cpu")  # fmt: skip
        fit = model.fit(X, IDS, 7, 4, verbose=0, sample_weight=weight, validation_split=0.3)
        regression = build(device="cpu")
        regression.compile("sgd", "mae", device="cpu", metrics=["r2_score", "rmse", f1],
                           weighted_metrics=["msle", "cosine_similarity"])  # fmt: skip
        other = regression.fit(X, np.abs(REAL), 3, 4, verbose=0, sample_weight=weight)
        found.append((fit.history, other.history))
    assert found[0] == found[1] == found[2]
    assert model.execution.length() > 10  # the last ones were long


def test_zeros_are_counted_in_the_whole_data_set(monkeypatch):
    """Rows that must be copied are multiplied alike whichever stretch they come in."""
    x = np.random.default_rng(1).normal(size=(240, 50)).astype(">f8")  # not of this machine
    x[:120, 10:] = 0
    found = []
    for seconds in (0, 1000):
        monkeypatch.setattr(execution, "SECONDS_PER_CALL", seconds)
        tinynet.utils.set_random_seed(1)
        model = tinynet.Sequential([layers.Input((50,)), layers.Dense(40), layers.Dense(2)])
        model.compile("adam", "mse", device="cpu")
        model.fit(x, x[:, :2], 20, 3, shuffle=False, verbose=0)
        found.append(model.get_weights())
        assert not model.execution.reasons
    same(*found)
