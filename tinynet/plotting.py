"""Pictures of a training and of what a network does: matplotlib figures, nothing shown by itself.

Every function returns a `matplotlib.figure.Figure`. In a notebook it appears when it is a cell's
last value; in a script it is saved with `.savefig("name.png")`. It does not belong to pyplot, so
drawing in a loop leaks nothing; for a pyplot window hand in axes of your own:

    figure, axes = plt.subplots(1, 2)
    plot_history(history, axes=axes)
    plt.show()
"""

import functools
import io
import math

import numpy as np

TRAINING, VALIDATION = "#1f77b4", "#ff7f0e"
RIGHT, WRONG, FAINT = "#333333", "#c62828", "#b0b0b0"
LINE = 0.18  # inches that a line of a title takes
MOST_IMAGES = 1000  # more of them in one picture is a mistake in every case seen so far


@functools.cache
def _figure_class():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        """A figure that a notebook shows without pyplot's inline backend being loaded."""

        def __init__(self, **options):
            super().__init__(**options)
            FigureCanvasAgg(self)

        def _repr_png_(self):
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return NotebookFigure


def _figure(width, height, **options):
    """A figure of `width` by `height` inches."""
    return _figure_class()(figsize=(width, height), dpi=100, **options)


# ------------------------------------------------------------------------------------- history


def plot_history(history, metrics=None, *, validation_freq=1, axes=None):
    """The learning curves: a panel each for loss, accuracy, ..., training against validation.

    Args:
        history: what `fit` returned, or its `.history` dict of name -> list per epoch.
        metrics: names of the panels, without "val_"; by default the loss and every metric.
        validation_freq: as given to `fit`, if validation did not run after every epoch.
        axes: matplotlib axes to draw into, one per panel.

    Returns:
        the figure.

    Raises:
        ValueError: the history is empty, lacks a metric, or its lists differ in length.
    """
    from matplotlib.ticker import MaxNLocator

    curves = dict(getattr(history, "history", history))
    names = [name for name in curves if not name.startswith("val_")]
    epochs = [epoch + 1 for epoch in getattr(history, "epoch", ())]
    if not names or not len(curves[names[0]]):
        raise ValueError(f"the history holds no epoch, received {curves!r}")
    if metrics is None:
        metrics = [name for name in names if name != "learning_rate"]
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    if not metrics:
        raise ValueError(f"there is nothing to draw: metrics is empty; known: {', '.join(names)}")
    for name in metrics:
        if name not in names:
            raise ValueError(f"the history has no {name!r}; it has: {', '.join(names)}")
    epochs = epochs or list(range(1, len(curves[names[0]]) + 1))
    validated = [
        e
        for e in epochs
        if (e % validation_freq == 0 if np.isscalar(validation_freq) else e in validation_freq)
    ]
    for name in metrics:
        _same_length(name, curves[name], epochs)
        if f"val_{name}" in curves:
            _same_length(f"val_{name}", curves[f"val_{name}"], validated)

    if axes is None:
        columns = min(len(metrics), 3)
        rows = math.ceil(len(metrics) / columns)
        figure = _figure(5.2 * columns, 3.8 * rows, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax in axes[len(metrics) :]:
            ax.remove()
    axes = np.ravel(axes)
    if len(axes) < len(metrics):
        raise ValueError(
            f"{len(metrics)} panels ({', '.join(metrics)}) need as many axes, received {len(axes)}"
        )
    for ax, name in zip(axes, metrics, strict=False):
        # One epoch is a point, a few are points on a line, many are a line.
        style = {"linewidth": 1.8, "marker": "o" if len(epochs) <= 20 else "", "markersize": 4}
        ax.plot(epochs, curves[name], color=TRAINING, label="training", **style)
        if f"val_{name}" in curves:
            label = "validation"
            ax.plot(validated, curves[f"val_{name}"], color=VALIDATION, label=label, **style)
        ax.set(title=name.replace("_", " "), xlabel="epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
    return _root(axes[0])


def _same_length(name, values, epochs):
    if len(values) != len(epochs):
        raise ValueError(
            f"{name!r} has {len(values)} values for {len(epochs)} epochs; if validation did not "
            "run after every epoch, pass the validation_freq that fit had"
        )


def _root(ax):
    return ax.figure.figure  # above any SubFigure


# -------------------------------------------------------------------------------------- images


def image_grid(
    images, labels=None, predictions=None, columns=10, *, class_names=None, cmap="gray_r", ax=None
):
    """Images side by side, with their labels above them.

    Where predictions differ from labels, "label → prediction" stands above in red.

    Args:
        images: (n, h, w), (n, h, w, 1), (n, h, w, 3) or flat squares (n, h*h). Grey images keep
            their range, colours are integers in 0..255 or floats in 0..1.
        labels: (n,) class ids or names, or (n, C) one-hot.
        predictions: like labels, or (n, C) probabilities.
        columns: images per row.
        class_names: names to show for class ids.
        cmap: matplotlib's name of the colours for grey images; "gray" is white on black.
        ax: matplotlib axes to draw into.

    Returns:
        the figure.

    Raises:
        ValueError: no images, more than 1000, not image-shaped, or lengths that differ.
    """
    images = _as_images(images)
    n = len(images)
    if n > MOST_IMAGES:
        raise ValueError(f"a grid shows at most {MOST_IMAGES} images, received {n}: "
                         "pass a part of them, such as images[:50]")  # fmt: skip
    labels = _as_names("labels", labels, n, class_names)
    predictions = _as_names("predictions", predictions, n, class_names)
    titles, colours = [], []
    for i in range(n):
        label = None if labels is None else labels[i]
        guess = None if predictions is None else predictions[i]
        wrong = label is not None and guess is not None and label != guess
        titles.append(f"{label} → {guess}" if wrong else guess if label is None else label)
        colours.append(WRONG if wrong else RIGHT)
    return _mosaic(images, titles, colours, columns, cmap, ax)


def _as_images(images):
    """(n, h, w) or (n, h, w, 3), for imshow."""
    images = np.asarray(images)
    shape = images.shape
    if images.ndim == 2:
        side = math.isqrt(shape[1])
        if side * side == shape[1]:
            images = images.reshape(shape[0], side, side)
    elif images.ndim == 4 and shape[-1] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and shape[-1] != 3):
        raise ValueError(
            "images must be (n, h, w), (n, h, w, 1), (n, h, w, 3) or flat squares (n, h*h), "
            f"received shape {shape}" + (" (a single image? pass image[None])" * (len(shape) == 2))
        )
    if not images.size:
        raise ValueError(f"there are no images to show, received shape {shape}")
    if images.ndim == 4 and images.dtype.kind == "f":
        low, high = min(images.min(), 0), max(images.max(), 1)  # leaves 0..1 as it is
        images = (images - low) / (high - low)
    return images.astype(np.float32) if images.dtype.kind in "bf" else images


def _as_names(what, values, n, class_names):
    """What to write for labels or predictions: a list of n strings."""
    if values is None:
        return None
    values = np.asarray(values)
    if values.dtype.kind not in "US":
        values = _as_classes(what, values)
    if len(values) != n:
        raise ValueError(f"{what} must have one entry per image: {n} images, {len(values)} {what}")
    if class_names is None or values.dtype.kind in "US":
        return [str(value) for value in values]
    if values.max() >= len(class_names):
        raise ValueError(f"{what} has class {values.max()}, class_names only {len(class_names)}")
    return [str(class_names[value]) for value in values]


def _as_classes(what, values):
    """Class ids (n,) from ids (n,) or (n, 1), from P(class 1) (n, 1), or from (n, C)."""
    values = np.asarray(values)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise ValueError(f"{what} has NaN or infinity in row {row}")
    if values.ndim == 2 and values.shape[1] > 1:
        return values.argmax(axis=1)
    if values.ndim not in (1, 2) or values.dtype.kind not in "buif":
        raise ValueError(
            f"{what} must be class ids (n,) or probabilities (n, C), "
            f"received shape {values.shape} of {values.dtype}"
        )
    probability = values.ndim == 2 and values.dtype.kind == "f"
    values = values.ravel()
    if probability and ((values >= 0) & (values <= 1)).all():
        return (values > 0.5).astype(int)
    ids = values.astype(int)
    if (ids != values).any() or (ids < 0).any():
        row = int(np.argmax((ids != values) | (ids < 0)))
        raise ValueError(f"{what} must be class ids 0, 1, ..., received {values[row]} in row {row}")
    return ids


def _mosaic(images, titles, colours, columns, cmap, ax, heading=None):
    """All images in one Axes: a hundred Axes would take seconds to draw.

    Units of the Axes are image widths: image i is at column x, row y, one cell wide, and its
    title stands in a strip of the cell above it.
    """
    if columns < 1:
        raise ValueError(f"columns must be at least 1, received {columns}")
    n, height, width = images.shape[:3]
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    # A title of two lines leaves more room for long names.
    longest = max((len(t) for t in titles if t is not None), default=0)
    if longest > 12:
        titles = [t and t.replace(" → ", "\n→ ") for t in titles]
        longest = max(len(line) for t in titles if t for line in t.split("\n"))
    lines = max((t.count("\n") + 1 for t in titles if t), default=0)
    cell = 1.0 if longest <= 12 else 1.25  # inches
    if ax is None:
        top = 0.0 if heading is None else 0.35
        strip = lines * LINE  # inches for the title
        size = columns * cell, rows * (cell * height / width + strip) + top
        figure = _figure(max(size[0], 1.5 if heading is None else 4.5), size[1])
        margin = 0.01
        ax = figure.add_axes((margin, margin, 1 - 2 * margin, 1 - 2 * margin - top / size[1]))
        if heading is not None:
            figure.text(0.5, 1 - 0.18 / size[1], heading, ha="center", va="center", fontsize=9)
    else:
        cell = ax.get_window_extent().width / ax.figure.dpi / columns
        strip = lines * LINE
        if heading is not None:
            ax.set_title(heading, fontsize=9)
    # 0.6 em is the mean width of a character, 72 points are an inch.
    font = min(9.0, 72 * 0.96 * cell / (0.6 * max(longest, 1)))
    pitch = height / width + strip / cell
    limits = {}
    if images.ndim == 3:
        limits = {"cmap": cmap, "vmin": np.nanmin(images), "vmax": np.nanmax(images)}
    for i, image in enumerate(images):
        x, y = i % columns, i // columns * pitch
        bottom = y + pitch
        extent = (
            x + 0.04,
            x + 0.96,
            bottom - 0.04 * height / width,
            bottom - 0.96 * height / width,
        )
        ax.imshow(image, extent=extent, interpolation="nearest", **limits)
        if titles[i]:
            ax.text(
                x + 0.5, extent[3] - 0.02, titles[i],
                ha="center", va="bottom", fontsize=font, color=colours[i], linespacing=1.1,
            )  # fmt: skip
    ax.set(xlim=(0, columns), ylim=(rows * pitch, 0), aspect="equal")
    ax.set_axis_off()
    return _root(ax)


def misclassified(
    images, y_true, y_pred, count=25, columns=5, *, class_names=None, cmap="gray_r", ax=None
):
    """The images that a classifier gets wrong, the errors it is most sure of first.

    Args:
        images: as for `image_grid`.
        y_true: (n,) class ids, or (n, C) one-hot.
        y_pred: (n, C) probabilities or logits; or (n,) class ids, then the errors keep their order.
        count: show at most so many.
        columns, class_names, cmap, ax: as for `image_grid`.

    Returns:
        the figure; it says so if there are no errors.

    Raises:
        ValueError: as for `image_grid`.
    """
    images, y_pred = _as_images(images), np.asarray(y_pred)
    true, guess = _as_classes("y_true", y_true), _as_classes("y_pred", y_pred)
    if not len(images) == len(true) == len(guess):
        raise ValueError(
            "images, y_true and y_pred must have the same length, received "
            f"{len(images)}, {len(true)} and {len(guess)}"
        )
    if count < 1:
        raise ValueError(f"count must be at least 1, received {count}")
    wrong = np.flatnonzero(true != guess)
    sure = None
    if y_pred.ndim == 2 and y_pred.dtype.kind == "f":
        sure = _confidence(y_pred)
        wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    shown = wrong[: min(count, MOST_IMAGES)]
    if not len(shown):
        figure = _figure(4, 1) if ax is None else _root(ax)
        ax = figure.add_axes((0, 0, 1, 1)) if ax is None else ax
        ax.set_axis_off()
        ax.text(0.5, 0.5, f"none of {len(true):,} misclassified", ha="center", va="center",
                transform=ax.transAxes)  # fmt: skip
        return figure
    names = [_as_names(what, ids[shown], len(shown), class_names)
             for what, ids in (("y_true", true), ("y_pred", guess))]  # fmt: skip
    titles = [f"{a} → {b}" for a, b in zip(*names, strict=True)]
    heading = f"{len(wrong):,} of {len(true):,} wrong: true → predicted"
    if sure is not None:
        titles = [f"{t}  {sure[i]:.0%}" for t, i in zip(titles, shown, strict=True)]
        heading += ", most confident first"
    return _mosaic(images[shown], titles, [RIGHT] * len(shown), columns, cmap, ax, heading)


def _confidence(scores):
    """The probability (n,) of the class that was chosen; scores outside 0..1 are logits."""
    if scores.shape[1] == 1:
        return np.abs(scores[:, 0] - 0.5) + 0.5
    if scores.min() < 0 or scores.max() > 1:
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores = scores / scores.sum(axis=1, keepdims=True)
    return scores.max(axis=1)


# ----------------------------------------------------------------------------------- confusion


def confusion_matrix(y_true, y_pred, class_names=None, normalize=False, *, ax=None):
    """How often class i (row) was taken for class j (column).

    The colour shows the share of the row, on a scale that makes rare confusions visible.

    Args:
        y_true: (n,) class ids, or (n, C) one-hot.
        y_pred: (n,) class ids, or (n, C) probabilities, or (n, 1) probabilities of class 1.
        class_names: C names; by default the ids.
        normalize: write per cent of the row in the cells, not counts.
        ax: matplotlib axes to draw into.

    Returns:
        the figure.

    Raises:
        ValueError: nothing to count, lengths that differ, or more classes than names.
    """
    from matplotlib.colors import PowerNorm

    scores = np.asarray(y_pred)
    true, guess = _as_classes("y_true", y_true), _as_classes("y_pred", scores)
    if len(true) != len(guess) or not len(true):
        raise ValueError(
            "y_true and y_pred must have the same length, at least 1, "
            f"received {len(true)} and {len(guess)}"
        )
    classes = int(max(true.max(), guess.max())) + 1
    if scores.ndim == 2:
        classes = max(classes, scores.shape[1])
    if class_names is not None:
        if len(class_names) < classes:
            raise ValueError(f"there are {classes} classes, class_names has {len(class_names)}")
        classes = len(class_names)
    counts = np.bincount(true * classes + guess, minlength=classes**2).reshape(classes, classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # each row adds up to 1

    ticks = [str(name) for name in (range(classes) if class_names is None else class_names)]
    longest = max(map(len, ticks))
    if ax is None:
        side = min(max(0.5 * classes, 3.2), 12)
        figure = _figure(side + 0.09 * longest + 0.8, side + 0.8, layout="constrained")
        ax = figure.subplots()
    ax.imshow(shares, cmap="Blues", norm=PowerNorm(0.4, vmin=0, vmax=1))
    if classes <= 30:  # above, numbers would be illegible and the colours speak
        font = 9 if classes <= 12 else 9 * 12 / classes + 1
        for (i, j), share in np.ndenumerate(shares):
            text = f"{100 * share:.1f}" if normalize else f"{counts[i, j]}"
            dark = share > 0.3
            colour = "white" if dark else FAINT if counts[i, j] == 0 else RIGHT
            ax.text(j, i, text, ha="center", va="center", fontsize=font, color=colour)
    every = max(1, classes // 30)
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if longest > 4 else {}
    ax.set_xticks(range(0, classes, every), ticks[::every], **slanted)
    ax.set_yticks(range(0, classes, every), ticks[::every])
    ax.tick_params(length=0)
    accuracy = (true == guess).mean()
    unit = ", % of each row" if normalize else ""
    ax.set(xlabel="predicted", ylabel="true")
    ax.set_title(f"accuracy {accuracy:.4f} (n = {len(true):,}{unit})", fontsize=10)
    return _root(ax)
