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
    import tinynet

    (x, y), _ = tinynet.datasets.mnist.load_data()
    x = x[:55_000].reshape(-1, WIDTHS[0]).astype(np.float32) / np.float32(255)
    return x, y[:55_000].astype(np.int64)
