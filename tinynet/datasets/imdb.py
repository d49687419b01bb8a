"""IMDB: 50,000 film reviews as word ranks, good or bad (Maas et al. 2011)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from . import _arrays, _files, _splits, _words

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Path

SHA256 = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
FILE = _files.of_keras("imdb.npz", f"sha256:{SHA256}", "text-datasets")
WORD_INDEX = _files.of_keras(  # Keras never published a SHA-256 of this one
    "imdb_word_index.json", "md5:bfafd718b763782e994055a2d397834f", "text-datasets"
)
COUNT = 25_000  # reviews to train on, and as many to test


def load_data(path: Path = "imdb.npz", num_words: int | None = None, skip_top: int = 0,
              maxlen: int | None = None, seed: int = 113, start_char: int = 1, oov_char: int = 2,
              index_from: int = 3) -> Any:  # fmt: skip
    """Return reviews as lists of word ids, the most frequent word lowest; labels 0 bad, 1 good.

    A word of rank r becomes r + index_from; each review begins with start_char. As in Keras, an
    id is kept if skip_top <= id < num_words, and `num_words=None` stands for the largest id, which
    therefore is replaced too.

    Args:
        path: name of the file in the data folders, or an absolute path.
        num_words: ids from here on are replaced by oov_char; None: see above.
        skip_top: ids below are replaced by oov_char.
        maxlen: only reviews shorter than this, start_char included, are kept; None keeps all.
        seed: of the order of the reviews.
        start_char: first id of each review, or None.
        oov_char: stands for replaced words; None drops them instead.
        index_from: added to each rank.

    Returns:
        ((x_train, y_train), (x_test, y_test)): x object arrays (25000,) of lists of int, y int64
        (25000,); fewer rows with maxlen.

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not what it should be, or no review is shorter than maxlen.
    """
    rng, parts = np.random.RandomState(seed), []
    for x, y in _read(_files.find(dataclasses.replace(FILE, name=path))):
        order = _splits.order(rng, len(x))
        parts.append(([x[i] for i in order], y[order]))
    return tuple(
        _words.encoded(parts, num_words, skip_top, maxlen, start_char, oov_char, index_from)
    )


def get_word_index(path: Path = "imdb_word_index.json") -> dict[str, int]:
    """Return the rank of each word: {"the": 1, "and": 2, ...}; an id of `load_data` is 3 more.

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not what it should be; names it and the reason.
    """
    return _words.word_index(WORD_INDEX, path)


def _read(path):
    """Return ((x, y), (x, y)) of train and test: x a list of int64 arrays, y int64 (COUNT,)."""
    # The published file is known to be harmless; the scan of any other takes seconds.
    trusted = _files.matches(path, FILE.hash)
    with _arrays.open_npz(path) as archive:
        return [_part(archive, part, trusted) for part in ("train", "test")]


def _part(archive, part, trusted):
    y = _arrays.member(archive, f"y_{part}", (COUNT,), "int64", "int32", "uint8")
    rows = _words.read(archive, f"x_{part}", COUNT, trusted)
    return rows, _arrays.check_labels(y.astype(np.int64), 2)
