"""`python -m tinynet bench`: what it writes, takes and refuses. Times are made up."""

import argparse
import warnings

import numpy as np
import pytest
from test_benches import batch_size
from test_measuring import (  # noqa: F401  the fixtures are used
    card,
    functional,
    made_up_times,
    model,
    own_cache,
    rows,
)

from tinynet import Sequential, kernels
from tinynet.commands import bench
from tinynet.kernels import gpu
from tinynet.layers import Dense, Input
from tinynet.measuring import machine, results, subject


def command(*arguments):
    from tinynet.__main__ import main

    main(["bench", *arguments])


@pytest.mark.usefixtures("card")
def test_bench_writes_table_json_and_picture(tmp_path, capsys, monkeypatch):
    made_up_times(monkeypatch, reference=4.0, cpu=2.0, gpu=1.0)
    json_, png = tmp_path / "b.json", tmp_path / "b.png"
    command("--layers", "5", "4", "3", "--batches", "2", "8", "--rounds", "2",
            "--devices", "reference", "cpu", "gpu",
            "--json", str(json_), "--plot", str(png))  # fmt: skip
    out = " ".join(capsys.readouterr().out.split())
    assert "5-4-3: 39 parameters, Adam, sparse_categorical_crossentropy, float32" in out
    assert "the gpu leads at every batch size" in out
    assert "of the reference" in out
    assert png.read_bytes().startswith(b"\x89PNG")
    result = results.load(json_)
    assert set(result["engines"]) == {"reference", "cpu", "gpu"}
    np.testing.assert_allclose(results.rates(result, "cpu", 8), [4.0, 4.0])
    np.testing.assert_allclose(results.ratio(result, "gpu", "cpu", 2), [2.0, 2.0])
    # and auto knows it
    timed = made_up_times(monkeypatch, cpu=1.0, gpu=9.0)
    from tinynet.commands.bench import dense

    net = dense([5, 4, 3])
    net.compile("adam", "sparse_categorical_crossentropy", device="auto")
    net.fit(*rows(), batch_size=8, verbose=0)
    assert (net.device, timed) == ("gpu", [])


@pytest.mark.usefixtures("card")
def test_bench_is_readable_in_80_columns(capsys, monkeypatch):
    """And where its output goes into a file, which rich takes for so many."""
    made_up_times(monkeypatch, reference=4e-6, cpu=2e-6, gpu=1.25e-6)
    monkeypatch.setattr(machine, "load_average", lambda: [0.1, 9.0, 9.0])
    command("--layers", "5", "4", "3", "--batches", "1", "8", "32", "128", "512", "2048",
            "--rounds", "2", "--seconds", "0.000001")  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.replace("│", " ").replace("┃", " ").split() for line in lines]
    assert ["batch", "size", "reference", "cpu", "gpu"] in rows
    assert ["2,048", "512,000,000", "1,024,000,000", "1,638,400,000"] in rows
    assert ["batch", "size", "reference", "/", "cpu", "gpu", "/", "cpu"] in rows
    assert ["1", "0.50x", "1.60x"] in rows
    assert not any("…" in line or "other processes" in line for line in lines)


def test_bench_warns_on_a_busy_machine(capsys, monkeypatch):
    made_up_times(monkeypatch, reference=4.0, cpu=2.0)
    options = ("--layers", "5", "3", "--batches", "2", "--rounds", "1", "--devices", "cpu")
    monkeypatch.setattr(machine, "load_average", lambda: [3.25, 0.0, 0.0])
    command(*options)
    said = "other processes are at work (load 3.2): these times are not those of a machine at rest"
    assert said in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(machine, "load_average", lambda: None)  # Windows
    command(*options)
    assert "other processes" not in capsys.readouterr().out


def test_bench_has_the_flags_of_the_sweep(tmp_path):
    given = ("--devices", "cpu", "--batches", "2", "8", "--rounds", "3", "--seconds", "0.2",
             "--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png"))  # fmt: skip
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    ours, theirs = (
        parser.parse_args(["--layers", "5", "3", *given]),
        batch_size.parse(["--peers", *given]),
    )
    for name in ("devices", "batches", "rounds", "seconds", "json", "plot"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_bench_reads_a_saved_model_compiled_or_not(tmp_path, capsys, monkeypatch):
    made_up_times(monkeypatch, reference=4.0, cpu=2.0)
    bare = Sequential([Input((3,)), Dense(2)], name="bare")
    for net, words in ((functional(), "SGD, binary_crossent"), (bare, "Adam, mean_squared")):
        net.save(tmp_path / "m.keras")
        command("--model", str(tmp_path / "m.keras"), "--devices", "cpu", "--batches", "4",
                "--rounds", "1")  # fmt: skip
        assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nothing.keras"], "there is no file nothing.keras"),
        (["--layers", "5"], "expected the input's size and one more"),
        (["--layers", "5", "3", "--devices", "tpu"], "unknown device 'tpu'; there are: reference"),
        (["--layers", "5", "3", "--devices", "gpu"], "no card in here"),
    ],
)
def test_bench_says_what_does_not_fit(arguments, message, monkeypatch):
    monkeypatch.setattr(kernels, "why_not",
                        lambda device: "no card in here" if device == "gpu" else None)  # fmt: skip
    with pytest.raises(SystemExit, match=message):
        command(*arguments)


@pytest.mark.parametrize("arguments", [
    [], ["--layers", "5", "0"], ["--layers", "5", "3", "--density", "0"],
    ["--layers", "5", "3", "--seconds", "x"], ["--layers", "5", "--model", "m.keras"],
])  # fmt: skip
def test_bench_refuses_arguments(arguments, capsys):
    with pytest.raises(SystemExit):
        command(*arguments)
    assert "usage: python -m tinynet bench" in capsys.readouterr().err


def test_bench_takes_no_time_of_a_device_that_is_wrong(monkeypatch):
    real = subject.timed_fit
    monkeypatch.setattr(subject, "timed_fit", lambda net, *a: (
        1.0, real(net, *a)[1] + (net.device == "cpu")))  # fmt: skip
    with pytest.raises(SystemExit, match="no time is taken: cpu does not agree"):
        command("--layers", "5", "3", "--devices", "cpu", "--batches", "4")


@pytest.mark.usefixtures("card")
def test_bench_leaves_out_a_batch_that_does_not_fit(monkeypatch, capsys):
    made_up_times(monkeypatch, reference=1.0, cpu=1.0, gpu=1.0)
    real = gpu.Machine

    def machine(instructions, n, *rest):
        if n > 4:
            raise MemoryError("no room for 5 rows")
        return real(instructions, n, *rest)

    monkeypatch.setattr(gpu, "Machine", machine)
    command("--layers", "5", "3", "--batches", "4", "8", "--rounds", "1")
    out = capsys.readouterr().out
    assert "batch 8 is left out: " in out
    with warnings.catch_warnings(), pytest.raises(SystemExit, match="nothing could be measured"):
        command("--layers", "5", "3", "--batches", "8", "--rounds", "1")
