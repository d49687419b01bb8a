"""2,500 of MNIST's handwritten digits, which come with tinynet (LeCun, Cortes; CC BY-SA 3.0).

To train on: the first 200 images of each digit among MNIST's 60,000. To test: the first 50 of each
among its 10,000. Every ten images in a row are one of each digit, so that all parts of the set are
balanced. `make()` made the file, of `mnist.load_data()`.
"""

from __future__ import annotations

import io
import pathlib
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from ..saving.atomic import atomic_path
from . import _arrays, mnist

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike, Path

FILE = pathlib.Path(__file__).with_name("mnist_small.npz")
TRAIN, TEST = 200, 50  # images of each digit


def load_data() -> Any:
    """Return 2,000 digits to train on and 500 to test, without any network.

    A network of dense layers that learns from them alone reads about nine digits in ten.

    Returns:
        ((x_train, y_train), (x_test, y_test)), all uint8: images (2000, 28, 28) and (500, 28, 28)
        with 0 for paper and 255 for ink, labels 0..9 (2000,) and (500,).

    Raises:
        ValueError: the installed file is damaged.
    """
    with _arrays.open_npz(FILE) as archive:
        return mnist.part(archive, "train", 10 * TRAIN), mnist.part(archive, "test", 10 * TEST)


def first_of_each(x: ArrayLike, y: ArrayLike, count: int) -> tuple[Any, Any]:
    """Return the first image of each of ten digits, the second of each, ...; and their labels."""
    rows = np.stack([np.flatnonzero(y == digit)[:count] for digit in range(10)])  # (10, count)
    rows = np.sort(rows, axis=0).T.ravel()  # ten in a row are in their order in x
    return x[rows], y[rows]


def make(path: Path = FILE) -> None:
    """Write the file, packed with LZMA; the same bytes in every call."""
    train, test = mnist.load_data()
    parts = {"train": first_of_each(*train, TRAIN), "test": first_of_each(*test, TEST)}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, arrays in parts.items():
            for letter, array in zip("xy", arrays, strict=True):
                member = zipfile.ZipInfo(f"{letter}_{name}.npy")
                member.compress_type = zipfile.ZIP_LZMA
                content = io.BytesIO()
                np.save(content, array)
                archive.writestr(member, content.getvalue())
