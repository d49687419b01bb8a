"""Data sets on the card: brought over once and kept for the calls that follow, or in pieces."""

import dataclasses
import hashlib
import itertools
import weakref

import numpy as np

from . import runtime
from .feed import Feed
from .sources import DTYPES

SHARE = 0.8  # of the free memory that one data set may take; a larger one comes in pieces
IDLE = 0.25  # of the card's memory that data may take between calls


@dataclasses.dataclass
class Kept:
    """An array on the card, and the checksum of what was brought over; `owner` has the memory on
    the host, and when it dies, the array goes too."""

    there: object
    checksum: bytes
    owner: weakref.ref


class Announced:
    """Arrays that a call of `fit`, `evaluate` or `predict` reads, for as long as this object lives.

    Within the call they are taken not to change.
    """

    def __init__(self, arrays):
        self.keys = {_key(array) for array in arrays}


class Resident:
    """Arrays that lie on the card as well.

    What was announced comes over when it is first asked for, and stays as long as it lives on the
    host, or until memory is short. Another call that announces it has it compared: if it has
    changed, it comes anew. What was not announced (rows copied for one run) is not kept.
    """

    def __init__(self):
        self.kept, self.feeds, self.calls = {}, {}, weakref.WeakSet()

    def __contains__(self, array):
        return _key(array) in self.kept and self._announced(_key(array))

    def _announced(self, key):
        return any(key in call.keys for call in self.calls)

    def announce(self, arrays):
        """Return the Announced of these arrays; what has changed since it was brought over is
        forgotten."""
        for array in arrays:
            known = self.kept.get(_key(array))
            if known is not None and known.checksum != checksum(array):
                del self.kept[_key(array)]
        self.calls.add(call := Announced(arrays))
        return call

    def get(self, array):
        """Return the array on the card."""
        key = _key(array)
        if not self._announced(key):
            return _bring(array)
        if key not in self.kept:
            owner = weakref.ref(_owner(array), lambda ref: self._forget(key, ref))
            self.kept[key] = Kept(_bring(array), checksum(array), owner)
        return self.kept[key].there

    def _forget(self, key, owner):
        known = self.kept.get(key)
        if known is not None and known.owner is owner:
            del self.kept[key]

    def feed(self, rows, row_shape, dtype):
        """Return the Feed for pieces of such rows, made once per fit."""
        key = (rows, row_shape, np.dtype(dtype).str)
        if key not in self.feeds:
            self.feeds.clear()  # of another batch size
            self.feeds[key] = Feed(*key)
        return self.feeds[key]

    def tidy(self, most=0):
        """Give back, of what no call reads, the oldest arrays beyond `most` bytes."""
        idle = [(key, one) for key, one in list(self.kept.items()) if not self._announced(key)]
        sizes = itertools.accumulate(one.there.nbytes for _, one in reversed(idle))
        for (key, _), size in zip(reversed(idle), sizes, strict=True):
            if size > most:
                self.kept.pop(key, None)


def _key(array):
    return array.ctypes.data, array.shape, array.strides, array.dtype.str


def _owner(array):
    """Return the array that has the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _bring(array):
    return runtime.to_card(array.view(np.uint8) if array.dtype == bool else array)


SIDE, TOGETHER = 1024, 1 << 20  # words of 8 bytes in a row of the checksum; bytes in the cache


def checksum(array):
    """Return 16 bytes that change with any number, and with places that are exchanged.

    Some rows at a time are taken as words and summed up along two axes, at the speed of memory; the
    sums are hashed.
    """
    found, some = hashlib.blake2b(digest_size=16), max(1, TOGETHER // max(array[:1].nbytes, 1))
    for i in range(0, len(array), some):
        data = np.ascontiguousarray(array[i : i + some]).reshape(-1).view(np.uint8)
        whole = data.size - data.size % (8 * SIDE)
        words = data[:whole].view(np.uint64).reshape(-1, SIDE)
        found.update(words.sum(axis=0))
        found.update(words.sum(axis=1))
        found.update(data[whole:])
    return found.digest()


resident = Resident()
runtime.when_full.append(resident.tidy)


def fits(*arrays):
    """Whether these arrays are on the card, or have room there beside all others."""
    new = sum(a.nbytes for a in arrays if a not in resident)
    return new == 0 or new <= _room() or _after_tidying(new)


def _room():
    return SHARE * runtime.current().free_bytes()[0]


def _after_tidying(new):
    resident.tidy()
    return new <= _room()


def comes_in_pieces(x):
    """Whether x is read in pieces: a mapped file, or an array for which there is no room."""
    return getattr(x, "in_pieces", False) or (isinstance(x, np.ndarray) and not fits(x))


def arrays_of(x):
    """Return the arrays of a data set that are brought over whole; a sparse one has three."""
    if hasattr(x, "starts"):
        return [x.values, x.starts, x.columns]
    return [x] if isinstance(x, np.ndarray) else []


def dtype_number(array):
    """The number of an array's dtype for `gather`, or None where it can't be read as it is."""
    name = "uint8" if array.dtype == bool else array.dtype.name
    return DTYPES.index(name) if name in DTYPES and array.dtype.isnative else None
