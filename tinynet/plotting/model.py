"""`plot_model`: the layers of a model and what leads from one to the next, as a picture."""

from __future__ import annotations

import itertools
import pathlib
import shutil
import subprocess
from typing import TYPE_CHECKING

from ..saving.atomic import atomic_write
from .figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..configs.types import Path
    from ..models import Model


def plot_model(model: Model, to_file: Path = "model.png", show_shapes: bool = False,
               show_dtype: bool = False, show_layer_names: bool = True, rankdir: str = "TB",
               expand_nested: bool = False, dpi: int = 100, show_layer_activations: bool = False,
               show_trainable: bool = False) -> Figure:  # fmt: skip
    """Draw a built model; by Graphviz's `dot` where that is installed, else by matplotlib.

    Args:
        to_file: where to write it; the suffix says how. `.dot` writes Graphviz's text.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what
            each box says beside the class of its layer.
        rankdir: "TB", from top to bottom, or "LR", from left to right.
        expand_nested: accepted as in Keras; a model inside is one box.
        dpi: dots per inch.

    Returns:
        the path, a pathlib.Path.

    Raises:
        ValueError: the model is not built, or another rankdir.
    """
    if rankdir not in ("TB", "LR"):
        raise ValueError(f'rankdir must be "TB" or "LR", received {rankdir!r}')
    model.require_built("plot_model")
    names, edges = graph_of(model)
    labels = {
        layer: "\n".join(_lines(layer, show_shapes, show_dtype, show_layer_names,
                                show_layer_activations, show_trainable))
        for layer in names
    }  # fmt: skip
    path, dot = pathlib.Path(to_file), shutil.which("dot")
    text = _dot(labels, edges, rankdir, dpi)
    kind = path.suffix[1:] or "png"
    with atomic_write(path) as file:
        if kind == "dot":
            file.write(text.encode())
        elif dot:
            subprocess.run([dot, f"-T{kind}"], input=text.encode(), stdout=file, check=True)
        else:
            _drawn(labels, edges, rankdir, dpi).savefig(file, format=kind)
    return path


def graph_of(model):
    """Return (layers, pairs of layers of which the second reads what the first puts out)."""
    if not hasattr(model, "uses"):  # one after the other
        layers = list(model.layers)
        return layers, list(itertools.pairwise(layers))
    layers = list(model.layers)
    edges = [(lower.layer, layer) for layer in layers for node in model.uses.get(layer, ())
             for lower in node.below() if lower.layer in layers]  # fmt: skip
    return layers, list(dict.fromkeys(edges))


def _lines(layer, shapes, dtype, name, activation, trainable):
    yield f"{layer.name} ({type(layer).__name__})" if name else type(layer).__name__
    f = getattr(layer, "activation", None)
    if activation and f is not None:
        yield f"activation: {f.name}"
    if shapes:
        yield f"{layer.input_shape} -> {layer.output_shape}"
    if dtype:
        yield f"dtype: {layer.dtype}"
    if trainable:
        yield "trainable" if layer.trainable else "not trainable"


def _dot(labels, edges, rankdir, dpi):
    number = {layer: i for i, layer in enumerate(labels)}
    lines = [f"digraph model {{ rankdir={rankdir}; dpi={dpi}; node [shape=box];"]
    for layer, label in labels.items():
        said = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'  {number[layer]} [label="{said}"];')
    return "\n".join([*lines, *(f"  {number[a]} -> {number[b]};" for a, b in edges), "}", ""])


def _drawn(labels, edges, rankdir, dpi):
    """Return a figure: each layer one rank below the last of those that it reads."""
    rank = dict.fromkeys(labels, 0)
    for layer in labels:  # in the order of the forward pass
        rank[layer] = max((rank[a] + 1 for a, b in edges if b is layer), default=0)
    rows = [[layer for layer in labels if rank[layer] == r] for r in range(max(rank.values()) + 1)]
    wide = max(len(row) for row in rows)
    size = (3.2 * wide, 0.9 * len(rows) + 0.3)
    figure = new_figure(*(size if rankdir == "TB" else size[::-1]))
    figure.set_dpi(dpi)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.axis("off")
    place = {}
    for r, row in enumerate(rows):
        for i, layer in enumerate(row):
            across, along = (i + 0.5) / len(row), 1 - (r + 0.5) / len(rows)
            place[layer] = (across, along) if rankdir == "TB" else (1 - along, across)
    for a, b in edges:
        ax.annotate("", place[b], place[a],
                    arrowprops={"arrowstyle": "->", "shrinkA": 18, "shrinkB": 18})  # fmt: skip
    for layer, label in labels.items():
        ax.text(*place[layer], label, ha="center", va="center", fontsize=9,
                bbox={"boxstyle": "square", "facecolor": "white"})  # fmt: skip
    return figure
