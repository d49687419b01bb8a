"""A trace as tables: for the terminal, and as HTML for a notebook."""

import numpy as np

from ..showing.summary import plain_text
from .explain import backward_formulas, forward_formulas, statistics

WIDTH = 132


def as_text(trace) -> str:
    """The tables as plain text."""
    return plain_text(WIDTH, *tables(trace))


def as_html(trace) -> str:
    """The same, laid out in a <pre> of its own."""
    import html

    style = "font-family:monospace;line-height:1.25;white-space:pre;overflow-x:auto"
    return f'<pre style="{style}">{html.escape(as_text(trace))}</pre>'


def tables(trace):
    """rich tables: forward, backward, update; `console.print` them for colours."""
    from rich.table import Table
    from rich.text import Text

    loss = trace.loss
    head = (f"{trace.model.name}: {len(trace.x)} rows, {type(loss.loss).__name__} "
            f"{loss.before:.4f} -> {loss.after:.4f}, step {trace.iteration + 1} of "
            f"{type(trace.model.optimizer).__name__} at {trace.learning_rate:g}")  # fmt: skip
    up = Table(title=head, title_justify="left", caption="forward", caption_justify="left")
    for name in ("layer", "formula", "shapes"):
        up.add_column(name, overflow="fold")
    for name in ("mean", "sd", "zeros"):
        up.add_column(name, justify="right")
    for call in trace.layers:
        y = statistics(call.y[0] if isinstance(call.y, list) else call.y)
        numbers = (f"{y['mean']:.4g}", f"{y['sd']:.4g}", f"{100 * y['zeros']:.0f}%")
        _rows(up, call.name, forward_formulas(call), 2, numbers)
    down = Table(caption="backward", caption_justify="left")
    for name in ("layer", "formula"):
        down.add_column(name, overflow="fold")
    for name in ("|dy|", "|dz|", "|dx|"):
        down.add_column(name, justify="right")
    for call in reversed(trace.layers):
        if call.visited:
            norms = tuple(_norm(a) for a in (call.dy, call.dz, call.dx))
            _rows(down, call.name, backward_formulas(call), 1, norms)
    change = Table(caption="update", caption_justify="left")
    change.add_column("weights", overflow="fold")
    for name in ("|w|", "|g|", "|dw|", "|dw|/|w|"):
        change.add_column(name, justify="right")
    for p in trace.parameters.values():
        if p.gradient is not None:
            w, g, dw = (np.linalg.norm(a.ravel()) for a in (p.before, p.gradient, p.step))
            ratio = f"{dw / w:.2e}" if w else "-"
            change.add_row(Text(p.path), f"{w:.4g}", f"{g:.4g}", f"{dw:.4g}", ratio)
    return up, down, change


def _rows(table, name, lines, columns, numbers):
    """A row for each formula; the first one carries the layer's name and numbers."""
    from rich.text import Text  # no markup: "dz[n]" is a formula

    for k, line in enumerate(lines or [("", "")]):
        first = numbers if k == 0 else ("",) * len(numbers)
        cells = [Text(cell) for cell in line[:columns]]
        table.add_row(Text(name if k == 0 else ""), *cells, *first, end_section=k >= len(lines) - 1)


def _norm(array):
    return f"{statistics(array)['norm']:.4g}" if isinstance(array, np.ndarray) else "-"
