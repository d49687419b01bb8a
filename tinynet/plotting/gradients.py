"""What a GradientMonitor recorded: norms, ratios and dead units as curves, histograms as ridges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .figures import FAINT, RIGHT, line_style, panel_axes, root, style_epochs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from matplotlib.figure import Figure

PANELS = {"gradient_norm": "gradient norm", "update_ratio": "update / weights, of one step",
          "dead_units": "dead units"}  # fmt: skip
MOST_RIDGES = 12


def plot_gradients(history: Any, *, biases: bool = False,
                   axes: int | Sequence[int] | None = None) -> Figure:  # fmt: skip
    """Draw gradient norms, update ratios and dead units against the epoch, a line per layer.

    The dashed line marks an update of 1e-3 of the weights, which is usual for a healthy training.

    Args:
        history: what `fit` returned, its `.history`, or the GradientMonitor itself.
        biases: draw vectors (biases, gamma, beta) too, and not only matrices.
        axes: matplotlib axes to draw into, one per panel.

    Returns:
        the figure.

    Raises:
        ValueError: no GradientMonitor took part; too few axes.
    """
    from matplotlib.ticker import PercentFormatter

    curves = dict(getattr(history, "history", history))
    panels = {kind: _of_kind(curves, kind, biases) for kind in PANELS}
    panels = {kind: lines for kind, lines in panels.items() if lines}
    if not panels:
        raise ValueError("there are no gradients in this history: fit(..., "
                         "callbacks=[GradientMonitor(x, y)]); it has: "
                         f"{', '.join(curves) or 'nothing'}")  # fmt: skip
    owners = list(dict.fromkeys(n.split("/")[0] for lines in panels.values() for n in lines))
    colours = dict(zip(owners, in_order(len(owners)), strict=True))
    axes = panel_axes(len(panels), 4.6, axes)
    handles = {}
    for ax, (kind, lines) in zip(axes, panels.items(), strict=True):
        for name, values in lines.items():
            owner, dash = name.split("/")[0], "-" if _is_matrix(name) else ":"
            epochs = range(1, len(values) + 1)
            style = {"color": colours[owner], "label": name, **line_style(len(values))}
            (line,) = ax.plot(epochs, values, dash, **style)
            handles.setdefault(owner if dash == "-" else name, line)
        if kind == "dead_units":
            ax.set_ylim(-0.03, 1.03)
            ax.yaxis.set_major_formatter(PercentFormatter(1))
        elif any(v > 0 for values in lines.values() for v in values):
            ax.set_yscale("log")
        if kind == "update_ratio":
            ax.axhline(1e-3, color=FAINT, linestyle="--", linewidth=1, zorder=0)
        style_epochs(ax, PANELS[kind])
    last = axes[-1]
    last.legend(
        handles.values(), handles, frameon=False, fontsize=9, title="layer, input first",
        title_fontsize=9, loc="center left", bbox_to_anchor=(1.02, 0.5),
    )  # fmt: skip
    return root(axes[0])


def in_order(count):
    """Return colours from the first layer, dark blue, to the last, yellow-green.

    They stay in order for every kind of colour vision, and in grey.
    """
    from matplotlib import colormaps

    return [colormaps["viridis"](i) for i in np.linspace(0.0, 0.85, count)]


def _of_kind(curves, kind, biases):
    """Return "layer/parameter" (or "layer") -> values, of the curves of a kind."""
    found = {n.partition("/")[2]: v for n, v in curves.items() if n.startswith(f"{kind}/")}
    matrices = {name: v for name, v in found.items() if _is_matrix(name)}
    return found if biases or not matrices else matrices


def _is_matrix(name):
    return name.rpartition("/")[2] not in ("bias", "beta", "gamma", "alpha")


def plot_histograms(monitor: str, kind: str = "gradients", names: Sequence[str] | None = None, *,
                    axes: int | Sequence[int] | None = None) -> Figure:  # fmt: skip
    """Draw how the entries of gradients, or of layer outputs, are spread: a ridge for each epoch.

    The first epoch is at the back, the last in front. Entries that are exactly 0, of which a ReLU
    makes many, are left out of the ridges; their share in the last epoch stands in the title.

    Args:
        monitor: a GradientMonitor that has watched a training.
        kind: "gradients" or "outputs".
        names: which parameters or layers; None: all matrices, or all layers.
        axes: matplotlib axes to draw into, one per name.

    Returns:
        the figure.

    Raises:
        ValueError: it has seen no epoch, or does not know a name.
    """
    known = monitor.histograms.get(kind)
    if known is None:
        raise ValueError(f'kind must be "gradients" or "outputs", received {kind!r}')
    if not known:
        raise ValueError("the monitor has no histograms: give it to fit, with bins above 0")
    if names is None:
        names = [n for n in known if _is_matrix(n)] if kind == "gradients" else list(known)
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in known:
            raise ValueError(f"there are no {kind} of {name!r}; there are: {', '.join(known)}")
    axes = panel_axes(len(names), 4.2, axes)
    for ax, name in zip(axes, names, strict=True):
        _ridges(ax, name, known[name], [e + 1 for e in monitor.epoch])
    return root(axes[0])


def _ridges(ax, name, histograms, epochs):
    """Draw one curve of density above the other; each is as high as the highest."""
    shown = np.unique(np.linspace(0, len(epochs) - 1, min(MOST_RIDGES, len(epochs))).astype(int))
    colours = in_order(len(shown))[::-1]
    low, high = _range([histograms[i] for i in shown])
    for place, (i, colour) in enumerate(zip(shown, colours, strict=True)):
        counts, edges, *_ = histograms[i]
        density = counts / np.diff(edges)
        height = density / max(density.max(), 1e-300) * 1.6  # neighbours may overlap by that
        middles = (edges[1:] + edges[:-1]) / 2
        base = -place
        layer = {"zorder": 2 * place + 2}
        ax.fill_between(middles, base, base + height, color=colour, alpha=0.9, linewidth=0, **layer)
        outline = np.where(height > 0, base + height, np.nan)
        ax.plot(middles, outline, color="white", linewidth=0.9, **layer)
        ax.axhline(base, color=colour, linewidth=0.6, zorder=2 * place + 3)
    ax.set_xlim(low, high)
    ax.set_ylim(-len(shown) + 0.7, 1.9)
    every = max(1, math.ceil(len(shown) / 8))
    ax.set_yticks([-p for p in range(len(shown))][::every], [epochs[i] for i in shown][::every])
    ax.tick_params(axis="y", length=0)
    ax.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3))
    zeros = histograms[shown[-1]].zeros / max(histograms[shown[-1]].total, 1)
    ax.set_title(name + (f"   ({zeros:.0%} are 0)" if zeros >= 0.005 else ""), fontsize=10,
                 color=RIGHT)  # fmt: skip
    ax.set_ylabel("epoch")
    ax.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _range(histograms):
    """Return the range of 99 % of the entries, over all epochs; outliers would hide the rest."""
    lows, highs = [], []
    for counts, edges, *_ in histograms:
        if counts.sum():
            share = np.cumsum(counts) / counts.sum()
            lows.append(edges[np.searchsorted(share, 0.005)])
            highs.append(edges[min(np.searchsorted(share, 0.995) + 1, len(edges) - 1)])
    return (min(lows), max(highs)) if lows and min(lows) < max(highs) else (-1, 1)
