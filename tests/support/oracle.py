"""Expected values from Keras: recorded, or asked for now.

A case is a function that computes a dict of arrays with Keras alone:

    @keras_case
    def dense_outputs(keras, units):
        ...
        return {"y": y}

    def test_dense():
        expected = dense_outputs(7)["y"]

`python tests/support/record_fixtures.py` runs the suite with Keras and stores what every case
returned in `tests/fixtures/keras-<version>.npz`; do so after changing a case. A case that was
recorded with the Keras that is installed, or when none is, is read from there: asking for
everything takes three times as long. TINYNET_TESTS_LIVE_KERAS=1 does ask. A case is stored under
its name, which no two have in common, so that it may move to another file, and its arguments;
these must have a stable repr (numbers, strings, tuples).
"""

import functools
import importlib.metadata
import importlib.util
import os
import pathlib
import warnings

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures"
HAVE_KERAS = importlib.util.find_spec("keras") is not None and not os.environ.get(
    "TINYNET_TESTS_WITHOUT_KERAS"
)
LIVE = bool(os.environ.get("TINYNET_TESTS_LIVE_KERAS"))  # ask Keras also for what is recorded
recording = False  # record_fixtures.py asks Keras for everything anew
known = {}  # what the cases of this run returned
recorded = {}  # filled while recording: key -> array
homes = {}  # the name of each case -> the module that has it


def live_keras():
    """Keras on its JAX backend, on the CPU."""
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import keras

    return keras


def jax_computes_in(dtype):
    """A context in which JAX takes float64 for what it is, or, of "float32", all for that."""
    import jax
    import jax.experimental

    by = jax if hasattr(jax, "enable_x64") else jax.experimental  # where it was before
    return by.enable_x64(dtype == "float64")


@functools.cache
def _recording():
    files = sorted(FOLDER.glob("keras-*.npz"))
    if not files:
        pytest.skip("Keras is not installed and tests/fixtures holds no recording")
    with np.load(files[-1], allow_pickle=False) as archive:
        return dict(archive)


@functools.cache
def _version():
    """Of the Keras that is installed."""
    return importlib.metadata.version("keras")


@functools.cache
def _is_recorded(key):
    """Whether the Keras that is installed has answered this before."""
    file = FOLDER / f"keras-{_version()}.npz"
    return file.exists() and any(k.startswith(key) for k in _recording())


def keras_case(function):
    """Decorator: see the module's text. The first argument `keras` is supplied here."""
    name, module = function.__name__, function.__module__
    if homes.setdefault(name, module) != module:
        raise ValueError(f"two cases are called {name}: in {homes[name]} and in {module}")

    @functools.wraps(function)
    def expected(*args):
        key = f"{name}{args!r}/"
        if HAVE_KERAS and (LIVE or recording or not _is_recorded(key)):
            if key in known:  # the same case, for another device
                return known[key]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras's own, e.g. its __array__ under NumPy 2
                result = {k: np.asarray(v) for k, v in function(live_keras(), *args).items()}
            recorded.update({key + k: array for k, array in result.items()})
            known[key] = result
            return result
        stored = {k[len(key) :]: v for k, v in _recording().items() if k.startswith(key)}
        if not stored:
            pytest.skip(f"Keras is not installed and {key} was never recorded")
        return stored

    return expected
