"""Images side by side: samples, those a classifier gets wrong, and weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .classes import as_classes, as_names, as_shares
from .figures import RIGHT, WRONG, new_figure, root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..configs.types import ArrayLike, Shape

LINE = 0.18  # inches that a line of a title takes
MOST_IMAGES = 1000  # more of them in one picture is a mistake in every case seen so far


def image_grid(images: ArrayLike, labels: ArrayLike = None, predictions: ArrayLike = None,
               columns: int = 10, *, class_names: Sequence[str] | None = None, cmap: str = "gray_r",
               ax: Axes | None = None) -> Figure:  # fmt: skip
    """Draw images side by side, with their labels above them.

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
    labels = as_names("labels", labels, n, class_names)
    predictions = as_names("predictions", predictions, n, class_names)
    titles, colours, unknown = [], [], [None] * n
    for label, guess in zip(labels or unknown, predictions or unknown, strict=True):
        wrong = label is not None and guess is not None and label != guess
        titles.append(f"{label} → {guess}" if wrong else guess if label is None else label)
        colours.append(WRONG if wrong else RIGHT)
    return _mosaic(images, titles, colours, columns, cmap, ax)


def _as_images(images):
    """Return (n, h, w) or (n, h, w, 3), for imshow."""
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


def _mosaic(images, titles, colours, columns, cmap, ax, heading=None, limits=None):
    """Return all images in one Axes: a hundred Axes would take seconds to draw.

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
        figure = new_figure(max(size[0], 1.5 if heading is None else 4.5), size[1])
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
    scale = {}
    if images.ndim == 3:
        least, most = limits or (np.nanmin(images), np.nanmax(images))
        scale = {"cmap": cmap, "vmin": least, "vmax": most}
    for i, image in enumerate(images):
        x, y = i % columns, i // columns * pitch
        low, high = (y + pitch - share * height / width for share in (0.04, 0.96))
        extent = (x + 0.04, x + 0.96, low, high)
        ax.imshow(image, extent=extent, interpolation="nearest", **scale)
        if titles[i]:
            ax.text(
                x + 0.5, high - 0.02, titles[i],
                ha="center", va="bottom", fontsize=font, color=colours[i], linespacing=1.1,
            )  # fmt: skip
    ax.set(xlim=(0, columns), ylim=(rows * pitch, 0), aspect="equal")
    ax.set_axis_off()
    return root(ax)


def misclassified(images: ArrayLike, y_true: ArrayLike, y_pred: ArrayLike, count: int = 25,
                  columns: int = 5, *, class_names: Sequence[str] | None = None,
                  cmap: str = "gray_r", ax: Axes | None = None) -> Figure:  # fmt: skip
    """Draw the images that a classifier gets wrong, the errors it is most sure of first.

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
    true, guess = as_classes("y_true", y_true), as_classes("y_pred", y_pred)
    if not len(images) == len(true) == len(guess):
        raise ValueError("images, y_true and y_pred must have the same length, received "
                         f"{len(images)}, {len(true)} and {len(guess)}")  # fmt: skip
    if count < 1:
        raise ValueError(f"count must be at least 1, received {count}")
    wrong = np.flatnonzero(true != guess)
    sure = None
    if y_pred.ndim == 2 and y_pred.dtype.kind == "f":
        sure = _confidence(y_pred)
        wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    shown = wrong[: min(count, MOST_IMAGES)]
    if not len(shown):
        figure = new_figure(4, 1) if ax is None else root(ax)
        ax = figure.add_axes((0, 0, 1, 1)) if ax is None else ax
        ax.set_axis_off()
        ax.text(0.5, 0.5, f"none of {len(true):,} misclassified", ha="center", va="center",
                transform=ax.transAxes)  # fmt: skip
        return figure
    names = [as_names(what, ids[shown], len(shown), class_names)
             for what, ids in (("y_true", true), ("y_pred", guess))]  # fmt: skip
    titles = [f"{a} → {b}" for a, b in zip(*names, strict=True)]
    heading = f"{len(wrong):,} of {len(true):,} wrong: true → predicted"
    if sure is not None:
        titles = [f"{t}  {sure[i]:.0%}" for t, i in zip(titles, shown, strict=True)]
        heading += ", most confident first"
    return _mosaic(images[shown], titles, [RIGHT] * len(shown), columns, cmap, ax, heading)


def _confidence(scores):
    """Return the probability (n,) of the class that was chosen; scores outside 0..1 are logits."""
    if scores.shape[1] == 1:
        return np.abs(scores[:, 0] - 0.5) + 0.5
    return as_shares(scores).max(axis=1)


def weight_images(weights: Sequence[ArrayLike], shape: Shape | None = None, count: int = 100,
                  columns: int = 10, *, ax: Axes | None = None) -> Figure:  # fmt: skip
    """Draw the weights into each unit as an image: blue pulls down, red pushes up, white is 0.

    All images share one scale, symmetric about 0.

    Args:
        weights: a layer with a `kernel`, or an array (D, H): H images of D pixels.
        shape: (h, w) of an image with h w = D; None: square.
        count: show at most so many units, the first ones.
        columns: images per row.
        ax: matplotlib axes to draw into.

    Returns:
        the figure.

    Raises:
        ValueError: no matrix, or D pixels that do not fill the shape.
    """
    if hasattr(weights, "kernel"):
        weights = weights.kernel
    W = np.asarray(weights)
    if W.ndim != 2:
        raise ValueError(f"weights must be a matrix (D, H), received shape {W.shape}")
    shape = (math.isqrt(W.shape[0]),) * 2 if shape is None else shape
    if math.prod(shape) != W.shape[0] or len(shape) != 2:
        raise ValueError(f"{W.shape[0]} weights per unit do not fill an image of {tuple(shape)}; "
                         "pass shape=(h, w)")  # fmt: skip
    if not 1 <= count <= MOST_IMAGES:
        raise ValueError(f"count must be in 1..{MOST_IMAGES}, received {count}")
    images = W.T[:count].reshape(-1, *shape)
    titles = [None] * len(images)
    most = float(np.abs(images).max(initial=0)) or 1.0
    return _mosaic(images, titles, titles, columns, "RdBu_r", ax, limits=(-most, most))
