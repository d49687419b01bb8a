"""Texts as lists of word ids, the most frequent word lowest, as Keras has them."""

import dataclasses
import json

import numpy as np

from . import _arrays, _files, _pickles

MOST_INDEX = 8 << 20  # bytes of a word index; IMDB's has 1.6 million


def read(archive, key: str, count: int, trusted: bool) -> list:
    """Return `count` texts out of an open .npz, each an int64 array of ranks.

    They differ in length, so NumPy could store them only as a pickle; see `_pickles`.
    """
    data, _ = _arrays.member_bytes(archive, key, (count,), ("object",))
    what = "lists of integers"
    array = _pickles.load(data, what, _pickles.LISTS, 20 * count + 1000, count + 1, trusted)
    rows = array.state[4] if isinstance(array, _pickles.Inert) else None
    if not isinstance(rows, list) or len(rows) != count or {type(row) for row in rows} != {list}:
        raise ValueError(f"expected an array of {count} lists")
    # An integer takes two bytes at least: more of them means that one list is used many times.
    if sum(map(len, rows)) > len(data) or not all(set(map(type, row)) <= {int} for row in rows):
        raise ValueError("expected lists of integers")
    return [np.array(row, np.int64) for row in rows]


def encoded(parts, num_words, skip_top, maxlen, start_char, oov_char, index_from):
    """Return the parts with ids in place of ranks; see `imdb.load_data` for the arguments.

    Args:
        parts: list of (texts, labels).

    Returns:
        list of (object array of lists of int, labels), of texts shorter than maxlen.

    Raises:
        ValueError: no text of a part is shorter than maxlen.
    """
    parts = [([_shift(row, start_char, index_from) for row in rows], y) for rows, y in parts]
    parts = [_shorter_than(maxlen, rows, y) for rows, y in parts]
    if not num_words:
        num_words = max(row.max(initial=0) for rows, _ in parts for row in rows)
    return [
        (_lists(_replace(row, skip_top, num_words, oov_char) for row in rows), y)
        for rows, y in parts
    ]


def word_index(file, path: str) -> dict:
    """Return the rank of each word, out of the JSON file `file`, under the name `path`.

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not what it should be; names it and the reason.
    """
    path = _files.find(dataclasses.replace(file, name=path))
    with open(path, "rb") as file, _arrays.refusing(path):
        text = file.read(MOST_INDEX + 1)
        if len(text) > MOST_INDEX:
            raise ValueError(f"at most {MOST_INDEX} bytes are read")
        index = json.loads(text)
        if not isinstance(index, dict) or {type(rank) for rank in index.values()} != {int}:
            raise ValueError("expected one JSON object of words and integer ranks")
    return index


def _shift(row, start_char, index_from):
    start = [] if start_char is None else [start_char]
    return np.concatenate([np.array(start, np.int64), row + (index_from or 0)])


def _shorter_than(maxlen, rows, y):
    if not maxlen:
        return rows, y
    keep = [i for i, row in enumerate(rows) if len(row) < maxlen]
    if not keep:
        raise ValueError(f"no text is shorter than maxlen={maxlen}")
    return [rows[i] for i in keep], y[keep]


def _replace(row, skip_top, num_words, oov_char):
    keep = (skip_top <= row) & (row < num_words)
    return row[keep] if oov_char is None else np.where(keep, row, oov_char)


def _lists(rows):
    rows = [row.tolist() for row in rows]
    x = np.empty(len(rows), object)
    for i, row in enumerate(rows):  # x[:] = rows would fail where all have the same length
        x[i] = row
    return x
