"""Numbers of a frame as a few bytes: shares, values between bounds, pictures of units."""

import base64

import numpy as np

NOTHING = 255  # stands for NaN among bytes 0 ... 254; -128 does among -127 ... 127
SIDE = 32  # of a picture, at most
CELLS = 256  # of a row that is no picture, at most


def packed(array) -> str:
    """Return an array's little-endian bytes in base64."""
    a = np.ascontiguousarray(array)
    a = a.astype(a.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(a.tobytes()).decode("ascii")


def unpacked(text, dtype):
    """Return the numbers that `packed` was given, in one row."""
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<"))


def between(values, low, high):
    """Return bytes 0 ... 254 for values from low to high; those outside are cut."""
    with np.errstate(invalid="ignore", over="ignore"):
        share = (np.asarray(values, np.float64) - low) / ((high - low) or 1.0)
    good = np.isfinite(share)
    share = np.clip(np.where(good, share, 0), 0, 1)
    return np.where(good, np.rint(254 * share), NOTHING).astype(np.uint8)


def signed(rows):
    """Return rows (n, cells) as bytes -127 ... 127 of each row's largest |value|, and these."""
    rows = np.asarray(rows, np.float64)
    good = np.isfinite(rows)
    tops = np.abs(np.where(good, rows, 0)).max(axis=1, initial=0)  # (n,)
    share = np.where(good, rows, 0) / np.where(tops > 0, tops, 1)[:, None]
    return np.where(good, np.rint(127 * share), -128).astype(np.int8), tops.tolist()


def smaller(rows, image):
    """Return rows (n, D) with fewer cells, and their shape (height, width): means of blocks.

    A picture, whose (height, width) is `image`, gets SIDE cells a side at most; other rows, for
    which `image` is None, CELLS.
    """
    n = len(rows)
    if image is None:
        step = -(-rows.shape[1] // CELLS)
        blocks, shape = _blocks(rows, step), (1, -(-rows.shape[1] // step))
        return blocks, shape
    step = -(-max(image) // SIDE)
    if step == 1:
        return rows, tuple(image)
    h, w = image
    down = _blocks(rows.reshape(n, h, w).transpose(0, 2, 1).reshape(n * w, h), step)
    h = down.shape[1]
    across = _blocks(down.reshape(n, w, h).transpose(0, 2, 1).reshape(n * h, w), step)
    return across.reshape(n, -1), (h, across.shape[1])


def _blocks(rows, step):
    """Return the means of `step` entries each; the last may be of fewer."""
    starts = np.arange(0, rows.shape[1], step)
    counts = np.diff(np.append(starts, rows.shape[1]))
    return np.add.reduceat(rows, starts, axis=1) / counts
