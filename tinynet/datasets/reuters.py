"""Reuters: 11,228 newswires as word ranks, of 46 topics (Lewis 1987; Reuters-21578)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from . import _arrays, _files, _splits, _words

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Path

SHA256 = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
FILE = _files.of_keras("reuters.npz", f"sha256:{SHA256}", "text-datasets")
WORD_INDEX = _files.of_keras(  # Keras never published a SHA-256 of this one
    "reuters_word_index.json", "md5:4d44cc38712099c9e383dc6e5f11a921", "text-datasets"
)
COUNT = 11_228
LABELS = """
    cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship
    cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin
    strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange pet-chem
    dlr gas silver wpi hog lead"""


def load_data(path: Path = "reuters.npz", num_words: int | None = None, skip_top: int = 0,
              maxlen: int | None = None, test_split: float = 0.2, seed: int = 113,
              start_char: int = 1, oov_char: int = 2, index_from: int = 3) -> Any:  # fmt: skip
    """Return newswires as lists of word ids, the most frequent word lowest, and their topics.

    Args:
        path: name of the file in the data folders, or an absolute path.
        num_words, skip_top, maxlen, start_char, oov_char, index_from: as in `imdb.load_data`.
        test_split: share of the newswires that is kept for the test, in [0, 1).
        seed: of the order of the newswires, which are then cut in two.

    Returns:
        ((x_train, y_train), (x_test, y_test)): x object arrays (8982,) and (2246,) of lists of
        int, y int64 in [0, 46); fewer rows with maxlen.

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not what it should be, a test_split out of range, or no newswire is
            shorter than maxlen.
    """
    _splits.check(test_split)
    rows, y = _read(_files.find(dataclasses.replace(FILE, name=path)))
    order = _splits.order(np.random.RandomState(seed), len(rows))
    parts = [([rows[i] for i in order], y[order])]
    options = (num_words, skip_top, maxlen, start_char, oov_char, index_from)
    ((x, y),) = _words.encoded(parts, *options)
    return _splits.cut(x, y, test_split)


def get_word_index(path: Path = "reuters_word_index.json") -> Any:
    """Return the rank of each word; an id of `load_data` is 3 more.

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not what it should be; names it and the reason.
    """
    return _words.word_index(WORD_INDEX, path)


def get_label_names() -> Any:
    """Return the names of the 46 topics; the one of label k is at place k."""
    return tuple(LABELS.split())


def _read(path):
    """Return the newswires, a list of int64 arrays, and y int64 (COUNT,)."""
    trusted = _files.matches(path, FILE.hash)  # as for IMDB
    with _arrays.open_npz(path) as archive:
        y = _arrays.member(archive, "y", (COUNT,), "int64", "int32", "uint8").astype(np.int64)
        return _words.read(archive, "x", COUNT, trusted), _arrays.check_labels(
            y, len(get_label_names())
        )
