"""The learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .figures import FAINT, RIGHT, TRAINING, VALIDATION, line_style, panel_axes, root, style_epochs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from matplotlib.figure import Figure


def plot_history(history: Any, metrics: Sequence[str] | None = None, *, validation_freq: int = 1,
                 axes: int | Sequence[int] | None = None) -> Figure:  # fmt: skip
    """Draw the learning curves: a panel each for loss, accuracy, ..., training against validation.

    A line marks the epoch whose weights EarlyStopping brought back, and one each the epochs before
    which the learning rate was changed (where the history has it, and it was not in every epoch).

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
    curves = dict(getattr(history, "history", history))
    names = [name for name in curves if not name.startswith("val_")]
    epochs = [epoch + 1 for epoch in getattr(history, "epoch", ())]
    if not names or not len(curves[names[0]]):
        raise ValueError(f"the history holds no epoch, received {curves!r}")
    if metrics is None:
        # with a slash: what GradientMonitor adds, see plot_gradients
        metrics = [name for name in names if name != "learning_rate" and "/" not in name]
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    if not metrics:
        raise ValueError(f"there is nothing to draw: metrics is empty; known: {', '.join(names)}")
    for name in metrics:
        if name not in names:
            raise ValueError(f"the history has no {name!r}; it has: {', '.join(names)}")
    epochs = epochs or list(range(1, len(curves[names[0]]) + 1))
    every = np.isscalar(validation_freq)
    validated = [e for e in epochs if (e % validation_freq == 0 if every else e in validation_freq)]
    for name in metrics:
        _same_length(name, curves[name], epochs)
        if f"val_{name}" in curves:
            _same_length(f"val_{name}", curves[f"val_{name}"], validated)

    changes, kept = _rate_changes(curves, epochs), getattr(history, "kept_epoch", None)
    axes = panel_axes(len(metrics), 5.2, axes, f" ({', '.join(metrics)})")
    for ax, name in zip(axes, metrics, strict=True):
        style = line_style(len(epochs))
        ax.plot(epochs, curves[name], color=TRAINING, label="training", **style)
        if f"val_{name}" in curves:
            label = "validation"
            ax.plot(validated, curves[f"val_{name}"], color=VALIDATION, label=label, **style)
        for i, epoch in enumerate(changes):
            label = None if i else "learning rate changed"
            ax.axvline(epoch - 0.5, color=FAINT, linestyle=":", linewidth=1.4, label=label)
        if kept is not None:
            ax.axvline(kept + 1, color=RIGHT, linestyle="--", linewidth=1.2, label="weights kept")
        style_epochs(ax, name.replace("_", " "))
        ax.legend(framealpha=0.85, edgecolor="none")
    return root(axes[0])


def _rate_changes(curves, epochs):
    """Return the epochs that began with another learning rate; [] where a schedule moves on."""
    rates = curves.get("learning_rate", ())
    changes = [e for e, a, b in zip(epochs[1:], rates, rates[1:], strict=False) if a != b]
    return changes if 2 * len(changes) < len(epochs) else []


def _same_length(name, values, epochs):
    if len(values) != len(epochs):
        raise ValueError(f"{name!r} has {len(values)} values for {len(epochs)} epochs; if "
                         "validation did not run after every epoch, pass the validation_freq that "
                         "fit had")  # fmt: skip
