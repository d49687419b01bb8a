"""`python -m tinynet bench`: what it writes, takes and refuses. Times are made up."""

import warnings

import numpy as np
import pytest
from test_measuring import (  # noqa: F401  the fixtures are used
    card,
    functional,
    made_up_times,
    model,
    own_cache,
    rows,
)

from tinynet import Sequential, kernels
from tinynet.kernels import gpu
from tinynet.layers import Dense, Input
from tinynet.measuring import results, subject


def command(*arguments):
    from tinynet.__main__ import main

    main(["bench", *arguments])


@pytest.mark.usefixtures("card")
def test_bench_writes_table_json_and_picture(tmp_path, capsys, monkeypatch):
    made_up_times(monkeypatch, reference=4.0, cpu=2.0, gpu=1.0)
    json_, png = tmp_path / "b.json", tmp_path / "b.png"
    command("--layers", "5", "4", "3", "--batch-sizes", "2", "8", "--rounds", "2",
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


def test_bench_reads_a_saved_model_compiled_or_not(tmp_path, capsys, monkeypatch):
    made_up_times(monkeypatch, reference=4.0, cpu=2.0)
    bare = Sequential([Input((3,)), Dense(2)], name="bare")
    for net, words in ((functional(), "SGD, binary_crossent"), (bare, "Adam, mean_squared")):
        net.save(tmp_path / "m.keras")
        command("--model", str(tmp_path / "m.keras"), "--devices", "cpu", "--batch-sizes", "4",
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
        command("--layers", "5", "3", "--devices", "cpu", "--batch-sizes", "4")


@pytest.mark.usefixtures("card")
def test_bench_leaves_out_a_batch_that_does_not_fit(monkeypatch, capsys):
    made_up_times(monkeypatch, reference=1.0, cpu=1.0, gpu=1.0)
    real = gpu.Machine

    def machine(instructions, n, *rest):
        if n > 4:
            raise MemoryError("no room for 5 rows")
        return real(instructions, n, *rest)

    monkeypatch.setattr(gpu, "Machine", machine)
    command("--layers", "5", "3", "--batch-sizes", "4", "8", "--rounds", "1")
    out = capsys.readouterr().out
    assert "batch 8 is left out: " in out
    with warnings.catch_warnings(), pytest.raises(SystemExit, match="nothing could be measured"):
        command("--layers", "5", "3", "--batch-sizes", "8", "--rounds", "1")
