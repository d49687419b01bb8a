"""`python -m tinynet bench`: how fast your model trains here, on each device and batch size.

The model is a saved one (`--model m.keras`, `.h5`) or dense layers of the sizes you name
(`--layers 784 300 200 100 10`). Only copies of it are trained, on made-up data of the right shapes
(`measuring.subject` says which). Before a time is taken, each device's losses after the first steps
must be the reference's. Then the devices take turns; the times are medians of the rounds, with
quartiles. What was found is kept: `compile(device="auto")` uses it.
"""

import argparse
import contextlib
import datetime
import importlib.util
import pathlib
import statistics

from ..core.devices import kernels
from ..layers import Dense, Input
from ..measuring import choice, results, store, sweep
from ..measuring.machine import blas, forced_blas, under_load
from ..measuring.subject import NotMeasurable, compiled, row_shapes
from ..models import Sequential
from ..saving import load_model
from . import Mistake, integer, output_file

BATCHES = (1, 8, 32, 128, 512, 2048)
PICTURES = (".png", ".svg", ".pdf")


def add_arguments(parser):
    """Add the options of the command to a parser."""
    which, add = parser.add_mutually_exclusive_group(required=True), parser.add_argument
    which.add_argument("--model", metavar="FILE", help="a saved model: .keras or .h5")
    which.add_argument("--layers", nargs="+", type=integer(1), metavar="N", help="sizes of dense "
                       "layers, the input's first: 784 300 200 100 10")  # fmt: skip
    add("--devices", nargs="+", metavar="DEVICE",
        help="of reference, cpu, gpu (default: all that can be used)")  # fmt: skip
    add("--batches", nargs="+", type=integer(1), default=list(BATCHES), metavar="N",
        help=f"rows of a step ({' '.join(map(str, BATCHES))})")  # fmt: skip
    add("--rounds", type=integer(1), default=5, help="of turns (5)")
    add("--seconds", type=up_to(3600, "seconds > 0"), default=0.3,
        help="of a turn, for a device of middling speed (0.3)")  # fmt: skip
    add("--density", type=up_to(1, "a number in (0, 1]"), default=1.0,
        help="share of the inputs that are not 0; MNIST's is 0.19 (1)")  # fmt: skip
    add("--json", metavar="FILE", type=output_file, help="write the result to this file")
    add("--plot", metavar="FILE", type=picture_file,
        help="draw it into this file (.png, .svg, .pdf)")  # fmt: skip


def picture_file(text):
    """Return the path of a picture that can be drawn: this is known before anything is measured."""
    suffix = pathlib.Path(text).suffix
    if suffix not in PICTURES:
        raise argparse.ArgumentTypeError(
            f"expected one of {', '.join(PICTURES)}, received {text!r}"
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError('it needs matplotlib: pip install "tinynet[plot]"')
    return output_file(text)


def up_to(most, expected):
    """Return an option's type: a number in (0, most]."""

    def number(text):
        with contextlib.suppress(ValueError):
            if 0 < float(text) <= most:
                return float(text)
        raise argparse.ArgumentTypeError(f"expected {expected}, received {text!r}")

    return number


def main(options):
    """Measure, show and keep; returns the result, as in `measuring.results`."""
    from rich.console import Console

    from ..measuring import plot, tables

    devices = _devices(options.devices)
    model = _model(options)
    console = Console(highlight=False)
    for warning in filter(None, (forced_blas(), under_load())):
        console.print(warning, style="yellow")
    result = run(model, devices, options, console.print)
    console.print(f"\n{result['net']}\n{result['machine']}, {result['date']}", markup=False)
    shown = tables.speed_table(result, upright=True), tables.device_table(result)
    for table in filter(None, shown):
        console.print(table)
    if {"cpu", "gpu"} <= set(devices):
        console.print(results.crossing_in_words(result))
    if options.json:
        results.save(result, options.json)
        console.print(f"saved {options.json}")
    if options.plot:
        for path in plot.save(result, options.plot):
            console.print(f"saved {path}")
    return result


def run(model, devices, options, say=print):
    """Return the result for all batch sizes."""
    measurements, skipped, errors = [], {}, dict.fromkeys(devices, 0.0)
    shapes, density = row_shapes(model), options.density
    for batch in options.batches:
        try:
            found = sweep.measure(
                model, devices, batch, judge="reference", rounds=options.rounds,
                seconds=options.seconds, shapes=shapes, density=density,
            )  # fmt: skip
        except (sweep.Disagreement, NotMeasurable) as error:
            raise SystemExit(f"no time is taken: {error}") from error
        except MemoryError as error:
            skipped[str(batch)] = str(error)
            say(f"batch {batch} is left out: {error}")
            continue
        if set(choice.CANDIDATES) <= set(found):
            kept = {name: found[name] for name in choice.CANDIDATES}
            store.save(store.key(model, batch, choice.CANDIDATES, shapes, density), kept)
        for name, one in found.items():
            errors[name] = max(errors[name], one["loss_error"])
            measurements += [
                {"engine": name, "batch": batch, "round": r, "steps": one["steps"],
                 "seconds": seconds * one["steps"]}
                for r, seconds in enumerate(one["seconds_per_step"])
            ]  # fmt: skip
            ms = statistics.median(one["seconds_per_step"]) * 1e3
            say(f"batch {batch}, {name}: {ms:.3g} ms a step; loss within {one['loss_error']:.1e} "
                "of the reference")  # fmt: skip
    if not measurements:
        raise SystemExit("nothing could be measured")
    kinds = {name: {"kind": "device", "loss_error": errors[name]} for name in devices}
    return {
        "net": describe(model, density), "unit": "rows", "engines": kinds, "excluded": skipped,
        "machine": f"{blas()}, {store.machine('gpu' in devices)}", "measurements": measurements,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "options": {"batches": options.batches, "rounds": options.rounds,
                    "seconds": options.seconds, "density": density},
    }  # fmt: skip


def describe(model, density=1.0):
    """Return the model and how it is trained, in one line."""
    data = "made-up data" if density == 1 else f"made-up data, {density:g} of them not 0"
    return (
        f"{model.name}: {model.count_params():,} parameters, {type(model.optimizer).__name__}, "
        f"{model.loss.name}, {model.dtype}, {data}"
    )


def _devices(asked):
    usable = kernels.usable()
    for device in asked or ():
        reason = kernels.why_not(device) if device in kernels.DEVICES else (
            f"unknown device {device!r}; there are: {', '.join(kernels.DEVICES)}"
        )  # fmt: skip
        if reason is not None:
            raise Mistake(f"--devices: {reason}")
    return list(dict.fromkeys(asked or usable))


def _model(options):
    """Return the model to measure, built and compiled."""
    try:
        if options.model:
            if not pathlib.Path(options.model).exists():
                raise Mistake(f"--model: there is no file {options.model}")
            model = load_model(options.model)
        else:
            model = dense(options.layers)
        model = compiled(model)
        row_shapes(model)
    except (ValueError, NotMeasurable) as error:
        raise Mistake(str(error)) from error
    return model


def dense(sizes):
    """Return a model of Dense layers with relu, and softmax at the end (one output: sigmoid)."""
    if len(sizes) < 2:
        raise ValueError(f"--layers: expected the input's size and one more, received {sizes}")
    last = Dense(sizes[-1], activation="softmax" if sizes[-1] > 1 else "sigmoid")
    hidden = [Dense(units, activation="relu") for units in sizes[1:-1]]
    return Sequential([Input((sizes[0],)), *hidden, last], name="-".join(map(str, sizes)))
