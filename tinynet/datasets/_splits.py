"""Rows in a random order, cut into those to train on and those to test, as Keras does it."""

import dataclasses

import numpy as np

from . import _arrays, _files


def order(rng: np.random.RandomState, count: int) -> np.ndarray:
    """Return the numbers from 0 to count - 1, shuffled.

    NumPy promises that the numbers of a RandomState never change, so neither does the order.
    """
    numbers = np.arange(count)
    rng.shuffle(numbers)
    return numbers


def check(test_split):
    """Raise a ValueError unless it is in [0, 1)."""
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split must be in [0, 1), received {test_split!r}")


def cut(x, y, test_split):
    """Return ((x_train, y_train), (x_test, y_test)): the test set is what comes last."""
    first = int(len(x) * (1 - test_split))
    return (x[:first], y[:first]), (x[first:], y[first:])


def read_table(file, path: str, shape: tuple):
    """Return x (N, D) and y (N,), floating-point numbers, out of an .npz of these two arrays.

    Args:
        file: the DataFile.
        path: its name in the data folders, or an absolute path.
        shape: (N, D).
    """
    with _arrays.open_npz(_files.find(dataclasses.replace(file, name=path))) as archive:
        return (_arrays.member(archive, "x", shape, "float64", "float32"),
                _arrays.member(archive, "y", shape[:1], "float64", "float32"))  # fmt: skip


def shuffled_table(x, y, test_split, seed):
    """Return the rows in the order that `seed` draws, cut in two."""
    rows = order(np.random.RandomState(seed), len(x))
    return cut(x[rows], y[rows], test_split)
