"""More plots: what is in the Axes equals what was computed elsewhere."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tinynet.inspecting.observing import Histogram, histogram
from tinynet.layers import Dense
from tinynet.plotting import (
    COLOURS,
    decision_boundary,
    plot_gradients,
    plot_histograms,
    plot_history,
    plot_learning_rates,
    plot_loss_surface,
    weight_images,
)
from tinynet.probes import LearningRates, LossSurface

HISTORY = {
    "loss": [2.0, 1.0],
    "gradient_norm/a/kernel": [1.0, 0.5],
    "gradient_norm/a/bias": [0.25, 0.125],
    "gradient_norm/b/kernel": [3.0, 2.0],
    "update_ratio/a/kernel": [1e-3, 2e-3],
    "update_ratio/b/kernel": [3e-3, 1e-4],
    "dead_units/a": [0.0, 0.5],
}


@pytest.fixture(autouse=True)
def _nothing_left_in_pyplot():
    yield
    assert plt.get_fignums() == []


def curves(ax):
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in lines}


# ----------------------------------------------------------------------------------- gradients


def test_gradients():
    figure = plot_gradients(HISTORY)
    norms, ratios, dead = figure.axes
    assert curves(norms) == {"a/kernel": ([1, 2], [1.0, 0.5]), "b/kernel": ([1, 2], [3.0, 2.0])}
    assert curves(ratios)["b/kernel"] == ([1, 2], [3e-3, 1e-4])
    assert curves(dead) == {"a": ([1, 2], [0.0, 0.5])}
    assert (norms.get_yscale(), ratios.get_yscale(), dead.get_yscale()) == ("log", "log", "linear")
    assert [t.get_text() for t in dead.get_legend().get_texts()] == ["a", "b"]
    same = {ax.lines[0].get_color() for ax in (norms, ratios, dead)}
    assert len(same) == 1  # a layer keeps its colour
    assert "a/bias" in curves(plot_gradients(SimpleNamespace(history=HISTORY), biases=True).axes[0])


def test_gradients_of_zero_only():
    figure = plot_gradients({"gradient_norm/a/kernel": [0.0, 0.0]})
    assert [ax.get_yscale() for ax in figure.axes] == ["linear"]


def test_gradients_into_given_axes_and_none():
    figure = Figure()
    axes = figure.subplots(1, 3)
    assert plot_gradients(HISTORY, axes=axes) is figure
    with pytest.raises(ValueError, match="3 panels need as many axes, received 1"):
        plot_gradients(HISTORY, axes=axes[0])
    with pytest.raises(ValueError, match=r"no gradients in this history.*it has: loss"):
        plot_gradients({"loss": [1.0]})


def test_learning_curves_leave_gradients_out():
    assert [ax.get_title() for ax in plot_history(HISTORY).axes] == ["loss"]


# ---------------------------------------------------------------------------------- histograms


def watched(epochs, epoch=None):
    kept = [Histogram(np.array([0, 4, 2]), np.array([-1.0, 0.0, 1.0, 2.0]), 6, 12)] * epochs
    known = {"a/kernel": kept, "a/bias": kept}
    return SimpleNamespace(
        histograms={"gradients": known, "outputs": {}}, epoch=epoch or list(range(epochs))
    )


def test_ridges():
    figure = plot_histograms(watched(3, [5, 6, 7]))
    (ax,) = figure.axes  # the bias is left out
    ridges = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert len(ridges) == 3
    points = ridges[1].get_paths()[0].vertices  # the second stands at -1; the middles of the bins
    tops = {x: points[points[:, 0] == x][:, 1].max() for x in (-0.5, 0.5, 1.5)}
    assert tops == pytest.approx({-0.5: -1.0, 0.5: -1 + 1.6, 1.5: -1 + 0.8})
    assert [t.get_text() for t in ax.get_yticklabels()] == ["6", "7", "8"]
    assert ax.get_title() == "a/kernel   (50% are 0)"
    assert ax.get_xlim() == (0, 2)
    assert len(plot_histograms(watched(40)).axes[0].collections) == 12
    assert len(plot_histograms(watched(2), names=["a/bias", "a/kernel"]).axes) == 2


def test_histogram_of_values():
    values = np.array([[0.0, 1.0, 2.0], [0.0, 4.0, np.nan]])
    counted = histogram(values, 3)
    assert (counted.counts.tolist(), counted.edges.tolist()) == ([1, 1, 1], [1, 2, 3, 4])
    assert (counted.zeros, counted.total) == (2, 6)
    assert histogram(np.zeros(4)).counts.tolist() == [0]
    nothing = SimpleNamespace(histograms={"gradients": {"a": [histogram(np.zeros(4))]}}, epoch=[0])
    assert plot_histograms(nothing).axes[0].get_title() == "a   (100% are 0)"


def test_bad_histograms():
    with pytest.raises(ValueError, match='"gradients" or "outputs", received \'weights\''):
        plot_histograms(watched(1), "weights")
    with pytest.raises(ValueError, match="no gradients of 'b'; there are: a/kernel, a/bias"):
        plot_histograms(watched(1), names="b")
    with pytest.raises(ValueError, match="no histograms"):
        plot_histograms(watched(1), "outputs")


# ------------------------------------------------------------------------------------- weights


def test_weights_are_images():
    W = np.arange(18.0).reshape(6, 3) - 5  # D = 6, H = 3
    ax = weight_images(W, shape=(2, 3)).axes[0]
    assert len(ax.images) == 3
    for unit, image in enumerate(ax.images):
        np.testing.assert_array_equal(image.get_array(), W[:, unit].reshape(2, 3))
        assert image.get_clim() == (-12, 12)
    layer = Dense(5)
    layer.build_once((None, 9))
    figure = weight_images(layer, count=2, columns=1)
    np.testing.assert_array_equal(
        figure.axes[0].images[1].get_array(), layer.kernel.numpy()[:, 1].reshape(3, 3)
    )
    given = Figure().subplots()
    assert weight_images(W, (3, 2), ax=given) is given.figure


@pytest.mark.parametrize(("arguments", "message"), [
    ((np.zeros(4),), r"matrix \(D, H\), received shape \(4,\)"),
    ((np.zeros((5, 2)),), r"5 weights per unit do not fill an image of \(2, 2\)"),
    ((np.zeros((4, 2)), None, 0), r"count must be in 1..1000, received 0"),
])  # fmt: skip
def test_bad_weights(arguments, message):
    with pytest.raises(ValueError, match=message):
        weight_images(*arguments)


# ------------------------------------------------------------------------------------ boundary

POINTS = np.array([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])


def right_half(x):
    """P(class 1) = 1 to the right of x = 0.25, else 0."""
    return (x[:, :1] > 0.25).astype(float)


def test_boundary():
    figure = decision_boundary(right_half, POINTS, [0, 1, 0, 1], class_names=["left", "right"],
                               resolution=101, margin=0.25)  # fmt: skip
    ax = figure.axes[0]
    picture, extent = ax.images[0].get_array(), ax.images[0].get_extent()
    assert extent == [-1.5, 1.5, -1.5, 1.5]
    for column, colour in ((0, COLOURS[0]), (100, COLOURS[1])):
        expected = 1 - 0.6 * (1 - np.array(to_rgb(colour)))  # sure: at full strength
        np.testing.assert_allclose(picture[50, column], expected, atol=0.005)
    (line,) = {tuple(np.round(c.get_paths()[0].vertices[:, 0], 2)) for c in ax.collections[:1]}
    assert all(0.2 < x < 0.3 for x in line)
    assert curves(ax) == {"left": ([-1, -1], [-1, 1]), "right": ([1, 1], [1, -1])}
    assert len(decision_boundary(right_half, POINTS).axes[0].lines) == 0


def test_boundary_of_logits_ids_and_models():
    def logits(x):
        return np.stack([-x[:, 0], x[:, 0], x[:, 0] * 0 - 50], axis=1)

    class Model:
        def predict(self, x, batch_size, verbose):
            return logits(x)

    first = decision_boundary(logits, POINTS, resolution=20).axes[0].images[0].get_array()
    second = decision_boundary(Model(), POINTS, resolution=20).axes[0].images[0].get_array()
    np.testing.assert_array_equal(first, second)
    ids = decision_boundary(lambda x: (x[:, 0] > 0).astype(int), POINTS, resolution=20)
    full = 1 - 0.6 * (1 - np.array(to_rgb(COLOURS[1])))
    np.testing.assert_allclose(ids.axes[0].images[0].get_array()[3, 19], full, atol=0.005)
    # at 1.2 the class has softmax(-1.2, 1.2) = 0.917: of 1/3..1, the share (0.917 - 1/3) / (2/3)
    sure = 1 / (1 + np.exp(-2.4))
    strength = 0.12 + 0.48 * (sure - 1 / 3) / (2 / 3)
    expected = 1 - strength * (1 - np.array(to_rgb(COLOURS[1])))
    np.testing.assert_allclose(first[3, 19], expected, atol=1e-6)


def test_bad_boundary():
    with pytest.raises(ValueError, match=r"points \(n, 2\), received x of shape \(3, 4\)"):
        decision_boundary(right_half, np.zeros((3, 4)))
    with pytest.raises(ValueError, match="x has 4 points, y 2"):
        decision_boundary(right_half, POINTS, [0, 1])
    with pytest.raises(ValueError, match="colours for 6 classes, not 9"):
        decision_boundary(lambda x: np.ones((len(x), 9)) / 9, POINTS)
    with pytest.raises(ValueError, match="2 classes, class_names has 1"):
        decision_boundary(right_half, POINTS, class_names=["a"])


# ------------------------------------------------------------------------------------- probes


def test_learning_rates():
    rates = np.array([0.01, 0.1, 1.0])
    result = LearningRates(rates, np.array([2.0, 1.0, 3.0]), np.array([2.0, 1.5, 2.5]), 0.1)
    ax = plot_learning_rates(result).axes[0]
    assert ax.get_xscale() == "log"
    assert curves(ax)["each step"] == (rates.tolist(), [2.0, 1.0, 3.0])
    assert curves(ax)["smoothed"] == (rates.tolist(), [2.0, 1.5, 2.5])
    assert curves(ax)["falls fastest: 0.1"] == ([0.1], [1.5])


def test_loss_surface_map():
    a = np.linspace(-1, 1, 5)
    losses = 0.5 + a[None, :] ** 2 + 4 * a[:, None] ** 2  # steep along b, which goes upward
    figure = plot_loss_surface(LossSurface(a, a, losses), levels=9)
    ax, bar = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), bar.get_ylabel()) == ("a", "b", "loss")
    filled = ax.collections[0]
    np.testing.assert_allclose(filled.levels, np.geomspace(0.5, 5.5, 9))
    outlines = ax.collections[1]
    ring = np.concatenate([p.vertices for p in outlines.get_paths()[4:5]])
    assert np.abs(ring[:, 0]).max() > 1.5 * np.abs(ring[:, 1]).max()
    flat = LossSurface(a, a, np.ones((5, 5)))
    assert isinstance(plot_loss_surface(flat), Figure)


@pytest.mark.parametrize("draw", [
    lambda: plot_gradients(HISTORY),
    lambda: plot_histograms(watched(3)),
    lambda: weight_images(np.eye(4)),
    lambda: decision_boundary(right_half, POINTS, [0, 1, 0, 1]),
])  # fmt: skip
def test_saves_and_shows_in_a_notebook(draw, tmp_path):
    figure = draw()
    figure.savefig(tmp_path / "picture.png")
    assert figure._repr_png_()[:4] == b"\x89PNG"
