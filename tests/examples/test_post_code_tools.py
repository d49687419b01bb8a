"""Code as an introduction to the full set of tools writes it: dropout, files, callbacks."""

import pathlib
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from post_data import data, pictures
from test_posts import fashion_net

import tinynet as keras
from tinynet.datasets import fashion_mnist


@pytest.fixture
def clothes(data):
    """Scaled and split as the post does it: 45,000 and 15,000 rows."""
    from sklearn.model_selection import train_test_split

    (train_input, train_target), _ = fashion_mnist.load_data()
    train_scaled = train_input / 255.0
    split = train_test_split(train_scaled, train_target, test_size=0.25)
    assert [len(part) for part in split] == [45_000, 15_000, 45_000, 15_000]
    return [part[:1500] for part in split]


def test_string_metric_and_default_optimizer(clothes):
    train_scaled, _, train_target, _ = clothes
    model = fashion_net()
    model.compile(loss="sparse_categorical_crossentropy", metrics="accuracy")
    assert isinstance(model.optimizer, keras.optimizers.RMSprop)
    history = model.fit(train_scaled, train_target, epochs=2, verbose=0)
    assert type(history).__name__ == "History"
    assert list(history.history.keys()) == ["loss", "accuracy"]
    plt.plot(history.history["loss"])
    plt.plot(history.history["accuracy"])
    plt.title("Loss based on the results of the epoch")
    plt.xlabel("epoch")
    plt.show()


def test_dropout_is_off_when_predicting(clothes, capsys):
    train_scaled, _, train_target, _ = clothes
    model = fashion_net(keras.layers.Dropout(0.3))
    model.summary()
    shown = capsys.readouterr().out
    assert "Total params: 79,510" in shown
    row = next(line for line in shown.splitlines() if "(Dropout)" in line)
    assert [cell.strip() for cell in re.split("[│|]", row)[2:4]] == ["(None, 100)", "0"]
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics="accuracy")
    model.fit(train_scaled, train_target, epochs=1, verbose=0)
    once, again = (model.predict(train_scaled[:50], verbose=0) for _ in "ab")
    np.testing.assert_array_equal(once, again)


def test_the_files_of_the_post(clothes, capsys):
    train_scaled, val_scaled, train_target, val_target = clothes
    model = fashion_net(keras.layers.Dropout(0.3))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics="accuracy")
    model.fit(train_scaled, train_target, epochs=3, verbose=0,
              validation_data=(val_scaled, val_target))  # fmt: skip
    model.save_weights("model-weights.h5")
    model.save("model-whole.h5")
    weights, whole = (pathlib.Path(name).stat().st_size for name in
                      ("model-weights.h5", "model-whole.h5"))  # fmt: skip
    assert 318_040 < weights < 340_000  # 79,510 numbers of 4 bytes, and what HDF5 adds
    assert 954_120 < whole < 1_000_000  # with Adam's two moments

    measured = model.evaluate(val_scaled, val_target, verbose=0)
    fresh = fashion_net(keras.layers.Dropout(0.3))
    fresh.load_weights("model-weights.h5")
    probabilities = fresh.predict(val_scaled)
    assert probabilities.shape == (1500, 10)
    val_labels = np.argmax(probabilities, axis=-1)
    np.testing.assert_allclose(np.mean(val_labels == val_target), measured[1], rtol=1e-6)

    model = keras.models.load_model("model-whole.h5")
    capsys.readouterr()
    loss, accuracy = model.evaluate(val_scaled, val_target)
    assert capsys.readouterr().out.startswith("47/47 ")
    np.testing.assert_allclose([loss, accuracy], measured, rtol=1e-6)


def test_checkpoint_and_early_stopping(clothes):
    train_scaled, val_scaled, train_target, val_target = clothes
    model = fashion_net(keras.layers.Dropout(0.3))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics="accuracy")
    checkpoint_cb = keras.callbacks.ModelCheckpoint("best-model.h5")
    early_stopping_cb = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    noisy = np.random.default_rng(0).permutation(train_target)  # nothing to learn: it stops early
    history = model.fit(train_scaled, noisy, epochs=20, verbose=0,
                        validation_data=(val_scaled, val_target),
                        callbacks=[checkpoint_cb, early_stopping_cb])  # fmt: skip
    last = early_stopping_cb.stopped_epoch
    val_loss = history.history["val_loss"]
    assert last == len(val_loss) - 1  # counted from 0
    assert int(np.argmin(val_loss)) == last - 2
    best = model.evaluate(val_scaled, val_target, verbose=0)[0]
    np.testing.assert_allclose(best, min(val_loss), rtol=1e-5)
    # without save_best_only the file holds the last epoch, whatever the post says of it
    stored = keras.models.load_model("best-model.h5").evaluate(val_scaled, val_target, verbose=0)
    np.testing.assert_allclose(stored[0], val_loss[-1], rtol=1e-5)


def test_rmsprop_turns_up_and_adam_less():
    """Validation loss has its lowest point at about the fifth epoch; then it rises."""
    x, y = pictures(4000, 1)
    x, random = x / 255.0, np.random.default_rng(0)
    # some labels tell nothing, as in Fashion-MNIST, where a shirt may be called a coat
    labels = np.where(random.random(4000) < 0.15, random.integers(0, 10, 4000), y)
    rise, turn = {}, {}
    for optimizer in ("rmsprop", "adam"):
        keras.utils.set_random_seed(3)
        model = fashion_net()
        model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy",
                      metrics="accuracy")  # fmt: skip
        history = model.fit(x[:3000], labels[:3000], epochs=20, verbose=0,
                            validation_data=(x[3000:], labels[3000:]))  # fmt: skip
        val_loss = history.history["val_loss"]
        rise[optimizer], turn[optimizer] = val_loss[-1] - min(val_loss), np.argmin(val_loss)
        assert history.history["loss"][-1] < history.history["loss"][0]
    assert 0 < turn["rmsprop"] < 10
    assert rise["rmsprop"] > rise["adam"] > 0
