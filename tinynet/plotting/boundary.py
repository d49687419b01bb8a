"""Where in the plane a model decides for which class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .classes import as_classes, as_shares
from .figures import COLOURS, one_axes, root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..configs.types import ArrayLike
    from ..models import Model

MARKERS = "os^DvP"


def decision_boundary(model: Model, x: ArrayLike, y: ArrayLike = None, *,
                      class_names: Sequence[str] | None = None, resolution: int = 200,
                      margin: float = 0.1, ax: Axes | None = None) -> Figure:  # fmt: skip
    """Draw the plane coloured by the class that the model predicts; stronger where it is more sure.

    Args:
        model: a model for rows of two numbers, or a function of (n, 2) that gives what `predict`
            gives: (n, C) probabilities or logits, (n, 1) probabilities of class 1, or class ids.
        x: (n, 2) points; they fix the part of the plane that is shown.
        y: their classes, drawn as points; None draws none.
        class_names: names for the legend; None: the ids.
        resolution: points per side of the grid the model is asked at.
        margin: around the points, as a share of their range.
        ax: matplotlib axes to draw into.

    Returns:
        the figure.

    Raises:
        ValueError: x is not (n, 2), or there are more than six classes.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.ticker import MaxNLocator

    x = np.asarray(x, np.float64)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x):
        raise ValueError(f"decision_boundary draws points (n, 2), received x of shape {x.shape}")
    true = None if y is None else as_classes("y", y)
    if true is not None and len(true) != len(x):
        raise ValueError(f"x has {len(x)} points, y {len(true)}")
    low, high = x.min(axis=0), x.max(axis=0)
    space = margin * np.maximum(high - low, 1e-6)
    sides = [np.linspace(a, b, resolution) for a, b in zip(low - space, high + space, strict=True)]
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    if hasattr(model, "predict"):
        scores = np.asarray(model.predict(grid, batch_size=4096, verbose=0))
    else:
        scores = np.asarray(model(grid))
    shares = _shares(scores)  # (n, C)
    count = max(shares.shape[1], 0 if true is None else int(true.max()) + 1)
    if count > len(COLOURS):
        raise ValueError(f"decision_boundary has colours for {len(COLOURS)} classes, not {count}")
    if class_names is not None and len(class_names) < count:
        raise ValueError(f"there are {count} classes, class_names has {len(class_names)}")
    colours = np.array([to_rgb(colour) for colour in COLOURS[:count]])  # (C, 3)
    chosen, sure = shares.argmax(axis=1), shares.max(axis=1)
    least = 1 / max(shares.shape[1], 2)
    strength = 0.12 + 0.48 * np.clip((sure - least) / (1 - least), 0, 1)  # (n,)
    picture = 1 - strength[:, None] * (1 - colours[chosen])

    ax = one_axes(ax, 5.2, 4.8)
    edges = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    square = (resolution, resolution)
    ax.imshow(picture.reshape(*square, 3), extent=edges, origin="lower", aspect="auto",
              interpolation="bilinear")  # fmt: skip
    for c in range(shares.shape[1]):  # where a class becomes as likely as the best of the others
        lead = shares[:, c] - np.delete(shares, c, axis=1).max(axis=1)
        if lead.min() < 0 < lead.max():
            ax.contour(*sides, lead.reshape(square), [0.0], colors="#333333", linewidths=1)
    for c in [] if true is None else np.unique(true):
        ax.plot(*x[true == c].T, MARKERS[c], color=COLOURS[c], markersize=5.5,
                markeredgecolor="white", markeredgewidth=0.7, linestyle="",
                label=str(c if class_names is None else class_names[c]))  # fmt: skip
    if true is not None:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, title="class")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    ax.set(xlim=edges[:2], ylim=edges[2:])
    ax.spines[["top", "right"]].set_visible(False)
    return root(ax)


def _shares(scores):
    """Return how sure of each class (n, C), from whatever the model gives."""
    if scores.ndim == 1 and scores.dtype.kind in "iu":
        return np.eye(int(scores.max()) + 1 if scores.max() else 2)[scores]
    if scores.ndim == 1:
        scores = scores[:, None]
    if scores.ndim != 2:
        raise ValueError(f"expected predictions (n, C), received shape {scores.shape}")
    scores = scores.astype(np.float64)
    if scores.shape[1] == 1:
        p = scores if scores.min() >= 0 and scores.max() <= 1 else 1 / (1 + np.exp(-scores))
        return np.concatenate([1 - p, p], axis=1)
    return as_shares(scores)
