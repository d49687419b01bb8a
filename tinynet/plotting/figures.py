"""What all pictures share: figures outside of pyplot, styles of axes and lines, colours."""

from __future__ import annotations

import functools
import io
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from matplotlib.figure import Figure

# blue, orange, green, purple, sky, vermilion: told apart with every kind of colour vision
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe and Ito 2008
TRAINING, VALIDATION = "#1f77b4", "#ff7f0e"
RIGHT, WRONG, FAINT = "#333333", "#c62828", "#b0b0b0"


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


def new_figure(width: int, height: int, **options: Any) -> Figure:
    """Return a figure of `width` by `height` inches."""
    return _figure_class()(figsize=(width, height), dpi=100, **options)


def one_axes(ax, width, height):
    """Return the given axes, or those of a new figure of `width` by `height` inches."""
    return new_figure(width, height, layout="constrained").subplots() if ax is None else ax


def style_epochs(ax, title):
    """Lay out axes whose x axis counts epochs."""
    from matplotlib.ticker import MaxNLocator

    ax.set(title=title, xlabel="epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    open_grid(ax)


def open_grid(ax):
    """Draw a faint grid, and no frame above and on the right."""
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)


def line_style(count):
    """Return the style of a line through `count` points; where they are few, each has a marker."""
    return {"linewidth": 1.8, "marker": "o" if count <= 20 else "", "markersize": 4}


def panel_axes(count, width, axes=None, names=""):
    """Return `count` axes: the first of `axes`, or new ones of `width` inches, three in a row."""
    if axes is None:
        columns = min(count, 3)
        rows = math.ceil(count / columns)
        figure = new_figure(width * columns, 3.8 * rows, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax in axes[count:]:
            ax.remove()
    axes = np.ravel(axes)
    if len(axes) < count:
        raise ValueError(f"{count} panels{names} need as many axes, received {len(axes)}")
    return axes[:count]


def root(ax):
    return ax.figure.figure  # above any SubFigure
