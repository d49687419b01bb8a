"""The sweep's --time-to-accuracy: what is timed, when it ends, how it is shown."""

import os
import pathlib
import sys

import numpy as np
import pytest

pytest.importorskip("threadpoolctl")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import batch_size
import engines
import images
import proof
import reaching
import turns
from rich.console import Console
from test_sweep_results import made_up

from tinynet.measuring import plot, results, tables


class Scripted:
    """An engine whose weights put x into class `learned` after so many epochs; 2 s an epoch."""

    def __init__(self, rows=100, learned=3, loss=0.5):
        self.x, self.learned, self.loss = np.zeros((rows, 784), np.float32), learned, loss
        self.epochs, self.orders = 0, []

    def load(self, weights):
        self.epochs = 0

    def train(self, batch, steps, order):
        assert len(order) == batch * steps
        self.epochs += 1
        self.orders.append(order)
        return 2.0, self.loss

    def weights(self):
        weights = [np.zeros_like(w) for w in proof.initial_weights()]
        weights[-1][1 if self.epochs >= self.learned else 0] = 1.0
        return weights


VALIDATION = (np.zeros((4, 784), np.float32), np.array([1, 1, 1, 0]))


def test_it_ends_when_the_accuracy_is_there():
    engine = Scripted(learned=3)
    found = reaching.reach(engine, 30, 0.7, 10, VALIDATION)
    assert found == {"reached": True, "seconds": 6.0, "epochs": 3, "accuracies": [0.25, 0.25, 0.75]}
    first, again, second, _ = engine.orders  # the first one compiles, and is not counted
    np.testing.assert_array_equal(first, again)
    assert len(set(second)) == 90  # whole batches
    assert list(second) != list(again)


def test_it_ends_at_the_most_epochs_and_where_the_loss_is_gone():
    found = reaching.reach(Scripted(), 10, 0.9, 5, VALIDATION)
    assert (found["reached"], found["epochs"], found["seconds"]) == (False, 5, 10.0)
    assert max(found["accuracies"]) == 0.75
    found = reaching.reach(Scripted(loss=np.nan), 10, 0.9, 5, VALIDATION)
    assert (found["reached"], found["epochs"]) == (False, 1)
    with pytest.raises(ValueError, match="batch 101 is larger than the 100 rows"):
        reaching.reach(Scripted(), 101, 0.9, 5, VALIDATION)


@pytest.mark.parametrize("name", ["reference", "cpu"])
def test_an_engine_learns_a_rule(name):
    random = np.random.default_rng(0)
    x = random.random((600, 784), dtype=np.float32)
    y = x[:, :10].argmax(axis=1)
    x[np.arange(600), y] += 5
    found = reaching.reach(engines.make(name, x[:500], y[:500]), 50, 0.9, 20, (x[500:], y[500:]))
    assert found["reached"]
    assert found["seconds"] > 0
    assert len(found["accuracies"]) == found["epochs"] > 1


def test_accuracy_is_the_models():
    engine = engines.make("reference", *images.load("random"))
    engine.load(proof.initial_weights())
    x, y = engine.x[:200], engine.y[:200]
    right = engine.model.predict(x, verbose=0).argmax(axis=1) == y
    assert reaching.accuracy(engine.weights(), x, y) == pytest.approx(right.mean())


TIMES = {"cpu": {8: 9.0, 512: 4.0}, "gpu": {8: 18.0, 512: 2.0}, "jax": {8: 12.0, 512: None},
         "torch": {8: 30.0, 512: 12.0}, "reference": {8: None, 512: None}}  # fmt: skip


def with_accuracy():
    found = [
        {"engine": name, "batch": batch, "reached": seconds is not None, "seconds": seconds or 99.0,
         "epochs": 4, "accuracies": [0.5, 0.954]}
        for name, by_batch in TIMES.items() for batch, seconds in by_batch.items()
    ]  # fmt: skip
    asked = {"target": 0.97, "most_epochs": 30, "validation": "made-up rows", "found": found}
    return {**made_up(), "time_to_accuracy": asked}


def test_where_the_gpu_is_there_first():
    result = with_accuracy()
    assert results.accuracy_times(result, "jax") == {8: 12.0, 512: None}
    # cpu : gpu is 1/2 at batch 8 and 2 at 512
    assert results.accuracy_crossover(result, "cpu", "gpu") == pytest.approx(64)
    assert results.accuracy_crossover(result, "jax", "reference") is None
    assert results.accuracy_times(made_up(), "cpu") == {}
    assert results.crossing_in_words(result) == "the gpu leads from batch 64 on"


def test_table_and_pictures(tmp_path):
    result = with_accuracy()
    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(tables.accuracy_table(result))
        text = " ".join(console.export_text().split())
    for part in ("97.0% of made-up rows", "not reached", "best 95.4%", "4 epochs", "18"):
        assert part in text
    assert tables.accuracy_table(made_up()) is None
    assert plot.draw_accuracy(made_up()) is None
    (axes,) = plot.draw_accuracy(result).axes
    texts = [t.get_text() for t in axes.texts]
    assert {plot.NAMES[name] for name in ("cpu", "gpu", "jax", "torch")} <= set(texts)
    assert plot.NAMES["reference"] not in texts  # never there
    assert "the GPU leads from about 64 rows" in texts
    paths = plot.save(result, tmp_path / "a.png")
    assert [p.name for p in paths] == ["a.png", "a-accuracy.png"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)


def test_random_rows_have_nothing_to_reach(capsys):
    with pytest.raises(SystemExit):
        batch_size.parse(["--devices", "cpu", "--time-to-accuracy", "0.9", "--data", "random"])
    assert "random rows have random labels" in capsys.readouterr().err
    with pytest.raises(ValueError, match="random labels"):
        images.validation("random")


@pytest.mark.parametrize("share", ["0", "1", "97%", "nan"])
def test_a_share_is_between_0_and_1(share, capsys):
    with pytest.raises(SystemExit):
        batch_size.parse(["--devices", "cpu", "--time-to-accuracy", share])
    assert "expected a share in (0, 1)" in capsys.readouterr().err


def test_a_sweep_with_time_to_accuracy(monkeypatch):
    class InProcess:
        """Worker without a process; torch's ends while it is at it."""

        def __init__(self, name, data):
            self.name = name
            self.about = {"settings": "", "versions": {}, "machine": "none", "start_s": 0.0}

        def call(self, what, *args):
            if what == "prove":
                weights = proof.initial_weights()
                return [([1.0] * s, [w + 1 for w in weights]) for *_, s in proof.CASES]
            if what == "reach":
                assert args[1:] == (0.97, 7)
                if self.name == "torch":
                    raise turns.EngineError("torch: its process ended with code -9")
                return {"reached": True, "seconds": 3.0, "epochs": 2, "accuracies": [0.9, 0.98]}
            return {"seconds": 0.1, "call_seconds": 0.1, "loss": 1.0, "cores": 1.0,
                    "idle_cores": 0.0}  # fmt: skip

        def close(self):
            pass

    monkeypatch.setattr(turns, "Worker", InProcess)
    monkeypatch.setattr(engines, "check", lambda devices, peers: None)
    monkeypatch.setattr(images, "load", lambda kind: (np.zeros((600, 784), np.float32), None))
    result = batch_size.main(["--devices", "--peers", "jax", "torch", "--gemm", "--batches", "8",
                              "512", "--rounds", "1", "--time-to-accuracy", "0.97",
                              "--most-epochs", "7"])  # fmt: skip
    asked = result["time_to_accuracy"]
    assert (asked["target"], asked["most_epochs"]) == (0.97, 7)
    assert [(one["engine"], one["batch"]) for one in asked["found"]] == [("jax", 8), ("jax", 512)]
    assert set(result["engines"]) == {"jax", "gemm"}
    assert "code -9" in result["excluded"]["torch"]
    assert {m["engine"] for m in result["measurements"]} == {"jax", "gemm"}
