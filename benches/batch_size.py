"""Training speed against batch size: tinynet's devices, and what others have.

    python benches/batch_size.py --devices reference cpu --peers jax keras-jax torch scikit-learn \\
        --gemm --json sweep.json --plot sweep.png

Each engine lives in its own process and proves that it trains as the reference does before any
time is taken (proof.py). Then they take turns (turns.py): in each round, for each batch size, one
stretch of equally many steps for everyone, from the same initial weights, in an order that
rotates. `--time-to-accuracy 0.97` also trains each until it classifies that share of MNIST's
validation rows (reaching.py). `--show sweep.json` prints and draws an old result again.
"""

import argparse
import datetime
import itertools
import os
import platform
import subprocess
import sys
import types

import engines
import images
import proof
import turns
from products import WIDTHS

from tinynet.kernels import DEVICES, usable
from tinynet.measuring import plot, results
from tinynet.measuring.machine import card_line, load_average, under_load

BATCHES = (1, 8, 32, 128, 512, 2048, 5000, 8192, 16384)
PILOT = 20_000  # rows of the stretch from which an engine's speed is guessed, at most 100 steps


def main(arguments=None):
    options = parse(arguments)
    console = console_here()
    result = results.load(options.show) if options.show else sweep(options, console)
    report(result, console)
    if options.json:
        results.save(result, options.json)
        console.print(f"saved {options.json}")
    if options.plot:
        for path in plot.save(result, options.plot):
            console.print(f"saved {path}")
    return result


def console_here():
    """Return rich's Console, or, where rich is not installed, one that prints the bare words."""
    try:
        from rich.console import Console
    except ImportError:
        return types.SimpleNamespace(
            print=lambda *words, **style: print(*words, flush=True), tables=False
        )
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.tables = True
    return console


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", nargs="*", metavar="DEVICE",
                        help=f"of tinynet: {' '.join(DEVICES)} (default: all here)")  # fmt: skip
    peers = list(engines.DEFAULT_PEERS)
    parser.add_argument("--peers", nargs="*", default=peers, metavar="PEER",
                        help=f"{' '.join(engines.PEERS)} (default: {' '.join(peers)})")  # fmt: skip
    parser.add_argument(
        "--batches",
        nargs="+",
        type=positive,
        help=f"default: of {' '.join(map(str, BATCHES))} those that the data hold",
    )
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=seconds, default=1.0,
                        help="of a stretch, for an engine of middling speed")  # fmt: skip
    parser.add_argument("--data", choices=images.KINDS, default="mnist")
    parser.add_argument("--gemm", action="store_true", help="also the matrix products alone")
    parser.add_argument(
        "--time-to-accuracy",
        type=share,
        metavar="SHARE",
        help="also the time until so many of the validation rows are right",
    )
    parser.add_argument(
        "--most-epochs", type=positive, default=30, help="of that, before it is given up (30)"
    )
    parser.add_argument("--one-by-one", action="store_true",
                        help="all rounds of a batch size before the next is prepared")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the result here")
    parser.add_argument("--plot", metavar="FILE", help="draw it here (.png, .svg, .pdf)")
    parser.add_argument("--show", metavar="FILE", help="measure nothing, show this JSON")
    options = parser.parse_args(arguments)
    for name in ("devices", "peers", "batches"):  # each once, in the order given
        given = getattr(options, name)
        setattr(options, name, given and list(dict.fromkeys(given)))
    if options.show:  # needs none of the engines
        return options
    if options.devices is None:
        options.devices = list(usable())
    if options.time_to_accuracy and options.data == "random":
        parser.error("--time-to-accuracy: random rows have random labels, take --data mnist")
    try:
        engines.check(options.devices, options.peers)
    except engines.UnknownEngine as error:
        parser.error(str(error))
    if not options.devices + options.peers:
        parser.error("nothing to measure: give --devices or --peers")
    return options


def positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, received {text!r}")
    return int(text)


def share(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a share in (0, 1), received {text!r}")
    return value


def seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f"expected seconds > 0, received {text!r}")
    return value


def sweep(options, console):
    """Start, prove, prepare and measure; returns the result (see `results`)."""
    rows = images.require(options.data)
    options.batches = options.batches or [b for b in BATCHES if b <= rows]
    too_large = [b for b in options.batches if b > rows]
    if too_large:
        raise SystemExit(f"--batches {too_large[0]}: {options.data} has {rows} rows")
    if under_load():
        console.print(under_load(), style="yellow")
    workers, about, excluded = {}, {}, {}
    try:
        start(options, workers, about, excluded, console)
        if not workers:
            raise SystemExit("no engine is left to measure")
        machine = next(iter(workers.values())).about["machine"]
        if any(about[name]["place"] == "gpu" for name in workers):
            machine = f"{card_line()}; {machine}"
        console.print(machine)
        known, found, sizes = describe(options, machine), [], options.batches
        for some in [[b] for b in sizes] if options.one_by_one else [sizes]:
            steps = prepare(some, options.seconds, rows, workers, about, excluded, console)
            for _ in measure(steps, options.rounds, found, workers, excluded, console):
                if options.json:  # a sweep that is stopped keeps its rounds
                    results.save(complete(known, found, workers, about, excluded), options.json)
        reached = reach(options, workers, about, excluded, console)
    finally:
        for worker in workers.values():
            worker.close()
    result = complete(known, found, workers, about, excluded)
    return {**result, **({"time_to_accuracy": reached} if reached else {})}


def describe(options, machine):
    """What is known of a result before anything is measured."""
    numbers = "float32"
    if os.environ.get("TINYNET_TF32") == "1":
        numbers += " (on a card TF32)"
    return {
        "net": f"{'-'.join(map(str, WIDTHS))}, Adam, {numbers}, {options.data}",
        "machine": machine,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git": git_revision(),
        "environment": environment(),
        "options": {k: v for k, v in vars(options).items() if k not in ("json", "plot", "show")},
    }


def complete(known, measurements, workers, about, excluded):
    """The result of the rounds so far, of the engines that are still there."""
    kept = {name: about[name] for name in workers}
    versions = {k: v for name in kept for k, v in kept[name]["versions"].items() if k != "numpy"}
    measurements = [m for m in measurements if m["engine"] in kept]
    rounds = 1 + max((m["round"] for m in measurements), default=-1)
    machine = [known["machine"], *(f"{k} {v}" for k, v in sorted(versions.items()))]
    return {
        **known,
        "machine": ", ".join(machine),
        "options": {**known["options"], "rounds": rounds},
        "engines": kept,
        "excluded": excluded,
        "measurements": measurements,
    }


def start(options, workers, about, excluded, console):
    """Start every engine and let it prove itself against the reference."""
    bounds = engines.bounds_of(options.devices) if options.gemm else []
    names = [*options.devices, *options.peers, *bounds]
    expected = {}
    for name in ["reference", *(n for n in names if n != "reference")]:
        with guarded(name, workers, excluded, console):
            workers[name] = worker = turns.Worker(name, options.data)
            checked, place = None, engines.place_of(name)
            if name not in engines.BOUNDS:
                checked = prove(worker, workers["reference"], expected, place, console)
                if not checked["passed"]:
                    raise turns.EngineError(f"{name}: trains differently from the reference")
            about[name] = {
                "kind": engines.kind_of(name), "place": place,
                "settings": worker.about["settings"],
                "versions": worker.about["versions"], "start_s": worker.about["start_s"],
                "prepare_s": {}, "proof": checked,
            }  # fmt: skip
        if not expected:
            raise SystemExit("the reference does not run, so nothing can be compared with it")
    if "reference" not in options.devices:  # it was started to be compared with
        workers.pop("reference").close()


def prove(worker, reference, expected, place, console):
    """The comparison with the reference in the first of proof.ORDERS in which they agree.

    Args:
        expected: order -> record of the reference; what is missing is added.
    """
    for order in proof.ORDERS:
        if order not in expected:
            expected[order] = reference.call("prove", order)
        found = expected[order] if worker is reference else worker.call("prove", order)
        checked = {**proof.compare(found, expected[order], place), "order": order}
        allowed = proof.tolerances(place)
        console.print(
            f"{worker.name}: {'as' if checked['passed'] else 'NOT as'} the reference: "
            f"loss within {checked['loss_error']:.1e} (allowed {allowed[0]:g}), "
            f"weights {checked['weight_error']:.1e} ({allowed[1]:g})"
        )
        if checked["passed"]:
            break
    return checked


class guarded:
    """An engine that fails inside is reported, closed and excluded; the sweep goes on."""

    def __init__(self, name, workers, excluded, console):
        self.name, self.workers, self.excluded = name, workers, excluded
        self.console = console

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if not isinstance(error, turns.EngineError):
            return False
        self.console.print(f"excluded: {error}", style="bold red", markup=False)
        self.excluded[self.name] = str(error)
        if self.name in self.workers:
            self.workers.pop(self.name).close()
        return True


def prepare(batches, seconds, rows, workers, about, excluded, console):
    """Batch size -> steps of a stretch; every engine has compiled what it needs for them."""
    chosen = {}
    for batch in batches:
        pilot = max(1, min(100, PILOT // batch, rows // batch))
        speeds = []
        for name in list(workers):
            with guarded(name, workers, excluded, console):
                first = workers[name].call("measure", batch, pilot)
                again = workers[name].call("measure", batch, pilot)
                about[name]["prepare_s"][str(batch)] = first["call_seconds"]
                if about[name]["kind"] != "bound":
                    speeds.append(batch * pilot / again["seconds"])
        if not speeds:
            raise SystemExit("no engine is left to measure")
        middling = sorted(speeds)[len(speeds) // 2]
        steps = chosen[batch] = turns.steps_for(batch, rows, middling, seconds)
        for name in list(workers):  # the number of steps is part of what JAX compiles
            with guarded(name, workers, excluded, console):
                found = workers[name].call("measure", batch, steps)
                about[name]["prepare_s"][str(batch)] += found["call_seconds"]
        console.print(f"batch {batch}: {steps} steps, {steps * batch:,} rows per stretch")
    return chosen


def measure(steps, rounds, found, workers, excluded, console):
    """The rounds, whose measurements are added to `found`; yields after each."""
    turns_of_all = turns.in_turns(list(workers), list(steps), rounds)
    for r, turns_of_round in itertools.groupby(turns_of_all, key=lambda turn: turn[0]):
        for _, batch, name in turns_of_round:
            if name not in workers:
                continue
            with guarded(name, workers, excluded, console):
                turn = workers[name].call("measure", batch, steps[batch])
                found.append(
                    {"engine": name, "batch": batch, "round": r, "steps": steps[batch], **turn}
                )
        console.print(f"round {r + 1} of {rounds}", style="dim")
        yield


def reach(options, workers, about, excluded, console):
    """Time to the accuracy that is asked for, by engine and batch size; None if none is asked."""
    target = options.time_to_accuracy
    if target is None:
        return None
    found = []
    for _, batch, name in turns.in_turns(list(workers), options.batches, 1):
        if name not in workers or about[name]["kind"] == "bound":
            continue
        with guarded(name, workers, excluded, console):
            one = workers[name].call("reach", batch, target, options.most_epochs)
            found.append({"engine": name, "batch": batch, **one})
            how = f"{one['seconds']:.3g} s" if one["reached"] else "not reached"
            console.print(f"batch {batch}, {name}: {how}, {one['epochs']} epochs", style="dim")
    return {
        "target": target, "most_epochs": options.most_epochs,
        "validation": "the last 5,000 training rows of MNIST",
        "found": [one for one in found if one["engine"] in workers],
    }  # fmt: skip


def report(result, console):
    """Machine line, tables, and who was left out and why."""
    console.print(f"\n{result['net']}\n{result['machine']}\n{result['date']}, {result['git']}\n",
                  markup=False)  # fmt: skip
    if console.tables:
        from tinynet.measuring import tables

        shown = (tables.speed_table, tables.ratio_table, tables.accuracy_table,
                 tables.preparation_table)  # fmt: skip
        for table in filter(None, (make(result) for make in shown)):
            console.print(table)
    for reason in result["excluded"].values():
        console.print(f"excluded: {reason}", style="bold red", markup=False)
    if {"cpu", "gpu"} <= set(result["engines"]):
        console.print(results.crossing_in_words(result))


def environment():
    """Whatever in the environment may change a speed."""
    parts = ("OPENBLAS_", "OMP_", "MKL_", "NUMBA_", "XLA_", "JAX_", "TINYNET_NUM", "GOMP_",
             "TINYNET_TF32", "TINYNET_CUBLASLT", "TINYNET_PERSISTENT")  # fmt: skip
    kept = {k: v for k, v in os.environ.items() if k.startswith(parts)}
    kept.pop("OPENBLAS_CORETYPE", None)  # no engine sees it (turns.py)
    return {**kept, "platform": platform.platform(), "load": load_average()}


def git_revision():
    folder = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run(
        ["git", "-C", folder, "describe", "--always", "--dirty"], capture_output=True, text=True
    )
    return done.stdout.strip() or "no git"


if __name__ == "__main__":
    main()
