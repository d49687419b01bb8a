"""The batch-size sweep: its proof, its turns, its arguments; nothing here depends on speed."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("threadpoolctl")
BENCHES = pathlib.Path(__file__).parents[2] / "benches"
sys.path.insert(0, str(BENCHES))

import batch_size  # noqa: E402
import engines  # noqa: E402
import images  # noqa: E402
import proof  # noqa: E402
import turns  # noqa: E402
from proof_rows import expected, rows  # noqa: E402

from tinynet.measuring import results  # noqa: E402


def test_each_kernel_that_is_timed_alone_computes_what_the_reference_does():
    path = BENCHES / "test_kernels.py"  # a name that a file of tests has, too
    spec = importlib.util.spec_from_file_location("bench_of_kernels", path)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    made = bench.cases(bench.N)
    for name in bench.NAMES:
        bench.verified(name, made[name])(2)  # and may be repeated


# -------------------------------------------------------------------------------------- the proof


def test_every_device_and_peer_passes(rows, expected):
    names = [n for n in ("cpu", "scikit-learn") if n in engines.DEVICES + tuple(engines.PEERS)]
    for name in names:
        if name in engines.PEERS and not engines.installed("sklearn"):
            continue
        found = proof.compare(proof.record(engines.make(name, *rows)), expected)
        assert found["passed"], (name, found)


def test_the_reference_repeats_itself(rows, expected):
    again = proof.compare(proof.record(engines.make("reference", *rows)), expected)
    assert again == {"loss_error": 0.0, "weight_error": 0.0, "passed": True}


def wrong_rate(engine):
    build = engine.build

    def wrong(weights):
        model = build(weights)
        model.optimizer.learning_rate = 0.00101
        return model

    engine.build = wrong


def wrong_order(engine):
    train = engine.train
    engine.train = lambda batch, steps, order: train(batch, steps, order[::-1])


def one_step_less(engine):
    train = engine.train
    engine.train = lambda batch, steps, order: train(batch, steps - 1, order)


def stale_moments(engine):
    load = engine.load
    engine.load = lambda w: load(w) if engine.model is None else engine.model.set_weights(w)


def nan_loss(engine):
    train = engine.train
    engine.train = lambda *job: (train(*job)[0], float("nan"))


@pytest.mark.parametrize("spoil", [wrong_rate, wrong_order, one_step_less, stale_moments, nan_loss])
def test_a_wrong_engine_is_found_out(rows, expected, spoil):
    engine = engines.make("reference", *rows)
    spoil(engine)
    assert not proof.compare(proof.record(engine), expected)["passed"]


# ------------------------------------------------------------------------------------------ turns


def test_everyone_begins_equally_often():
    order = list(turns.in_turns(["a", "b", "c"], [1, 8, 32], rounds=2))
    assert len(order) == 18
    assert [name for _, _, name in order[::3]] == ["a", "b", "c", "b", "c", "a"]
    assert {(r, b, n) for r, b, n in order} == {
        (r, b, n) for r in range(2) for b in (1, 8, 32) for n in "abc"
    }


@pytest.mark.parametrize(
    ("batch", "rate", "steps"),
    [
        (1, 1000, 992),  # a multiple of 16
        (32, 100_000, 1712),  # no more than an epoch
        (5000, 258_000, 11),
        (5000, 10, 1),  # at least one
        (512, 50_000, 98),
    ],
)
def test_length_of_a_stretch(batch, rate, steps):
    assert turns.steps_for(batch, 55_000, rate, seconds=1.0) == steps


def test_children_start_without_the_forced_core_type(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    with turns._clean_environment():
        assert "OPENBLAS_CORETYPE" not in os.environ
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"


class InProcess:
    """Worker without a process, which proves what it is told."""

    def __init__(self, name, expected):
        self.name, self.calls, self.expected = name, 0, expected
        self.about = {"settings": "", "versions": {}, "machine": "none", "start_s": 0.0}

    def call(self, what, *args):
        if what == "prove":
            return self.expected
        self.calls += 1
        return {"seconds": 0.1, "call_seconds": 0.1, "loss": 1.0, "cores": 1.0, "idle_cores": 0.0}

    def close(self):
        pass


def test_what_fails_is_left_out_and_the_rest_goes_on(monkeypatch, rows, expected):
    class Failing(InProcess):
        """scikit-learn is wrong, torch fails at its third stretch."""

        def call(self, what, *args):
            found = super().call(what, *args)
            if what == "prove" and self.name == "scikit-learn":
                return [([loss + 1 for loss in losses], w) for losses, w in found]
            if self.name == "torch" and self.calls == 3:
                raise turns.EngineError("torch: its process ended with code -9")
            return found

    monkeypatch.setattr(turns, "Worker", lambda name, data: Failing(name, expected))
    monkeypatch.setattr(engines, "check", lambda devices, peers: None)
    arguments = ["--devices", "--peers", "jax", "torch", "scikit-learn", "--data", "random"]
    result = batch_size.main([*arguments, "--batches", "8", "32", "--rounds", "2"])
    assert list(result["engines"]) == ["jax"]
    assert set(result["excluded"]) == {"torch", "scikit-learn"}
    assert "code -9" in result["excluded"]["torch"]
    assert {m["engine"] for m in result["measurements"]} == {"jax"}
    assert len(result["measurements"]) == 4


@pytest.mark.parametrize(("wrong_in", "left"), [((2, 3), True), ((2, 3, 4), False)])
def test_an_engine_has_three_tries(monkeypatch, expected, wrong_in, left, capsys):
    asked = []

    class AtTheKink(InProcess):
        def call(self, what, *args):
            found = super().call(what, *args)
            if what == "prove" and self.name == "jax":
                asked.append(args[0])
                if args[0] in wrong_in:
                    return [([loss + 1 for loss in losses], w) for losses, w in found]
            return found

    monkeypatch.setattr(turns, "Worker", lambda name, data: AtTheKink(name, expected))
    monkeypatch.setattr(engines, "check", lambda devices, peers: None)
    result = batch_size.main(["--devices", "cpu", "--peers", "jax", "--data", "random",
                              "--batches", "8", "--rounds", "1"])  # fmt: skip
    assert asked == [2, 3, 4]
    assert ("jax" in result["engines"]) == left
    assert result["engines"]["cpu"]["proof"]["order"] == 2
    if left:
        assert result["engines"]["jax"]["proof"]["order"] == 4
    assert capsys.readouterr().out.count("jax: NOT as the reference") == len(wrong_in)


def test_orders_differ(rows):
    engine, orders = engines.make("reference", *rows), []
    engine.load(proof.initial_weights())
    engine.train = lambda batch, steps, order: (orders.append(order), (0.0, 0.0))[1]
    for order in proof.ORDERS:
        proof.record(engine, order)
    seen = {tuple(order[:5]) for order in orders[::5]}
    assert len(seen) == len(proof.ORDERS)


def test_a_sweep_that_is_stopped_keeps_its_rounds(monkeypatch, tmp_path, expected):
    class Stopped(InProcess):
        def call(self, what, *args):
            found = super().call(what, *args)
            if self.calls == 2 * 3 + 2 * 2 + 1:  # prepared for two sizes; after two whole rounds
                raise KeyboardInterrupt
            return found

    monkeypatch.setattr(turns, "Worker", lambda name, data: Stopped(name, expected))
    monkeypatch.setattr(engines, "check", lambda devices, peers: None)
    monkeypatch.setattr(batch_size, "card_line", lambda: "a card")
    path = tmp_path / "sweep.json"
    with pytest.raises(KeyboardInterrupt):
        batch_size.main(["--devices", "gpu", "--peers", "jax-gpu", "--data", "random", "--batches",
                         "8", "32", "--rounds", "5", "--json", str(path)])  # fmt: skip
    result = results.load(path)
    assert result["options"]["rounds"] == 2
    assert [m["round"] for m in result["measurements"]] == [0] * 4 + [1] * 4
    assert {name: about["place"] for name, about in result["engines"].items()} == {
        "gpu": "gpu", "jax-gpu": "gpu",
    }  # fmt: skip
    assert result["machine"] == "a card; none"


# -------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--devices", "tpu"], "unknown device 'tpu'; there are: reference"),
        (["--peers", "caffe"], "unknown peer 'caffe'; there are: jax, keras-jax, torch"),
        (["--devices", "--peers"], "nothing to measure"),
        (["--batches", "0"], "expected an integer >= 1, received '0'"),
        (["--rounds", "many"], "expected an integer >= 1, received 'many'"),
        (["--seconds", "-1"], "expected seconds > 0, received '-1'"),
        (["--data", "cifar"], "invalid choice: 'cifar'"),
    ],
)
def test_argument_errors(arguments, message, capsys):
    with pytest.raises(SystemExit):
        batch_size.parse(arguments)
    assert message in capsys.readouterr().err


def test_a_missing_peer_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(engines, "installed", lambda module: module != "torch")
    with pytest.raises(SystemExit):
        batch_size.parse(["--peers", "torch"])
    error = " ".join(capsys.readouterr().err.split())
    assert "torch not installed, needed by torch: pip install -e '.[peers]'" in error


def test_a_batch_larger_than_the_data():
    with pytest.raises(SystemExit, match="--batches 10001: random has 10000 rows"):
        batch_size.main(["--data", "random", "--batches", "10001", "--devices", "reference",
                         "--peers"])  # fmt: skip


# ------------------------------------------------------------------------------------- end to end


def test_a_tiny_sweep(tmp_path):
    path = tmp_path / "sweep.json"
    options = "--devices reference --peers --gemm --batches 32 --rounds 1 --seconds 0.05"
    done = subprocess.run(
        [sys.executable, BENCHES / "batch_size.py", *options.split(), "--data", "random",
         "--json", path, "--plot", tmp_path / "sweep.png"],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_CORETYPE": "Haswell"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "reference: as the reference" in done.stdout
    result = results.load(path)
    assert list(result["engines"]) == ["reference", "gemm"]
    assert result["engines"]["reference"]["proof"]["passed"]
    assert "OPENBLAS_CORETYPE" not in result["environment"]
    assert [m["loss"] is None for m in result["measurements"]] == [False, True]
    times = [m["seconds"] for m in result["measurements"]]
    assert len(times) == 2
    assert all(t > 0 for t in times)
    assert (tmp_path / "sweep.png").exists()
