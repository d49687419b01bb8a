"""A trace as tables: for the terminal, and as HTML for a notebook."""

import html

import numpy as np

from ..showing.summary import plain_text
from .explain import backward_formulas, forward_formulas, statistics

WIDTH = 132


def as_text(trace) -> str:
    """Return the tables as plain text."""
    return plain_text(WIDTH, heading(trace), *tables(trace))


def as_html(trace) -> str:
    """Return the tables as HTML: the text in a <pre>."""
    style = "font-family:monospace;line-height:1.25;white-space:pre;overflow-x:auto"
    return f'<pre style="{style}">{html.escape(as_text(trace))}</pre>'


def heading(trace) -> str:
    """Return the step in a line: model, rows, loss before and after, optimizer."""
    loss = trace.loss
    return (f"{trace.model.name}: {len(trace.x)} rows, {type(loss.loss).__name__} "
            f"{loss.before:.4f} -> {loss.after:.4f}, step {trace.iteration + 1} of "
            f"{type(trace.model.optimizer).__name__} at {trace.learning_rate:g}")  # fmt: skip


def tables(trace):
    """Return rich tables: forward, backward, update; `console.print` them for colours."""
    from rich.text import Text

    up = _table("forward", ("layer", "formula", "shapes"), ("mean", "sd", "zeros"))
    for call in trace.layers:
        y = statistics(call.y[0] if isinstance(call.y, list) else call.y)
        figures = (f"{y['mean']:.4g}", f"{y['sd']:.4g}", f"{100 * y['zeros']:.0f}%")
        _rows(up, call.name, forward_formulas(call), 2, figures)
    down = _table("backward", ("layer", "formula"), ("|dy|", "|dz|", "|dx|"))
    for call in reversed(trace.layers):
        if call.visited:
            norms = tuple(_norm(a) for a in (call.dy, call.dz, call.dx))
            _rows(down, call.name, backward_formulas(call), 1, norms)
    change = _table("update", ("weights",), ("|w|", "|g|", "|dw|", "|dw|/|w|"))
    for p in trace.parameters.values():
        if p.gradient is not None:
            w, g, dw = (np.linalg.norm(a.ravel()) for a in (p.before, p.gradient, p.step))
            ratio = f"{dw / w:.2e}" if w else "-"
            change.add_row(Text(p.path), f"{w:.4g}", f"{g:.4g}", f"{dw:.4g}", ratio)
    return up, down, change


def _table(title, texts, figures):
    """Return an empty table with columns of text and of figures, its title above it."""
    from rich.table import Table

    table = Table(title=f"\n{title}", title_justify="left")
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in figures:
        table.add_column(name, justify="right")
    return table


def _rows(table, name, lines, columns, figures):
    """Add a row for each formula; the first one has the layer's name and its figures."""
    from rich.text import Text  # no markup: "dz[n]" is a formula

    for k, line in enumerate(lines or [("", "")]):
        first = figures if k == 0 else ("",) * len(figures)
        cells = [Text(cell) for cell in line[:columns]]
        table.add_row(Text(name if k == 0 else ""), *cells, *first, end_section=k >= len(lines) - 1)


def _norm(array):
    return f"{statistics(array)['norm']:.4g}" if isinstance(array, np.ndarray) else "-"
