"""benches/gpu_report.py: what it runs and keeps, with the parts that it starts replaced; and once
all of it, on the stand-in.
"""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import fake_cupy
import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import batch_size
import gpu_kernels
import gpu_parts
import gpu_report
import images
import precision
import running
import verdicts

from tinynet.measuring import machine

ROOT = pathlib.Path(__file__).parents[2]
OUTCOMES = [("passed", ""), ("failed", "line 3\nboom"), ("skipped", "why"), ("passed", "")]
ENDED = "\n".join(
    json.dumps({"test": f"test_{i}[gpu]", "outcome": outcome, "said": said})
    for i, (outcome, said) in enumerate(OUTCOMES)
)
SWEEP = {
    "net": "made up", "machine": "a machine", "date": "2026-01-02T03:04:05", "git": "abc",
    "options": {"rounds": 1}, "excluded": {},
    "engines": {"gpu": {"kind": "device", "place": "gpu"}},
    "measurements": [{"engine": "gpu", "batch": 32, "round": 0, "steps": 10, "seconds": 2.5e-4}],
}  # fmt: skip
FOUND = {
    "smoke": {"graphs": {"passed": True}}, "precision": [], "tests": ENDED,
    "kernels": [{"kernel": "add", "share": 0.75}, {"kernel": "adam", "share": 0.5}],
    **{name: {"format": 1, **SWEEP} for name in gpu_parts.SWEEPS},
}  # fmt: skip
NAMES = [name for name, _ in gpu_parts.SECONDS]


class Runs:
    """In place of `running.run`: writes what a part writes, and keeps what was asked for."""

    def __init__(self):
        self.started = {}  # part -> (command, seconds, variables)
        self.codes = {}  # part -> exit code, where it is not 0
        self.took = 0.0  # seconds that each part takes by the clock of the report
        self.now = 0.0

    def __call__(self, command, seconds, cwd, variables, log):
        path = variables.get("TINYNET_TESTS_OUTCOMES", command[-1].partition("=")[2])
        name = pathlib.Path(path).stem or "sanitizer"
        told = {k: v for k, v in variables.items() if k != "TINYNET_TESTS_OUTCOMES"}
        self.started[name] = (command[1:], seconds, told)
        self.now += self.took
        code = self.codes.get(name, 0)
        if code >= 0 and name in FOUND:
            found = FOUND[name]
            pathlib.Path(path).write_text(found if name == "tests" else json.dumps(found))
        print(f"{name} said this", file=log, flush=True)
        stopped = {"stopped": f"after {seconds:.0f} seconds"} if code < 0 else {}
        return {"command": command[1:], "exit": code, "seconds": self.took, **stopped}


@pytest.fixture
def runs(monkeypatch):
    runs = Runs()
    monkeypatch.setattr(gpu_report.kernels, "why_not", lambda device: None)
    monkeypatch.setattr(gpu_report, "survey_of_gpu", lambda: {"card": "a card"})
    monkeypatch.setattr(gpu_report, "card_line", lambda: "a card, driver 1")
    monkeypatch.setattr(gpu_report, "peers_here", lambda: (["torch-gpu"], {"jax-gpu": "no jax"}))
    monkeypatch.setattr(gpu_report.images, "require", lambda kind: 55_000)
    monkeypatch.setattr(gpu_report.signal, "signal", lambda *args: None)
    monkeypatch.setattr(gpu_report, "data_folder", dict)
    monkeypatch.setattr(gpu_parts.shutil, "which", lambda name: sys.executable)
    monkeypatch.setattr(gpu_report, "time", types.SimpleNamespace(monotonic=lambda: runs.now))
    monkeypatch.setattr(running, "run", runs)
    return runs


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


# -------------------------------------------------------------------------------------- parts


def test_all_parts_go_into_one_folder(runs, tmp_path, capsys):
    assert gpu_report.main(["--folder", str(tmp_path)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.txt", "report.json"]
    report = report_of(tmp_path)
    assert report["machine"] == gpu_report.machine_line()
    assert (report["card"], report["gpu"]) == ("a card, driver 1", {"card": "a card"})
    assert report["peers_missing"] == {"jax-gpu": "no jax"}
    assert list(report["parts"]) == list(runs.started) == NAMES
    tests = report["parts"]["tests"]["found"]
    assert (tests["ran"], tests["failures"], tests["skipped"]) == (3, 1, 1)
    assert tests["failed"] == {"test_1[gpu]": "line 3\nboom"}
    assert tests["why_skipped"] == {"why": 1}
    assert report["parts"]["persistent"]["found"]["measurements"] == SWEEP["measurements"]
    variables = {name: v for name, (*_, v) in runs.started.items() if v}
    assert variables == {
        "persistent": {"TINYNET_PERSISTENT": "512"}, "cublaslt": {"TINYNET_CUBLASLT": "1"},
        "tests": {"TINYNET_TESTS_GPU": "only"}, "tf32x3": {"TINYNET_TF32X3": "512"},
    }  # fmt: skip
    said = capsys.readouterr().out
    assert "pass          at most 30 us per step at batch 32: 25.0 us" in said
    assert "miss          tests passed on the card: 3 ran, 1 failed, 1 skipped" in said
    assert report["verdicts"] == [line for line in said.splitlines() if line in report["verdicts"]]
    log = (tmp_path / "log.txt").read_text()
    assert [line[6:] for line in log.splitlines() if line.startswith("===== ")] == NAMES


def test_one_deadline_is_shared(runs, tmp_path):
    """60 minutes: a part may take what is left, less what those behind it need."""
    runs.took = 100.0
    gpu_report.main(["--folder", str(tmp_path), "--total-minutes", "60"])
    whole = sum(seconds for _, seconds in gpu_parts.SECONDS)
    end, behind = 3600 - gpu_report.END, whole
    assert runs.started["smoke"][1] > 0.1 * end  # what is left over, beside its share
    for i, (name, seconds) in enumerate(gpu_parts.SECONDS):
        behind -= seconds
        left = end - 100 * i - 0.9 * end * behind / whole
        assert runs.started[name][1] == pytest.approx(left), name


def test_where_no_time_is_left_parts_are_left_out(runs, tmp_path, capsys):
    runs.took = 599.0
    assert gpu_report.main(["--folder", str(tmp_path), "--total-minutes", "10"]) == 1
    parts = report_of(tmp_path)["parts"]
    assert {parts[name].get("skipped") for name in NAMES[1:]} == {"no time was left"}
    said = capsys.readouterr().out
    assert "not measured  tests passed on the card: no time was left" in said


def test_a_smoke_test_that_is_late_stops_nothing(runs, tmp_path, capsys):
    runs.codes["smoke"] = -2
    assert gpu_report.main(["--folder", str(tmp_path)]) == 1
    assert list(runs.started) == NAMES
    assert "not measured  the card computes" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["raised", "differs"])
def test_where_the_card_disagrees_nothing_else_is_run(runs, tmp_path, capsys, monkeypatch, how):
    runs.codes["smoke"] = 1
    if how == "raised":
        monkeypatch.delitem(FOUND, "smoke")
    else:
        monkeypatch.setitem(FOUND, "smoke", {"graphs": {"passed": False}})
    assert gpu_report.main(["--folder", str(tmp_path)]) == 1
    assert list(runs.started) == ["smoke"]
    report = report_of(tmp_path)
    assert report["parts"]["smoke"]["said"].endswith("smoke said this\n")
    assert "the card does not agree with the reference" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "how"), [(1, "FAILED with 1"), (-2, "stopped after")])
def test_a_part_that_fails_is_named_and_the_rest_is_run(runs, tmp_path, capsys, code, how):
    runs.codes["precision"] = code
    parts = ["--parts", "precision", "kernels"]
    assert gpu_report.main(["--folder", str(tmp_path), *parts]) == 1
    found = report_of(tmp_path)["parts"]
    assert (found["precision"]["exit"], found["kernels"]["exit"]) == (code, 0)
    assert (found["precision"]["found"] is None) == (code < 0)
    assert f"precision: {how}" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["tests", "sweep"])
def test_a_file_that_was_cut_is_no_end_of_the_report(runs, tmp_path, monkeypatch, part):
    cut = FOUND[part][:-9] if part == "tests" else "cut"
    monkeypatch.setitem(FOUND, part, cut)
    if part == "sweep":
        monkeypatch.setattr(gpu_parts.json, "loads", bad)
    gpu_report.main(["--folder", str(tmp_path), "--parts", part])
    monkeypatch.undo()
    kept = report_of(tmp_path)["parts"][part]
    assert kept["found"] is None
    assert kept["unreadable"]


def bad(text):
    raise ValueError("cut")


def test_what_is_killed_keeps_the_parts_before(runs, tmp_path, monkeypatch):
    def killed(command, *args):
        if "smoke.py" in command[1]:
            return runs(command, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        gpu_report.main(["--folder", str(tmp_path)])
    report = report_of(tmp_path)
    assert list(report["parts"]) == ["smoke"]
    assert report["verdicts"][0].startswith("pass          the card computes")


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [("passed skipped", "pass"), ("passed failed", "miss"), ("skipped skipped", "miss"),
     ("", "miss")],
)  # fmt: skip
def test_tests_have_passed_only_where_some_ran_on_the_card(runs, tmp_path, monkeypatch, ended,
                                                           outcome):  # fmt: skip
    lines = [json.dumps({"test": "t", "outcome": one, "said": ""}) for one in ended.split()]
    monkeypatch.setitem(FOUND, "tests", "\n".join(lines))
    gpu_report.main(["--folder", str(tmp_path), "--parts", "tests"])
    (line,) = [v for v in report_of(tmp_path)["verdicts"] if "tests passed" in v]
    assert line.split()[0] == outcome


def test_the_parts_take_the_arguments_that_they_are_given(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_size.engines, "check", lambda devices, peers: None)
    gpu_report.main(["--folder", str(tmp_path), "--rounds", "2"])
    for name, (devices, with_peers, batches, _) in gpu_parts.SWEEPS.items():
        command, *_ = runs.started[name]
        parsed = batch_size.parse(command[1:])
        assert (parsed.devices, parsed.batches) == (list(devices), list(batches))
        assert parsed.peers == (["torch-gpu"] if with_peers else [])
        assert (parsed.rounds, parsed.one_by_one, parsed.data) == (2, True, "mnist")
    for command, *_ in runs.started.values():
        files = [part for part in command if part.startswith(("tests", "benches"))]
        assert files
        assert all((ROOT / file).exists() for file in files)


def test_without_a_tool_a_part_says_so(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_parts.shutil, "which", lambda name: None)
    monkeypatch.setattr(gpu_parts.os.path, "exists", lambda path: False)
    monkeypatch.setattr(gpu_parts.importlib.util, "find_spec", lambda name: None)
    gpu_report.main(["--folder", str(tmp_path), "--parts", "sanitizer", "tests"])
    said = capsys.readouterr().out
    assert "sanitizer: not run, compute-sanitizer is not here" in said
    assert "tests: not run, pytest is not installed" in said
    assert runs.started == {}


def test_without_a_card_it_says_so_and_writes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_report.kernels, "why_not", lambda device: "no card")
    with pytest.raises(SystemExit, match="no card"):
        gpu_report.main(["--folder", str(tmp_path / "x")])
    assert not list(tmp_path.iterdir())


def test_mnist_is_found_in_the_tree(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYNET_DATA_DIR", raising=False)
    monkeypatch.setattr(gpu_report, "ROOT", tmp_path)
    assert gpu_report.data_folder() == {}
    (tmp_path / "a" / "data").mkdir(parents=True)
    (tmp_path / "a" / "data" / "mnist.npz").touch()
    assert gpu_report.data_folder() == {"TINYNET_DATA_DIR": str(tmp_path / "a" / "data")}
    monkeypatch.setenv("TINYNET_DATA_DIR", "mine")
    assert gpu_report.data_folder() == {}


def test_peers_that_are_not_there_say_why(monkeypatch):
    def check(devices, peers):
        if peers == ("jax-gpu",):
            raise gpu_report.engines.UnknownEngine("no jax here")

    monkeypatch.setattr(gpu_report.engines, "check", check)
    assert gpu_report.peers_here() == (["torch-gpu"], {"jax-gpu": "no jax here"})
    assert tuple(gpu_report.engines.ON_A_CARD) == verdicts.PEERS


@pytest.mark.parametrize("error", [OSError("no mirror"), ModuleNotFoundError("no pooch")])
def test_without_data_it_says_what_to_do(monkeypatch, error):
    def load(kind):
        raise error

    monkeypatch.setattr(images, "load", load)
    with pytest.raises(
        SystemExit, match=r"mnist can't be loaded: no (mirror|pooch)\nput mnist.npz"
    ):
        images.require("mnist")


def test_a_report_is_shown(runs, tmp_path, capsys):
    gpu_report.main(["--folder", str(tmp_path), "--parts", "sweep", "persistent"])
    capsys.readouterr()
    path = tmp_path / "report.json"
    gpu_report.main(["--markdown", str(path)])
    assert "| 32 | – | 1,280,000 | 25.0 | – | – | – | 25.0 |" in capsys.readouterr().out  # noqa: RUF001
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    gpu_report.main(["--folder", str(tmp_path), "--parts", "persistent"])
    with pytest.raises(SystemExit, match=r"in part sweep, found it in \['persistent'\]"):
        gpu_report.main(["--markdown", str(path)])


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        ("NVIDIA H200, 550.54.15, 1980 MHz, 1980 MHz, 700.00 W\n",
         "NVIDIA H200, driver 550.54.15, SM at 1980 MHz of at most 1980 MHz, power limit 700.00 W"),
        ("No devices were found\n", "a card that nvidia-smi does not show"),
        (None, "a card that nvidia-smi does not show"),
    ],
)  # fmt: skip
def test_the_line_of_the_card(monkeypatch, shown, line):
    def run(command, **options):
        assert command[0] == "nvidia-smi"
        if shown is None:
            raise FileNotFoundError("nvidia-smi")
        return subprocess.CompletedProcess(command, 0, stdout=shown)

    monkeypatch.setattr(machine.subprocess, "run", run)
    assert machine.card_line() == line


# ------------------------------------------------------------------------------------ running


def test_a_command_runs_with_its_variables(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    code = "import os; print(os.environ.get('OPENBLAS_CORETYPE'), os.environ['A']); exit(3)"
    found = running.run([sys.executable, "-c", code], 60, tmp_path, {"A": "b"})
    assert (found["command"], found["exit"], found["variables"]) == (["-c", code], 3, {"A": "b"})
    assert "stopped" not in found
    assert "None b" in capfd.readouterr().out


@pytest.mark.usefixtures("interruptible")
def test_what_runs_over_is_stopped_with_all_it_has_started(tmp_path):
    child = f"import time; time.sleep(0.5); open({str(tmp_path / 'late')!r}, 'w'); time.sleep(60)"
    code = (f"import subprocess, sys, time; open({str(tmp_path / 'begun')!r}, 'w'); "
            f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)")  # fmt: skip
    with open(tmp_path / "log", "w") as log:
        found = running.run([sys.executable, "-c", code], 0.4, tmp_path, {}, log)
    assert found["stopped"] == "after 0 seconds"
    assert found["exit"] == -signal.SIGINT
    assert found["seconds"] < 30
    assert "KeyboardInterrupt" in (tmp_path / "log").read_text()
    time.sleep(1)  # the child would have written by now
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "log"]


@pytest.mark.usefixtures("interruptible")
def test_tests_that_are_stopped_keep_what_they_found(tmp_path, monkeypatch):
    """Also where they are killed at once, as by a time limit."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # a worker of xdist notes nothing
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (tmp_path / "test_slow.py").write_text(
        "import os, signal\ndef test_a(): pass\ndef test_b(): assert 1 == 2\n"
        "def test_c(): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "tests.jsonl"
    environment = {"TINYNET_TESTS_OUTCOMES": str(path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_slow.py"]
    with open(tmp_path / "log", "w") as log:
        assert running.run(command, 60, tmp_path, environment, log)["exit"] == -9
    found = gpu_parts.outcomes(path)
    assert (found["ran"], found["failures"], found["skipped"]) == (2, 1, 0)
    assert "assert 1 == 2" in found["failed"]["test_slow.py::test_b"]


# ---------------------------------------------------------------------------------- precision


def test_errors_of_products_in_both_modes(monkeypatch):
    """The stand-in multiplies in float32; here it rounds the factors to 11 bits where it is told to
    make TF32's products. Each rounded factor is then off by 2^-12 / sqrt(3) of its power of two,
    some 1e-4 of its size, and a sum of such products by sqrt(2) times that.
    """
    modes, gemm = [], fake_cupy.cublas.cublasSgemm_v2
    monkeypatch.setattr(fake_cupy.cublas, "cublasSetMathMode", lambda _, m: modes.append(m) or 0)

    def rounding(handle, ta, tb, m, n, k, alpha, A, lda, B, ldb, *rest):
        if modes[-1] == 3:  # CUBLAS_TF32_TENSOR_OP_MATH
            for pointer, size in ((A, m * k), (B, k * n)):
                room = (ctypes.c_uint32 * size).from_address(pointer.value)
                bits = np.frombuffer(room, np.uint32)
                bits[...] = (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
        return gemm(handle, ta, tb, m, n, k, alpha, A, lda, B, ldb, *rest)

    monkeypatch.setattr(fake_cupy.cublas, "cublasSgemm_v2", rounding)
    monkeypatch.setattr(precision, "SIZES", ((64, 784, 300),))
    monkeypatch.delenv("TINYNET_TF32", raising=False)
    with fake_cupy.in_place_of_a_card():
        exact, rounded = precision.errors()  # small blocks can't do 3xTF32
    assert modes == [0, 3]
    assert "TINYNET_TF32" not in os.environ
    assert (exact["size"], exact["mode"], rounded["mode"]) == ("64x784x300", "float32", "tf32")
    assert 0 < exact["error"] < 1e-6
    assert 1e-4 < rounded["error"] < 5e-4


# ---------------------------------------------------------------------------------- all of it


def test_kernels_after_one_that_fails_are_measured_too(monkeypatch, tmp_path, capsys):
    row = {"kernel": "add", "rows": 3, "us": 1.0, "rate": 1.0, "unit": "GB/s", "share": 1.0,
           "in_cache": False}  # fmt: skip

    def measure(name, rows, cache):
        if name == "adam":
            raise MemoryError("no room")
        return row

    monkeypatch.setattr(gpu_kernels, "measure", measure)
    monkeypatch.setattr(gpu_kernels, "NAMES", ("adam", "add"))
    with fake_cupy.in_place_of_a_card():
        assert gpu_kernels.main(["--rows", "3", "--json", str(tmp_path / "x.json")]) == 1
    found = json.loads((tmp_path / "x.json").read_text())
    assert found == [{"kernel": "adam", "rows": 3, "error": "MemoryError: no room"}, row]
    assert "Traceback" in capsys.readouterr().out
    parts = {"kernels": {"found": found, "exit": 1}}
    assert str(verdicts._kernels({"parts": parts})).startswith("miss")


@pytest.mark.slow
def test_a_rehearsal_on_the_stand_in(tmp_path):
    """As on a bare machine: from the source tree, in processes that find nothing else."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests/support/rehearsal")}
    options = ["--total-minutes", "60", "--batches", "4", "8", "--data", "random", "--rounds", "2",
               "--parts", "smoke", "precision", "sweep", "persistent", "kernels"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "benches/gpu_report.py", *options, "--folder", str(tmp_path)],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + (tmp_path / "log.txt").read_text()
    report = report_of(tmp_path)
    assert report["verdicts"][0] == (
        "pass          the card computes what the reference does: graphs, persistent, tf32x3 agree"
    )
    sweep = report["parts"]["sweep"]["found"]
    assert {(m["batch"], m["round"]) for m in sweep["measurements"]} == {
        (b, r) for b in (4, 8) for r in (0, 1)
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.txt", "report.json"]
