"""The examples and README's code run and print what they say."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def run(args, cwd, **environment):
    result = subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert result.returncode == 0, result.stderr
    assert "coach: " not in result.stdout  # nothing that an example does is called a mistake
    return result.stdout


def offline(tmp_path):
    """No data anywhere, and mirrors that can't be reached."""
    return {
        "TINYNET_DATA_DIR": str(tmp_path),
        "TINYNET_CACHE_DIR": str(tmp_path),
        "KERAS_HOME": str(tmp_path),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }


def test_mnist_example_offline(tmp_path):
    out = run([ROOT / "examples/mnist.py"], tmp_path, **offline(tmp_path))
    assert out.startswith("No MNIST here, no network: training on the 2,000 images that come with "
                          "tinynet.\n")  # fmt: skip
    assert "http" not in out  # one line, and the model
    assert "Total params: 316,810" in out  # 784*300+300 + 300*200+200 + 200*100+100 + 1010
    last = out.strip().splitlines()[-1]
    assert float(re.fullmatch(r"test accuracy: (0\.\d{4})", last)[1]) >= 0.85
    for picture in ("mnist-history.png", "mnist-errors.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_mnist_example_on_mnist(tmp_path):
    data = pathlib.Path(os.environ.get("TINYNET_DATA_DIR", "-"))
    if not (data / "mnist.npz").exists():
        pytest.skip("needs mnist.npz in the folder TINYNET_DATA_DIR")
    options = ["--epochs", "1", "--no-plot", "--batch-size", "64", "--seed", "7"]
    out = run([ROOT / "examples/mnist.py", *options], tmp_path)
    assert "Total params: 316,810" in out
    assert "860/860" in out  # 55,000 / 64 rows
    assert float(out.strip().splitlines()[-1].removeprefix("test accuracy: ")) >= 0.95
    assert not list(tmp_path.iterdir())


def test_mnist_example_films(tmp_path):
    options = ["--epochs", "1", "--no-plot", "--film"]
    run([ROOT / "examples/mnist.py", *options], tmp_path, **offline(tmp_path))
    (film,) = tmp_path.glob("*.html")
    assert film.name == "mnist-film.html"
    assert 2_000_000 < film.stat().st_size < 8_000_000


def test_own_loop_example(tmp_path):
    lines = run([ROOT / "examples/own_loop.py"], tmp_path).splitlines()
    assert len(lines) == 10
    assert float(lines[-1].rpartition(" ")[2]) >= 0.93


BLOCKS = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", README, re.S)


def words_and_numbers(text):
    """Text without its numbers, and the numbers; times are left out."""
    text = re.sub(r"- \d+s - \d+[um]?s/step", "", text)
    number = r"-?\d+(?:\.\d+)?(?:e-\d+)?"
    return re.sub(number, "#", text), [float(n) for n in re.findall(number, text)]


@pytest.mark.parametrize(("code", "printed"), BLOCKS, ids=["model", "gradient"])
def test_readme_prints_what_it_shows(code, printed, tmp_path):
    got_words, got = words_and_numbers(run(["-c", code], tmp_path).strip())
    words, expected = words_and_numbers(printed.strip())
    assert got_words == words
    assert got == pytest.approx(expected, abs=0.02)


def test_readme_commands_and_files_exist():
    first, second = re.findall(r"```sh\n(.*?)\n```", README, re.S)[:2]
    start = "python3 -m venv .venv && . .venv/bin/activate && pip install -e "
    assert first == start + '".[examples]" && python examples/mnist.py'
    assert second == start + '".[test]" && pytest -n auto'
    for path in re.findall(r"`((?:tinynet|kernels|examples|tests|benches)/[\w/.]*)`", README):
        assert (ROOT / path).exists(), path
