"""How the time of `fit` grows with rows and with weights, its memory with rows of a mapped file.

    python benches/growth.py --json growth.json --plot growth.png

Each line is fitted as time = c n^a: an `a` of 1 is time in proportion to n. Memory is what the
process has beside the file's own pages, at its highest during `fit`, more than before it.
"""

import argparse
import datetime
import tempfile
import threading
import time

import numpy as np

import tinynet as keras
from tinynet.measuring import results
from tinynet.measuring.machine import machine_line

D, C, BATCH = 64, 10, 512
ROWS = tuple(int(10 ** (3 + k / 2)) for k in range(7))  # 1,000 to 1,000,000
WIDTHS = (30, 60, 120, 250, 480, 900, 1700)  # of two hidden layers: 3,000 to 3,000,000 weights
MAPPED = (25, 100, 400, 1600)  # MB of a file
MAPPED_COLUMNS = 784
FIXED_WIDTH, FIXED_ROWS = 64, 20 * BATCH


def network(columns, width, device):
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((columns,)), layers.Dense(width, "relu"), layers.Dense(width, "relu"),
        layers.Dense(C, "softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", device=device)
    return model


def rows_of(count, columns=D):
    random = np.random.default_rng(0)
    return random.standard_normal((count, columns), dtype=np.float32), random.integers(0, C, count)


def seconds(model, x, y, rounds):
    """The median time of an epoch; one before it prepares."""
    found = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH, verbose=0)
        found.append(time.perf_counter() - start)
    return float(np.median(found[1:]))


def by_rows(device, rounds, counts):
    model = network(D, FIXED_WIDTH, device)
    return [{"n": n, "seconds": seconds(model, *rows_of(n), rounds)} for n in counts]


def by_weights(device, rounds, widths):
    data, found = rows_of(FIXED_ROWS), []
    for width in widths:
        model = network(D, width, device)
        found.append({"n": model.count_params(), "seconds": seconds(model, *data, rounds)})
    return found


def own_memory():
    """Bytes of this process that are no file's pages, or None where the system does not tell."""
    try:
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("RssAnon:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def by_mapped_rows(device, sizes):
    """[{"n": rows, "bytes": of the file, "memory": bytes}], of uint8 rows in a file."""
    found, model = [], network(MAPPED_COLUMNS, FIXED_WIDTH, device)
    for megabytes in sizes:
        size = megabytes << 20
        count = size // MAPPED_COLUMNS
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            x = np.lib.format.open_memmap(file.name, "w+", np.uint8, (count, MAPPED_COLUMNS))
            for first in range(0, count, 1 << 16):
                x[first : first + (1 << 16)] = np.arange(MAPPED_COLUMNS) % 251
            del x
            x, y = np.load(file.name, mmap_mode="r"), np.zeros(count, np.uint8)
            model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, verbose=0)
            found.append({"n": count, "bytes": size, "memory": highest(model, x, y)})
            del x
    return found


def highest(model, x, y):
    """How much memory of its own the process takes at most during `fit`, above that before."""
    before, most, ended = own_memory(), [0], threading.Event()

    def watch():
        while not ended.wait(0.005):
            most[0] = max(most[0], own_memory() - before)

    if before is None:
        return None
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        model.fit(x, y, batch_size=BATCH, verbose=0)
    finally:
        ended.set()
        watching.join()
    return most[0]


def power(points, value="seconds"):
    """a of value = c n^a, by least squares of the logarithms."""
    n, v = np.array([(point["n"], point[value]) for point in points], float).T
    return float(np.polyfit(np.log(n), np.log(v), 1)[0])


def report(result):
    lines = [result["machine"], ""]
    for name in ("rows", "weights"):
        points = result[name]
        lines.append(f"time of an epoch, {points[0]['n']:,} to {points[-1]['n']:,} {name}: in "
                     f"proportion to {name}^{power(points):.2f}")  # fmt: skip
        lines += [f"  {p['n']:>12,} {p['seconds'] * 1e3:10.2f} ms, "
                  f"{p['seconds'] / p['n'] * 1e9:8.1f} ns each" for p in points]  # fmt: skip
    lines.append("memory of a fit on a mapped file, beside the file's own pages")
    lines += [f"  {p['n']:>12,} rows, {p['bytes'] / 1e6:8,.0f} MB: "
              + ("not told by this system" if p["memory"] is None
                 else f"{p['memory'] / 1e6:.1f} MB") for p in result["mapped"]]  # fmt: skip
    return "\n".join(lines)


def plot(result, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    for name, one in zip(("rows", "weights"), axes, strict=False):
        points = result[name]
        n, s = np.array([(p["n"], p["seconds"]) for p in points], float).T
        one.loglog(n, s, "o-", label=f"{name}^{power(points):.2f}")
        one.loglog(n, s[-1] * n / n[-1], "--", color="gray", label="in proportion")
        one.set(xlabel=name, ylabel="seconds of an epoch")
        one.legend()
    points = [p for p in result["mapped"] if p["memory"] is not None]
    axes[2].semilogx([p["bytes"] / 1e6 for p in points], [p["memory"] / 1e6 for p in points], "o-")
    axes[2].set(
        xlabel="MB of the mapped file", ylabel="MB of own memory during fit", ylim=(0, None)
    )
    figure.suptitle(result["machine"], fontsize=7)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS, metavar="N")
    parser.add_argument("--widths", nargs="+", type=int, default=WIDTHS, metavar="H",
                        help="of two hidden layers")  # fmt: skip
    parser.add_argument("--mapped", nargs="+", type=int, default=MAPPED, metavar="MB",
                        help="sizes of the files")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the result here")
    parser.add_argument("--plot", metavar="FILE", help="draw it here (.png, .svg, .pdf)")
    options = parser.parse_args(arguments)
    result = {
        "machine": machine_line(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "rows": by_rows(options.device, options.rounds, options.rows),
        "weights": by_weights(options.device, options.rounds, options.widths),
        "mapped": by_mapped_rows(options.device, options.mapped),
    }
    print(report(result))
    if options.json:
        results.save(result, options.json)
    if options.plot:
        plot(result, options.plot)
    return result


if __name__ == "__main__":
    main()
