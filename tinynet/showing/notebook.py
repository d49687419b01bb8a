"""How a model and a History look as the last value of a notebook's cell: HTML."""

import base64
import html
import io

import numpy as np

from .summary import _count, _rows, format_bytes

CELL = "text-align:{};padding:2px 12px 2px 0"
HEAD = CELL + ";border-bottom:1px solid currentColor"


def model_html(model) -> str:
    """The table of `summary()`: layers, output shapes, parameters."""
    rows = [list(row) for layer in model.layers for row in _rows(layer, False, {})]
    body = [(kind, shape, count, trainable) for kind, shape, count, _, trainable in rows]
    columns = ("Layer (type)", "Output Shape", "Param #", "Trainable")
    parts = [f"<b>{_text(type(model).__name__)} {_text(model.name)}</b>",
             _table(columns, body, ("left", "left", "right", "center"))]  # fmt: skip
    if model.built:
        lines = []
        for what, chosen in (
            ("parameters", model.parameters),
            ("trainable", [p for p in model.parameters if p.trainable]),
        ):
            count, size = _count(chosen)
            lines.append(f"{count:,} {what} ({format_bytes(size)})")
        parts.append(_text(", ".join(lines)))
    if model.optimizer is not None:
        loss = "no loss" if model.loss is None else model.loss.name
        parts.append(_text(f"compiled: {model.optimizer.name}, {loss}, device {model.device}"))
    return "<br>".join(parts)


def history_html(history) -> str:
    """The learning curves as a picture, and every value's first, best and last epoch."""
    values = {n: v for n, v in history.history.items() if "/" not in n and len(v)}
    values = {n: v for n, v in values.items() if all(np.ndim(one) == 0 for one in v)}
    if not values:
        return "<b>History</b>: no epoch yet"
    rows = []
    for name, numbers in values.items():
        smallest, largest = np.nanargmin, np.nanargmax
        at = "-"
        if np.isfinite(numbers).any() and name != "learning_rate":
            direction = _rises(history, name)
            if direction is not None:
                best = (largest if direction else smallest)(numbers)
                at = f"{numbers[best]:.4g} (epoch {_epoch(history, numbers, best)})"
        rows.append((name, f"{numbers[0]:.4g}", at, f"{numbers[-1]:.4g}"))
    table = _table(("", "first", "best", "last"), rows, ("left", "right", "right", "right"))
    count = len(history.epoch)
    head = f"<b>History</b> of {count} epoch{'s' * (count != 1)}"
    return f"{head}<br>{_picture(history)}{table}"


def _rises(history, name):
    """Whether more is better: True, False, or None where it is not known."""
    name = name.removeprefix("val_")
    if name == "loss":
        return False
    model = history.model
    if model is None or model.compiled_metrics is None:
        return None
    return model.metric_direction(name)


def _epoch(history, numbers, place):
    """The number of the epoch from 1; "?" where a value was not measured in every epoch."""
    return history.epoch[place] + 1 if len(numbers) == len(history.epoch) else "?"


def _picture(history):
    """The curves as an <img>; nothing where they can't be drawn, e.g. validated now and then."""
    from ..plotting import plot_history

    try:
        figure = plot_history(history)
    except ValueError:
        return ""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="learning curves" src="data:image/png;base64,{data}">'


def _table(columns, rows, align):
    head = "".join(
        f'<th style="{HEAD.format(a)}">{_text(c)}</th>' for c, a in zip(columns, align, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{CELL.format(a)}">{_text(cell)}</td>'
                         for cell, a in zip(row, align, strict=True)) + "</tr>"
        for row in rows
    )  # fmt: skip
    return f'<table style="border-collapse:collapse"><tr>{head}</tr>{body}</table>'


def _text(value):
    return html.escape(str(value))
