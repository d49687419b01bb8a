"""A rank that fails ends all of them within seconds, and says why; the run then goes on."""

import json
import os
import pathlib
import random
import signal
import subprocess
import time

import numpy as np
import pytest
import rank_runs

pytestmark = pytest.mark.skipif(rank_runs.why_not() is not None, reason=str(rank_runs.why_not()))

SECONDS = 20  # that an end may take on a busy machine; some 4 on an idle one


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the run that nothing disturbs ends with."""
    return rank_runs.result(2, "train", tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    ("trouble", "said"),
    [("error", "RuntimeError: in trouble"), ("leave", "SystemExit: 3"),
     ("leave at once", "rank 1 has come to the end of its script"),
     ("bad rows", "ValueError: x")],
)  # fmt: skip
def test_one_rank_fails(trouble, said, whole, tmp_path):
    begun = time.monotonic()
    ended = rank_runs.start(2, "train", tmp_path, trouble, 12)
    assert ended.returncode != 0
    assert said in ended.stderr
    number = 0 if trouble == "leave at once" else 1  # who tells it
    assert f"rank {number} of 2 ends the run:\n" in ended.stderr
    assert time.monotonic() - begun < 2 * SECONDS
    if trouble == "error":
        assert rank_runs.result(2, "train", tmp_path) == whole


@pytest.mark.parametrize(
    ("trouble", "said"),
    [("weights", 'the ranks disagree: weights number 0 (kernel) is "digest '),
     ("rows", "x has 48 rows on rank 0, and 47 on rank 1"),
     ("version", 'versions tinynet is "0.2.0" on rank 0, and on rank 1 "0.0.9"')],
)  # fmt: skip
def test_ranks_that_disagree_are_told_before_the_first_step(trouble, said, tmp_path):
    ended = rank_runs.start(2, "train", tmp_path, trouble)
    assert ended.returncode != 0
    assert said in ended.stderr
    assert ended.stderr.count("ValueError: ") == 1  # the first rank prints
    assert "ends the run" not in ended.stderr
    assert not pathlib.Path(tmp_path, "run", "snapshot-a.npz").exists()


def test_one_rank_decides_for_all(tmp_path):
    _, history, epochs = rank_runs.result(2, "train", tmp_path, "stop", 10)
    assert epochs == [0, 1]
    assert len(history["loss"]) == 2


def test_only_the_first_rank_prints_and_writes(tmp_path):
    ended = rank_runs.start(2, "train", tmp_path)
    assert ended.stdout.count("said by rank") == 1
    assert ended.stdout.count("Epoch 8/8") == 1
    assert "warning" not in ended.stderr.lower()
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 8


def begin(ranks, folder, **environment):
    """The run in the background, once all ranks have their numbers in the folder."""
    numbers = [folder / f"pid-{rank}" for rank in range(ranks)]
    for number in numbers:
        number.unlink(missing_ok=True)  # of a process that has ended
    program = rank_runs.command(ranks, rank_runs.__file__, "train", folder)
    environment = {**os.environ, **environment, "TINYNET_NUM_THREADS": "1"}
    running = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
        start_new_session=True,
    )  # fmt: skip
    while not all(map(written, numbers)) and running.poll() is None:
        time.sleep(0.01)
    return running


def written(path):
    return path.exists() and path.read_text()


def test_ctrl_c_ends_all_ranks_after_the_same_step(whole, tmp_path):
    running = begin(2, tmp_path)
    while not (tmp_path / "run" / "snapshot-a.npz").exists() and running.poll() is None:
        time.sleep(0.01)
    for rank in (1, 0):  # as a terminal does, but not at the same moment
        os.kill(int((tmp_path / f"pid-{rank}").read_text()), signal.SIGINT)
        time.sleep(0.05)
    _, errors = running.communicate(timeout=SECONDS)
    assert running.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert "Saved is" in errors
    assert "ends the run" not in errors
    assert rank_runs.result(2, "train", tmp_path) == whole


def killed_until_the_end(folder, chance, seconds, most, **environment):
    """Start a run and kill one of its ranks, at a random moment of so many seconds, again and
    again, `most` times or until it has come to its end; with what, and how often it was killed.
    """
    for kills in range(most):
        running = begin(2, folder, **environment)
        time.sleep(chance.uniform(0, seconds))
        victim = int((folder / f"pid-{chance.choice([0, 1])}").read_text())
        begun = time.monotonic()
        if running.poll() is None:
            os.kill(victim, signal.SIGKILL)
        output, errors = running.communicate(timeout=SECONDS)
        assert time.monotonic() - begun < SECONDS
        if running.returncode == 0:
            return json.loads(output.splitlines()[-1]), kills
        assert "Traceback" not in errors
    return rank_runs.result(2, "train", folder, **environment), most


@pytest.mark.parametrize(
    ("times", "device"), [(1, "cpu"), pytest.param(50, "reference", marks=pytest.mark.slow)]
)
def test_a_killed_rank_ends_all_and_the_restart_has_the_same_bits(times, device, tmp_path):
    """Again and again, so that a run goes on from what another one that was killed has left."""
    chance, options = random.Random(times), {"TINYNET_DEVICE": device}
    running = begin(2, folder_of(tmp_path, "whole"), **options)
    begun = time.monotonic()
    whole = json.loads(running.communicate()[0].splitlines()[-1])
    seconds, kills = time.monotonic() - begun, 0
    while kills < times:
        folder, most = folder_of(tmp_path, kills), min(5, times - kills)
        ended, count = killed_until_the_end(folder, chance, seconds, most, **options)
        assert ended == whole
        kills += count


def folder_of(tmp_path, name):
    folder = tmp_path / str(name)
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("ranks", [1, 3])
def test_another_number_of_ranks_goes_on_to_rounding(ranks, whole, tmp_path):
    rank_runs.start(2, "train", tmp_path, "error", 17)
    weights, history, epochs = rank_runs.result(ranks, "train", tmp_path)
    assert epochs == whole[2]
    for own, other in zip(weights, whole[0], strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)
    assert json.dumps(sorted(history)) == json.dumps(sorted(whole[1]))
    for name, values in whole[1].items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)


def test_the_example(tmp_path):
    """On two ranks, and started without mpiexec, on the digits."""
    example = pathlib.Path(__file__).parents[2] / "examples" / "mnist_mpi.py"
    options = [example, "--epochs", "4", "--no-plot"]
    offline = {"TINYNET_DATA_DIR": str(tmp_path), "TINYNET_CACHE_DIR": str(tmp_path),
               "KERAS_HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9",
               "https_proxy": "http://127.0.0.1:9"}  # fmt: skip
    found = []
    for ranks in (2, None):
        done = rank_runs.start(ranks, *options, **offline)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Epoch 4/4") == done.stdout.count("test accuracy") == 1
        found.append(float(done.stdout.split()[-1]))
    assert abs(found[0] - found[1]) < 0.02
