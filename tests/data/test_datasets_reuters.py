"""Reuters newswires: as Keras gives them; files that are something else."""

import json

import numpy as np
import pytest
from dataset_files import folders, ragged, tiny, write, write_reuters
from oracle import keras_case
from test_datasets_imdb import Malice, flat

from tinynet.datasets import reuters


@keras_case
def keras_reuters(keras, options):
    import tempfile
    from pathlib import Path

    from keras.src.datasets import reuters as theirs

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = write_reuters(Path(folder) / "reuters.npz")
        patch.setattr(theirs, "get_file", lambda *ignored, **too: str(path))
        return flat(theirs.load_data(**dict(options)))


@pytest.mark.parametrize(
    "options",
    [
        (),
        (("num_words", 9),),
        (("num_words", 9), ("skip_top", 5), ("test_split", 0.5)),
        (("num_words", 9), ("oov_char", None)),
        (("maxlen", 5), ("seed", 7)),
        (("start_char", None), ("index_from", 0), ("test_split", 0)),
        (("start_char", 11), ("oov_char", 12), ("index_from", 20), ("num_words", 27)),
    ],
    ids=str,
)
def test_reuters_is_keras(folders, tiny, options):
    expected = keras_reuters(options)
    found = flat(reuters.load_data(write_reuters(folders / "reuters.npz"), **dict(options)))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_reuters_rows_are_lists_of_int(folders, tiny):
    (x, y), (x_test, y_test) = reuters.load_data(write_reuters(folders / "reuters.npz"))
    assert (x.dtype, len(x), len(x_test)) == (object, 6, 2)
    assert y.dtype == y_test.dtype == np.int64
    assert {type(word) for row in x for word in row} == {int}


@keras_case
def keras_reuters_labels(keras):
    return {"names": np.array(keras.datasets.reuters.get_label_names())}


def test_reuters_label_names():
    names = reuters.get_label_names()
    assert (type(names), names) == (tuple, tuple(keras_reuters_labels()["names"].tolist()))


def test_reuters_word_index(folders, monkeypatch):
    index = {"the": 1, "café": 2}
    path = write(folders / "mine" / "reuters_word_index.json", json.dumps(index).encode())
    monkeypatch.setenv("TINYNET_DATA_DIR", str(path.parent))
    assert reuters.get_word_index() == index


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"y": (0, 46, 3, 1, 3, 20, 1, 0)}, "from 0 to 46, expected 0 to 45"),
        ({"y": (0, 1)}, r"shape \(2,\)"),
        ({"x": ragged([[1]] * 7 + [[1.5]])}, "BINFLOAT"),
        ({"x": ragged([[1]] * 7 + [[Malice("trap")]])}, "only lists of integers are read"),
        ({"x": np.zeros((8, 2))}, "dtype float64"),
    ],
)
def test_reuters_refuses(folders, tiny, monkeypatch, change, reason):
    monkeypatch.chdir(folders)
    path = write_reuters(folders / "odd.npz", **change)
    with pytest.raises(ValueError, match=rf"odd\.npz is damaged .*{reason}"):
        reuters.load_data(path)
    assert not (folders / "trap").exists()


@pytest.mark.parametrize("split", [-0.1, 1, float("nan")])
def test_reuters_split_out_of_range(split):
    with pytest.raises(ValueError, match=r"test_split must be in \[0, 1\), received"):
        reuters.load_data(test_split=split)
