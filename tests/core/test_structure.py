"""The house: which module may import which, and what `import tinynet` loads."""

import ast
import configparser
import pathlib
import subprocess
import sys

import pytest

import tinynet

ROOT = pathlib.Path(__file__).parents[2]
HEAVY = ("numba", "cupy", "scipy", "h5py", "matplotlib", "rich", "pooch", "sklearn", "keras", "jax",
         "tensorboard")  # fmt: skip


def statements(node):
    """All nodes of a tree, but for what only type checkers read."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from statements(child)


def imported_modules(path):
    """Dotted names of everything a file of tinynet or kernels imports, at any depth."""
    folders = path.relative_to(ROOT).parts[:-1]
    package = ["tinynet", *(folders if folders[0] == "kernels" else folders[1:])]
    found = set()
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join(base + ([node.module] if node.module else []))
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def files(*folders):
    return [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]


def test_the_reader_of_imports_sees_what_it_should():
    assert "tinynet.layers.base" in imported_modules(ROOT / "tinynet/layers/dense.py")
    assert "tinynet.kernels.reference" in imported_modules(ROOT / "kernels/cpu/__init__.py")
    assert "numpy" in imported_modules(ROOT / "kernels/reference/layers.py")


@pytest.mark.parametrize("path", files("kernels"), ids=lambda p: p.name)
def test_kernels_import_nothing_of_tinynet(path):
    for name in imported_modules(path):
        assert name.split(".")[0] != "tinynet" or name.startswith("tinynet.kernels"), name


@pytest.mark.parametrize("path", files("tinynet"), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_devices_meets_the_kernels(path):
    if path.name != "devices.py":
        assert not any(n.startswith("tinynet.kernels") for n in imported_modules(path))


# Lower floors know nothing of the ones above.
FLOORS = [
    {"config", "random", "configs"},
    {"initializers"},
    {"core", "distribution", "data"},
    {"regularizers", "constraints", "activations"},
    {"layers", "losses", "optimizers"},
    {"metrics", "saving", "showing", "inspecting", "backend", "probes", "utils"},
    {"microscope", "film", "callbacks"},  # the microscope's film is a callback
    {"resuming"},
    {"measuring"},
    {"engine"},
    {"models"},
    {"course"},
    {"commands"},
    {"sklearn", "wrappers"},
]
FLOOR_OF = {name: i for i, names in enumerate(FLOORS) for name in names}


@pytest.mark.parametrize("path", files("tinynet"), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_go_down(path):
    own = path.relative_to(ROOT / "tinynet").parts[0].removesuffix(".py")
    if own not in FLOOR_OF:
        return
    for name in imported_modules(path):
        parts = name.split(".")
        if parts[0] == "tinynet" and len(parts) > 1 and parts[1] in FLOOR_OF and parts[1] != own:
            assert FLOOR_OF[parts[1]] <= FLOOR_OF[own], f"{own} imports {parts[1]}"


def test_there_are_no_import_cycles():
    names = {}
    for path in files("tinynet", "kernels"):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        parts = ["tinynet", *parts] if parts[0] == "kernels" else parts
        names[".".join(parts).removesuffix(".__init__")] = path
    graph = {name: imported_modules(path) & set(names) - {name} for name, path in names.items()}
    # a package's __init__ gathers its modules; a module that imports a sibling through it is fine
    for name in graph:
        graph[name] = {n for n in graph[name] if not name.startswith(n + ".")}
    done = set()

    def visit(name, above):
        assert name not in above, " -> ".join([*above, name])
        if name not in done:
            for other in graph[name]:
                visit(other, [*above, name])
            done.add(name)

    for name in graph:
        visit(name, [])


def printed(code):
    """What a new process prints, as words."""
    run = [sys.executable, "-c", code]
    return subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()


def test_import_tinynet_loads_little_and_a_model_nothing_heavy():
    code = "import sys, numpy; old = set(sys.modules); import tinynet as keras; "
    loaded = printed(code + "print(*set(sys.modules) - old)")
    assert "tinynet" in loaded
    assert len(loaded) <= 20
    loaded = printed(code + "from tinynet import *; print(*set(sys.modules))")
    assert "tinynet.engine.fit" in loaded
    assert not set(HEAVY) & set(loaded)


def test_editors_and_dir_see_the_names_that_are_imported_when_used():
    tree = ast.parse((ROOT / "tinynet/__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {alias.name for node in block.body for alias in node.names}
    told |= {"microscope", "playground"}
    assert told == {*tinynet.__all__, "plotting"}
    listed = {name for name in dir(tinynet) if not name.startswith("__")}
    assert listed == told | {"sklearn", "wrappers"}
    for name in dir(tinynet):
        assert getattr(tinynet, name) is not None, name
    with pytest.raises(AttributeError, match=r"no attribute 'Sequentiel'"):
        tinynet.Sequentiel  # noqa: B018
    assert not hasattr(tinynet, "benches")  # beside it in the source tree


def test_every_module_may_be_the_first_one_imported():
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in files("tinynet")]
    code = f"""
import importlib, sys, numpy
for name in {[n.removesuffix(".__init__") for n in names if not n.endswith("__main__")]}:
    for other in [m for m in sys.modules if m.startswith("tinynet")]:
        del sys.modules[other]
    importlib.import_module(name)
    assert callable(importlib.import_module("tinynet").microscope), name
import tinynet.microscope, pickle
from tinynet.layers import Dense
from tinynet import models
assert callable(tinynet.microscope) and tinynet.models is models
assert pickle.loads(pickle.dumps(tinynet.Sequential)) is models.Sequential
print("done")
"""
    assert printed(code) == ["done"]


MOST_LINES_OF_A_FILE = 450
FOR_USERS = {  # what stands at the top of tinynet: names that users import
    "__init__", "__main__", "activations", "backend", "config", "constraints", "initializers",
    "probes", "random", "regularizers", "utils", "wrappers",
}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [*files("tinynet", "kernels", "tests", "benches", "examples"),
     *sorted((ROOT / "kernels").rglob("*.cu*"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)  # fmt: skip
def test_no_file_is_too_long_to_live_in(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_FILE


def test_the_top_of_tinynet_holds_what_users_import():
    assert {path.stem for path in (ROOT / "tinynet").glob("*.py")} == FOR_USERS
    assert {path.name for path in (ROOT / "kernels").glob("*.py")} == {
        "__init__.py",
        "recording.py",
    }


def test_every_package_is_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    there = {path.parent.relative_to(ROOT).parts for path in files("tinynet", "kernels")}
    names = {".".join(p if p[0] == "tinynet" else ("tinynet", *p)) for p in there}
    lessons = {"tinynet.lessons"}  # scripts, which no import names
    assert set(config["options"]["packages"].split()) == names | lessons
