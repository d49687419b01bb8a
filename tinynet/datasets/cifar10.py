"""CIFAR-10: 60,000 photographs of 32x32 pixels, of ten kinds of things (Krizhevsky 2009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _cifar

if TYPE_CHECKING:
    from typing import Any

FILE = _cifar.published(
    "cifar-10-python.tar.gz", "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "cifar-10-batches-py-target_archive",
)  # fmt: skip
FOLDER = "cifar-10-batches-py"
COUNT = 10_000  # images in each of the six files


def load_data() -> Any:
    """Return the photographs with their labels; downloaded once, see `tinynet.datasets`.

    Labels: 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship,
    9 truck. The file is `cifar-10-python.tar.gz`, as it is published (170 MB).

    Returns:
        ((x_train, y_train), (x_test, y_test)), all uint8: images (50000, 32, 32, 3) and
        (10000, 32, 32, 3), red, green and blue last, labels (50000, 1) and (10000, 1).

    Raises:
        OSError: the file is nowhere and its server can't be reached.
        ValueError: the file is not what it should be; names it and the reason.
    """
    train = {f"{FOLDER}/data_batch_{i}": COUNT for i in range(1, 6)}
    parts = _cifar.load(FILE, train, {f"{FOLDER}/test_batch": COUNT}, "labels", 10)
    return tuple((x, y.astype(np.uint8)) for x, y in parts)
