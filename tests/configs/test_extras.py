"""What only one feature needs is an extra, and the error of who lacks it names the extra."""

import configparser
import pathlib
import re
import subprocess
import sys

import pytest

import tinynet
from tinynet import layers

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def model():
    return tinynet.Sequential([layers.Input((2,)), layers.Dense(1)])


def extras():
    """Extra -> the packages that it brings."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return {
        extra: {re.match(r"[\w-]+", line)[0] for line in lines.split("\n") if line}
        for extra, lines in config["options.extras_require"].items()
    }


def test_every_extra_that_an_error_names_exists_and_is_tested():
    named = {
        extra
        for path in (ROOT / "tinynet").rglob("*.py")
        for extra in re.findall(r'needs\(\s*"(\w+)"', path.read_text())
    }
    assert {"plot", "safetensors", "onnx", "tensorboard", "examples"} <= named
    found = extras()
    for extra in named:
        assert found[extra] <= found["test"], extra


@pytest.mark.parametrize(("package", "file"), [
    ("safetensors.numpy", "w.safetensors"), ("onnx", "m.onnx"),
])  # fmt: skip
def test_a_file_that_cannot_be_written(monkeypatch, tmp_path, model, package, file):
    monkeypatch.setitem(sys.modules, package, None)
    extra = package.partition(".")[0]
    write = model.export if extra == "onnx" else model.save_weights
    with pytest.raises(ImportError, match=rf'{extra} package: pip install "tinynet\[{extra}\]"'):
        write(tmp_path / file)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read(monkeypatch, tmp_path, model):
    model.save_weights(tmp_path / "w.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r'pip install "tinynet\[safetensors\]"'):
        model.load_weights(tmp_path / "w.safetensors")


def test_plotting_without_matplotlib():
    code = "import sys; sys.modules['matplotlib'] = None; import tinynet; tinynet.plotting"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert 'draws with matplotlib: pip install "tinynet[plot]"' in found.stderr
