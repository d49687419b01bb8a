"""benches/gpu_report.py: what it runs and writes, with the parts it starts replaced."""

import json
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("threadpoolctl")
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "benches"))

import batch_size
import gpu_report

JUNIT = """<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1">
<testcase classname="tests.test_fit" name="test_a[gpu]"/>
<testcase classname="tests.test_fit" name="test_b[gpu]"><failure message="boom"/></testcase>
<testcase classname="tests.test_fit" name="test_c[gpu]"><skipped message="why"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize("code", [0, 1])
def test_one_json_with_machine_counts_failures_and_measurements(
    code, monkeypatch, tmp_path, capsys
):
    started = []

    def run(command, cwd, env):
        started.append(command)
        for part in command:
            if part.startswith("--junitxml="):
                pathlib.Path(part.partition("=")[2]).write_text(JUNIT)
            if part.startswith("--benchmark-json="):
                text = json.dumps({"benchmarks": [{"extra_info": {"batch": 32, "step_ms": 0.1}}]})
                pathlib.Path(part.partition("=")[2]).write_text(text)
        assert "OPENBLAS_CORETYPE" not in env
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(gpu_report.kernels, "why_not", lambda device: None)
    monkeypatch.setattr(gpu_report, "survey_of_gpu", lambda: {"card": "a card"})
    monkeypatch.setattr(gpu_report.subprocess, "run", run)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    out = tmp_path / "gpu.json"
    assert gpu_report.main(["--out", str(out), "--batches", "8"]) == code
    result = json.loads(out.read_text())
    assert result["machine"] == gpu_report.machine_line()
    assert result["gpu"] == {"card": "a card"}
    assert result["steps"] == [{"batch": 32, "step_ms": 0.1}]
    assert result["sweep"] is None  # it wrote nothing
    tests = result["parts"]["tests"]
    assert (tests["tests"], tests["failures"], tests["skipped"]) == (3, 1, 1)
    assert tests["failed"] == {"tests.test_fit::test_b[gpu]": "boom"}
    assert [c[1:3] for c in started] == [["-m", "pytest"]] * 2 + [
        ["benches/batch_size.py", "--devices"]
    ] * 2
    assert ("FAILED: tests, steps, sweep, cublaslt" in capsys.readouterr().out) == bool(code)


def test_the_parts_take_the_arguments_that_they_are_given():
    options = gpu_report.parse([])
    parsed = batch_size.parse(["--devices", "cpu", "--peers", "--batches", *options.batches,
                               "--rounds", options.rounds, "--data", options.data,
                               "--json", "x.json"])  # fmt: skip
    assert (parsed.devices, parsed.peers, parsed.data) == (["cpu"], [], "mnist")
    assert parsed.batches == [int(b) for b in options.batches]


def test_without_a_card_it_says_so_and_writes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_report.kernels, "why_not", lambda device: "no card")
    with pytest.raises(SystemExit, match="no card"):
        gpu_report.main(["--out", str(tmp_path / "x.json")])
    assert not list(tmp_path.iterdir())
