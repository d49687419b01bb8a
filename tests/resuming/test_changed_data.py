"""A resumed run is refused where any number of its data has changed, wherever that is."""

import os

import numpy as np
import pytest
from crashed_runs import FIT, REAL, X, build
from scipy import sparse

from tinynet.data import MappedRows, arrays
from tinynet.resuming import fingerprint

ROWS = 1000
SAMPLED = set(np.linspace(0, ROWS - 1, fingerprint.SAMPLED).astype(int))
BIG = np.random.default_rng(1).normal(size=(ROWS, 6)).astype("float32")
WEIGHTS = np.random.default_rng(2).random(ROWS)
TARGETS = BIG[:, :2].copy()
# rows that no sample of 64 looks at, in the middle and near the ends
UNSEEN = [r for r in (1, 2, 500, 501, 997, 998) if r not in SAMPLED]


def fit(folder, **change):
    given = {**FIT, "x": BIG, "y": TARGETS, "sample_weight": WEIGHTS, "epochs": 1, **change}
    build().fit(**given, resume=folder)


def changed(array, row):
    array = array.copy()
    array[row] += 0.125
    return array


@pytest.mark.parametrize("row", UNSEEN)
@pytest.mark.parametrize("name", ["x", "y", "sample_weight"])
def test_any_row(tmp_path, name, row):
    data = {"x": BIG, "y": TARGETS, "sample_weight": WEIGHTS}
    fit(tmp_path, **data)
    with pytest.raises(ValueError, match=f"of another run: training data {name} checksum was"):
        fit(tmp_path, **{**data, name: changed(data[name], row)})
    fit(tmp_path, **data)


@pytest.mark.parametrize("layout", ["F", "reversed", "strided", "CSR", "validation"])
def test_any_layout(tmp_path, layout):
    def options(x):
        if layout == "validation":
            return {"validation_data": (x, TARGETS)}
        return {"x": {
            "F": np.asfortranarray, "reversed": lambda a: a[::-1], "CSR": sparse.csr_matrix,
            "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        }[layout](x)}  # fmt: skip

    fit(tmp_path, **options(BIG))
    with pytest.raises(ValueError, match="checksum was"):
        fit(tmp_path, **options(changed(BIG, UNSEEN[0])))
    fit(tmp_path, **options(BIG))


def test_a_mapped_file_by_its_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "READ_AT_ONCE", 0)
    path = tmp_path / "x.npy"
    np.save(path, BIG)
    os.utime(path, ns=(10**18, 10**18))
    mapped = np.load(path, mmap_mode="r")
    found = fingerprint._of_rows(MappedRows(mapped[10:], lambda part, rows: part, (6,)))
    assert found["file's size"] == path.stat().st_size
    assert "checksum" not in found
    fit(tmp_path / "run", x=mapped)
    fit(tmp_path / "run", x=np.load(path, mmap_mode="r"))
    os.utime(path, ns=(10**18, 10**18 + 1))
    with pytest.raises(ValueError, match="training data x file's time was"):
        fit(tmp_path / "run", x=mapped)


def test_that_batches_made_elsewhere_are_not_compared_is_said(tmp_path):
    def batches():
        yield X[:8], REAL[:8]
        raise KeyError("gone")

    with pytest.raises(KeyError) as caught:
        build().fit(batches(), verbose=0, resume=tmp_path)
    (note,) = caught.value.__notes__
    assert "(that generator then gives the same batches is not checked)" in note
