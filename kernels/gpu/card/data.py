"""Data sets on the card: brought over once per fit, or in pieces, and given back after it."""

import weakref

import numpy as np

from . import runtime
from .feed import Feed
from .sources import DTYPES

SHARE = 0.8  # of the free memory that one data set may take; a larger one comes in pieces


class Resident:
    """Arrays that lie on the card as well.

    What is seen once (rows copied for one run) is brought over and forgotten; what comes a
    second time stays until `clear`. Within a fit the data are taken not to change.
    """

    def __init__(self):
        self.kept, self.seen, self.feeds = {}, {}, {}

    def __contains__(self, array):
        return _key(array) in self.kept

    def get(self, array):
        """The array on the card."""
        key = _key(array)
        if key in self.kept:
            return self.kept[key][1]
        there = runtime.to_card(array.view(np.uint8) if array.dtype == bool else array)
        before = self.seen.get(key)
        if before is not None and before() is array:
            self.kept[key] = (array, there)  # holding the array keeps its address from others
        self.seen[key] = weakref.ref(array)
        return there

    def feed(self, rows, row_shape, dtype):
        """The Feed for pieces of such rows, made once per fit."""
        key = (rows, row_shape, np.dtype(dtype).str)
        if key not in self.feeds:
            self.feeds.clear()  # of another batch size
            self.feeds[key] = Feed(*key)
        return self.feeds[key]

    def clear(self):
        self.kept.clear()
        self.seen.clear()
        self.feeds.clear()


def _key(array):
    return array.ctypes.data, array.shape, array.strides, array.dtype.str


resident = Resident()


def fits(*arrays):
    """Whether these arrays are on the card, or have room there beside all others."""
    new = sum(a.nbytes for a in arrays if a not in resident)
    return new <= SHARE * runtime.current().free_bytes()[0]


def comes_in_pieces(x):
    """Whether x is read in pieces: a mapped file, or an array for which there is no room."""
    return getattr(x, "in_pieces", False) or (isinstance(x, np.ndarray) and not fits(x))


def dtype_number(array):
    """The number of an array's dtype for `gather`, or None where it can't be read as it is."""
    name = "uint8" if array.dtype == bool else array.dtype.name
    return DTYPES.index(name) if name in DTYPES and array.dtype.isnative else None
