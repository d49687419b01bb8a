"""The plots: what is in the Axes, not how it looks."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import tinynet
from tinynet.plotting import confusion_matrix, image_grid, misclassified, plot_history

HISTORY = {
    "loss": [1.5, 0.5, 0.25],
    "accuracy": [0.5, 0.75, 0.875],
    "val_loss": [1.0, 0.75, 0.5],
    "val_accuracy": [0.625, 0.7, 0.8],
}


def curves(ax):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines}


def titles(figure):
    """The images' titles, in order."""
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.fixture(autouse=True)
def _nothing_left_in_pyplot():
    yield
    assert plt.get_fignums() == []


# ------------------------------------------------------------------------------------- history


def test_history_panels():
    figure = plot_history(HISTORY)
    assert isinstance(figure, Figure)
    loss, accuracy = figure.axes
    assert (loss.get_title(), accuracy.get_title()) == ("loss", "accuracy")
    assert loss.get_xlabel() == accuracy.get_xlabel() == "epoch"
    assert curves(loss) == {
        "training": ([1, 2, 3], [1.5, 0.5, 0.25]),
        "validation": ([1, 2, 3], [1.0, 0.75, 0.5]),
    }
    assert curves(accuracy)["validation"] == ([1, 2, 3], [0.625, 0.7, 0.8])
    for ax in figure.axes:
        assert [t.get_text() for t in ax.get_legend().get_texts()] == ["training", "validation"]
        assert ax.xaxis.get_gridlines()[0].get_visible()
    figure.canvas.draw()
    assert all(tick == int(tick) for tick in loss.get_xticks())


def test_history_object_of_a_continued_training():
    history = SimpleNamespace(history={"loss": [0.5, 0.25]}, epoch=[5, 6])
    assert curves(plot_history(history).axes[0]) == {"training": ([6, 7], [0.5, 0.25])}


@pytest.mark.parametrize(("freq", "epochs"), [(2, [2, 4]), ([1, 3], [1, 3])])
def test_history_validated_now_and_then(freq, epochs):
    history = {"loss": [4.0, 3.0, 2.0, 1.0, 0.5], "val_loss": [3.5, 1.5]}
    figure = plot_history(history, validation_freq=freq)
    assert curves(figure.axes[0])["validation"] == (epochs, [3.5, 1.5])
    with pytest.raises(ValueError, match=r"'val_loss' has 2 values for 5 epochs.*validation_freq"):
        plot_history(history)


def test_history_marks_the_epoch_kept_and_changes_of_the_rate():
    model = tinynet.Sequential([tinynet.layers.Dense(1, input_shape=(1,))])
    model.compile(tinynet.optimizers.SGD(0.1), "mse")
    rates = {3: 0.01, 7: 0.001}
    following = [
        tinynet.callbacks.EarlyStopping("val_loss", patience=9, restore_best_weights=True),
        tinynet.callbacks.LearningRateScheduler(lambda epoch, rate: rates.get(epoch, rate)),
    ]
    x, y = np.ones((4, 1)), np.zeros((4, 1))
    history = model.fit(x, y, epochs=10, validation_data=(x, y), callbacks=following, verbose=0)
    assert history.kept_epoch == int(np.argmin(history.history["val_loss"]))
    marks = {line.get_label(): line.get_xdata()[0] for line in plot_history(history).axes[0].lines
             if len(set(line.get_xdata())) == 1}  # fmt: skip
    kept = history.kept_epoch + 1
    assert marks.pop("weights kept") == kept
    assert sorted(marks.values()) == [3.5, 7.5]  # between epochs 3 and 4, and 7 and 8, from 1
    assert "learning rate changed" in marks
    history = {"loss": [1.0] * 6, "learning_rate": [0.1, 0.08, 0.06, 0.05, 0.04, 0.03]}
    assert list(curves(plot_history(history).axes[0])) == ["training"]  # a schedule is no change


def test_history_chosen_metrics():
    history = HISTORY | {"learning_rate": [0.1, 0.1, 0.01]}
    assert [ax.get_title() for ax in plot_history(history).axes] == ["loss", "accuracy"]
    assert [ax.get_title() for ax in plot_history(history, ["learning_rate"]).axes] == [
        "learning rate"
    ]
    assert [ax.get_title() for ax in plot_history(history, "accuracy").axes] == ["accuracy"]


def test_history_many_panels_leave_no_empty_axes():
    assert len(plot_history({name: [1.0] for name in "abcd"}).axes) == 4


def test_history_into_given_axes():
    figure = Figure()
    axes = figure.subplots(1, 2)
    assert plot_history(HISTORY, axes=axes) is figure
    assert axes[1].get_title() == "accuracy"
    with pytest.raises(ValueError, match=r"2 panels \(loss, accuracy\) need as many axes.* 1$"):
        plot_history(HISTORY, axes=axes[0])


@pytest.mark.parametrize(
    ("history", "metrics", "message"),
    [
        ({}, None, "no epoch"),
        ({"loss": []}, None, "no epoch"),
        ({"loss": [1.0]}, ["auc"], "no 'auc'; it has: loss"),
        ({"loss": [1.0]}, [], "metrics is empty"),
        ({"loss": [1.0, 2.0], "mae": [1.0]}, None, "'mae' has 1 values for 2 epochs"),
    ],
)
def test_bad_history(history, metrics, message):
    with pytest.raises(ValueError, match=message):
        plot_history(history, metrics)


# -------------------------------------------------------------------------------------- images


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 4, 4, 1), (3, 16)])
def test_grey_images(shape):
    images = np.arange(48.0).reshape(3, 4, 4)
    figure = image_grid(images.reshape(shape), columns=2)
    ax = figure.axes[0]
    assert len(ax.images) == 3
    for shown, image in zip(ax.images, images, strict=True):
        np.testing.assert_array_equal(shown.get_array(), image)
        assert shown.get_clim() == (0, 47)  # one scale for all
    left, top = zip(*((im.get_extent()[0], im.get_extent()[3]) for im in ax.images), strict=True)
    assert left[0] == left[2] < left[1]
    assert top[0] == top[1] < top[2] < ax.get_ylim()[0]
    assert titles(figure) == []


@pytest.mark.parametrize(("high", "shown"), [(1.0, 0.5), (255.0, 0.5 / 255)])
def test_colour_images(high, shown):
    images = np.zeros((2, 5, 7, 3))
    images[0, 0, 0] = high
    images[1, 0, 0] = 0.5
    pictures = image_grid(images).axes[0].images
    assert pictures[0].get_array()[0, 0, 0] == 1
    assert pictures[1].get_array()[0, 0, 0] == pytest.approx(shown)
    left, right, bottom, top = pictures[0].get_extent()
    assert (bottom - top) / (right - left) == pytest.approx(5 / 7)


def test_titles_are_labels_and_errors_stand_out():
    images = np.zeros((3, 2, 2))
    probabilities = [[0.9, 0.1, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]]
    assert titles(image_grid(images, [0, 1, 2])) == ["0", "1", "2"]
    assert titles(image_grid(images, predictions=probabilities)) == ["0", "2", "2"]
    assert titles(image_grid(images, np.eye(3), class_names="abc")) == ["a", "b", "c"]
    assert titles(image_grid(images, ["x", "y", "z"])) == ["x", "y", "z"]
    figure = image_grid(images, [0, 1, 2], probabilities, class_names="abc")
    assert titles(figure) == ["a", "b → c", "c"]
    colours = [text.get_color() for text in figure.axes[0].texts]
    assert colours[0] == colours[2] != colours[1]


def test_titles_do_not_overlap():
    """Every title stays in its own cell, above its own image, with the longest names we know."""
    names = ["T-shirt/top", "Trouser", "Ankle boot", "a class with a long name"]
    labels = np.arange(8) % 4
    figure = image_grid(
        np.zeros((8, 28, 28)), labels, (labels + 1) % 4, columns=4, class_names=names
    )
    figure.canvas.draw()
    ax = figure.axes[0]
    boxes = [text.get_window_extent() for text in ax.texts]
    boxes += [image.get_window_extent() for image in ax.images]
    page = figure.bbox
    for i, box in enumerate(boxes):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1
        assert page.y0 <= box.y0 <= box.y1 <= page.y1
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_grid_into_given_axes():
    figure = Figure()
    ax = figure.subplots()
    assert image_grid(np.zeros((2, 2, 2)), ax=ax) is figure
    assert len(ax.images) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros((28, 28))}, r"received shape \(28, 28\) \(a single image"),
        ({"images": np.zeros((2, 4, 4, 2))}, r"received shape \(2, 4, 4, 2\)$"),
        ({"images": np.zeros(5)}, r"received shape \(5,\)"),
        ({"images": np.zeros((0, 4, 4))}, "no images"),
        ({"images": np.zeros((1001, 2, 2))}, "at most 1000 images, received 1001"),
        ({"images": np.zeros((2, 2, 2)), "labels": [1]}, "2 images, 1 labels"),
        ({"images": np.zeros((1, 2, 2)), "labels": [2], "class_names": "ab"}, "class 2"),
        ({"images": np.zeros((1, 2, 2)), "labels": [0.5]}, "received 0.5 in row 0"),
        ({"images": np.zeros((2, 2, 2)), "labels": [0, -1]}, "received -1 in row 1"),
        ({"images": np.zeros((1, 2, 2)), "columns": 0}, "columns must be at least 1, received 0"),
    ],
)
def test_bad_images(arguments, message):
    with pytest.raises(ValueError, match=message):
        image_grid(**arguments)


PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.0, 0.2, 0.8], [0.05, 0.95, 0.0], [0.1, 0.2, 0.7]]
)
TRUE = [0, 1, 1, 2, 2]  # rows 1, 2 and 3 are wrong, with 0.6, 0.8 and 0.95


def test_misclassified_most_confident_first():
    images = np.arange(5.0)[:, None, None] * np.ones((5, 2, 2))
    figure = misclassified(images, TRUE, PROBABILITIES)
    assert titles(figure) == ["2 → 1  95%", "1 → 2  80%", "1 → 0  60%"]
    assert [im.get_array()[0, 0] for im in figure.axes[0].images] == [3, 2, 1]
    assert figure.texts[0].get_text().startswith("3 of 5 wrong")
    assert titles(misclassified(images, TRUE, PROBABILITIES, count=1)) == ["2 → 1  95%"]


def test_misclassified_logits_become_probabilities():
    logits = np.log(PROBABILITIES + 1e-9)
    assert titles(misclassified(np.zeros((5, 2, 2)), TRUE, logits))[0] == "2 → 1  95%"


def test_misclassified_ids_keep_their_order():
    figure = misclassified(np.zeros((5, 2, 2)), TRUE, PROBABILITIES.argmax(axis=1))
    assert titles(figure) == ["1 → 0", "1 → 2", "2 → 1"]


def test_misclassified_binary():
    figure = misclassified(np.zeros((3, 2, 2)), [0, 0, 1], [[0.75], [0.25], [0.125]])
    assert titles(figure) == ["1 → 0  88%", "0 → 1  75%"]


def test_misclassified_none():
    assert titles(misclassified(np.zeros((5, 2, 2)), TRUE, TRUE)) == ["none of 5 misclassified"]


def test_bad_misclassified():
    with pytest.raises(ValueError, match="same length, received 2, 5 and 5"):
        misclassified(np.zeros((2, 2, 2)), TRUE, PROBABILITIES)
    with pytest.raises(ValueError, match="count must be at least 1, received 0"):
        misclassified(np.zeros((5, 2, 2)), TRUE, PROBABILITIES, count=0)
    with pytest.raises(ValueError, match="y_pred has NaN or infinity in row 1"):
        misclassified(np.zeros((2, 2, 2)), [0, 1], [[0.5, 0.5], [np.nan, 0.5]])


# ----------------------------------------------------------------------------------- confusion


def table(figure, classes):
    return np.reshape(titles(figure), (classes, classes)).tolist()


def test_confusion_counts():
    figure = confusion_matrix(TRUE, PROBABILITIES)
    assert table(figure, 3) == [["1", "0", "0"], ["1", "0", "1"], ["0", "1", "1"]]
    ax = figure.axes[0]
    # rows are the truth: text of class 1 taken for 2 stands at x = 2, y = 1
    assert ax.texts[5].get_position() == (2, 1)
    assert ax.get_title() == "accuracy 0.4000 (n = 5)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    np.testing.assert_allclose(ax.images[0].get_array(), [[1, 0, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])


def test_confusion_normalized_with_names():
    figure = confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1], ["cat", "dog", "bird"], normalize=True)
    assert table(figure, 3) == [["66.7", "33.3", "0.0"], ["0.0", "100.0", "0.0"], ["0.0"] * 3]
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["cat", "dog", "bird"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cat", "dog", "bird"]


def test_confusion_binary_probabilities_and_one_hot():
    figure = confusion_matrix(np.eye(2)[[0, 1, 1]], [[0.2], [0.9], [0.4]])
    assert table(figure, 2) == [["1", "0"], ["1", "1"]]


def test_confusion_many_classes_has_no_numbers():
    ids = np.arange(100)
    figure = confusion_matrix(ids, ids)
    assert titles(figure) == []
    assert figure.axes[0].images[0].get_array().shape == (100, 100)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "names", "message"),
    [
        ([0, 1], [0], None, "received 2 and 1"),
        ([], [], None, "received 0 and 0"),
        ([0, 2], [0, 1], ["a", "b"], "3 classes, class_names has 2"),
        ([0, 1], [0.2, 0.9], None, "y_pred must be class ids.* received 0.2 in row 0"),
        (["a"], ["b"], None, r"y_true must be class ids \(n,\)"),
    ],
)
def test_bad_confusion(y_true, y_pred, names, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(y_true, y_pred, names)


# --------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_history(HISTORY),
        lambda: image_grid(np.zeros((3, 28, 28)), [1, 2, 3]),
        lambda: confusion_matrix(TRUE, PROBABILITIES),
        lambda: misclassified(np.zeros((5, 8, 8)), TRUE, PROBABILITIES),
    ],
)
def test_saves_and_shows_in_a_notebook(draw, tmp_path):
    figure = draw()
    figure.savefig(tmp_path / "picture.png")
    figure.savefig(tmp_path / "picture.pdf")
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"
    assert figure._repr_png_()[:4] == b"\x89PNG"
