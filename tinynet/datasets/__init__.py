"""Data sets as NumPy arrays: all of Keras's, and `mnist_small` and `digits`, which need no network.

A file is looked for in the folder `TINYNET_DATA_DIR` (if that is set), in Keras's cache and in
tinynet's own; what is in none of them is downloaded into the last.
"""

from ..configs.arguments import absent as _absent
from . import (
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    imdb,
    mnist,
    mnist_small,
    reuters,
)

__all__ = [
    "boston_housing", "california_housing", "cifar10", "cifar100", "digits", "fashion_mnist",
    "imdb", "mnist", "mnist_small", "reuters",
]  # fmt: skip
__getattr__ = _absent(__name__)
