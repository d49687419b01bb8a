"""`model.summary()`: the table of layers, as in Keras."""

import itertools
import re
import sys

import numpy as np

from .encoding import printable

HEADER = ("Layer (type)", "Output Shape", "Param #", "Connected to", "Trainable")
ALIGN = ("left", "left", "right", "left", "center")
NATURAL = 10_000  # a width that never cuts: the table takes what it needs of it


def format_bytes(size: float) -> str:
    """Return `size` bytes as "1.21 MB", in steps of 1024."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


def _count(parameters) -> tuple:
    """Return (number of values, bytes) of the parameters; shared ones count once."""
    unique = {id(p): p for p in parameters}.values()
    return sum(p.size for p in unique), sum(p.size * np.dtype(p.dtype).itemsize for p in unique)


def _match(pattern, layers) -> list:
    try:
        found = [i for i, layer in enumerate(layers) if re.match(pattern, layer.name)]
    except re.error as error:
        raise ValueError(f"layer_range: {pattern!r} is no regular expression: {error}") from None
    if not found:
        names = ", ".join(layer.name for layer in layers)
        raise ValueError(f"layer_range: no layer matches {pattern!r}; the layers are: {names}")
    return found


def _layers_in(layers, layer_range) -> list:
    """Return the layers from the first match of layer_range[0] to the last of layer_range[1]."""
    if layer_range is None:
        return list(layers)
    two_names = isinstance(layer_range, (list, tuple)) and [
        isinstance(name, str) for name in layer_range] == [True, True]  # fmt: skip
    if not two_names:
        names = ", ".join(layer.name for layer in layers)
        raise ValueError("layer_range must be two layer names, [first, last], received "
                         f"{layer_range!r}; the layers are: {names}")  # fmt: skip
    first, last = (_match(pattern, layers) for pattern in layer_range)
    if first[0] > last[-1]:  # named in the wrong order, which Keras forgives
        first, last = last, first
    return list(layers[first[0] : last[-1] + 1])


def _rows(layer, expand_nested, connected, level=0):
    """Yield the layer's row as plain strings, and those of the layers inside it if asked.

    `connected` says what each layer of the model reads.
    """
    prefix = "   " * level + "└ " if level else ""
    shape = layer.output_shape
    yield (
        f"{prefix}{layer.name} ({type(layer).__name__})",
        "?" if shape is None else f"({', '.join(map(str, shape))})",
        "0 (unbuilt)" if shape is None else f"{layer.count_params():,}",
        connected.get(layer, "-"),
        "-" if not layer.parameters else "Y" if layer.trainable else "N",
    )
    if expand_nested:
        for inner in getattr(layer, "layers", ()):
            yield from _rows(inner, expand_nested, {}, level + 1)


def _widths(line_length, positions, columns) -> list:
    """Return column widths from where columns end: shares of the line or, above 1, characters."""
    if len(positions) != columns:
        raise ValueError(f"positions must hold {columns} column ends, received {positions!r}")
    unit = 1 if positions[-1] > 1 else line_length
    ends = [int(p * unit) for p in positions]
    widths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    if min(widths) < 4:
        raise ValueError(f"line_length {line_length} and positions {positions!r} leave a column "
                         "narrower than 4 characters")  # fmt: skip
    return widths


def _styled(text, colour):
    from rich.text import Text

    # Text, not markup: a layer may be called "a[b]".
    styled = Text(text, overflow="fold")
    if colour:
        styled.highlight_regex(r"\d[\d,]*", "color(34)")
    return styled


def plain_text(width, *parts) -> str:
    """Return what rich prints of tables and texts, without colours and trailing spaces."""
    from rich.console import Console

    console = Console(color_system=None, force_terminal=False, force_jupyter=False, width=width,
                      highlight=False)  # fmt: skip
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def print_summary(model, line_length=None, positions=None, print_fn=None, expand_nested=False,
                  show_trainable=False, layer_range=None):  # fmt: skip
    """Print the model's layers, output shapes and numbers of parameters.

    The table is as wide as its contents; in a terminal that is narrower, long cells continue on
    a second line. The optimizer's state has a line of its own and is no part of the total (in
    Keras it is, so that there the total changes once the model is trained).

    Args:
        model: has `name`, `layers`, `parameters` and `optimizer`.
        line_length: width of the table in characters; by default what it needs.
        positions: where the columns end, as shares of the line (below 1) or in characters.
        print_fn: called once with the whole text, without colours; by default it goes to
            sys.stdout (as HTML in a notebook).
        expand_nested: show the layers inside of layers too.
        show_trainable: add a column with Y, N or, where there is nothing to train, "-".
        layer_range: [first, last] names, both included, or regular expressions for them.

    Raises:
        ValueError: no layer fits `layer_range`; `positions` doesn't fit the columns.
    """
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    uses = getattr(model, "uses", {})  # of a functional model: layer -> its nodes
    graph = any(len(node.inputs) > 1 for nodes in uses.values() for node in nodes)
    graph = graph or any(len(nodes) > 1 for nodes in uses.values())
    connected = {
        layer: ", ".join(tensor.name for node in nodes for tensor in node.inputs)
        for layer, nodes in uses.items()
    }
    shown = [True, True, True, graph, show_trainable]
    columns = sum(shown)
    layers = _layers_in(model.layers, layer_range)
    show = printable if print_fn is None else str
    widths = [None] * columns  # as the contents need
    if positions is not None:
        line_length = line_length or (100 if show_trainable else 88)  # Keras's
        widths = _widths(line_length, positions, columns)
    if line_length is not None and line_length < 10 * columns:
        raise ValueError(f"line_length must be at least {10 * columns}, received {line_length}")

    table = Table(width=line_length, show_lines=True)
    names, aligns = itertools.compress(HEADER, shown), itertools.compress(ALIGN, shown)
    for name, align, width in zip(names, aligns, widths, strict=True):
        table.add_column(name, justify=align, width=width, overflow="fold")
    for layer in layers:
        for cells in _rows(layer, expand_nested, connected):
            styled = [_styled(show(text), colour=i in (1, 2)) for i, text in enumerate(cells)]
            table.add_row(*itertools.compress(styled, shown))

    parameters = list(model.parameters)
    lines = [
        ("Total", _count(parameters)),
        ("Trainable", _count(p for p in parameters if p.trainable)),
        ("Non-trainable", _count(p for p in parameters if not p.trainable)),
    ]
    if model.optimizer is not None and getattr(model.optimizer, "built", True):
        state = model.optimizer.state_size()
        if state[0]:
            lines.append(("Optimizer", state))
    footer = []
    for what, (count, size) in lines:
        line = Text.assemble((f" {what} params: ", "bold"), (f"{count:,}", "color(34)"))
        footer.append(line.append(f" ({format_bytes(size)})"))

    # One print: a notebook makes an output of each.
    text = Group(Text(show(f'Model: "{model.name}"'), style="bold"), table, *footer)
    if print_fn is not None:
        print_fn(plain_text(NATURAL, text) + "\n")
        return
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal and not console.is_jupyter:
        console = Console(file=sys.stdout, color_system=None, width=NATURAL)
    elif line_length is not None:
        console.width = max(console.width, line_length)  # rich would crop a wider table
    console.print(text, highlight=False)
