"""Fashion-MNIST: 70,000 pictures of clothing (Xiao, Rasul, Vollgraf 2017; MIT license)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _arrays, _files

if TYPE_CHECKING:
    from typing import Any

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
HASHES = {
    "train-images-idx3": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
TRAIN, TEST = 60_000, 10_000


def load_data() -> Any:
    """Return the pictures with their labels; downloaded once, see `tinynet.datasets`.

    Labels: 0 T-shirt/top, 1 Trouser, 2 Pullover, 3 Dress, 4 Coat, 5 Sandal, 6 Shirt, 7 Sneaker,
    8 Bag, 9 Ankle boot. The four files lie in a subfolder `fashion-mnist`, as in Keras's cache.

    Returns:
        ((x_train, y_train), (x_test, y_test)), all uint8: images (60000, 28, 28) and
        (10000, 28, 28), labels (60000,) and (10000,).

    Raises:
        OSError: a file is nowhere and no mirror can be reached.
        ValueError: a file is not what it should be; names it and the reason.
    """
    return _part("train", TRAIN), _part("t10k", TEST)


def _part(part: str, count: int):
    x = _arrays.read_idx(_find(f"{part}-images-idx3"), (count, 28, 28), 256)
    return x, _arrays.read_idx(_find(f"{part}-labels-idx1"), (count,), 10)


def _find(key: str):
    name = f"{key}-ubyte.gz"
    urls = tuple(mirror + name for mirror in MIRRORS)
    return _files.find(_files.DataFile(name, f"sha256:{HASHES[key]}", urls, "fashion-mnist"))
