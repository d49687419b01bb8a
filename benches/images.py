"""The rows that the sweep trains on, in every process the same."""

import numpy as np
from products import WIDTHS

KINDS = ("mnist", "random")


def load(kind):
    """x float32 (N, 784) in [0, 1] and y int64 (N,).

    "mnist" is its first 55,000 training rows; "random" 10,000 rows, as empty as MNIST's: four
    pixels of five are zero, which matters to an engine that looks.
    """
    if kind == "random":
        random = np.random.default_rng(0)
        x = random.random((10_000, WIDTHS[0]), dtype=np.float32)
        x *= random.random(x.shape, dtype=np.float32) < 0.19
        return x, random.integers(0, WIDTHS[-1], len(x))
    x, y = _mnist()
    return x[:55_000], y[:55_000]


def validation(kind):
    """Rows that are not trained on: MNIST's last 5,000 training rows.

    Raises:
        ValueError: there is nothing to learn in random rows.
    """
    if kind == "random":
        raise ValueError("random rows have random labels: there is no accuracy to reach")
    x, y = _mnist()
    return x[55_000:], y[55_000:]


def require(kind):
    """How many rows there are; SystemExit, with what to do, where they can't be had."""
    try:
        return len(load(kind)[0])
    except (OSError, ImportError) as error:  # no mirror answers; what downloads is not installed
        raise SystemExit(
            f"{kind} can't be loaded: {error}\nput mnist.npz into a folder that TINYNET_DATA_DIR "
            "names, or take --data random, which needs no download"
        ) from error


def _mnist():
    import tinynet

    (x, y), _ = tinynet.datasets.mnist.load_data()
    return x.reshape(-1, WIDTHS[0]).astype(np.float32) / np.float32(255), y.astype(np.int64)
