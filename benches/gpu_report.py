"""The gpu device on this machine, in one command: its tests and its benches, in one JSON.

    pip install -e ".[test,cuda12]" && python benches/gpu_report.py --out gpu.json

Runs the tests that have the gpu's id, the step bench, the sweep over batch sizes against the cpu
device, and the gpu's again with cuBLASLt's epilogues (TINYNET_CUBLASLT=1); writes the machine, the
counts, what failed, and the measurements. It ends with 1 where a test or a bench failed. Without a
usable card it says what is missing, and writes nothing.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benches"))

from tinynet import kernels  # noqa: E402
from tinynet.devices import survey_of_gpu  # noqa: E402
from tinynet.measuring.machine import machine_line  # noqa: E402


def main(arguments=None):
    options = parse(arguments)
    reason = kernels.why_not("gpu")
    if reason is not None:
        raise SystemExit(reason)
    print(machine_line())
    with tempfile.TemporaryDirectory() as folder:
        result = report(options, pathlib.Path(folder))
    text = json.dumps(result, indent=1)
    pathlib.Path(options.out).write_text(text + "\n")
    failed = [name for name, part in result["parts"].items() if part["exit"] != 0]
    print(f"wrote {options.out}; " + (f"FAILED: {', '.join(failed)}" if failed else "all passed"))
    return 1 if failed else 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="gpu.json", help="where to write (gpu.json)")
    parser.add_argument(
        "--batches", nargs="+", default=["1", "8", "32", "128", "512", "2048", "5000", "16384"]
    )
    parser.add_argument("--rounds", default="5")
    parser.add_argument("--data", default="mnist", help="of the sweep: mnist or random")
    parser.add_argument("--time-to-accuracy", default="0.97", help="of MNIST, in the sweep (0.97)")
    return parser.parse_args(arguments)


def report(options, folder):
    """Everything as one dict."""
    tests, steps, sweep = folder / "tests.xml", folder / "steps.json", folder / "sweep.json"
    light = folder / "cublaslt.json"
    accuracy = ["--time-to-accuracy", options.time_to_accuracy] if options.data == "mnist" else []
    parts = {
        "tests": run([sys.executable, "-m", "pytest", "tests", "-q", "-k", "gpu",
                      "-p", "no:cacheprovider", f"--junitxml={tests}"]),
        "steps": run([sys.executable, "-m", "pytest", "benches/test_step.py", "-q", "-k", "gpu",
                      f"--benchmark-json={steps}"]),
        "sweep": run([sys.executable, "benches/batch_size.py", "--devices", "cpu", "gpu", "--peers",
                      "--batches", *options.batches, "--rounds", options.rounds,
                      "--data", options.data, "--json", str(sweep), *accuracy]),
        "cublaslt": run([sys.executable, "benches/batch_size.py", "--devices", "gpu", "--peers",
                         "--batches", *options.batches, "--rounds", options.rounds,
                         "--data", options.data, "--json", str(light)], TINYNET_CUBLASLT="1"),
    }  # fmt: skip
    parts["tests"] |= outcomes(tests)
    return {
        "machine": machine_line(),
        "gpu": survey_of_gpu(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "parts": parts,
        "steps": read(steps, lambda d: [b["extra_info"] for b in d["benchmarks"]]),
        "sweep": read(sweep, lambda d: d),
        "cublaslt": read(light, lambda d: d),  # the gpu again, with epilogues of cuBLASLt
    }


def run(command, **variables):
    """Run it in sight; its command and exit code. A crippled BLAS would falsify the cpu's part."""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    environment |= variables
    print("$", *(f"{k}={v}" for k, v in variables.items()), *command, flush=True)
    done = subprocess.run(command, cwd=ROOT, env=environment)
    return {"command": command[1:], "exit": done.returncode}


def outcomes(path):
    """Counts of a pytest run, and the names of what failed with the message."""
    if not path.exists():
        return {}
    suite = xml.etree.ElementTree.parse(path).getroot().find("testsuite")
    counts = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
    failed = {
        f"{case.get('classname')}::{case.get('name')}": bad.get("message")
        for case in suite.iter("testcase")
        for bad in (*case.findall("failure"), *case.findall("error"))
    }
    return {**counts, "failed": failed}


def read(path, take):
    """What a bench wrote, or None where it did not come so far."""
    return take(json.loads(path.read_text())) if path.exists() else None


if __name__ == "__main__":
    raise SystemExit(main())
