"""Code as five Korean introductions to Keras write it, with only the import lines changed.

The scripts are ours; names, arguments, file names and the order of the calls are the posts'. Small
made-up data sets (`post_data`) stand in for MNIST, Fashion-MNIST and the IMDB reviews, in the files
and shapes that the loaders expect. `COVERED` at the end lists what the posts do, and the test for
each.
"""

import ast
import pathlib
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from post_data import data, pictures, table
from test_posts import digits_net, overview_net

import tinynet as keras
from tinynet.datasets.mnist import load_data
from tinynet.layers import BatchNormalization, Dense, Dropout, Flatten
from tinynet.models import Sequential


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
    tests = pathlib.Path(__file__).parent.parent
    paths = tests.rglob(f"{module}.py" if module else "test_post_code*.py")
    trees = [ast.parse(path.read_text()) for path in paths]
    assert name in {n.name for t in trees for n in t.body if isinstance(n, ast.FunctionDef)}
