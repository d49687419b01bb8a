"""The parts of the gpu's report (gpu_report.py): what each runs, for how long, what is kept."""

import collections
import dataclasses
import importlib.util
import json
import os
import pathlib
import shutil
import sys
import typing

import running

# in the order of their worth, with the seconds that each needs: together those of a report
SECONDS = (
    ("smoke", 30), ("precision", 20), ("sweep", 200), ("persistent", 50), ("tf32x3", 40),
    ("cublaslt", 40), ("kernels", 40), ("cpu", 40), ("sanitizer", 40), ("tests", 70),
)  # fmt: skip
ALONE = ("smoke", "precision")  # parts that go before the search for peers
# part -> (devices, whether peers take part, batches, variables of the environment); the proof
# before a sweep takes steps of 32 and of 512 rows
SWEEPS = {
    "sweep": (("gpu",), True, (32, 8192, 8, 512, 16384, 2048, 128), {}),
    "persistent": (("gpu",), False, (32, 8, 128, 512), {"TINYNET_PERSISTENT": "512"}),
    "tf32x3": (("gpu",), False, (8192, 16384, 2048), {"TINYNET_TF32X3": "512"}),
    "cublaslt": (("gpu",), False, (8192, 512, 32), {"TINYNET_CUBLASLT": "1"}),
    "cpu": (("cpu",), False, (32, 512, 8192, 8), {}),
}
TAIL, FAILURES = 4000, 20  # characters of a log, of a traceback; how many tests may fail


@dataclasses.dataclass
class Part:
    """What is run, and what is kept of it.

    Attributes:
        command: to which the file is added.
        file: where it writes what it found.
        option: that the file is given by; None: it writes none.
        read: what is kept of the file, from its path.
        variables: of the environment.
        missing: why it can't be run here, or None.
    """

    command: list
    file: pathlib.Path
    option: str | None = "--json"
    read: typing.Callable = lambda path: json.loads(path.read_text())
    variables: dict = dataclasses.field(default_factory=dict)
    missing: str | None = None

    def run(self, seconds, cwd, log):
        """Run it for so long at most; returns what `running.run` does, and what was found."""
        if self.missing:
            return {"exit": None, "skipped": self.missing}
        begin = log.tell()
        written = [] if self.option is None else [f"{self.option}={self.file.absolute()}"]
        found = running.run([*self.command, *written], seconds, cwd, self.variables, log)
        found["found"] = None
        try:
            if self.file.exists():
                found["found"] = self.read(self.file)
        except (ValueError, SyntaxError) as error:  # it was stopped while it wrote
            found["unreadable"] = f"{type(error).__name__}: {error}"
        if found["exit"] != 0:
            with open(log.name, errors="replace") as file:
                file.seek(begin)
                found["said"] = file.read()[-TAIL:]
        return found


def make(name, options, folder, peers):
    """The Part of a name.

    Args:
        options: of gpu_report.py.
        folder: for its file.
        peers: those that run on this card.
    """
    if name in SWEEPS:
        devices, with_peers, batches, variables = SWEEPS[name]
        command = [
            sys.executable, "benches/batch_size.py", "--data", options.data, "--one-by-one",
            "--batches", *map(str, options.batches or batches), "--rounds", str(options.rounds),
            "--seconds", "0.3", "--devices", *devices, "--peers", *(peers if with_peers else ()),
            *(["--gemm"] if with_peers else []),
        ]  # fmt: skip
        return Part(command, folder / f"{name}.json", variables=variables)
    if name == "tests":
        return _tests(folder)
    if name == "sanitizer":
        return _sanitizer(folder)
    script = {"smoke": ["smoke.py"], "precision": ["precision.py"],
              "kernels": ["gpu_kernels.py", "--rows", "8192"]}[name]  # fmt: skip
    command = [sys.executable, f"benches/{script[0]}", *script[1:]]
    return Part(command, folder / f"{name}.json")


def _tests(folder):
    """The tests that run on a card, and on nothing that stands in for one."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests",
               "--continue-on-collection-errors", f"--maxfail={FAILURES}"]  # fmt: skip
    if importlib.util.find_spec("xdist"):
        command += ["-n", str(min(8, os.cpu_count()))]
    missing = None if importlib.util.find_spec("pytest") else "pytest is not installed"
    path = (folder / "tests.jsonl").absolute()
    variables = {"TINYNET_TESTS_GPU": "only", "TINYNET_TESTS_OUTCOMES": str(path)}
    return Part(command, path, None, outcomes, variables, missing)


def _sanitizer(folder):
    where = (shutil.which("compute-sanitizer"), "/usr/local/cuda/bin/compute-sanitizer")
    tool = next((path for path in where if path and os.path.exists(path)), None)
    missing = None if tool else "compute-sanitizer is not here: it comes with the CUDA toolkit"
    command = [tool, "--error-exitcode", "9", sys.executable, "benches/sanitized.py"]
    return Part(command, folder / "sanitizer", None, missing=missing)


def outcomes(path):
    """Counts of a pytest run, what failed with its traceback, and why tests were skipped; of the
    lines that tests/conftest.py has written so far.
    """
    found = [json.loads(line) for line in path.read_text().splitlines()]
    counts = collections.Counter(one["outcome"] for one in found)
    return {
        "ran": counts["passed"] + counts["failed"], "failures": counts["failed"],
        "skipped": counts["skipped"],
        "failed": {one["test"]: one["said"][-TAIL:] for one in found if one["outcome"] == "failed"},
        "why_skipped": collections.Counter(
            one["said"] for one in found if one["outcome"] == "skipped"
        ),
    }  # fmt: skip
