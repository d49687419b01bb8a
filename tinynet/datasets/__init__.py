"""Data sets as NumPy arrays: `mnist`, `fashion_mnist`, `imdb` as in Keras, `digits` offline.

A file is looked for in the folder `TINYNET_DATA_DIR` (if that is set), in Keras's cache and in
tinynet's own; what is in none of them is downloaded into the last.
"""

from ..configs.arguments import absent as _absent
from . import digits, fashion_mnist, imdb, mnist

__all__ = ["digits", "fashion_mnist", "imdb", "mnist"]
__getattr__ = _absent(__name__)
