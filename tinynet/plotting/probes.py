"""Pictures of the experiments in `tinynet.probes`: learning rates, and the loss around weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .figures import FAINT, TRAINING, WRONG, one_axes, open_grid, root

if TYPE_CHECKING:
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_learning_rates(result: Any, *, ax: Axes | None = None) -> Figure:
    """Draw the loss against a growing learning rate; the steepest descent is marked.

    Args:
        result: what `probes.learning_rate_range` returned.
        ax: matplotlib axes to draw into.

    Returns:
        the figure.
    """
    ax = one_axes(ax, 6.0, 3.8)
    ax.plot(result.rates, result.losses, ".", color=FAINT, markersize=4, label="each step")
    ax.plot(result.rates, result.smooth, color=TRAINING, linewidth=2, label="smoothed")
    height = np.interp(np.log(result.steepest), np.log(result.rates), result.smooth)
    ax.plot([result.steepest], [height], "o", color=WRONG, markersize=8, zorder=3,
            label=f"falls fastest: {result.steepest:.2g}")  # fmt: skip
    top, bottom = max(result.smooth[0], np.median(result.losses)), result.smooth.min()
    ax.set_ylim(min(bottom, result.losses.min()) - 0.08 * (top - bottom),
                top + 0.6 * max(top - bottom, 1e-3))  # fmt: skip
    ax.set_xlim(result.rates[0] / 1.5, result.rates[-1] * 1.5)
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss", title="learning-rate range test")
    open_grid(ax)
    ax.legend(frameon=False, loc="lower left")
    return root(ax)


def plot_loss_surface(result: Any, *, levels: int = 18, ax: Axes | None = None) -> Figure:
    """Draw the loss on a plane through the weights, as a map with contour lines; the cross is w.

    Args:
        result: what `probes.loss_surface` returned.
        levels: how many contour lines; they are spaced by equal factors.
        ax: matplotlib axes to draw into.

    Returns:
        the figure.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

    losses = np.maximum(result.losses, 1e-12)
    low, high = losses.min(), losses.max()
    high = max(high, low * 1.001)
    ax = one_axes(ax, 5.6, 4.6)
    at, norm = np.geomspace(low, high, levels), LogNorm(low, high)
    filled = ax.contourf(result.a, result.b, losses, at, norm=norm, cmap="viridis_r")
    ax.contour(result.a, result.b, losses, at, colors="white", linewidths=0.5, alpha=0.6)
    ax.plot([0], [0], "+", color="black", markersize=11, markeredgewidth=2)
    bar = root(ax).colorbar(filled, ax=ax, ticks=LogLocator(subs=(1, 2, 5)), label="loss")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    bar.ax.minorticks_off()
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    ax.set(xlabel="a", ylabel="b", title="loss at w + a u + b v", aspect="equal")
    return root(ax)
