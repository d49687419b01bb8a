"""Moments: frames that open as a microscope step, spread over the film, within a budget of bytes.

A moment is the microscope's page in parts. What all moments have in common stands on the film's
page once; the rest of each is compressed.
"""

import json
import zlib

from ..microscope.page import moment

BUDGET = 3_300_000  # bytes of all moments, compressed; in base64 they are a third more
ARRAYS = (340_000, 200_000, 100_000)  # bytes of a moment's arrays, until it is small enough
LARGEST = BUDGET // 11  # so that ten fit
OWN = ("HEADER", "META", "STRIP", "STOPS", "HOW", "DATA")  # parts that differ from step to step
GROWTH = 1.1  # later moments are larger: fewer of their numbers are zero


def take_moment(model, x, y, sample_weight):
    """Return the parts of the microscope's page about this step, and the own ones compressed."""
    for most in ARRAYS:
        parts = moment(model, x, y, sample_weight, most=most)
        own = json.dumps({name: parts.pop(name) for name in OWN}, ensure_ascii=False)
        own = zlib.compress(own.encode("utf-8"), 9)
        if len(own) <= LARGEST:
            break
    return parts, own


def wanted(size, frames):
    """Return which of a number of frames are to be moments, when the first takes `size` bytes.

    The first and the last are among them; between them they are evenly spread.
    """
    count = min(frames, max(2, int(BUDGET / (size * GROWTH))))
    return {round(k * (frames - 1) / max(count - 1, 1)) for k in range(count)}


def thinned(sizes, most):
    """Return which moments to keep, so that their sizes add up to `most` bytes.

    The first and last stay; of the others goes, again and again, the one whose neighbours are
    nearest to each other.

    Args:
        sizes: number of frame -> bytes.
        most: bytes of all.
    """
    kept = sorted(sizes)
    while len(kept) > 2 and sum(sizes[k] for k in kept) > most:
        gaps = [kept[i + 1] - kept[i - 1] for i in range(1, len(kept) - 1)]
        del kept[1 + gaps.index(min(gaps))]
    return kept
