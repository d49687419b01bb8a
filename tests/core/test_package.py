"""What the package says of itself: version, licences, what it needs, a README that shows."""

import configparser
import pathlib
import re

import pytest

import tinynet
from tinynet.__main__ import main

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def config():
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg")
    return found


def test_the_command_tells_its_version(config, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"tinynet {config['metadata']['version']}\n"


def test_one_version(config):
    latest = re.search(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[1]
    assert config["metadata"]["version"] == tinynet.__version__ == latest


def test_the_licences_are_those_of_the_files(config):
    metadata = config["metadata"]
    assert metadata["license_expression"] == "MIT AND CC-BY-SA-3.0"
    texts = [(ROOT / name).read_text() for name in metadata["license_files"].split()]
    assert texts[0].startswith("MIT License")
    assert "Creative Commons Attribution-ShareAlike 3.0" in texts[1]
    assert "license ::" not in metadata["classifiers"].lower()  # the expression stands for them


def test_the_pythons_that_are_named(config):
    kinds = config["metadata"]["classifiers"].split("\n")
    named = [kind.rpartition(" ")[2] for kind in kinds if re.search(r"Python :: 3\.\d+$", kind)]
    assert config["options"]["python_requires"] == f">={named[0]}"
    assert named == [f"3.{minor}" for minor in range(11, 11 + len(named))]


def test_everything_has_a_lowest_version(config):
    """They are installed together in a row of .ci/run, which reads them here."""
    needed = config["options"]["install_requires"]
    needed += "".join(config["options.extras_require"].values())
    lines = [line for line in needed.split("\n") if line]
    assert len(lines) > 30
    for line in lines:
        assert re.match(r"[\w-]+(\[ctk\])? (>=|==) \d", line), line


def test_nothing_in_readme_is_shown_from_beside_it():
    """Where a package index shows it there is no folder beside it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((?!https://|#)[^)]*\)|src=\"(?!https://)", text) == []
