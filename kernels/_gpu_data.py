"""Data sets on the card: brought over once per fit, and given back after it."""

import weakref

import numpy as np

from . import _gpu_runtime
from ._gpu_sources import DTYPES

SHARE = 0.8  # of the free memory that one data set may take


class Resident:
    """Arrays that lie on the card as well.

    What is seen once (rows copied for one stretch) is brought over and forgotten; what comes a
    second time stays until `clear`. Within a fit the data are taken not to change.
    """

    def __init__(self):
        self.kept, self.seen = {}, {}

    def get(self, array):
        """The array on the card."""
        key = (array.ctypes.data, array.shape, array.strides, array.dtype.str)
        if key in self.kept:
            return self.kept[key][1]
        there = _gpu_runtime.current().to_card(array.view(np.uint8) if array.dtype == bool
                                               else array)  # fmt: skip
        before = self.seen.get(key)
        if before is not None and before() is array:
            self.kept[key] = (array, there)  # holding the array keeps its address from others
        self.seen[key] = weakref.ref(array)
        return there

    def clear(self):
        self.kept.clear()
        self.seen.clear()


resident = Resident()


def fits(*arrays):
    """Whether there is room for these arrays beside all others."""
    return sum(a.nbytes for a in arrays) <= SHARE * _gpu_runtime.current().free_bytes()[0]


def dtype_number(array):
    """The number of an array's dtype for `gather`, or None where it can't be read as it is."""
    name = "uint8" if array.dtype == bool else array.dtype.name
    return DTYPES.index(name) if name in DTYPES and array.dtype.isnative else None
