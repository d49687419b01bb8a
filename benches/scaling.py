"""How training scales with the ranks that mpiexec starts on this machine.

    python benches/scaling.py --ranks 1 2 --batch 2048 --rounds 5 --plot scaling.png

Strong scaling: the batch stays, each rank has a part of it. Weak scaling: the batch grows with the
ranks. Every rank has one thread. Beside them: one process with as many threads as ranks, and
PyTorch's DistributedDataParallel (gloo) on the same net and the same rows, where torch is
installed. Each engine and number of ranks has a process group of its own; in each round all of
them take their turns, in an order that rotates, and ratios are taken round by round. Before any
time is taken, tinynet's ranks must have the loss of one process. The time is that of the epochs;
what `fit` checks before them comes once, on every rank. That in Allreduce has the waiting for a
slower rank in it.

The plot's dashed lines are a model and no measurement: the time of one rank's part of a step, and
2 log2(n) messages of latency and twice the gradient by the bandwidth of a network for n ranks.
"""

import argparse
import importlib.util
import itertools
import json
import math
import os
import pathlib
import subprocess
import sys
import time

import images
import numpy as np
from products import WIDTHS

from tinynet.measuring.machine import forced_blas, machine_line

MPIEXEC = pathlib.Path(sys.prefix, "bin", "mpiexec")
NETWORKS = {"10 Gbit/s": (30e-6, 1.25e9), "100 Gbit/s": (3e-6, 12.5e9)}  # seconds, bytes a second


# --------------------------------------------------------------------------------- one of a group


def train_tinynet(x, y, batch, comm):
    """Return a function of a number of epochs that trains for them, and one of seconds exchanged.

    The first returns the mean loss of the last epoch, and the seconds of all of them.
    """
    import tinynet as keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.layers.Input(WIDTHS[:1]),
        *(keras.layers.Dense(units, "relu") for units in WIDTHS[1:-1]),
        keras.layers.Dense(WIDTHS[-1], "softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy",
                  distribute=keras.distribution.DataParallel(output="all"))  # fmt: skip
    spent = [0.0]
    if comm.size > 1:
        exchange = model.ranks.sum

        def timed(array):
            begun = time.perf_counter()
            exchange(array)
            spent[0] += time.perf_counter() - begun

        model.ranks.sum = timed

    def train(epochs):
        times = []
        clock = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: times.append(time.perf_counter()),
            on_train_end=lambda logs: times.append(time.perf_counter()),
        )
        history = model.fit(x, y, batch_size=batch, epochs=epochs, shuffle=False, verbose=0,
                            callbacks=[clock])  # fmt: skip
        return history.history["loss"][-1], times[1] - times[0]

    return train, lambda: spent[0]


def train_torch(x, y, batch, comm):
    """The same with DistributedDataParallel; the time of its exchange overlaps, and is unknown."""
    import torch
    from torch import distributed, nn

    torch.set_num_threads(int(os.environ["TINYNET_NUM_THREADS"]))
    torch.manual_seed(1)
    sizes = list(itertools.pairwise(WIDTHS))
    inside = [part for a, b in sizes for part in (nn.Linear(a, b), nn.ReLU())][:-1]
    model = nn.Sequential(*inside)
    if comm.size > 1:
        port = comm.bcast(20000 + os.getpid() % 20000)
        distributed.init_process_group(
            "gloo", f"tcp://127.0.0.1:{port}", rank=comm.rank, world_size=comm.size
        )
        model = nn.parallel.DistributedDataParallel(model)
    optimizer, loss = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    own = batch // comm.size  # batches divide evenly here
    parts = [slice(i + own * comm.rank, i + own * (comm.rank + 1))
             for i in range(0, len(x) // batch * batch, batch)]  # fmt: skip
    x, y = torch.from_numpy(x), torch.from_numpy(y)

    def train(epochs):
        begun = time.perf_counter()
        for _ in range(epochs):
            total = 0.0
            for part in parts:
                optimizer.zero_grad(set_to_none=True)
                value = loss(model(x[part]), y[part])
                value.backward()
                optimizer.step()
                total += value.detach()
        return float(total) / len(parts), time.perf_counter() - begun

    return train, lambda: math.nan


def serve(engine, batch, data):
    """One member of a group: train whenever the first one is told to, and tell the time."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    x, y = images.load(data)
    rows = len(x) // batch * batch
    x, y = np.ascontiguousarray(x[:rows]), y[:rows]
    train, exchanged = globals()[f"train_{engine}"](x, y, batch, comm)
    answer = {"loss": train(1)[0], "rows": rows}
    while True:
        if comm.rank == 0:
            print(json.dumps(answer), flush=True)
        epochs = np.zeros(1, np.int64)
        if comm.rank == 0:
            epochs[0] = int(sys.stdin.readline() or 0)
        said = comm.Ibcast(epochs)
        while not said.Test():  # asleep: another group has its turn
            time.sleep(0.05)  # so seldom that it takes nothing from the other
        epochs = int(epochs[0])
        if not epochs:
            return
        comm.Barrier()
        before = exchanged()
        _, seconds = train(epochs)
        comm.Barrier()
        answer = {"rate": rows * epochs / seconds, "share": (exchanged() - before) / seconds}


# -------------------------------------------------------------------------------------- all groups


class Group:
    """The processes of one engine and number of ranks; they wait until it is their turn."""

    def __init__(self, engine, ranks, threads, batch, options):
        self.name = f"{engine}, {ranks} x {threads}, batch {batch}"
        self.engine, self.ranks, self.threads, self.batch = engine, ranks, threads, batch
        command = [MPIEXEC, "-n", str(ranks), sys.executable, __file__, "--serve", engine,
                   str(batch), options.data]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "TINYNET_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        )  # fmt: skip
        self.turns = []
        first = self._answer()
        self.loss, self.epochs = first["loss"], 1
        self.epochs = max(1, round(options.seconds * self.turn(keep=False)["rate"] / first["rows"]))

    def turn(self, keep=True):
        self.process.stdin.write(f"{self.epochs}\n")
        self.process.stdin.flush()
        answer = self._answer()
        if keep:
            self.turns.append(answer)
        return answer

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} has ended")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def rates(self):
        return np.array([turn["rate"] for turn in self.turns])

    def share(self):
        return float(np.median([turn["share"] for turn in self.turns]))


def measure(options):
    """Let all groups take their turns; returns them by (engine, ranks, threads, batch)."""
    plan = [
        ("tinynet", n, 1, batch)
        for n in options.ranks
        for batch in dict.fromkeys((options.batch, options.batch * n // options.ranks[0]))
    ]
    plan += [("tinynet", 1, n, options.batch) for n in options.ranks[1:]]
    if importlib.util.find_spec("torch") is not None:
        plan += [("torch", n, 1, options.batch) for n in options.ranks]
    groups = {key: Group(*key, options) for key in plan}
    for key, group in groups.items():
        alone = groups.get(("tinynet", 1, 1, key[3]))
        if key[0] == "tinynet" and alone and not math.isclose(group.loss, alone.loss, rel_tol=1e-4):
            raise SystemExit(f"{group.name}: loss {group.loss}, one process has {alone.loss}")
    for i in range(options.rounds):
        order = list(groups.values())
        for group in order[i % len(order) :] + order[: i % len(order)]:
            group.turn()
    for group in groups.values():
        group.end()
    return groups


def quartiles(values):
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def report(groups, options):
    """Print each group's speed, and what it is of one rank's, round by round."""
    print(f"{machine_line()}\n{'-'.join(map(str, WIDTHS))}, Adam, float32, rows of {options.data}")
    print(f"{'':42}{'images/s':>10}   by one rank        in Allreduce")
    for (engine, ranks, _, batch), group in groups.items():
        alone = groups.get((engine, 1, 1, batch)) or groups[engine, 1, 1, options.batch]
        ratio = quartiles(group.rates() / alone.rates())
        share = f"{group.share():.0%}" if ranks > 1 and engine == "tinynet" else ""
        print(f"{group.name:42}{np.median(group.rates()):10,.0f}   {ratio:18} {share}")
    most = options.ranks[-1]
    torch = groups.get(("torch", most, 1, options.batch))
    if torch is not None and most > 1:
        ours, theirs = (
            groups[e, most, 1, options.batch].rates() / groups[e, 1, 1, options.batch].rates()
            for e in ("tinynet", "torch")
        )
        print(f"scaling to {most} ranks by PyTorch's: {quartiles(ours / theirs)}")


def modelled(groups, options, ranks):
    """Images per second of so many ranks by the model: network -> array."""
    step = options.batch / np.median(groups["tinynet", 1, 1, options.batch].rates())
    size = 4 * sum((a + 1) * b for a, b in itertools.pairwise(WIDTHS))
    found = {}
    for name, (latency, bandwidth) in NETWORKS.items():
        exchange = np.where(ranks > 1, 2 * np.log2(ranks) * latency + 2 * size / bandwidth, 0)
        found[name] = options.batch * ranks / (step + exchange)  # weak scaling
    return found


def draw(groups, options):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    ranks = 2 ** np.arange(11)
    measured = [
        n
        for n in options.ranks
        if ("tinynet", n, 1, options.batch * n // options.ranks[0]) in groups
    ]
    rates = [np.median(groups["tinynet", n, 1, options.batch * n // options.ranks[0]].rates())
             for n in measured]  # fmt: skip
    axes.plot(measured, rates, "o-", label="measured on this machine")
    for name, values in modelled(groups, options, ranks).items():
        axes.plot(ranks, values, "--", label=f"model, not measured: {name}")
    axes.set(xscale="log", yscale="log", xlabel="ranks of one thread", ylabel="images per second",
             title=f"weak scaling, {options.batch} rows a rank")  # fmt: skip
    axes.legend()
    figure.savefig(options.plot, dpi=150)
    print(f"saved {options.plot}")


def main():
    if sys.argv[1:2] == ["--serve"]:
        engine, batch, data = sys.argv[2:]
        serve(engine, int(batch), data)
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = os.cpu_count() or 1
    ranks = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= cores]
    parser.add_argument("--ranks", type=int, nargs="+", default=ranks, help="the first is 1")
    parser.add_argument("--batch", type=int, default=2048, help="rows, of all ranks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a turn, about")
    parser.add_argument("--data", choices=images.KINDS, default="mnist")
    parser.add_argument("--plot", metavar="FILE", help="draw it, and the model to 1,024 ranks")
    options = parser.parse_args()
    if options.ranks[0] != 1 or not MPIEXEC.exists():
        parser.error("--ranks begins with 1" if MPIEXEC.exists() else
                     f'there is no {MPIEXEC}: pip install -e ".[mpi]"')  # fmt: skip
    if forced_blas():
        raise SystemExit(forced_blas())
    images.require(options.data)
    groups = measure(options)
    report(groups, options)
    if options.plot:
        draw(groups, options)


if __name__ == "__main__":
    main()
