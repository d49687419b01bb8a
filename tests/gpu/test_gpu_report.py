"""benches/gpu_report.py: what it runs and keeps, with the parts that it starts replaced."""

import ctypes
import json
import os
import pathlib
import subprocess
import sys
import time

import fake_cupy
import numpy as np
import pytest

pytest.importorskip("threadpoolctl")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import batch_size
import gpu_report
import images
import precision
import running
import verdicts

from tinynet.measuring import machine

JUNIT = """<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1">
<testcase classname="tests.test_fit" name="test_a[gpu]"/>
<testcase classname="tests.test_fit" name="test_b[gpu]"><failure message="boom"/></testcase>
<testcase classname="tests.test_fit" name="test_c[gpu]"><skipped message="why"/></testcase>
</testsuite></testsuites>"""
SWEEP = {
    "net": "made up", "machine": "a machine", "date": "2026-01-02T03:04:05", "git": "abc",
    "options": {"rounds": 1}, "excluded": {},
    "engines": {"gpu": {"kind": "device", "place": "gpu"}},
    "measurements": [{"engine": "gpu", "batch": 32, "round": 0, "steps": 10, "seconds": 2.5e-4}],
}  # fmt: skip
WRITTEN = {
    "--junitxml": JUNIT,
    "--benchmark-json": json.dumps({"benchmarks": [{"extra_info": {"batch": 32}}]}),
    "--json": json.dumps({"format": 1, **SWEEP}),
}


class Runs:
    """In place of `running.run`: writes what a part writes, and keeps what was asked for."""

    def __init__(self):
        self.started = []  # (command, minutes, variables)
        self.codes = {}  # part of a command -> exit code, where it is not 0

    def __call__(self, command, minutes, cwd, variables):
        self.started.append((command[1:], minutes, variables))
        option, _, path = command[-1].partition("=")
        code = next((code for name, code in self.codes.items() if name in command), 0)
        if code >= 0:
            pathlib.Path(path).write_text(WRITTEN[option])
            return {"command": command[1:], "exit": code}
        return {"command": command[1:], "exit": code, "stopped": f"after {minutes} minutes"}


@pytest.fixture
def runs(monkeypatch):
    runs = Runs()
    monkeypatch.setattr(gpu_report.kernels, "why_not", lambda device: None)
    monkeypatch.setattr(gpu_report, "survey_of_gpu", lambda: {"card": "a card"})
    monkeypatch.setattr(gpu_report, "card_line", lambda: "a card, driver 1")
    monkeypatch.setattr(gpu_report, "peers_here", lambda: (["torch-gpu"], {"jax-gpu": "no jax"}))
    monkeypatch.setattr(gpu_report.images, "require", lambda kind: 55_000)
    monkeypatch.setattr(running, "run", runs)
    return runs


# -------------------------------------------------------------------------------------- parts


def test_all_parts_go_into_one_json(runs, tmp_path, capsys):
    out = tmp_path / "gpu.json"
    assert gpu_report.main(["--out", str(out), "--batches", "8", "32", "--minutes", "7"]) == 0
    report = json.loads(out.read_text())
    assert report["machine"] == gpu_report.machine_line()
    assert (report["card"], report["gpu"]) == ("a card, driver 1", {"card": "a card"})
    assert report["peers_missing"] == {"jax-gpu": "no jax"}
    assert list(report["parts"]) == list(gpu_report.NAMES)
    tests = report["parts"]["tests"]["found"]
    assert (tests["tests"], tests["failures"], tests["skipped"]) == (3, 1, 1)
    assert tests["failed"] == {"tests.test_fit::test_b[gpu]": "boom"}
    for name in ("kernels", "steps"):
        assert report["parts"][name]["found"] == [{"batch": 32}]
    assert report["parts"]["tf32"]["found"]["measurements"] == SWEEP["measurements"]
    assert {minutes for _, minutes, _ in runs.started} == {7}
    assert [variables for _, _, variables in runs.started if variables] == [
        {"TINYNET_CUBLASLT": "1"}, {"TINYNET_PERSISTENT": "16384"}, {"TINYNET_TF32": "1"},
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "no jax" in said
    assert "pass          at most 30 us per step at batch 32: 25.0 us" in said
    assert said.count("not measured  at least 1.25 times the fastest") == len(gpu_report.SWEEPS)
    assert said.endswith("all passed\n")


def test_the_parts_take_the_arguments_that_they_are_given(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_size.engines, "check", lambda devices, peers: None)
    gpu_report.main(["--out", str(tmp_path / "x.json")])
    sweeps = [command for command, _, _ in runs.started if command[0] == "benches/batch_size.py"]
    parsed = [batch_size.parse(command[1:]) for command in sweeps]
    both, alone = ["cpu", "gpu"], ["gpu"]
    assert [p.devices for p in parsed] == [both, *[alone] * 3, both]
    assert [p.peers for p in parsed] == [["torch-gpu"], *[[]] * 2, *[["torch-gpu"]] * 2]
    assert [p.gemm for p in parsed] == [True] * 4 + [False]
    assert [p.time_to_accuracy for p in parsed] == [None] * 4 + [0.97]
    for p in parsed:
        assert p.batches == list(batch_size.BATCHES)
        assert p.data == "mnist"
    others = {command[0] for command, _, _ in runs.started} - {"benches/batch_size.py"}
    assert others == {"-m", "benches/precision.py"}
    pytest_parts = [command for command, _, _ in runs.started if command[0] == "-m"]
    for command in pytest_parts:
        assert command[command.index("-k") + 1] == "gpu"
        files = [part for part in command if part.startswith(("tests", "benches"))]
        assert all((gpu_report.ROOT / file).exists() for file in files)


def test_random_rows_have_no_accuracy_to_reach_and_are_fewer(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_report.images, "require", lambda kind: 10_000)
    gpu_report.main(["--out", str(tmp_path / "x.json"), "--data", "random"])
    assert "accuracy" not in json.loads((tmp_path / "x.json").read_text())["parts"]
    (sweep, *_) = [c for c, _, _ in runs.started if c[0] == "benches/batch_size.py"]
    assert batch_size.parse([*sweep[1:], "--show", "x.json"]).batches[-2:] == [5000, 8192]


@pytest.mark.parametrize(
    ("code", "said"), [(1, "FAILED: precision\n"), (-15, "precision (stopped after 60 minutes)\n")]
)
def test_a_part_that_fails_is_named_and_the_rest_is_run(runs, tmp_path, capsys, code, said):
    runs.codes["benches/precision.py"] = code
    out = tmp_path / "x.json"
    assert gpu_report.main(["--out", str(out), "--parts", "precision", "steps"]) == 1
    parts = json.loads(out.read_text())["parts"]
    assert (parts["precision"]["exit"], parts["steps"]["exit"]) == (code, 0)
    assert (parts["precision"]["found"] is None) == (code < 0)
    assert capsys.readouterr().out.endswith(said)


@pytest.mark.parametrize("part", ["tests", "steps"])
def test_a_file_that_was_cut_is_no_end_of_the_report(runs, tmp_path, monkeypatch, part):
    option = gpu_report.make_parts(gpu_report.parse(["--batches", "8"]), tmp_path, [])[part].option
    monkeypatch.setitem(WRITTEN, option, WRITTEN[option][:-9])
    runs.codes["-m"] = 1
    assert gpu_report.main(["--out", str(tmp_path / "x.json"), "--parts", part]) == 1
    kept = json.loads((tmp_path / "x.json").read_text())["parts"][part]
    assert kept["found"] is None
    assert kept["unreadable"]


def test_what_is_killed_keeps_the_parts_before(runs, tmp_path, monkeypatch):
    def killed(command, *args):
        if "--junitxml" in command[-1]:
            return runs(command, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        gpu_report.main(["--out", str(tmp_path / "x.json")])
    assert list(json.loads((tmp_path / "x.json").read_text())["parts"]) == ["tests"]


def test_parts_are_added_to_a_report_only_on_demand(runs, tmp_path, capsys):
    out = str(tmp_path / "x.json")
    with pytest.raises(SystemExit):
        gpu_report.main(["--out", out, "--add"])
    assert f"--add: there is no {out} yet" in capsys.readouterr().err
    gpu_report.main(["--out", out, "--parts", "steps"])
    gpu_report.main(["--out", out, "--parts", "tests", "--add"])
    assert set(gpu_report.load(out)["parts"]) == {"steps", "tests"}
    gpu_report.main(["--out", out, "--parts", "tests"])
    assert set(gpu_report.load(out)["parts"]) == {"tests"}


def test_without_a_card_it_says_so_and_writes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_report.kernels, "why_not", lambda device: "no card")
    with pytest.raises(SystemExit, match="no card"):
        gpu_report.main(["--out", str(tmp_path / "x.json")])
    assert not list(tmp_path.iterdir())


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
    out = tmp_path / "x.json"
    gpu_report.main(["--out", str(out), "--parts", "sweep", "tf32"])
    capsys.readouterr()
    gpu_report.main(["--markdown", str(out)])
    assert "| 32 | – | 1,280,000 | 25.0 | – | – | – | 25.0 |" in capsys.readouterr().out  # noqa: RUF001
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    gpu_report.main(["--out", str(out), "--parts", "tf32"])
    with pytest.raises(SystemExit, match=r"in part sweep, found it in \['tf32'\]"):
        gpu_report.main(["--markdown", str(out)])


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
    found = running.run([sys.executable, "-c", code], 1, tmp_path, {"A": "b"})
    assert (found["command"], found["exit"], found["variables"]) == (["-c", code], 3, {"A": "b"})
    assert "stopped" not in found
    assert "None b" in capfd.readouterr().out


def test_what_runs_over_is_stopped_with_all_it_has_started(tmp_path):
    child = f"import time; time.sleep(0.5); open({str(tmp_path / 'late')!r}, 'w'); time.sleep(60)"
    code = (f"import subprocess, sys, time; open({str(tmp_path / 'begun')!r}, 'w'); "
            f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)")  # fmt: skip
    found = running.run([sys.executable, "-c", code], 0.4 / 60, tmp_path, {})
    assert found["stopped"].startswith("after 0.00")
    assert found["exit"] == -15
    assert found["seconds"] < 30
    time.sleep(1)  # the child would have written by now
    assert [path.name for path in tmp_path.iterdir()] == ["begun"]


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
        exact, rounded = precision.errors()
    assert modes == [0, 3]
    assert "TINYNET_TF32" not in os.environ
    assert (exact["size"], exact["mode"], rounded["mode"]) == ("64x784x300", "float32", "tf32")
    assert 0 < exact["error"] < 1e-6
    assert 1e-4 < rounded["error"] < 5e-4
