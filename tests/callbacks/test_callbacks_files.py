"""Callbacks that write files, and the one that stops at NaN."""

import csv
import math
import re

import numpy as np
import pytest
from callback_models import Spoil, X, Y, regression

from tinynet import Sequential, layers
from tinynet.callbacks import Callback, CSVLogger, LambdaCallback, ModelCheckpoint, TerminateOnNaN

# ------------------------------------------------------------------------------------ files


def weights_in(path):
    model = regression()
    model.load_weights(path)
    return model.get_weights()[0].ravel().tolist()


class KeepWeights(Callback):
    def __init__(self):
        super().__init__()
        self.epochs, self.batches = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.model.get_weights()[0].ravel().tolist())

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(self.model.get_weights()[0].ravel().tolist())


def test_checkpoint_every_epoch(tmp_path, capsys):
    keep = KeepWeights()
    path = tmp_path / "w-{epoch:02d}-{val_loss:.3f}-{mae:.2f}.npz"
    model = regression()
    history = model.fit(X, Y, epochs=3, validation_data=(X, Y), verbose=0,
                        callbacks=[keep, ModelCheckpoint(path, verbose=1)]).history  # fmt: skip
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [
        f"w-{e + 1:02d}-{history['val_loss'][e]:.3f}-{history['mae'][e]:.2f}.npz" for e in range(3)
    ]
    assert [weights_in(tmp_path / name) for name in names] == keep.epochs
    assert f"Epoch 2: weights saved to {tmp_path / names[1]}\n" in capsys.readouterr().out


def test_checkpoint_every_few_batches(tmp_path):
    keep = KeepWeights()
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}-{batch}.npz", save_freq=2)
    regression().fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[keep, checkpoint])
    # three batches an epoch; the count goes on over epochs: batches 2, 4 and 6 of six
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1-2.npz", "2-1.npz", "2-3.npz"]
    assert weights_in(tmp_path / "2-1.npz") == keep.batches[3]


def test_checkpoint_of_the_best_only(tmp_path, capsys):
    class Give(Callback):
        values = (3.0, 4.0, 2.0, 2.0, 5.0)

        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = self.values[epoch]

    def saved(folder, **options):
        checkpoint = ModelCheckpoint(tmp_path / folder / "{epoch}.npz", "score",
                                     save_best_only=True, verbose=1, **options)  # fmt: skip
        (tmp_path / folder).mkdir()
        for _ in range(2):  # the best value outlives a fit
            regression().fit(X, Y, epochs=5, verbose=0, callbacks=[Give(), checkpoint])
            yield sorted(int(p.stem) for p in (tmp_path / folder).iterdir())
            for p in (tmp_path / folder).iterdir():
                p.unlink()

    assert list(saved("min", mode="min")) == [[1, 3], []]
    assert "Epoch 2: score did not improve on 3.0\n" in capsys.readouterr().out
    assert list(saved("max", mode="max")) == [[1, 2, 5], []]
    assert list(saved("limit", mode="min", initial_value_threshold=2.5)) == [[3], []]


def test_checkpoint_mistakes(tmp_path):
    model = regression()
    with pytest.raises(KeyError, match=r"names 'accuracy'.*there is: epoch, loss, mae"):
        model.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "{accuracy}.npz")])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match=r"val_loss is measured after an epoch.*save_freq=2"):
        model.fit(X, Y, verbose=0, validation_split=0.2, callbacks=[
            ModelCheckpoint(tmp_path / "w.npz", save_best_only=True, save_freq=2)
        ])  # fmt: skip
    for wrong in (0, -1, 1.5, "batch"):
        with pytest.raises(ValueError, match=r"save_freq must be \"epoch\" or an int >= 1"):
            ModelCheckpoint(tmp_path / "w.npz", save_freq=wrong)
    with pytest.raises(ValueError, match=r"npz"):
        ModelCheckpoint(tmp_path / "w.txt")


def read(path, **options):
    with open(path, newline="") as file:
        return list(csv.reader(file, **options))


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    history = regression().fit(X, Y, epochs=3, verbose=0, validation_data=(X, Y),
                               callbacks=[CSVLogger(path)]).history  # fmt: skip
    header, *rows = read(path)
    assert header == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    for epoch, row in enumerate(rows):
        assert row[0] == str(epoch)
        assert [float(v) for v in row[1:]] == [history[name][epoch] for name in header[1:]]
    assert len(rows) == 3


def test_csv_logger_appends_or_starts_anew(tmp_path):
    path = tmp_path / "log.csv"
    model = regression()
    for append, column in (
        (True, ["epoch", "0", "1"]),
        (True, ["epoch", "0", "1", "0", "1"]),  # without a second header
        (False, ["epoch", "0", "1"]),
    ):
        logger = CSVLogger(path, separator=";", append=append)
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[logger])
        assert [row[0] for row in read(path, delimiter=";")] == column


def test_csv_logger_marks_epochs_without_validation(tmp_path):
    path = tmp_path / "log.csv"
    regression().fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y), validation_freq=2,
                     callbacks=[CSVLogger(path)])  # fmt: skip
    header, first, second = read(path)
    assert header == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert first[3:] == ["NA", "NA"]
    assert all(math.isfinite(float(v)) for v in second)


def test_csv_logger_keeps_what_was_written_when_training_fails(tmp_path):
    def fail(epoch, logs):
        if epoch == 1:
            raise ZeroDivisionError

    logger = CSVLogger(tmp_path / "log.csv")
    with pytest.raises(ZeroDivisionError):
        regression().fit(X, Y, epochs=5, verbose=0, callbacks=[
            logger, LambdaCallback(on_epoch_end=fail)
        ])  # fmt: skip
    del logger  # an open file would be a ResourceWarning here
    assert [row[0] for row in read(tmp_path / "log.csv")] == ["epoch", "0", "1"]
    with pytest.raises(FileNotFoundError):
        regression().fit(X, Y, verbose=0, callbacks=[CSVLogger(tmp_path / "no" / "log.csv")])


# ------------------------------------------------------------------------------------ NaN


def test_terminate_on_nan(capsys):
    def fit(callback):
        model = Sequential([layers.Input((2,)), layers.Dense(1), Spoil()])
        model.compile("sgd", "mse")
        with np.errstate(all="ignore"):
            return model.fit(X, Y, batch_size=2, epochs=3, verbose=0, callbacks=[callback])

    history = fit(TerminateOnNaN())
    assert history.epoch == [0]
    assert not math.isfinite(history.history["loss"][0])
    assert re.match(r"Batch 2: the loss is (inf|nan), training ends\n", capsys.readouterr().out)
    with pytest.raises(RuntimeError, match="Batch 2: the loss is"):
        fit(TerminateOnNaN(raise_error=True))
