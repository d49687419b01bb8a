"""Data for which the card has no room, or that are read from a file: they come piece by piece.

While the card computes on one piece, the host gathers the next one's rows into pinned memory, and
they are copied on a stream of their own. There are two halves of everything, used in turn:

    host    fill half 0 | fill half 1 | (copy 0 done?) fill half 0 | ...
    copies              | copy 0      | copy 1 | (steps on 0 done?)  copy 0 | ...
    steps                             | (copy 0 done?) steps on 0 | (copy 1 done?) steps on 1 | ...

What stands in brackets is an event that is waited for.
"""

import numpy as np

from . import runtime as card_runtime

PIECE = 16 << 20  # bytes of a half, or one batch where that is more


class Feed:
    """Room for two pieces, on the card and on the host.

    Args:
        rows: of a piece.
        row_shape, dtype: of a row, as it lies in the data set.

    Attributes:
        card: (2 * rows, *row_shape): piece k lies in the rows from (k % 2) * rows on.
    """

    def __init__(self, rows, row_shape, dtype):
        self.runtime, self.rows = card_runtime.current(), rows
        self.card = self.runtime.empty((2 * rows, *row_shape), dtype)
        self.host = self.runtime.pinned((2 * rows, *row_shape), dtype)
        self.copied, self.used = [None, None], [None, None]  # events of the halves

    def put(self, k, x, rows):
        """Bring rows of x over as piece k; what is launched from now on finds them there."""
        half, copies = k % 2, self.runtime.copies
        place = slice(half * self.rows, half * self.rows + len(rows))
        if self.copied[half] is not None:
            self.copied[half].synchronize()  # this half of the host's memory is free again
        gather_rows(x, rows, self.host[place])
        if self.used[half] is not None:
            copies.wait_event(self.used[half])
        self.runtime.copy_to_card(self.card[place], self.host[place], copies)
        self.copied[half] = copies.record()
        self.runtime.stream.wait_event(self.copied[half])

    def done(self, k):
        """All steps on piece k have been launched."""
        self.used[k % 2] = self.runtime.stream.record()

    def wait(self):
        """Until all copies are there and all steps are done."""
        self.runtime.stream.synchronize()
        self.runtime.copies.synchronize()


def gather_rows(x, rows, out):
    """out = x[rows]; x is an ndarray, or gives some of its rows by an index array."""
    if isinstance(x, np.ndarray):
        x = x.view(np.uint8) if x.dtype == bool else x
        np.take(x, rows, axis=0, out=out, mode="clip")  # the other modes copy once more
    else:
        found = x[rows]
        out[...] = found.view(np.uint8) if found.dtype == bool else found


def steps_of_a_piece(row_bytes, rows, steps, free):
    """How many steps of N rows a piece holds: of PIECE bytes, and two have to fit."""
    batch = max(row_bytes * rows, 1)
    return max(1, min(steps, PIECE // batch, int(free // 2) // batch))
