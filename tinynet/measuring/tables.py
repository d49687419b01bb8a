"""A sweep's result as tables."""

import numpy as np
from rich.table import Table

from ..showing.encoding import printable
from . import results


def speed_table(result, upright=False):
    """Return median speed of each engine and batch size; below it ms/step, and its spread.

    Args:
        upright: whether engines stand side by side, as is right for few of them.
    """
    sign = printable("±")
    title = f"{results.unit(result)}/s, ms/step, {sign} half the quartile range"
    columns = []
    for name in result["engines"]:
        cells = []
        for batch in results.batches(result):
            low, median, high = results.quartiles(results.rates(result, name, batch))
            spread = (high - low) / 2 / median
            ms = f"{batch / median * 1e3:.3g} ms {sign}{spread:.0%}"
            cells.append(f"{median:,.0f}\n[dim]{ms}[/dim]")
        columns.append(cells)
    if upright:
        return _upright(title, result, list(result["engines"]), columns)
    table = _empty(title, result)
    for name, cells in zip(result["engines"], columns, strict=True):
        table.add_row(name, *cells)
    return table


def ratio_table(result):
    """Return each device's speed by that of its rivals: quartiles of the rounds' ratios."""
    table = _empty("speed of a device by that of ... (paired by round)", result)
    for device in results.of_kind(result, "device"):
        rivals = results.of_kind(result, "peer") + results.rivals(result, device, "bound")
        if results.rivals(result, device, "peer"):
            leads = {b: results.lead(result, device, b) for b in results.batches(result)}
            names = {b: results.fastest_peer(result, device, b) for b in leads}
            cells = [f"{_ratio(leads[b])}\n[dim]{names[b]}[/dim]" for b in leads]
            table.add_row(f"[bold]{device} / fastest peer[/bold]", *cells)
        for rival in rivals:
            table.add_row(f"{device} / {rival}", *_ratios(result, device, rival),
                          end_section=rival == rivals[-1])  # fmt: skip
    return table if table.rows else None


def device_table(result):
    """Return each device's speed by that of the cpu (or the first): median and quartiles."""
    devices = results.of_kind(result, "device")
    base = "cpu" if "cpu" in devices else devices[0]
    others = [device for device in devices if device != base]
    if not others:
        return None
    return _upright(f"speed by that of {base}", result,
                    [f"{device} / {base}" for device in others],
                    [_ratios(result, device, base) for device in others])  # fmt: skip


def accuracy_table(result):
    """Return seconds of training, and epochs, until the accuracy asked for; one run each."""
    asked = result.get("time_to_accuracy")
    if not asked:
        return None
    table = _empty(
        f"seconds of training to {asked['target']:.1%} of {asked['validation']}; one run each, "
        f"at most {asked['most_epochs']} epochs", result,
    )  # fmt: skip
    for name in result["engines"]:
        found = {one["batch"]: one for one in asked["found"] if one["engine"] == name}
        if found:
            table.add_row(name, *(_reached(found.get(b)) for b in results.batches(result)))
    return table


def _reached(one):
    if one is None:
        return "-"
    if one["reached"]:
        return f"{one['seconds']:.3g}\n[dim]{one['epochs']} epochs[/dim]"
    return f"not reached\n[dim]best {max(one['accuracies']):.1%}[/dim]"


def preparation_table(result):
    """Return what is not in the times: start, compilation, what a call of `fit` adds; and cores.

    An engine with threads that used 1.0 of 2 cores in its turn shared the machine with another
    program.
    """
    table = Table(title_justify="left", title="not in the times: seconds of start and compilation; "
                  "cores kept busy in its turn and out")  # fmt: skip
    table.add_column("engine")
    for heading in ("start, data", "first steps", "per call", "cores", "idle cores"):
        table.add_column(heading, justify="right")
    table.add_column("how it is run")
    for name, about in result["engines"].items():
        mine = [m for m in result["measurements"] if m["engine"] == name]
        per_call = np.median([m["call_seconds"] - m["seconds"] for m in mine])
        table.add_row(
            name,
            f"{about['start_s']:.1f}",
            f"{sum(about['prepare_s'].values()):.1f}",
            f"{per_call:.3f}",
            f"{max(_medians(mine, 'cores')):.1f}",  # of the batch size that uses most
            f"{max(_medians(mine, 'idle_cores')):.2f}",
            about["settings"],
        )
    return table


def _medians(measurements, key):
    """Return the median of `key` for each batch size."""
    sizes = {m["batch"] for m in measurements}
    return [np.median([m[key] for m in measurements if m["batch"] == b]) for b in sizes]


def _ratios(result, device, other):
    return [_ratio(results.ratio(result, device, other, b)) for b in results.batches(result)]


def _ratio(values):
    low, median, high = results.quartiles(values)
    return f"{median:.2f}x\n[dim]{low:.2f}-{high:.2f}[/dim]"


def _upright(title, result, names, columns):
    """Return a table with a line for each batch size and a column for each name."""
    table = Table(title=title, title_justify="left")
    for heading in ("batch size", *names):
        table.add_column(heading, justify="right", no_wrap=True)
    for batch, *cells in zip(results.batches(result), *columns, strict=True):
        table.add_row(f"{batch:,}", *cells)
    return table


def _empty(title, result):
    table = Table(title=title, title_justify="left")
    table.add_column("batch size", justify="left")
    for batch in results.batches(result):
        table.add_column(f"{batch:,}", justify="right", no_wrap=True)
    return table
