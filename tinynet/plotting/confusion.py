"""The confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .classes import as_classes
from .figures import FAINT, RIGHT, new_figure, root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from ..configs.types import Array, ArrayLike


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, class_names: Sequence[str] | None = None,
                     normalize: bool = False, *, ax: Axes | None = None) -> Array:  # fmt: skip
    """Draw how often class i (row) was taken for class j (column).

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
    true, guess = as_classes("y_true", y_true), as_classes("y_pred", scores)
    if len(true) != len(guess) or not len(true):
        raise ValueError("y_true and y_pred must have the same length, at least 1, received "
                         f"{len(true)} and {len(guess)}")  # fmt: skip
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
        figure = new_figure(side + 0.09 * longest + 0.8, side + 0.8, layout="constrained")
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
    return root(ax)
