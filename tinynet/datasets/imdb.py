"""IMDB: 50,000 film reviews as word ranks, good or bad (Maas et al. 2011)."""

import dataclasses
import io
import json
import pickle
import pickletools
import re

import numpy as np

from . import _arrays, _files

SHA256 = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
FILE = _files.of_keras("imdb.npz", f"sha256:{SHA256}", "text-datasets")
WORD_INDEX = _files.of_keras(  # Keras never published a SHA-256 of this one
    "imdb_word_index.json", "md5:bfafd718b763782e994055a2d397834f", "text-datasets"
)
COUNT = 25_000  # reviews to train on, and as many to test


def load_data(path="imdb.npz", num_words=None, skip_top=0, maxlen=None, seed=113, start_char=1,
              oov_char=2, index_from=3):  # fmt: skip
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
    rng = np.random.RandomState(seed)  # as Keras, so that the order is the same
    parts = []
    for x, y in _read(_files.find(dataclasses.replace(FILE, name=path))):
        order = np.arange(len(x))
        rng.shuffle(order)
        rows = [_shift(x[i], start_char, index_from) for i in order]
        parts.append(_shorter_than(maxlen, rows, y[order]))
    if not num_words:
        num_words = max(row.max(initial=0) for rows, _ in parts for row in rows)
    train, test = (
        (_lists(_replace(row, skip_top, num_words, oov_char) for row in rows), y)
        for rows, y in parts
    )
    return train, test


MOST_INDEX = 8 << 20  # bytes; the real one has 1.6 million


def get_word_index(path="imdb_word_index.json"):
    """Return the rank of each word: {"the": 1, "and": 2, ...}; an id of `load_data` is 3 more.

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not what it should be; names it and the reason.
    """
    path = _files.find(dataclasses.replace(WORD_INDEX, name=path))
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
        raise ValueError(f"no review is shorter than maxlen={maxlen}")
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


# The reviews differ in length, so NumPy could store them only as a pickle. It is read without
# giving pickle anything to call: the three names that occur in an array of lists all lead to
# `_Inert`, which keeps its state and does nothing; any other name is refused.
_ARRAY_NAMES = {("numpy", "ndarray"), ("numpy", "dtype"),
                ("numpy.core.multiarray", "_reconstruct"),
                ("numpy._core.multiarray", "_reconstruct")}  # fmt: skip
# Enough for lists of integers. Not among them, e.g., BYTEARRAY8, which allocates what it claims.
_OPCODES = """
    PROTO FRAME STOP GLOBAL STACK_GLOBAL REDUCE BUILD MARK BINPUT LONG_BINPUT MEMOIZE BINGET
    LONG_BINGET EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS NONE NEWTRUE
    NEWFALSE BININT BININT1 BININT2 LONG1 BINUNICODE SHORT_BINUNICODE SHORT_BINBYTES
    SHORT_BINSTRING"""


class _Inert:
    """Stands in for NumPy's array and dtype."""

    def __init__(self, *arguments):
        self.state = None

    def __setstate__(self, state):
        self.state = state


class _ListUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in _ARRAY_NAMES:
            raise ValueError(f"it holds a pickled {module}.{name}; only lists of integers are read")
        return _Inert


def _read(path):
    """Return ((x, y), (x, y)) of train and test: x a list of int64 arrays, y int64 (COUNT,)."""
    # The published file is known to be harmless; the scan of any other takes seconds.
    trusted = _files.matches(path, FILE.hash)
    with _arrays.open_npz(path) as archive:
        return [_part(archive, part, trusted) for part in ("train", "test")]


def _part(archive, part, trusted):
    y = _arrays.member(archive, f"y_{part}", (COUNT,), "int64", "int32", "uint8")
    data, _ = _arrays.member_bytes(archive, f"x_{part}", (COUNT,), ("object",))
    if not trusted:
        _scan(data)
    rows = _rows(_ListUnpickler(io.BytesIO(data)).load(), len(data))
    return rows, _arrays.check_labels(y.astype(np.int64), 2)


_INTEGERS = re.compile(rb"(?:K.|M..|J....)*+", re.DOTALL)  # a run of BININT1, BININT2, BININT


def _scan(data):
    """Refuse opcodes that could allocate far more than the pickle's own size."""
    known, lists, file = set(_OPCODES.split()), 0, io.BytesIO(data)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > 20 * COUNT + 1000:
            raise ValueError(f"its pickle holds much more than {COUNT} lists of integers")
        file.seek(_INTEGERS.match(data, file.tell()).end())
        if opcode.name not in known:
            raise ValueError(f"its pickle uses {opcode.name}; only lists of integers are read")
        if opcode.name == "LONG_BINPUT" and argument > len(data):
            raise ValueError(f"its pickle claims {argument} objects in {len(data)} bytes")
        lists += opcode.name == "EMPTY_LIST"
        if lists > COUNT + 1:  # a list takes one byte here, and fifty times as much in memory
            raise ValueError(f"its pickle holds more than {COUNT} lists")


def _rows(array, size):
    """Return the reviews as int64 arrays, out of the state of an unpickled array of lists."""
    # NumPy's state of an array: (version, shape, dtype, is_fortran, list of elements).
    rows = array.state[4] if isinstance(array, _Inert) else None
    if not isinstance(rows, list) or len(rows) != COUNT or {type(row) for row in rows} != {list}:
        raise ValueError(f"expected an array of {COUNT} lists")
    # An integer takes two bytes at least: more of them means that one list is used many times.
    if sum(map(len, rows)) > size or not all(set(map(type, row)) <= {int} for row in rows):
        raise ValueError("expected lists of integers")
    return [np.array(row, np.int64) for row in rows]
