"""CIFAR-100: 60,000 photographs of 32x32 pixels, of 100 kinds of things in 20 groups (Krizhevsky
2009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _cifar

if TYPE_CHECKING:
    from typing import Any

FILE = _cifar.published(
    "cifar-100-python.tar.gz", "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    "cifar-100-python-target_archive",
)  # fmt: skip
FOLDER = "cifar-100-python"
TRAIN, TEST = 50_000, 10_000
CLASSES = {"fine": 100, "coarse": 20}


def load_data(label_mode: str = "fine") -> Any:
    """Return the photographs with their labels; downloaded once, see `tinynet.datasets`.

    The file is `cifar-100-python.tar.gz`, as it is published (169 MB).

    Args:
        label_mode: "fine": labels of the 100 kinds; "coarse": of their 20 groups.

    Returns:
        ((x_train, y_train), (x_test, y_test)): images uint8 (50000, 32, 32, 3) and
        (10000, 32, 32, 3), red, green and blue last, labels int64 (50000, 1) and (10000, 1).

    Raises:
        OSError: the file is nowhere and its server can't be reached.
        ValueError: another label_mode, or the file is not what it should be; names it and the
            reason.
    """
    if label_mode not in CLASSES:
        raise ValueError(f'label_mode must be "fine" or "coarse", received {label_mode!r}')
    train, test = {f"{FOLDER}/train": TRAIN}, {f"{FOLDER}/test": TEST}
    return _cifar.load(FILE, train, test, f"{label_mode}_labels", CLASSES[label_mode])
