"""Whole fits, predictions and one-row calls of many dense networks: tinynet and its peers.

    python benches/workloads.py --peers keras-jax torch scikit-learn --busy 0 1 2 \\
        --json workloads.json --plot workloads.png

Each engine lives in its own process. For each workload (`works/`) it first proves that it trains
and predicts as the reference does, or it is left out; then all take turns, in an order that
rotates, with `--busy` other processes at work beside them. A further one computes the net's dense
matrix products alone, by NumPy, which nobody can do without. `--show workloads.json` prints and
draws an old result again.
"""

import argparse
import contextlib
import dataclasses
import datetime
import statistics
import subprocess
import sys
import time

import numpy as np
import turns
import works
from batch_size import environment, git_revision, positive

from tinynet.measuring import results
from tinynet.measuring.machine import machine_line

KINDS = ("fit", "predict", "one")
ONE_ROW_CALLS = 200
SPIN = "while True: pass"
PREDICTION_TOLERANCE = 0.15  # of their mean size; Adam makes a step of any rounding


def main(arguments=None):
    options = parse(arguments)
    result = results.load(options.show) if options.show else run(options)
    print(report(result))
    if options.json:
        results.save(result, options.json)
    if options.plot:
        plot(result, options.plot)
    return result


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", metavar="CASE", help="their names, or parts (all)")
    peers = [name for name in works.PEERS if works.installed(name) and name != "torch-compile"]
    parser.add_argument("--peers", nargs="*", choices=works.PEERS, default=peers,
                        help=f"default: {' '.join(peers)}")  # fmt: skip
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--busy", nargs="+", type=int, default=[0, 1, 2], metavar="N",
                        help="processes at work beside the engines (0 1 2)")  # fmt: skip
    parser.add_argument("--data", choices=("mnist", "random"), default="mnist",
                        help="what the images are")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the result here")
    parser.add_argument("--plot", metavar="FILE", help="draw it here (.png, .svg, .pdf)")
    parser.add_argument("--show", metavar="FILE", help="measure nothing, show this JSON")
    options = parser.parse_args(arguments)
    wanted = options.cases or [""]
    options.cases = [name for name in works.CASES if any(part in name for part in wanted)]
    if not options.cases:
        parser.error(f"no workload of such a name; there are: {'; '.join(works.CASES)}")
    missing = [] if options.show else [n for n in options.peers if not works.installed(n)]
    if missing:
        parser.error(f"{', '.join(missing)}: not installed; pip install -e '.[peers]'")
    return options


# --------------------------------------------------------------------------- in a worker's process


class Bench:
    """What a worker does for the main process, with an engine of one workload at a time."""

    def __init__(self, name, kind):
        self.engine, self.kind = works.engine(name), kind

    def unable(self, case):
        return self.engine.unable(works.CASES[case])

    def record(self, case, weights):
        """(initial weights, losses of two epochs of eight steps, predictions)."""
        case = works.small(works.CASES[case])
        x, y = works.data(case, self.kind)
        engine = self.engine(case, x, y)
        if weights is None:
            weights = engine.model.get_weights()
        engine.load(weights)
        losses, predictions = engine.fit(2, shuffle=False), engine.predict()
        one = engine.one(works.first(x, 1))
        np.testing.assert_allclose(one, predictions[:1], rtol=1e-3, atol=1e-5)
        return weights, np.array(losses, float), np.asarray(predictions, float)

    def prepare(self, case, weights):
        self.case = works.CASES[case]
        x, y = works.data(self.case, self.kind)
        self.at_work, self.row = self.engine(self.case, x, y), works.first(x, 1)
        self.at_work.load(weights)
        for kind in KINDS:
            self.measure(kind)

    def measure(self, kind):
        """Seconds of a whole call."""
        start = time.perf_counter()
        if kind == "fit":
            self.at_work.fit(self.case.epochs)
        elif kind == "predict":
            self.at_work.predict()
        else:
            found = []
            for _ in range(ONE_ROW_CALLS):
                start = time.perf_counter()
                self.at_work.one(self.row)
                found.append(time.perf_counter() - start)
            return statistics.median(found)
        return time.perf_counter() - start


def serve(pipe, name, kind):
    """The life of a worker: do as told until the pipe closes. What fails leaves it alive."""
    with contextlib.suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        bench = Bench(name, kind)
        pipe.send((True, machine_line()))
        while True:
            what, args = pipe.recv()
            try:
                pipe.send((True, getattr(bench, what)(*args)))
            except Exception as error:
                line = next(iter(str(error).strip().splitlines()), "")
                pipe.send((False, f"{type(error).__name__}: {line}"))


# ----------------------------------------------------------------------------------- the measuring


@contextlib.contextmanager
def busy(count):
    """So many other processes that never rest."""
    others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


def run(options):
    """Prove, prepare, measure; returns the result, a dict (see `report`)."""
    import engines

    names = ["reference", "products", "tinynet", *options.peers]
    workers, excluded, measurements = {}, {}, []
    try:
        for name in names:
            workers[name] = turns.Worker(name, options.data, serve)
        result = {
            "machine": workers["tinynet"].about,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "git": git_revision(),
            "environment": environment(),
            "versions": {n: engines.versions(n if n in works.PEERS else "cpu") for n in names[2:]},
            "cases": {case: dataclasses.asdict(works.CASES[case]) for case in options.cases},
            "excluded": excluded,
            "measurements": measurements,
        }
        for case in options.cases:
            able = prove(case, workers, excluded)
            for count in options.busy:
                with busy(count):
                    for r, kind, name in turns.in_turns(able, KINDS, options.rounds):
                        seconds = workers[name].call("measure", kind)
                        measurements.append(
                            {
                                "case": case,
                                "engine": name,
                                "kind": kind,
                                "busy": count,
                                "round": r,
                                "seconds": seconds,
                            }
                        )
                print(f"{case}, {count} busy: " + ", ".join(
                    f"{n} {np.median(seconds_of(result, case, n, 'fit', count)):.3g} s"
                    for n in able), file=sys.stderr, flush=True)  # fmt: skip
            if options.json:  # what is stopped keeps its workloads
                results.save(result, options.json)
    finally:
        for worker in workers.values():
            worker.close()
    return result


def prove(case, workers, excluded):
    """The engines that train as the reference does, prepared."""
    weights, losses, predictions = workers["reference"].call("record", case, None)
    able = []
    for name, worker in workers.items():
        if name == "reference":
            continue
        try:
            reason = worker.call("unable", case)
            if reason is None and name != "products":
                reason = differs(name, worker.call("record", case, weights), losses, predictions)
            if reason is None:
                worker.call("prepare", case, weights)
                able.append(name)
                continue
        except turns.EngineError as error:
            reason = str(error)
        excluded.setdefault(case, {})[name] = reason
        print(f"{case}: without {name}: {reason}", file=sys.stderr, flush=True)
    if "tinynet" not in able:
        raise SystemExit(f"{case}: tinynet: {excluded[case]['tinynet']}")
    return able


def differs(name, found, losses, predictions):
    """Why a record is not that of the reference, or None."""
    _, own_losses, own_predictions = found
    error = np.max(np.abs(own_losses - losses) / np.abs(losses))
    # PyTorch's Adam adds epsilon to what is corrected for the first steps, Keras's to what is not
    if not error <= works.LOSS_TOLERANCE * (5 if name.startswith("torch") else 1):
        return f"trains differently: losses {own_losses}, the reference's {losses}"
    if own_predictions.shape != predictions.shape:
        return f"predicts {own_predictions.shape} instead of {predictions.shape}"
    far = np.mean(np.abs(own_predictions - predictions)) / np.mean(np.abs(predictions))
    return (
        None
        if far <= PREDICTION_TOLERANCE
        else f"predictions are {far:.2g} away from the reference's"
    )


# ----------------------------------------------------------------------------------- what is shown


def seconds_of(result, case, engine, kind, count):
    """By round, (rounds,)."""
    return np.array([m["seconds"] for m in result["measurements"] if (
        m["case"], m["engine"], m["kind"], m["busy"]) == (case, engine, kind, count)])  # fmt: skip


def leads(result, case, kind, count):
    """Speed of tinynet by that of the round's fastest peer, by round; and that peer's name."""
    own = seconds_of(result, case, "tinynet", kind, count)
    times = {name: seconds_of(result, case, name, kind, count) for name in peers_of(result, case)}
    if not times or not len(own):
        return None, None
    fastest = min(times, key=lambda name: np.median(times[name]))
    return np.min(list(times.values()), axis=0) / own, fastest


def peers_of(result, case):
    """Names of the engines that took turns with tinynet."""
    names = {m["engine"] for m in result["measurements"] if m["case"] == case}
    return sorted(names - {"tinynet", "products"})


def of_products(result, case, kind, count):
    """The products' time by tinynet's, which may leave out zeros of x; "" if not measured."""
    alone = seconds_of(result, case, "products", kind, count)
    own = seconds_of(result, case, "tinynet", kind, count)
    return f", products {np.median(alone / own):.2f}" if len(alone) else ""


def kept(result, case, engine, count):
    """Share of the quiet speed of `fit` that an engine keeps beside busy processes."""
    quiet, beside = (np.median(seconds_of(result, case, engine, "fit", n)) for n in (0, count))
    return quiet / beside


def by_lead(result):
    """The workloads, worst first: (name, busy -> leads of `fit`)."""
    counts = sorted({m["busy"] for m in result["measurements"]})
    found = [(case, {n: leads(result, case, "fit", n)[0] for n in counts})
             for case in result["cases"]]  # fmt: skip
    found = [(case, of) for case, of in found if of[counts[0]] is not None]
    return sorted(found, key=lambda one: np.median(one[1][counts[0]]))


def report(result):
    """The table in Markdown, worst workload first, below the machine's line."""
    lines = [result["machine"], f"{result['date']}, {result['git']}", ""]
    counts = sorted({m["busy"] for m in result["measurements"]})
    heads = ["workload", "rows/s", "fastest peer", "fit, by that peer; products' part", "predict",
             "one row, us"]  # fmt: skip
    heads += [f"kept beside {n} busy: tinynet, best peer" for n in counts if n and 0 in counts]
    lines += [f"| {' | '.join(heads)} |", "|---|---:|---|---|---|---|" + "---|" * (len(heads) - 6)]
    for case, of_fit in by_lead(result):
        count, about = counts[0], result["cases"][case]
        own = np.median(seconds_of(result, case, "tinynet", "fit", count))
        low, middle, high = results.quartiles(of_fit[count])
        predict = np.median(leads(result, case, "predict", count)[0])
        _, peer = leads(result, case, "one", count)
        us = [np.median(seconds_of(result, case, name, "one", count)) * 1e6
              for name in ("tinynet", peer)]  # fmt: skip
        row = [case, f"{about['rows'] * about['epochs'] / own:,.0f}",
               leads(result, case, "fit", count)[1], f"{middle:.2f} ({low:.2f} to {high:.2f})"
               f"{of_products(result, case, 'fit', count)}",
               f"{predict:.2f}{of_products(result, case, 'predict', count)}",
               f"{us[0]:.0f} ({peer} {us[1]:.0f})"]  # fmt: skip
        for n in counts:
            if n and 0 in counts:
                best = max(kept(result, case, name, n) for name in peers_of(result, case))
                row.append(f"{kept(result, case, 'tinynet', n):.2f}, {best:.2f}")
        lines.append(f"| {' | '.join(row)} |")
    for case, of in result["excluded"].items():
        lines += [f"{case}: without {name}: {reason}" for name, reason in of.items()]
    return "\n".join(lines)


def plot(result, path):
    """Draw the leads of `fit`, worst workload first, a mark for each number of busy processes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = by_lead(result)[::-1]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.35 * len(found)), layout="constrained")
    counts = sorted({m["busy"] for m in result["measurements"]})
    for count, mark in zip(counts, "osD^v", strict=False):
        marks = np.array([results.quartiles(of[count]) for _, of in found])
        places = np.arange(len(found)) - 0.2 * counts.index(count)
        bars = np.abs(marks[:, [0, 2]] - marks[:, 1:2]).T
        axes.errorbar(marks[:, 1], places, xerr=bars, fmt=mark, label=f"{count} busy processes")
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="speed of fit by that of the fastest peer, with quartiles")
    axes.set_yticks(range(len(found)), [case for case, _ in found])
    for which in ("major", "minor"):
        getattr(axes.xaxis, f"set_{which}_formatter")("{x:g}")
    axes.set_title(result["machine"], fontsize=7)
    axes.legend()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
