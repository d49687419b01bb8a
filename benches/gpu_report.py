"""The gpu device on this machine, in one command that nobody has to watch.

    python benches/gpu_report.py --total-minutes 9.5 --folder gpu
    python benches/gpu_report.py --markdown gpu/report.json

It needs the source tree, Python with NumPy, Numba and CuPy, and mnist.npz in the folder that
TINYNET_DATA_DIR names, or anywhere in the tree; nothing is installed. PyTorch, JAX, pytest and
compute-sanitizer take part where they are there.

First the card has to agree with the reference, else nothing more is run. Then all parts
(gpu_parts.py) share one deadline: each may take what is left, less what those behind it need. After
every part, and within the sweeps after every round, what was found is on disk: `report.json`,
`log.txt`, and while it runs the parts' own files in `parts/`. It ends with verdicts, and with 1
where a part failed. Without a usable card it says what is missing, and writes nothing.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import sys
import time

ROOT = pathlib.Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benches")]

import batch_size  # noqa: E402
import engines  # noqa: E402
import gpu_parts  # noqa: E402
import images  # noqa: E402
import verdicts  # noqa: E402

from tinynet import kernels  # noqa: E402
from tinynet.core.devices import survey_of_gpu  # noqa: E402
from tinynet.measuring import plot  # noqa: E402
from tinynet.measuring.machine import card_line, machine_line  # noqa: E402
from tinynet.saving.atomic import atomic_write  # noqa: E402

END = 10  # seconds that are kept for the verdicts
SLACK = 0.1  # of the time, which the parts that need more than their share may use up
LEAST = 3  # seconds that a part is worth beginning for


def main(arguments=None):
    options = parse(arguments)
    if options.markdown:
        show(options.markdown)
        return 0
    begun = time.monotonic()
    reason = kernels.why_not("gpu")
    if reason is not None:
        raise SystemExit(reason)
    os.environ.update(data_folder())
    images.require(options.data)
    folder = pathlib.Path(options.folder)
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))
    report = {
        "machine": machine_line(), "card": card_line(), "gpu": survey_of_gpu(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git": batch_size.git_revision(), "total_minutes": options.total_minutes, "parts": {},
    }  # fmt: skip
    try:
        run_parts(options, report, folder, begun + 60 * options.total_minutes - END)
    finally:
        failed = conclude(report, folder)
    return failed


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", default="gpu", help="where to write (gpu)")
    parser.add_argument("--total-minutes", type=minutes, default=9.5,
                        help="after which it has ended (9.5)")  # fmt: skip
    names = [name for name, _ in gpu_parts.SECONDS]
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="PART",
                        help=f"of {' '.join(names)} (all)")  # fmt: skip
    parser.add_argument("--batches", nargs="+", type=batch_size.positive,
                        help="of all sweeps; default: those of each in gpu_parts.py")  # fmt: skip
    parser.add_argument("--rounds", type=batch_size.positive, default=3)
    parser.add_argument("--data", choices=images.KINDS, default="mnist", help="of the sweeps")
    parser.add_argument("--markdown", metavar="FILE",
                        help="run nothing: print and draw this JSON")  # fmt: skip
    return parser.parse_args(arguments)


def minutes(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e4:
        raise argparse.ArgumentTypeError(f"expected minutes > 0, received {text!r}")
    return value


def data_folder():
    """{"TINYNET_DATA_DIR": a folder of the tree with mnist.npz}, if that is not set already."""
    if "TINYNET_DATA_DIR" in os.environ:
        return {}
    found = [*ROOT.glob("mnist.npz"), *ROOT.glob("*/mnist.npz"), *ROOT.glob("*/*/mnist.npz")]
    return {"TINYNET_DATA_DIR": str(found[0].parent)} if found else {}


def run_parts(options, report, folder, deadline):
    """Run the parts in order and keep what they find in the report."""
    wanted = [(name, s) for name, s in gpu_parts.SECONDS if name in options.parts]
    whole = sum(s for _, s in gpu_parts.SECONDS)
    scale = (1 - SLACK) * (60 * options.total_minutes - END) / whole
    peers = None
    with open(folder / "log.txt", "w") as log:
        for i, (name, _) in enumerate(wanted):
            if peers is None and name not in gpu_parts.ALONE:  # to look for them takes time, too
                peers, report["peers_missing"] = peers_here()
            behind = scale * sum(s for _, s in wanted[i + 1 :])
            left = deadline - time.monotonic() - behind
            print(f"\n===== {name}", file=log, flush=True)
            if left < LEAST:
                report["parts"][name] = {"exit": None, "skipped": "no time was left"}
            else:
                part = gpu_parts.make(name, options, folder / "parts", peers or [])
                report["parts"][name] = part.run(left, ROOT, log)
            save(report, folder)
            print(verdicts.line_of_part(name, report["parts"][name]), flush=True)
            if name == "smoke" and disagrees(report["parts"][name]):
                print("the card does not agree with the reference: nothing else is run")
                return


def disagrees(smoke):
    """Whether something was found to be wrong, or raised; not where only its time was over."""
    found = smoke.get("found") or {}
    wrong = any(not one["passed"] for one in found.values())
    return wrong or not (smoke["exit"] == 0 or {"stopped", "skipped"} & smoke.keys())


def peers_here():
    """(peers that run on this card, why the others don't)."""
    usable, missing = [], {}
    for peer in engines.ON_A_CARD:
        try:
            engines.check((), (peer,))
            usable.append(peer)
        except engines.UnknownEngine as error:
            missing[peer] = str(error)
    return usable, missing


def load(path):
    return json.loads(pathlib.Path(path).read_text())


def save(report, folder):
    with atomic_write(folder / "report.json") as file:
        file.write(json.dumps(report, indent=1).encode())


def conclude(report, folder):
    """Write and print the verdicts; returns 1 where a part failed."""
    found = verdicts.of_report(report)
    report["verdicts"] = [str(one) for one in found]
    save(report, folder)
    shutil.rmtree(folder / "parts")  # all of it is in the report
    print(f"\n{report['card']}; {report['machine']}", *report["verdicts"], sep="\n")
    print(f"wrote {folder / 'report.json'} and {folder / 'log.txt'}")
    return int(any(part["exit"] != 0 for part in report["parts"].values()))


def show(path):
    """README's table and picture, of a JSON that was written here."""
    sweeps = verdicts.sweeps_of(load(path))
    if "sweep" not in sweeps or "gpu" not in sweeps["sweep"]["engines"]:
        raise SystemExit(
            f"{path}: expected a report with the gpu in part sweep, found it in {list(sweeps)}"
        )
    sweep = sweeps.pop("sweep")
    print(verdicts.markdown(sweep, sweeps))
    for picture in plot.save(sweep, pathlib.Path(path).with_suffix(".png")):
        print(f"saved {picture}")


if __name__ == "__main__":
    raise SystemExit(main())
