"""What type checkers know of the public names: pyright's count, and a user's strict script."""

import importlib
import importlib.util
import inspect
import json
import os
import pathlib
import shutil
import subprocess
import sys
import types

import pytest

import tinynet

ROOT = pathlib.Path(__file__).parents[2]
KNOWN = 0.95  # of what users can name, and of its members
SCRIPT = """
import numpy as np
import numpy.typing as npt
import tinynet as keras
from tinynet import layers
from tinynet.callbacks import Callback, EarlyStopping

Shape = tuple[int | None, ...]


class Watch(Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        print(epoch, (logs or {})["loss"])


class Scale(layers.Layer):
    def forward(
        self, x: npt.NDArray[np.float64], training: bool = False
    ) -> npt.NDArray[np.float64]:
        return 2 * x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (None, 3)


x = np.zeros((8, 4))
model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu"), Scale()])
model.add(layers.Dense(1, kernel_initializer=keras.initializers.HeNormal()))
model.compile(keras.optimizers.Adam(1e-3), "mse", metrics=["mae"])
history = model.fit(x, x[:, :1], epochs=2, callbacks=[Watch(), EarlyStopping(patience=1)])
losses: list[float] = history.history["loss"]
inputs = keras.Input(shape=[4])
graph = keras.Model(inputs, layers.Dense(2)(inputs), name="graph")
print(losses, model.predict(x).shape, model.layers[0].name, graph.count_params())
"""


@pytest.fixture
def installed(tmp_path):
    """A folder that has tinynet as an installation has it, and the environment to find it."""
    keep = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tinynet", tmp_path / "site/tinynet", ignore=keep)
    shutil.copytree(ROOT / "kernels", tmp_path / "site/tinynet/kernels", ignore=keep)
    return os.environ | {"PYTHONPATH": str(tmp_path / "site")}


def public_names():
    """Full names of the classes and functions that users can name, base classes among them."""
    extras = [importlib.import_module(f"tinynet.{name}") for name in ("plotting", "sklearn")]
    found, modules = set(), [tinynet, *extras]
    for module in modules:
        public = [name for name in vars(module) if not name.startswith("_")]
        for name in getattr(module, "__all__", public):
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                modules += [value] if value.__name__.startswith(f"{module.__name__}.") else []
            elif inspect.isclass(value):
                found |= {f"{c.__module__}.{c.__qualname__}" for c in value.__mro__}
            elif inspect.isfunction(value):
                found.add(f"{value.__module__}.{value.__qualname__}")
    return {name for name in found if name.startswith("tinynet.")}


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "tinynet/py.typed").exists()
    assert "tinynet = py.typed" in (ROOT / "setup.cfg").read_text()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pyright"), reason="pyright is not installed")
def test_the_types_of_public_names_are_known(installed, tmp_path):
    command = ["pyright", "--verifytypes", "tinynet", "--ignoreexternal", "--outputjson"]
    told = subprocess.run(command, env=installed, cwd=tmp_path, capture_output=True, text=True)
    symbols = json.loads(told.stdout)["typeCompleteness"]["symbols"]
    names = public_names()
    known = {
        s["name"]: s["isTypeKnown"] for s in symbols
        if s["isExported"] and names & {s["name"], s["name"].rpartition(".")[0]}
    }  # fmt: skip
    assert len(known) > 1000
    assert sum(known.values()) >= KNOWN * len(known), [n for n, is_known in known.items()
                                                      if not is_known]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
@pytest.mark.parametrize(("added", "errors"), [("", 0), ('\nlayers.Dense("three")\n', 1)])
def test_a_strict_script(installed, tmp_path, added, errors):
    (tmp_path / "script.py").write_text(SCRIPT + added)
    command = [sys.executable, "-m", "mypy", "--strict", "script.py"]
    told = subprocess.run(command, env=installed, cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == (1 if errors else 0), told.stdout
    assert told.stdout.count("error:") == errors, told.stdout
