"""Code as an introduction to training techniques writes it: reviews, rates, optimizers."""

import matplotlib.pyplot as plt
import numpy as np
from post_data import data, table
from test_posts import overview_net

import tinynet as keras
from tinynet import layers, models
from tinynet.datasets import imdb
from tinynet.layers import Dense
from tinynet.models import Sequential


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
