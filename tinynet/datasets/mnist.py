"""MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges 1998; CC BY-SA 3.0)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from . import _arrays, _files

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Path

SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
FILE = _files.of_keras("mnist.npz", f"sha256:{SHA256}", "img-datasets")
TRAIN, TEST = 60_000, 10_000


def load_data(path: Path = "mnist.npz") -> Any:
    """Return the digits with their labels 0..9; downloaded once, see `tinynet.datasets`.

    Args:
        path: name of the file in the data folders, or an absolute path.

    Returns:
        ((x_train, y_train), (x_test, y_test)), all uint8: images (60000, 28, 28) and
        (10000, 28, 28) with 0 for paper and 255 for ink, labels (60000,) and (10000,).

    Raises:
        OSError: the file is nowhere and no mirror can be reached.
        ValueError: the file is not MNIST; names it and the reason.
    """
    with _arrays.open_npz(_files.find(dataclasses.replace(FILE, name=path))) as archive:
        return part(archive, "train", TRAIN), part(archive, "test", TEST)


def part(archive: dict[str, Any], name: str, count: int) -> tuple[Any, Any]:
    """Return x and y of "train" or "test", `count` images, out of an open .npz."""
    x = _arrays.member(archive, f"x_{name}", (count, 28, 28), "uint8")
    y = _arrays.member(archive, f"y_{name}", (count,), "uint8")
    return x, _arrays.check_labels(y, 10)
