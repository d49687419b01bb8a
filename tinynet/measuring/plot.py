"""A sweep's result as pictures for a talk: speed, or time to an accuracy, against batch size."""

import pathlib
import textwrap

import numpy as np

from ..configs.extras import needs
from ..saving.atomic import atomic_write
from . import results

STRONG = {"cpu": "#0b5fd8", "gpu": "#d9480f", "reference": "#2b8a3e"}
MUTED = ("#8a8f98", "#b08968", "#7f9c96", "#a48fb0", "#9aa36b")
NAMES = {
    "cpu": "tinynet cpu",
    "gpu": "tinynet gpu",
    "reference": "tinynet reference",
    "jax": "JAX, hand-written scan",
    "keras-jax": "Keras on JAX",
    "torch": "PyTorch",
    "torch-compile": "PyTorch, compiled",
    "scikit-learn": "scikit-learn",
    "torch-gpu": "PyTorch, CUDA graphs",
    "jax-gpu": "JAX's scan on the GPU",
    "gemm": "matrix products alone",
    "gemm-gpu": "cuBLAS products alone",
}


def draw(result):
    """Return the figure of the speeds; `result` as in `results`."""
    sizes, lines = results.batches(result), {}
    for name in result["engines"]:
        found = [results.quartiles(results.rates(result, name, b)) for b in sizes]
        low, median, high = np.transpose(found)
        lines[name] = (sizes, median, low, high)
    crossing = None
    if {"cpu", "gpu"} <= set(lines):
        crossing = results.crossover(result, "cpu", "gpu")
    line = f"{result['net']}; median and quartiles of {result['options']['rounds']} rounds"
    return _figure(result, lines, f"training speed ({results.unit(result)} per second)", crossing,
                   "Training speed against batch size", line)  # fmt: skip


def draw_accuracy(result):
    """Return the figure of the times to an accuracy; None where they were not asked for."""
    asked, lines = result.get("time_to_accuracy"), {}
    for name in result["engines"] if asked else ():
        times = results.accuracy_times(result, name)
        sizes = sorted(b for b, seconds in times.items() if seconds is not None)
        if sizes:
            seconds = [times[b] for b in sizes]
            lines[name] = (sizes, seconds, seconds, seconds)
    if not lines:
        return None
    crossing = None
    if {"cpu", "gpu"} <= set(lines):
        crossing = results.accuracy_crossover(result, "cpu", "gpu")
    line = (f"{result['net']}; {asked['target']:.1%} of {asked['validation']}; one run each, where "
            f"it took no more than {asked['most_epochs']} epochs")  # fmt: skip
    return _figure(result, lines, "seconds of training", crossing,
                   "Time to an accuracy against batch size", line)  # fmt: skip


def save(result, path):
    """Draw into a file, and times to an accuracy into one beside it; return their paths."""
    path = pathlib.Path(path)
    pictures = {path: draw(result)}
    second = draw_accuracy(result)
    if second is not None:
        pictures[path.with_stem(f"{path.stem}-accuracy")] = second
    for name, picture in pictures.items():
        with atomic_write(name) as file:
            picture.savefig(file, format=name.suffix[1:] or "png", dpi=160)
    return list(pictures)


def _figure(result, lines, label, crossing, title, subtitle):
    """Draw engine -> (batch sizes, values, lower and upper quartiles) as lines on log axes."""
    with needs("plot", "bench --plot draws with matplotlib"):
        from matplotlib.figure import Figure  # no pyplot: no display needed, no global state

    figure = Figure(figsize=(11, 6.2), layout="none", facecolor="white")
    axes = figure.add_axes((0.075, 0.16, 0.71, 0.695))
    ends, muted = [], iter(MUTED * 3)
    for name, (sizes, median, low, high) in lines.items():
        kind = result["engines"][name]["kind"]
        device, bound = kind == "device", kind == "bound"
        color = STRONG.get(name, "#111111") if device else "#222222" if bound else next(muted)
        style = {"linestyle": ":", "linewidth": 1.6} if bound else {
            "marker": "o", "linewidth": 3.0 if device else 1.8, "markersize": 7 if device else 4.5
        }  # fmt: skip
        axes.plot(sizes, median, color=color, zorder=3 if device else 2, **style)
        axes.fill_between(sizes, low, high, color=color, alpha=0.18, linewidth=0)
        ends.append((sizes[-1], median[-1], NAMES.get(name, name), color, device))
    _axes(axes, results.batches(result), label)
    _label_ends(axes, ends)
    _mark_crossover(axes, crossing)
    _words(figure, result, title, subtitle)
    return figure


def _axes(axes, sizes, label):
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.set(xscale="log", yscale="log", xlabel="batch size (rows per step)")
    axes.set_ylabel(label)
    axes.set_xticks(sizes, [f"{b:,}" for b in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: short(v)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", color="#e6e8eb", linewidth=0.9)
    axes.grid(True, which="minor", axis="y", color="#f3f4f6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=11, labelcolor="#444444")
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=12, color="#333333")
    for side in axes.spines.values():
        side.set_visible(False)


def short(number):
    """Return 200000 as "200k", 5000000 as "5M"."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:g}{letter}"
    return f"{number:g}"


def _label_ends(axes, ends):
    """Write each line's name at its right end, at a distance from the others."""
    low, high = np.log(axes.get_ylim())
    places = spread([np.log(y) for _, y, *_ in ends], 0.052 * (high - low), high)
    for (x, y, name, color, device), place in zip(ends, places, strict=True):
        axes.annotate(
            name, (x, y), xytext=(1.03, (place - low) / (high - low)), textcoords="axes fraction",
            color=color, fontsize=12.5 if device else 11, va="center", annotation_clip=False,
            fontweight="bold" if device else "normal",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8, "alpha": 0.6,
                        "relpos": (0, 0.5), "shrinkA": 2, "shrinkB": 5},
        )  # fmt: skip


def spread(wanted, gap, top):
    """Return heights near `wanted`, in its order, with gaps of `gap` or more, none above `top`."""
    order = np.argsort(wanted)
    groups = []  # of labels that touch: [centre, indices]
    for i in order:
        groups.append([float(wanted[i]), [i]])
        while len(groups) > 1:
            (c, a), (d, b) = groups[-2:]
            if (d - (len(b) - 1) * gap / 2) - (c + (len(a) - 1) * gap / 2) >= gap:
                break
            groups[-2:] = [[(c * len(a) + d * len(b)) / (len(a) + len(b)), a + b]]
    places = np.empty(len(wanted))
    for centre, members in groups:
        places[members] = centre + gap * (np.arange(len(members)) - (len(members) - 1) / 2)
    return places - max(0.0, places.max(initial=-np.inf) - top)


def _mark_crossover(axes, x):
    if x is None:
        return
    axes.axvline(x, color="#555555", linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(f"the GPU leads from about {x:,.0f} rows", (x, 0.03), xytext=(6, 0),
                  xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=10.5,
                  color="#444444")  # fmt: skip


def _words(figure, result, title, subtitle):
    figure.text(0.02, 0.945, title, fontsize=18, fontweight="bold", color="#111111")
    figure.text(0.02, 0.895, subtitle, fontsize=11.5, color="#555555")
    small = textwrap.fill(f"{result['date'][:10]}, {result['machine']}", 185)
    figure.text(0.02, 0.02, small, fontsize=7.5, color="#777777", va="bottom")
