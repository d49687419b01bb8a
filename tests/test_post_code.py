"""Code as five Korean introductions to Keras write it, with only the import lines changed.

The scripts are ours; names, arguments, file names and the order of the calls are the posts'. Small
made-up data sets stand in for MNIST, Fashion-MNIST and the IMDB reviews, in the files and shapes
that the loaders expect. `COVERED` at the end lists what the posts do, and the test for each.
"""

import ast
import gzip
import io
import json
import pathlib
import re
import struct
import zipfile

import matplotlib.pyplot as plt
import numpy as np
import pytest
from test_posts import digits_net, fashion_net, overview_net

import tinynet as keras
from tinynet import layers, models
from tinynet.datasets import fashion_mnist, imdb
from tinynet.datasets.mnist import load_data
from tinynet.layers import BatchNormalization, Dense, Dropout, Flatten  # noqa: F401
from tinynet.models import Sequential

# ------------------------------------------------------------------------------------ the data


def pictures(count, seed):
    """(count, 28, 28) uint8 and labels: a bright square whose place tells the class, and noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count).astype(np.uint8)
    x = random.integers(0, 60, (count, 28, 28), np.uint8)
    rows, columns = labels // 4 * 8 + 2, labels % 4 * 6 + 2
    for i in range(6):
        for j in range(6):
            x[np.arange(count), rows + i, columns + j] += 100
    return x, labels


def reviews(count, seed):
    """Lists of word ranks, the most frequent lowest; a few words lean to one label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    words = (random.pareto(0.8, (count, 24)) * 3 + 4).astype(int).clip(4, 12_000)
    leaning = random.random((count, 3)) < 0.3
    words[:, :3] = np.where(leaning, 30 + labels[:, None], words[:, :3])
    lists = np.empty(count, object)
    lists[:] = [row.tolist() for row in words]
    return lists, labels


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """A folder with the data sets' files."""
    folder = tmp_path_factory.mktemp("data")
    (x, y), (tx, ty) = pictures(60_000, 1), pictures(10_000, 2)
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=tx, y_test=ty)
    (clothes := folder / "fashion-mnist").mkdir()
    for kind, images, labels in (("train", x, y), ("t10k", tx, ty)):
        header = struct.pack(">IIII", 2051, len(images), 28, 28)
        with gzip.open(clothes / f"{kind}-images-idx3-ubyte.gz", "wb", 1) as file:
            file.write(header + images.tobytes())
        with gzip.open(clothes / f"{kind}-labels-idx1-ubyte.gz", "wb", 1) as file:
            file.write(struct.pack(">II", 2049, len(labels)) + labels.tobytes())
    (x, y), (tx, ty) = reviews(25_000, 3), reviews(25_000, 4)
    with zipfile.ZipFile(folder / "imdb.npz", "w") as archive:
        for name, array in (("x_train", x), ("y_train", y), ("x_test", tx), ("y_test", ty)):
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0))
            archive.writestr(f"{name}.npy", member.getvalue())
    words = {"the": 1, "have": 25, **{f"word{i}": i for i in range(2, 12_000) if i != 25}}
    (folder / "imdb_word_index.json").write_text(json.dumps(words))
    return folder


@pytest.fixture
def data(data_folder, monkeypatch, tmp_path):
    """The loaders find the files; scripts write into an empty folder, and figures are not shown."""
    monkeypatch.setenv("TINYNET_DATA_DIR", str(data_folder))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))


def split_as_the_post_does():
    """5,000 rows drawn without replacement become the validation set; scaled by train's limits."""
    (train_images, train_labels), (test_images, test_labels) = load_data()
    np.random.seed(1234)  # noqa: NPY002  the post's own way
    index_list = np.arange(0, len(train_labels))
    valid_index = np.random.choice(index_list, size=5000, replace=False)  # noqa: NPY002
    valid_images, valid_labels = train_images[valid_index], train_labels[valid_index]
    train_index = set(index_list) - set(valid_index)
    train_images, train_labels = train_images[list(train_index)], train_labels[list(train_index)]
    low, high = np.min(train_images), np.max(train_images)
    scaled = [(a - low) / (high - low) for a in (train_images, valid_images, test_images)]
    return *scaled, train_labels, valid_labels, test_labels, train_index, valid_index


# --------------------------------------------------- fitting, batch size, validation; the summary


def test_digits_from_loading_to_history(data, capsys):
    train_images, valid_images, test_images, train_labels, valid_labels, _, train, valid = (
        split_as_the_post_does()
    )
    assert train_images.shape == (55_000, 28, 28)
    assert valid_images.shape == (5_000, 28, 28)
    assert test_images.shape == (10_000, 28, 28)
    assert not train & set(valid)
    assert train_images.dtype == np.float64
    assert train_images.min() == 0
    assert train_images.max() == 1

    model = digits_net()
    opt = keras.optimizers.Adam(learning_rate=0.005)
    model.compile(optimizer=opt, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(train_images, train_labels, epochs=3, batch_size=5000,
                        validation_data=(valid_images, valid_labels))  # fmt: skip
    shown = capsys.readouterr().out
    line = r"11/11 .*\d+s.* \d+ms/step.* loss: \S+.* accuracy: \S+.* val_loss: \S+.* val_accuracy"
    assert len(re.findall("Epoch [123]/3", shown)) == 3
    assert re.search(line, shown)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.params["steps"] == 11
    assert history.history["val_accuracy"][-1] > 0.95
    assert float(opt.learning_rate) == 0.005
    assert opt.iterations == 33


def test_the_ways_to_validate_and_to_weigh(data):
    x, y = pictures(1000, 5)
    model = digits_net()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=1, verbose=0)
    assert list(history.history) == ["loss", "accuracy"]
    assert history.params["steps"] == 32  # no batch_size means 32 rows, not all of them
    history = model.fit(x, y, epochs=1, batch_size=300, validation_split=0.2, verbose=0)
    assert history.params["steps"] == 3  # 300, 300 and a last batch of 200
    tail = model.evaluate(x[800:], y[800:], verbose=0)  # the last rows, before any shuffling
    got = [history.history[name][-1] for name in ("val_loss", "val_accuracy")]
    np.testing.assert_allclose(got, tail, rtol=1e-5)
    history = model.fit(x, y, epochs=4, validation_data=(x, y), validation_steps=2,
                        validation_batch_size=100, validation_freq=2, verbose=0)  # fmt: skip
    assert len(history.history["val_loss"]) == 2
    weights = np.ones(1000)
    model.fit(x, y, sample_weight=weights, verbose=0)
    model.fit(x, y, class_weight={0: 2.0, 1: 0.5}, verbose=0)


def test_image_grid_and_summary(data, capsys):
    (train_images, train_labels), _ = load_data()
    _fig, axes = plt.subplots(nrows=2, ncols=3, figsize=(6, 4))
    for i, ax in enumerate(axes.ravel()):
        ax.imshow(train_images[i], cmap="gray")
        ax.set_xlabel(train_labels[i])
    plt.tight_layout()
    plt.show()
    model = digits_net()
    model.summary()
    shown = capsys.readouterr().out
    for name, shape, count in (
        ("Flatten (Flatten)", "(None, 784)", "0"), ("Hidden1 (Dense)", "(None, 300)", "235,500"),
        ("Hidden2 (Dense)", "(None, 200)", "60,200"), ("Hidden3 (Dense)", "(None, 100)", "20,100"),
        ("Output (Dense)", "(None, 10)", "1,010"),
    ):  # fmt: skip
        row = next(line for line in shown.splitlines() if name in line)
        assert [cell.strip() for cell in re.split("[│|]", row)[1:4]] == [name, shape, count]
    assert "Total params: 316,810" in shown
    assert "Trainable params: 316,810" in shown
    assert "Non-trainable params: 0" in shown
    assert model.get_layer("Hidden1").count_params() == 784 * 300 + 300


def test_flatten_is_a_reshape_of_each_row():
    x = np.arange(2 * 28 * 28).reshape(2, 28, 28)
    y = Flatten(input_shape=[28, 28])(x)
    np.testing.assert_array_equal(y[1], x[1].ravel())


# ------------------------------------------------------------------------ the overview of `fit`


@pytest.fixture
def table():
    """500 rows of 39 numbers in two classes, one-hot."""
    random = np.random.default_rng(8)
    X = random.normal(size=(500, 39))
    y = (X[:, :5].sum(axis=1) > 0).astype(int)
    return X[:400], np.eye(2)[y[:400]], X[400:], np.eye(2)[y[400:]]


def test_define_add_compile_fit(table):
    X_train, y_train, X_test, y_test = table
    model = Sequential()
    model.add(Dense(units=5, activation="relu", input_shape=(39,)))
    model.add(Dense(units=5, activation="relu"))
    model.add(Dense(units=2, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X_train, y_train, epochs=10, batch_size=32,
                        validation_data=(X_test, y_test), shuffle=True, verbose=0)  # fmt: skip
    assert len(history.history["val_loss"]) == len(history.history["val_accuracy"]) == 10
    assert history.history["loss"][-1] < history.history["loss"][0]
    figure, axes = plt.subplots()
    axes.plot(history.history["loss"])
    axes.plot(history.history["accuracy"])
    plt.close(figure)


@pytest.mark.parametrize(("verbose", "lines"), [(0, 0), (1, 4), (2, 4)])
def test_verbose(table, verbose, lines, capsys):
    X_train, y_train, _, _ = table
    model = overview_net()
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(X_train, y_train, batch_size=64, epochs=2, verbose=verbose)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == lines
    assert ("━" in shown) == (verbose == 1)


def test_early_stopping_on_the_training_loss(table):
    X_train, y_train, _, _ = table
    callback = keras.callbacks.EarlyStopping(monitor="loss", patience=3)
    model = overview_net()
    model.compile(optimizer=keras.optimizers.SGD(0.0001), loss="categorical_crossentropy")
    model.fit(X_train, y_train, epochs=1, verbose=0)
    rising = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.__setitem__("loss", 1.0 + epoch)
    )
    history = model.fit(X_train, y_train, epochs=20, callbacks=[rising, callback], verbose=0)
    assert len(history.epoch) == 4  # the first, and three without an improvement


def test_a_rate_too_small_is_slow_and_one_too_large_diverges():
    """y = w x + b by gradient descent."""
    x = np.linspace(-1, 1, 64)[:, None]
    losses = {}
    for rate in (0.001, 0.1, 1e3):
        model = Sequential([Dense(1, input_shape=(1,), kernel_initializer="zeros")])
        model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
        logs = model.fit(x, 3 * x + 1, epochs=30, verbose=0, callbacks=[
            keras.callbacks.TerminateOnNaN()]).history["loss"]  # fmt: skip
        losses[rate] = logs[-1]
    assert losses[0.1] < 1e-2 < 1 < losses[0.001]
    assert not losses[1e3] < 1e3


# --------------------------------------------------------------- training techniques and reviews


def multi_hot(data, dim=10000):
    results = np.zeros((len(data), dim))
    for i, words in enumerate(data):
        results[i, words] = 1.0
    return results


def test_reviews_from_loading_to_the_plot(data, capsys):
    (train_data, train_labels), (test_data, test_labels) = imdb.load_data(num_words=10000)
    assert len(train_data) == len(test_data) == 25_000
    assert max(map(max, train_data)) < 10_000
    assert set(train_labels) == {0, 1}

    word_index = imdb.get_word_index()
    index_word = {index: word for word, index in word_index.items()}
    assert (index_word[1], index_word[25]) == ("the", "have")
    decoded = " ".join(index_word.get(i - 3, "?") for i in train_data[0])
    assert decoded.split()[0] == "?"  # every review begins with the start sign
    assert len(decoded.split()) == len(train_data[0])

    x_train, x_test = multi_hot(train_data[:3000]), multi_hot(test_data[:1000])
    y_train = np.asarray(train_labels).astype("float32")[:3000]
    y_test = np.asarray(test_labels).astype("float32")[:1000]
    model = models.Sequential()
    model.add(layers.Dense(16, activation="relu", input_shape=(10000,), name="input"))
    model.add(layers.Dense(16, activation="relu", name="hidden"))
    model.add(layers.Dense(1, activation="sigmoid", name="output"))
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    model.summary()
    assert "160,305" in capsys.readouterr().out
    # the post takes 512 of 25,000 rows; these are fewer, for as many steps in an epoch
    history = model.fit(x_train, y_train, epochs=20, batch_size=64,
                        validation_data=(x_test, y_test), verbose=0)  # fmt: skip
    history_dict = history.history
    assert list(history_dict) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    val_loss = history_dict["val_loss"]
    assert np.argmin(val_loss) < 10  # it turns up: the net learns its 3,000 reviews by heart
    assert val_loss[-1] > min(val_loss) + 0.03
    assert history_dict["val_accuracy"][-1] < max(history_dict["val_accuracy"])
    assert history_dict["loss"][-1] < history_dict["loss"][0]
    epochs = range(1, len(val_loss) + 1)
    fig = plt.figure(figsize=(12, 5))
    for place, name in ((1, "loss"), (2, "accuracy")):
        ax = fig.add_subplot(1, 2, place)
        ax.plot(epochs, history_dict[name], color="blue", label=f"train_{name}")
        ax.plot(epochs, history_dict[f"val_{name}"], color="red", label=f"val_{name}")
        ax.grid()
        ax.legend()
    plt.show()


def test_padding_and_an_embedding(data):
    (train_data, train_labels), _ = imdb.load_data(num_words=10000)
    padded = keras.utils.pad_sequences(train_data[:400], maxlen=16)
    assert padded.shape == (400, 16)
    model = models.Sequential([
        layers.Embedding(10000, 8, input_shape=(16,)), layers.GlobalAveragePooling1D(),
        layers.Dense(1, activation="sigmoid"),
    ])  # fmt: skip
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(padded, train_labels[:400], epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_the_whole_set_at_once_and_in_small_batches(table):
    X_train, y_train, _, _ = table
    steps = []
    for batch_size in (len(X_train), 32, None):
        model = overview_net()
        model.compile(optimizer="sgd", loss="categorical_crossentropy")
        history = model.fit(X_train, y_train, batch_size=batch_size, verbose=0)
        steps.append(history.params["steps"])
    assert steps == [1, 13, 13]


def test_a_smaller_rate_needs_more_epochs(table):
    X_train, y_train, _, _ = table
    needed = []
    for rate in (0.5, 0.05):
        model = overview_net()
        model.compile(optimizer=keras.optimizers.SGD(rate), loss="categorical_crossentropy")
        stop = keras.callbacks.EarlyStopping(monitor="loss", baseline=0.0, patience=10**6)
        losses = model.fit(X_train, y_train, epochs=60, verbose=0, callbacks=[stop]).history["loss"]
        needed.append(next((i for i, v in enumerate(losses) if v < 0.2), 60))
    assert needed[0] < needed[1]


def test_optimizers_and_activations_that_the_post_names(table):
    X_train, y_train, _, _ = table
    for optimizer in ("adam", "rmsprop", "sgd", keras.optimizers.SGD(0.01, momentum=0.9)):
        model = Sequential([
            Dense(8, input_shape=(39,)), layers.LeakyReLU(), Dense(8), layers.PReLU(),
            Dense(8, activation="sigmoid", kernel_initializer="glorot_normal"),
            Dense(8, activation="relu", kernel_initializer="he_normal"),
            Dense(2, activation="softmax"),
        ])  # fmt: skip
        model.compile(optimizer=optimizer, loss="categorical_crossentropy")
        losses = model.fit(X_train, y_train, epochs=3, verbose=0).history["loss"]
        assert losses[-1] < losses[0]


# ------------------------------------------------------------------------ the full set of tools


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


# --------------------------------------------------------------------- what is covered, and where

COVERED = {
    # fitting, batch size, validation
    "layers of one namespace, loader": "test_digits_from_loading_to_history",
    "shapes and types of the digits": "test_digits_from_loading_to_history",
    "5,000 validation rows drawn": "test_digits_from_loading_to_history",
    "scaling by train's limits, float64": "test_digits_from_loading_to_history",
    "named layers, 316,810 parameters": "test_posts.test_parameters",
    "rate readable from Adam": "test_digits_from_loading_to_history",
    "loss by name, integer labels": "test_digits_from_loading_to_history",
    "batch 5,000: 11 steps": "test_posts.test_batch_5000_of_55000_rows_is_11_steps",
    "progress line": "test_digits_from_loading_to_history",
    "number format": "test_progress.test_number",
    "batch sizes compared": "test_benches.test_a_tiny_sweep",
    "last batch of any size": "test_the_ways_to_validate_and_to_weigh",
    "validation is optional": "test_the_ways_to_validate_and_to_weigh",
    "validation_split before shuffling": "test_the_ways_to_validate_and_to_weigh",
    "validation steps, batch size, frequency": "test_the_ways_to_validate_and_to_weigh",
    "sample_weight, class_weight": "test_the_ways_to_validate_and_to_weigh",
    "fit returns History": "test_string_metric_and_default_optimizer",
    # the overview of fit
    "define, add, compile, fit": "test_define_add_compile_fit",
    "242 parameters": "test_posts.test_parameters",
    "one-hot targets": "test_define_add_compile_fit",
    "shuffle": "test_define_add_compile_fit",
    "early stopping against too many epochs": "test_early_stopping_on_the_training_loss",
    "verbose 0, 1, 2": "test_verbose",
    "checkpoint": "test_checkpoint_and_early_stopping",
    "rates too small and too large": "test_a_rate_too_small_is_slow_and_one_too_large_diverges",
    "val_loss and val_accuracy": "test_define_add_compile_fit",
    "curves": "test_plotting.test_history_panels",
    # training techniques, reviews
    "full batch and mini-batch": "test_the_whole_set_at_once_and_in_small_batches",
    "standardization and min-max": "test_utils.test_scalers_are_those_of_scikit_learn",
    "smaller rate, more epochs": "test_a_smaller_rate_needs_more_epochs",
    "activations, LeakyReLU, PReLU": "test_optimizers_and_activations_that_the_post_names",
    "Xavier and He": "test_initializers.test_mean_variance_and_bounds",
    "Adam, RMSprop, SGD, momentum": "test_optimizers_and_activations_that_the_post_names",
    "reviews, word index, decoding": "test_reviews_from_loading_to_the_plot",
    "multi-hot, labels as float32": "test_reviews_from_loading_to_the_plot",
    "padding, embedding": "test_padding_and_an_embedding",
    "160,305 parameters": "test_posts.test_parameters",
    "the net over-fits": "test_reviews_from_loading_to_the_plot",
    # the model and its summary
    "grid of images": "test_image_grid_and_summary",
    "Flatten": "test_flatten_is_a_reshape_of_each_row",
    "summary": "test_image_grid_and_summary",
    "reuse of lower layers": "test_functional.test_transfer_of_frozen_lower_layers",
    # the full set of tools
    "split by scikit-learn, 45,000 and 15,000": "test_dropout_is_off_when_predicting",
    "automatic names": "test_posts.test_automatic_names_go_on_counting",
    "rmsprop by default, metrics as a string": "test_string_metric_and_default_optimizer",
    "rmsprop over-fits more than adam": "test_rmsprop_turns_up_and_adam_less",
    "dropout": "test_dropout_is_off_when_predicting",
    "save_weights, save, load_weights, load_model": "test_the_files_of_the_post",
    "evaluate: 469 steps": "test_posts.test_evaluate_15000_rows_is_469_steps",
    "stopped_epoch, restored weights": "test_checkpoint_and_early_stopping",
}  # fmt: skip


@pytest.mark.parametrize("what", COVERED)
def test_there_is_a_test_for(what):
    module, _, name = COVERED[what].rpartition(".")
    path = pathlib.Path(__file__).with_name(f"{module or 'test_post_code'}.py")
    names = {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}
    assert name in names
