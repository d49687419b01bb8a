"""Blocks: the targets, or weights, of several outputs in one array that a replay fills at once."""

import itertools
import math

import numpy as np

ALIGNED = 64  # bytes at a multiple of which each part begins


class Block:
    """Arrays of a step that lie in one, so that a device has one to read, step by step.

    Args:
        ops: the device's.
        kinds: (shape, dtype) of each array; None where there is none.

    Attributes:
        array: the memory, as int64.
        parts: the arrays, views of it; None where there is none.
    """

    def __init__(self, ops, kinds):
        self.kinds = kinds
        sizes = [0 if kind is None else math.prod(kind[0]) * np.dtype(kind[1]).itemsize
                 for kind in kinds]  # fmt: skip
        ends = [0, *itertools.accumulate(-(-size // ALIGNED) * ALIGNED for size in sizes)]
        self.places = [slice(first, first + size)
                       for first, size in zip(ends, sizes, strict=False)]  # fmt: skip
        self.array = ops.empty((ends[-1] // 8,), np.dtype(np.int64))
        memory = self.array.view(np.uint8)
        self.parts = [None if kind is None else memory[place].view(kind[1]).reshape(kind[0])
                      for kind, place in zip(kinds, self.places, strict=True)]  # fmt: skip

    def packed(self, arrays):
        """Arrays of several steps, end to end, as (steps, block): each step's like `array`."""
        there = [one for one in zip(arrays, self.kinds, self.places, strict=True) if one[1]]
        steps = len(there[0][0]) // there[0][1][0][0]
        found = np.zeros((steps, self.array.nbytes), np.uint8)
        for array, (_, dtype), place in there:
            found[:, place] = np.ascontiguousarray(array, dtype).reshape(steps, -1).view(np.uint8)
        return found.view(np.int64)
