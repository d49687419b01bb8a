"""The gpu device on this machine, in one command: its tests and its benches, in one JSON.

    pip install -e ".[test,cuda12]" && python benches/gpu_report.py --out gpu.json
    python benches/gpu_report.py --markdown gpu.json

Runs, part by part: the tests that have the gpu's id, the benches of kernels and of one step, the
sweep over batch sizes against PyTorch and JAX on the card where they are installed, the gpu's sweep
again in each of its modes (`SWEEPS`), the time to an accuracy, and the errors of products. The JSON
is written anew after every part. It ends with the targets, each met or missed, and with 1 where a
part failed. Without a usable card it says what is missing, and writes nothing.
"""

import argparse
import dataclasses
import datetime
import json
import pathlib
import sys
import tempfile
import typing
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benches"))

import batch_size  # noqa: E402
import engines  # noqa: E402
import images  # noqa: E402
import running  # noqa: E402
from verdicts import markdown, verdicts  # noqa: E402

from tinynet import kernels  # noqa: E402
from tinynet.core.devices import survey_of_gpu  # noqa: E402
from tinynet.measuring import plot  # noqa: E402
from tinynet.measuring.machine import card_line, machine_line  # noqa: E402
from tinynet.saving.atomic import atomic_write  # noqa: E402

SWEEPS = {  # part -> (devices, whether peers take part, variables of the environment)
    "sweep": (("cpu", "gpu"), True, {}),
    "cublaslt": (("gpu",), False, {"TINYNET_CUBLASLT": "1"}),
    "persistent": (("gpu",), False, {"TINYNET_PERSISTENT": "16384"}),  # at every batch size
    "tf32": (("gpu",), True, {"TINYNET_TF32": "1"}),
}
NAMES = ("tests", "kernels", "steps", *SWEEPS, "precision", "accuracy")


@dataclasses.dataclass
class Part:
    """What is run, and what is kept of it.

    Attributes:
        command: arguments of Python, to which the file is added.
        file: where it writes what it found.
        option: that the file is given by.
        read: what is kept of the file, from its path.
        variables: of the environment.
    """

    command: list
    file: pathlib.Path
    option: str
    read: typing.Callable
    variables: dict = dataclasses.field(default_factory=dict)

    def run(self, minutes):
        command = [sys.executable, *self.command, f"{self.option}={self.file}"]
        found = {**running.run(command, minutes, ROOT, self.variables), "found": None}
        try:
            if self.file.exists():
                found["found"] = self.read(self.file)
        except (ValueError, SyntaxError) as error:  # pytest was stopped while it wrote
            found["unreadable"] = f"{type(error).__name__}: {error}"
        return found


def main(arguments=None):
    options = parse(arguments)
    if options.markdown:
        show(options.markdown)
        return 0
    reason = kernels.why_not("gpu")
    if reason is not None:
        raise SystemExit(reason)
    rows = images.require(options.data)
    options.batches = options.batches or [b for b in batch_size.BATCHES if b <= rows]
    peers, missing = peers_here()
    report = {
        "machine": machine_line(), "card": card_line(), "gpu": survey_of_gpu(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git": batch_size.git_revision(), "peers_missing": missing,
        "parts": load(options.out)["parts"] if options.add else {},
    }  # fmt: skip
    print(report["card"], report["machine"], *missing.values(), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        parts = make_parts(options, pathlib.Path(folder), peers)
        for name in options.parts:
            report["parts"][name] = parts[name].run(options.minutes)
            save(report, options.out)
    return conclude(report, options)


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="gpu.json", help="where to write (gpu.json)")
    parser.add_argument("--parts", nargs="+", choices=NAMES, default=list(NAMES), metavar="PART",
                        help=f"of {' '.join(NAMES)} (all)")  # fmt: skip
    parser.add_argument("--add", action="store_true", help="keep the other parts that --out has")
    parser.add_argument("--minutes", type=batch_size.positive, default=60,
                        help="after which a part is stopped (60)")  # fmt: skip
    parser.add_argument("--batches", nargs="+", type=batch_size.positive,
                        help="default: those of batch_size.py that the data hold")  # fmt: skip
    parser.add_argument("--rounds", type=batch_size.positive, default=5)
    parser.add_argument("--data", choices=images.KINDS, default="mnist", help="of the sweeps")
    parser.add_argument("--time-to-accuracy", type=batch_size.share, default=0.97, metavar="SHARE",
                        help="of MNIST's validation rows, in the part accuracy (0.97)")  # fmt: skip
    parser.add_argument("--markdown", metavar="FILE",
                        help="run nothing: print and draw this JSON")  # fmt: skip
    options = parser.parse_args(arguments)
    options.parts = list(dict.fromkeys(options.parts))
    if options.data == "random":  # whose labels nobody can learn
        options.parts = [name for name in options.parts if name != "accuracy"]
    if options.add and not pathlib.Path(options.out).exists():
        parser.error(f"--add: there is no {options.out} yet")
    return options


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


def make_parts(options, folder, peers):
    """Name -> Part."""
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    parts = {
        "tests": Part([*pytest, "tests", "-k", "gpu"], folder / "tests.xml", "--junitxml",
                      outcomes),
        "precision": Part(["benches/precision.py"], folder / "precision.json", "--json", load),
    }  # fmt: skip
    for name, bench in (("kernels", "test_gpu_kernels.py"), ("steps", "test_step.py")):
        parts[name] = Part([*pytest, f"benches/{bench}", "-k", "gpu"], folder / f"{name}.json",
                           "--benchmark-json", rows_of_benchmarks)  # fmt: skip
    common = ["--data", options.data, "--batches", *map(str, options.batches)]
    for name, (devices, with_peers, variables) in SWEEPS.items():
        command = ["benches/batch_size.py", *common, "--gemm", "--rounds", str(options.rounds),
                   "--devices", *devices, "--peers", *(peers if with_peers else ())]  # fmt: skip
        parts[name] = Part(command, folder / f"{name}.json", "--json", load, variables)
    accuracy = ["benches/batch_size.py", *common, "--rounds", "1", "--devices", "cpu", "gpu",
                "--time-to-accuracy", str(options.time_to_accuracy), "--peers", *peers]  # fmt: skip
    parts["accuracy"] = Part(accuracy, folder / "accuracy.json", "--json", load)
    return parts


def outcomes(path):
    """Counts of a pytest run, and the names of what failed with the message."""
    suite = xml.etree.ElementTree.parse(path).getroot().find("testsuite")
    counts = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
    failed = {
        f"{case.get('classname')}::{case.get('name')}": bad.get("message")
        for case in suite.iter("testcase")
        for bad in (*case.findall("failure"), *case.findall("error"))
    }
    return {**counts, "failed": failed}


def rows_of_benchmarks(path):
    return [bench["extra_info"] for bench in load(path)["benchmarks"]]


def load(path):
    return json.loads(pathlib.Path(path).read_text())


def save(report, path):
    with atomic_write(path) as file:
        file.write(json.dumps(report, indent=1).encode())


def conclude(report, options):
    """Print the verdicts of every sweep, and what failed; 1 where something did."""
    for name, sweep in swept(report).items():
        print(f"\n{name}, on {report['card']}:", *verdicts(sweep), sep="\n  ")
    parts = {name: report["parts"][name] for name in options.parts}
    failed = [f"{name} (stopped {part['stopped']})" if "stopped" in part else name
              for name, part in parts.items() if part["exit"] != 0]  # fmt: skip
    print(f"\nwrote {options.out}; "
          + (f"FAILED: {', '.join(failed)}" if failed else "all passed"))  # fmt: skip
    return 1 if failed else 0


def swept(report):
    """Name -> result of the sweeps that came to one."""
    parts = report["parts"]
    return {name: parts[name]["found"] for name in SWEEPS if parts.get(name, {}).get("found")}


def show(path):
    """README's table and picture, of a JSON that was written here."""
    variants = swept(load(path))
    variants = {name: sweep for name, sweep in variants.items() if "gpu" in sweep["engines"]}
    if "sweep" not in variants:
        raise SystemExit(
            f"{path}: expected a report with the gpu in part sweep, found it in {list(variants)}"
        )
    sweep = variants.pop("sweep")
    print(markdown(sweep, variants))
    for picture in plot.save(sweep, pathlib.Path(path).with_suffix(".png")):
        print(f"saved {picture}")


if __name__ == "__main__":
    raise SystemExit(main())
