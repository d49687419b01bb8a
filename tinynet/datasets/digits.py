"""Digits: 1,797 handwritten digits of 8x8 pixels, from scikit-learn's bundled copy.

Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI; CC BY 4.0).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..configs.extras import needs

if TYPE_CHECKING:
    from typing import Any


def load_data(test_split: float = 0.2, seed: int = 113) -> Any:
    """Return the digits with their labels 0..9, without any network.

    The images are put in the order `numpy.random.RandomState(seed).permutation(1797)`; the last
    ceil(1797 * test_split) of them are the test set: 1437 and 360 by default.

    Args:
        test_split: fraction of the images that is kept for the test, in (0, 1).
        seed: integer in [0, 2^32).

    Returns:
        ((x_train, y_train), (x_test, y_test)), all uint8: images (n, 8, 8) with 0 for paper and
        16 for ink, labels (n,).

    Raises:
        ImportError: scikit-learn is not installed; says how to install it.
        ValueError: a split that leaves one of the parts empty.
    """
    with needs("examples", "tinynet.datasets.digits reads the copy that comes with scikit-learn"):
        from sklearn.datasets import load_digits
    bunch = load_digits()
    count = len(bunch.target)
    if not 0 < test_split < 1 or math.ceil(count * test_split) == count:
        raise ValueError("test_split must be in (0, 1) and leave images to train on, received "
                         f"{test_split!r}")  # fmt: skip
    # RandomState: NumPy promises that its numbers never change, so neither does the split.
    order = np.random.RandomState(seed).permutation(count)
    train, test = np.split(order, [count - math.ceil(count * test_split)])
    x, y = bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)  # (1797, 8, 8), (1797,)
    return (x[train], y[train]), (x[test], y[test])
