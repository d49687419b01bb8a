"""The two tables of houses: as Keras gives them; files that are something else."""

import numpy as np
import pytest
from dataset_files import folders, tiny, write_table
from oracle import keras_case

from tinynet.datasets import boston_housing, california_housing

COLUMNS = {"boston_housing": 13, "california_housing": 8}


def arrays(data):
    (x, y), (x_test, y_test) = data
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test}


@keras_case
def keras_housing(keras, name, options, dtype):
    import importlib
    import tempfile
    from pathlib import Path

    theirs = importlib.import_module(f"keras.src.datasets.{name}")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = written(Path(folder) / "table.npz", COLUMNS[name], dtype, rows=700)
        patch.setattr(theirs, "get_file", lambda *ignored, **too: str(path))
        return arrays(theirs.load_data(**dict(options)))


def written(path, columns, dtype, rows):
    x = np.random.default_rng(1).normal(size=(rows, columns)).astype(dtype)
    return write_table(path, columns, rows, x=np.asfortranarray(x))


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize(
    "options", [(), (("test_split", 0.35), ("seed", 7)), (("test_split", 0),)], ids=str
)
def test_housing_is_keras(folders, monkeypatch, name, options):
    module = {"boston_housing": boston_housing, "california_housing": california_housing}[name]
    monkeypatch.setattr(module, "SHAPE", (700, COLUMNS[name]))
    dtype = "float32" if options else "float64"
    path = written(folders / "table.npz", COLUMNS[name], dtype, rows=700)
    found = arrays(module.load_data(path=str(path), **dict(options)))
    for key, array in keras_housing(name, options, dtype).items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)
        assert found[key].dtype == array.dtype


def test_california_housing_small_is_keras(folders, monkeypatch):
    monkeypatch.setattr(california_housing, "SHAPE", (700, 8))
    path = written(folders / "table.npz", 8, "float64", rows=700)
    found = arrays(california_housing.load_data("small", str(path)))
    assert len(found["x"]) == 480
    options = (("version", "small"),)
    for key, array in keras_housing("california_housing", options, "float64").items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)


def test_california_housing_version():
    with pytest.raises(ValueError, match=r'version must be "large" or "small", received .tiny'):
        california_housing.load_data("tiny")


@pytest.mark.parametrize("module", [boston_housing, california_housing])
def test_housing_test_split(module):
    with pytest.raises(ValueError, match=r"test_split must be in \[0, 1\), received 1"):
        module.load_data(test_split=1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"x": np.zeros((11, 12))}, r"shape \(11, 12\)"),
        ({"y": np.zeros(10)}, r"shape \(10,\)"),
        ({"x": np.zeros((11, 13), int)}, "dtype int64"),
        ({"y": np.array([1, None] + 9 * [2], object)}, "dtype object"),
    ],
)
def test_housing_refuses_other_arrays(folders, tiny, change, reason):
    path = write_table(folders / "odd.npz", 13, **change)
    with pytest.raises(ValueError, match=rf"odd\.npz is damaged .*{reason}"):
        boston_housing.load_data(str(path))
