"""IMDB reviews: as Keras gives them; pickles that are damaged or do harm."""

import hashlib
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dataset_files import (
    TRAIN_REVIEWS,
    folders,
    npy_header,
    ragged,
    refused_cheaply,
    server,
    tiny,
    write,
    write_imdb,
)
from oracle import keras_case

from tinynet.datasets import _arrays, _files, _pickles, imdb


def flat(data):
    """What `load_data` returned, as arrays without objects."""
    out = {}
    for part, (x, y) in zip(("train", "test"), data, strict=True):
        rows = [list(row) for row in x]
        out[f"words_{part}"] = np.array([word for row in rows for word in row])
        out[f"lengths_{part}"] = np.array([len(row) for row in rows])
        out[f"y_{part}"] = np.asarray(y)
    return out


@keras_case
def keras_imdb(keras, options):
    import tempfile

    from keras.src.datasets import imdb as theirs

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = write_imdb(Path(folder) / "imdb.npz")
        patch.setattr(theirs, "get_file", lambda **ignored: str(path))
        return flat(theirs.load_data(**dict(options)))


@pytest.mark.parametrize(
    "options",
    [
        (),
        (("num_words", 9),),
        (("num_words", 9), ("skip_top", 5)),
        (("num_words", 9), ("oov_char", None)),
        (("maxlen", 5),),
        (("seed", 7), ("start_char", None)),
        (("start_char", None), ("index_from", 0)),
        (("start_char", 11), ("oov_char", 12), ("index_from", 20), ("num_words", 27)),
    ],
    ids=str,
)
def test_imdb_is_keras(folders, tiny, options):
    expected = keras_imdb(options)
    found = flat(imdb.load_data(write_imdb(folders / "imdb.npz"), **dict(options)))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_imdb_by_hand(folders, tiny):
    (x_train, y_train), _ = imdb.load_data(write_imdb(folders / "imdb.npz"), num_words=9)
    assert (x_train.dtype, x_train.shape, y_train.dtype) == (object, (4,), np.int64)
    # word + 3 after the 1 that begins a review; 9 and more become 2.
    by_hand = {(1, 4, 8, 5): 0, (1, 7, 7, 7, 2): 1, (1, 2): 1, (1, 6, 2, 4, 5, 2): 0}
    assert {tuple(x): y for x, y in zip(x_train, y_train.tolist(), strict=True)} == by_hand
    assert type(x_train[0]) is list
    assert {type(word) for word in x_train[0]} == {int}


def test_imdb_reviews_of_one_length_stay_lists(folders, tiny):
    path = write_imdb(folders / "imdb.npz", ragged([[1, 2]] * 3 + [[3, 4]]))
    (x_train, _), _ = imdb.load_data(path)
    assert x_train.shape == (4,)


def test_imdb_maxlen_too_small(folders, tiny):
    with pytest.raises(ValueError, match="no text is shorter than maxlen=2"):
        imdb.load_data(write_imdb(folders / "imdb.npz"), maxlen=2)


@pytest.mark.parametrize("protocol", [3, 4])
def test_imdb_names_of_either_numpy(folders, tiny, protocol):
    reviews = pickle.dumps(ragged(TRAIN_REVIEWS), protocol)
    old = reviews.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    if protocol == 4:  # there the name's length stands before it, and the frame's before all
        old = old.replace(bytes([22]) + b"numpy.core", bytes([21]) + b"numpy.core")
        old = old[:3] + (int.from_bytes(old[3:11], "little") - 1).to_bytes(8, "little") + old[11:]
    for data in (reviews, old):
        assert rows_of(data) == TRAIN_REVIEWS


def rows_of(data):
    return _pickles.load(data, "lists", _pickles.LISTS, most=100, most_containers=5).state[4]


class Malice:
    """Unpickled by pickle itself, this would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def test_malicious_pickle_is_refused(folders, tiny, monkeypatch):
    trap = folders / "trap"
    path = write_imdb(folders / "evil.npz", ragged([*TRAIN_REVIEWS[:3], [Malice(trap)]]))
    with pytest.raises(ValueError, match=r"evil\.npz .*only lists of integers are read"):
        imdb.load_data(path)
    # Even the hash of the published file would not get it past the names.
    monkeypatch.setattr(_files, "matches", lambda *ignored: True)
    with pytest.raises(ValueError, match=r"evil\.npz .*a pickled pathlib"):
        imdb.load_data(path)
    assert not trap.exists()
    np.load(path, allow_pickle=True)["x_train"]  # the trap works
    assert trap.exists()


SAME = [1] * 1000
SELF = [1]
SELF.append(SELF)


@pytest.mark.parametrize(
    ("reviews", "reason"),
    [
        ([[1], [2], [3], ["a"]], "lists of integers"),
        ([[1], [2], [3], [1.5]], "BINFLOAT"),
        ([[1], [2], [3], [True]], "lists of integers"),
        ([[1], [2], [3], [2**70]], "too large"),
        ([[1], [2], [3], 4], "array of 4 lists"),
        ([[1], [2], [3], SELF], "lists of integers"),
        ([SAME, SAME, SAME, SAME], "lists of integers"),
    ],
    ids=["text", "float", "bool", "large", "int", "recursive", "shared"],
)
def test_imdb_refuses_other_reviews(folders, tiny, reviews, reason):
    refused_cheaply(reason, imdb.load_data, write_imdb(folders / "odd.npz", ragged(reviews)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", "expected 1099511627776 bytes"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1) + b"x.", "BYTEARRAY8"),
        (b"\x80\x03]r" + struct.pack("<I", 2**31) + b".", "claims 2147483648 objects"),
        (b"\x80\x03]", "pickle exhausted before seeing STOP"),
        (b"\x80\x03].", "array of 4 lists"),
        (b"", "pickle exhausted before seeing STOP"),
    ],
)
def test_imdb_hostile_pickles(folders, tiny, data, reason):
    path = write_imdb(folders / "fine.npz")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(folders / "odd.npz", "w") as target:
        for name in source.namelist():
            content = npy_header((4,), "|O") + data if name == "x_train.npy" else source.read(name)
            target.writestr(name, content)
    refused_cheaply(reason, imdb.load_data, folders / "odd.npz")


def test_imdb_labels(folders, tiny):
    with pytest.raises(ValueError, match="from 0 to 2, expected 0 to 1"):
        imdb.load_data(write_imdb(folders / "imdb.npz", y_train=(0, 1, 2, 0)))


def test_imdb_object_bomb(folders, tiny, monkeypatch):
    monkeypatch.setattr(_arrays, "LARGEST", 50)
    refused_cheaply("bytes of objects", imdb.load_data, write_imdb(folders / "bomb.npz"))


def test_word_index(folders, monkeypatch):
    path = write(folders / "mine" / "imdb_word_index.json", b'{"the": 1, "caf\\u00e9": 2}')
    monkeypatch.setenv("TINYNET_DATA_DIR", str(path.parent))
    assert imdb.get_word_index() == {"the": 1, "café": 2}
    for content in (b"", b"[1]", b"{}", b'{"the": 1.5}', b'{"the": 1', b"[" * 100_000, b"\xff"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"imdb_word_index\.json is damaged"):
            imdb.get_word_index()


def test_word_index_is_checked_by_md5(folders, monkeypatch, server):
    content = json.dumps({"the": 1}).encode()
    server.files["/w"] = content
    file = _files.DataFile(
        "imdb_word_index.json", f"md5:{hashlib.md5(content).hexdigest()}", (server.url + "/w",)
    )
    monkeypatch.setattr(imdb, "WORD_INDEX", file)
    assert imdb.get_word_index() == {"the": 1}
    write(folders / "cache" / "imdb_word_index.json", b'{"the": 2}')
    assert imdb.get_word_index() == {"the": 1}
    assert len(server.asked) == 2
