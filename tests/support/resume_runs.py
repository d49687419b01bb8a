"""Training runs that get killed, and a program that kills them.

    python tests/support/resume_runs.py DEVICE KILLS SEED FOLDER

Each run is a process of its own (a fork, so that it is warm), which gets a real SIGKILL at a random
moment, again and again until it comes to its end; then its weights, History and files are compared,
bit by bit, with those of the run that nobody killed.
"""

import os
import pathlib
import random
import shutil
import signal
import sys
import time
import warnings

import numpy as np

import tinynet
from tinynet import callbacks as cb
from tinynet import layers
from tinynet.data import PyDataset
from tinynet.optimizers import schedules
from tinynet.resuming import files

N = 90
X = np.random.default_rng(1).normal(size=(N, 6)).astype("float32")
IDS = (X[:, 0] > 0) + (X[:, 1] > 0.5).astype(int)
REAL = X @ np.random.default_rng(2).normal(size=(6, 2)).astype("float32")
WEIGHTS = np.random.default_rng(3).random(N)


class Batches(PyDataset):
    def __len__(self):
        return 9

    def __getitem__(self, i):
        return X[i * 10 : i * 10 + 10], REAL[i * 10 : i * 10 + 10]


def noisy():
    """A generator without an end, which draws from NumPy's global stream."""
    i = 0
    while True:
        rows = np.arange(i, i + 10) % N
        yield X[rows], REAL[rows]
        i += 10


class Wobble(cb.Callback):
    """A callback of the user's that draws, counts, and changes the learning rate."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen % 7 == 0:
            self.model.optimizer.learning_rate = float(np.random.random() * 0.05)  # noqa: NPY002

    def on_epoch_end(self, epoch, logs=None):
        logs["seen"] = self.seen

    def get_state(self):
        return self.seen

    def set_state(self, state):
        self.seen = state


def classify(folder, device):
    model = tinynet.Sequential([
        layers.Input((6,)), layers.Dense(12, "relu"), layers.BatchNormalization(),
        layers.Dropout(0.3), layers.GaussianNoise(0.1), layers.Dense(3, "softmax"),
    ])  # fmt: skip
    rate = schedules.ExponentialDecay(0.05, 20, 0.9)
    model.compile(tinynet.optimizers.Adam(rate, gradient_accumulation_steps=3),
                  "sparse_categorical_crossentropy", device=device,
                  metrics=["accuracy", "sparse_categorical_crossentropy"])  # fmt: skip
    return model, {
        "x": X, "y": IDS, "batch_size": 8, "epochs": 14, "validation_split": 0.2,
        "sample_weight": WEIGHTS, "callbacks": [
            cb.EarlyStopping(patience=6, restore_best_weights=True),
            cb.CSVLogger(folder / "log.csv"),
            cb.ModelCheckpoint(folder / "best.keras", save_best_only=True),
        ],
    }  # fmt: skip


def regress(folder, device):
    model = tinynet.Sequential([
        layers.Input((6,)), layers.Dense(9, "tanh"), layers.Dropout(0.2),
        layers.Dense(2, kernel_regularizer="l2"),
    ])  # fmt: skip
    model.compile(tinynet.optimizers.Nadam(0.02, use_ema=True, ema_momentum=0.8,
                                           ema_overwrite_frequency=9),
                  "mse", metrics=["mae", "r2_score"], weighted_metrics=["mse"],
                  device=device)  # fmt: skip
    return model, {
        "x": X, "y": REAL, "batch_size": 7, "epochs": 9, "steps_per_epoch": 8,
        "sample_weight": WEIGHTS, "validation_data": (X[:20], REAL[:20]), "callbacks": [
            cb.SwapEMAWeights(swap_on_epoch=True),
            cb.ReduceLROnPlateau("loss", patience=1, min_delta=0.1),
            cb.LearningRateScheduler(lambda epoch, rate: rate * 0.95), Wobble(),
        ],
    }  # fmt: skip


def streamed(folder, device):
    model = tinynet.Sequential([layers.Input((6,)), layers.Dense(9, "tanh"), layers.Dense(2)])
    model.compile("rmsprop", "mse", device=device)
    return model, {"x": Batches(), "epochs": 12, "shuffle": True}


def generated(folder, device):
    model = tinynet.Sequential([layers.Input((6,)), layers.Dropout(0.1), layers.Dense(2)])
    model.compile(tinynet.optimizers.SGD(0.02, momentum=0.5), "mse", device=device)
    return model, {"x": noisy(), "epochs": 12, "steps_per_epoch": 7, "validation_data": noisy(),
                   "validation_steps": 3}  # fmt: skip


def stretched(folder, device):
    """Nothing that looks at single batches: on the cpu many steps are replayed at once."""
    model = tinynet.Sequential([layers.Input((6,)), layers.Dense(6), layers.Dropout(0.1),
                                layers.Dense(3, "softmax")])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", device=device,
                  metrics=["sparse_categorical_crossentropy"],
                  weighted_metrics=["accuracy", "crossentropy"])  # fmt: skip
    return model, {"x": X, "y": IDS, "sample_weight": WEIGHTS, "epochs": 25, "batch_size": 2,
                   "validation_data": (X[:20], IDS[:20]), "validation_freq": 3,
                   "callbacks": [cb.EarlyStopping("loss", patience=5)],
                   }  # fmt: skip


RUNS = {
    "stretched": stretched,
    "classify": classify,
    "regress": regress,
    "streamed": streamed,
    "generated": generated,
}


def train(name, device, folder, snapshot):
    """One run, from its beginning or from where it was; returns what it ended with."""
    tinynet.utils.set_random_seed(7)
    model, fit = RUNS[name](folder, device)
    given = fit.pop("callbacks", [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="the data ended")
        warnings.filterwarnings("ignore", message="no snapshot could be written")
        history = model.fit(**fit, callbacks=[*given, *snapshot], verbose=0)
    return outcome(model, history, folder)


def outcome(model, history, folder):
    """Everything a run leaves behind, as bytes that can be compared."""
    found = {f"weight {i}": w.tobytes() for i, w in enumerate(model.get_weights())}
    found |= {v.name: v.numpy().tobytes() for v in model.optimizer.variables if "_" not in v.name}
    found |= {f"moment {i}": a.tobytes() for i, a in enumerate(model.optimizer.arrays())}
    found["history"] = repr((history.epoch, history.history)).encode()
    for path in sorted(folder.glob("*.csv")):
        found[path.name] = path.read_bytes()
    for path in sorted(folder.glob("*.keras")):
        best = tinynet.models.load_model(path)
        found[path.name] = b"".join(w.tobytes() for w in best.get_weights())
    return found


def in_a_process(work, kill_after=None):
    """Run `work` in a fork; True if it came to its end before it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    if kill_after is not None:
        until = time.monotonic() + kill_after
        while time.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.0005)
        else:
            os.kill(child, signal.SIGKILL)
            done, status = os.waitpid(child, 0)
    else:
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    assert os.WEXITSTATUS(status) == 0, "the run failed"
    return True


def main(device, kills, seed, folder):
    rng, folder, done = random.Random(seed), pathlib.Path(folder), 0
    expected, took = {}, {}
    for name in RUNS:
        plain = folder / f"{name}-whole"
        plain.mkdir()
        train(name, device, plain, [])  # once to warm up
        begin = time.monotonic()
        expected[name] = train(name, device, plain, [])
        took[name] = time.monotonic() - begin
    number = 0
    while done < kills:
        name = list(RUNS)[number % len(RUNS)]
        number += 1
        run = folder / f"{name}-{number}"
        run.mkdir()
        often = rng.choice([{"seconds": 0}, {"seconds": 0.005}, {"seconds": None, "batches": 5}])

        def work(name=name, run=run, often=often):
            found = train(name, device, run, [cb.Snapshot(run / "snapshots", **often)])
            (run / "outcome").write_text(repr(found))

        ended, tries, most = False, 0, 3 if kills < 50 else 8
        while not ended:
            tries += 1
            longest = 1.5 * took[name] + 0.02
            ended = in_a_process(work, rng.uniform(0, longest) if tries <= most else None)
            done += not ended
            for path in (run / "snapshots").glob("*.npz"):
                files.read(path)  # whole, whenever it was cut off
            for path in run.glob("*.keras"):
                tinynet.models.load_model(path)
        found = eval((run / "outcome").read_text())
        assert list(found) == list(expected[name]), (list(found), list(expected[name]))
        for what, bits in expected[name].items():
            assert found[what] == bits, (
                f"{name} after {tries - 1} kills: {what}\n{found[what]}\n{bits}"
            )
        # once more: nothing is left to do, and it ends the same
        assert in_a_process(work)
        again = eval((run / "outcome").read_text())
        assert again == found, f"{name}: the finished run, run again"
        shutil.rmtree(run)
    print(f"{done} kills, {number} runs, all bit-equal")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
