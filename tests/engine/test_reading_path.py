"""README's reading path: every function that it names is there, and together they are short."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
MOST_LINES = 500


def functions_on_the_path():
    """(file, name) of each function or class that the section names after its file."""
    readme = (ROOT / "README.md").read_text()
    section = re.search(r"From `fit` to one gradient(.*?)`examples/own_loop.py`", readme, re.S)[1]
    path, found = None, []
    for word in re.findall(r"`([^`]+)`", section):
        if word.endswith(".py"):
            path = word
        elif path is not None and re.fullmatch(r"[A-Za-z_.]+", word):
            found.append((path, word))
    return found


def lines_of(path, name):
    """How many lines a function or class takes, its docstring included."""
    node = ast.parse((ROOT / path).read_text())
    for part in name.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    return node.end_lineno - node.lineno + 1


def test_the_functions_on_the_reading_path_are_short():
    path = functions_on_the_path()
    assert ("tinynet/engine/step.py", "Step.train_step") in path
    assert len(path) >= 20
    lengths = {name: lines_of(*name) for name in path}
    assert sum(lengths.values()) < MOST_LINES, lengths


def test_lines_are_counted_with_their_docstring():
    assert lines_of("tests/engine/test_reading_path.py", "lines_of") == 6
