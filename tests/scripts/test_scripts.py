"""Scripts as users write them, run as they stand with tinynet and, the same text, with Keras.

All numbers that a script has at its end must be equal: losses of every epoch, metrics,
predictions. What is drawn at random in the libraries cannot be: here both draw their first weights
by the same NumPy generator, and `fit` keeps the order of the rows. The scripts know nothing of it.
Both compute in float64: in float32 rounding, enlarged over some epochs, depends on the machine.
"""

import contextlib
import numbers
import pathlib
import re
import warnings
import zlib

import numpy as np
import pandas as pd
import pytest
from oracle import HAVE_KERAS, live_keras
from parity.build import working_in
from parity.compare import TOLERANCE

import tinynet

SCRIPTS = sorted(set(pathlib.Path(__file__).parent.glob("*.py")) - {pathlib.Path(__file__)})
OURS = re.compile(r"^import tinynet as keras.*$|\btinynet\b", re.MULTILINE)


def with_keras(text):
    """The script with the name of the library replaced."""
    return OURS.sub(lambda found: "import keras" if " as " in found[0] else "keras", text)


def drawn(self, shape, dtype=None):
    """The first values of a weight: the same whenever kind and shape are."""
    name = type(self).__name__
    random = np.random.default_rng(zlib.crc32(f"{name}{tuple(shape)}".encode()))
    return (random.normal(size=shape) / np.sqrt(shape[0])).astype(dtype or "float32")


def in_order(fit):
    return lambda self, *args, **options: fit(self, *args, **options | {"shuffle": False})


def numbers_of(namespace):
    """What a script has computed, by name: every number, array, table and history."""
    found = {}
    for name, value in namespace.items():
        if name.startswith("_"):
            continue
        for key, part in parts_of(value):
            found[f"{name}{key}"] = np.asarray(part, np.float64)
    return found


def parts_of(value):
    """(where in `value`, numbers) for all numbers in it."""
    if hasattr(value, "history") and hasattr(value, "params"):
        value = value.history
    if isinstance(value, (pd.DataFrame, pd.Series)):
        value = dict(value.select_dtypes("number")) if value.ndim == 2 else value.to_numpy()
    if isinstance(value, dict):
        value = value.items()
    elif isinstance(value, (list, tuple)):
        value = enumerate(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return [("", value)]
    else:
        return [("", value)] if isinstance(value, numbers.Real) else []
    return [(f"[{key!r}]{rest}", part) for key, item in value for rest, part in parts_of(item)]


def run(lib, text, name, monkeypatch):
    """The names that the script ends with."""
    namespace = {"__name__": "__main__"}
    with monkeypatch.context() as patch, working_in(lib, "float64"), quiet(lib):
        for kind in ("GlorotUniform", "HeUniform", "HeNormal", "LecunNormal", "RandomUniform"):
            patch.setattr(getattr(lib.initializers, kind), "__call__", drawn)
        patch.setattr(lib.Model, "fit", in_order(lib.Model.fit))
        exec(compile(text, name, "exec"), namespace)
    return namespace


@contextlib.contextmanager
def quiet(lib):
    """Keras warns of its own past (`input_shape=`) and of NumPy's future; tinynet does not."""
    with warnings.catch_warnings():
        if lib is not tinynet:
            warnings.simplefilter("ignore")
        yield


@pytest.mark.skipif(not HAVE_KERAS, reason="Keras is not installed")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_same_numbers_as_keras(path, tmp_path, monkeypatch):
    text = path.read_text()
    ends = []
    for lib, source in ((live_keras(), with_keras(text)), (tinynet, text)):
        folder = tmp_path / lib.__name__
        folder.mkdir()
        monkeypatch.chdir(folder)
        ends.append(numbers_of(run(lib, source, str(path), monkeypatch)))
    theirs, ours = ends
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    for name, expected in theirs.items():
        scale = np.nanmax(np.abs(expected), initial=1e-3)
        np.testing.assert_allclose(ours[name], expected, rtol=0,
                                   atol=TOLERANCE["float32"] * scale, err_msg=name)  # fmt: skip


def test_the_same_text():
    text = (
        "import tinynet as keras  # isort: skip\nfrom tinynet.layers import Dense\nx = 'tinynets'"
    )
    assert with_keras(text) == "import keras\nfrom keras.layers import Dense\nx = 'tinynets'"
    assert len(SCRIPTS) >= 15
    assert all(re.search(r"^(import|from) tinynet\b", path.read_text(), re.M) for path in SCRIPTS)
