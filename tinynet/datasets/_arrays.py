"""Arrays out of .npz and gzipped IDX files that may be damaged or hostile.

The caller says which shape it expects, so a header is compared before anything of its size is
allocated, and no more than that is read.
"""

import contextlib
import math
import zipfile

import numpy as np

from ..saving import atomic
from ._archives import Gzip

LARGEST = 24 << 20  # bytes of an array of objects; IMDB's take some 20 million


def refusing(path):
    """Return a context in which any error becomes a ValueError of `path` and the reason."""
    return atomic.refusing(path, "is damaged or not what it should be", after_path=" ")


@contextlib.contextmanager
def open_npz(path):
    """The archive at `path`; see `refusing`."""
    with open(path, "rb") as file, refusing(path), zipfile.ZipFile(file) as archive:
        yield archive


def member_bytes(archive, key: str, shape: tuple, dtypes: tuple):
    """Return the data of `key`.npy and their header, if that has what is expected.

    Returns:
        (bytes, (dtype, whether they are in Fortran order))
    """
    name = f"{key}.npy"
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):  # later versions allow headers of 4 GB
            raise ValueError(f"{name} has format version {version}, expected (1, 0)")
        found, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        if found != shape or dtype not in [np.dtype(d) for d in dtypes]:
            raise ValueError(f"{name} has shape {found} and dtype {dtype}, expected {shape} and "
                             f"{' or '.join(dtypes)}")  # fmt: skip
        size = archive.getinfo(name).file_size - file.tell()
        if dtype.hasobject and size > LARGEST:
            raise ValueError(f"{name} declares {size} bytes of objects, at most {LARGEST} are read")
        if not dtype.hasobject and size != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} declares {size} bytes of data for {shape} of {dtype}")
        data = file.read(size)  # to the end, where zipfile checks the CRC
    if len(data) != size:
        raise ValueError(f"{name} ends after {len(data)} of {size} bytes")
    return data, (dtype, fortran_order)


def member(archive, key: str, shape: tuple, *dtypes: str) -> np.ndarray:
    """Return the array `key` of an open archive, of exactly this shape and one of `dtypes`."""
    data, (dtype, fortran_order) = member_bytes(archive, key, shape, dtypes)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C").copy()


def read_idx(path, shape: tuple, classes: int) -> np.ndarray:
    """Return the bytes of a gzipped IDX file: uint8, exactly this shape, values in [0, classes).

    The format: a big-endian word 0x0800 + number of dimensions, a word per dimension, the bytes.

    Raises:
        ValueError: damaged, truncated, another type or shape; names the file and the reason.
    """
    expected, size = [0x800 + len(shape), *shape], math.prod(shape)
    with open(path, "rb") as file, refusing(path):
        start = 4 * len(expected)
        most = start + size + 1  # one byte more, which there should not be
        content = Gzip(file, most).read(most)
        header = np.frombuffer(content[:start], ">u4").tolist()
        if header != expected:
            raise ValueError(f"its IDX header is {header}, expected {expected}")
        data = content[start:]
        if len(data) != size:
            found = len(data) if len(data) < size else "more"
            raise ValueError(f"expected {size} bytes after the header, found {found}")
        return check_labels(np.frombuffer(data, np.uint8).reshape(shape).copy(), classes)


def check_labels(y: np.ndarray, classes: int) -> np.ndarray:
    """Return `y`, if every value is in [0, classes)."""
    if y.min() < 0 or y.max() >= classes:
        raise ValueError(f"its labels go from {y.min()} to {y.max()}, expected 0 to {classes - 1}")
    return y
