"""Arrays out of .npz and gzipped IDX files that may be damaged or hostile.

The caller says which shape it expects, so a header is compared before anything of its size is
allocated, and a file can't make us read much more than that.
"""

import contextlib
import gzip
import math
import zipfile

import numpy as np

from ..saving import atomic

LARGEST = 1 << 25  # bytes of an array of objects; IMDB's take some 20 million


def refusing(path):
    """A context in which whatever goes wrong becomes a ValueError of `path` and the reason."""
    return atomic.refusing(path, "is damaged or not what it should be", after_path=" ")


@contextlib.contextmanager
def open_npz(path):
    """The archive at `path`; see `refusing`."""
    with open(path, "rb") as file, refusing(path), zipfile.ZipFile(file) as archive:
        yield archive


def member_bytes(archive, key: str, shape: tuple, dtypes: tuple):
    """What follows the header of `key`.npy, and its dtype, if the header says what we expect."""
    name = f"{key}.npy"
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):  # later versions allow headers of 4 GB
            raise ValueError(f"{name} has format version {version}, expected (1, 0)")
        found, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        if found != shape or fortran_order or dtype not in [np.dtype(d) for d in dtypes]:
            order = " in Fortran order" if fortran_order else ""
            raise ValueError(
                f"{name} has shape {found} and dtype {dtype}{order}, "
                f"expected {shape} and {' or '.join(dtypes)}"
            )
        size = archive.getinfo(name).file_size - file.tell()
        if dtype.hasobject and size > LARGEST:
            raise ValueError(f"{name} declares {size} bytes of objects, at most {LARGEST} are read")
        if not dtype.hasobject and size != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} declares {size} bytes of data for {shape} of {dtype}")
        data = file.read(size)  # to the end, where zipfile checks the CRC
    if len(data) != size:
        raise ValueError(f"{name} ends after {len(data)} of {size} bytes")
    return data, dtype


def member(archive, key: str, shape: tuple, *dtypes: str) -> np.ndarray:
    """The array `key` of an open archive, writable, of exactly this shape and one of `dtypes`."""
    data, dtype = member_bytes(archive, key, shape, dtypes)
    return np.frombuffer(data, dtype).reshape(shape).copy()


def read_idx(path, shape: tuple, classes: int) -> np.ndarray:
    """The bytes of a gzipped IDX file: uint8, exactly this shape, values in [0, classes).

    The format: a big-endian word 0x0800 + number of dimensions, a word per dimension, the bytes.

    Raises:
        ValueError: damaged, truncated, another type or shape; names the file and the reason.
    """
    expected, size = [0x800 + len(shape), *shape], math.prod(shape)
    with open(path, "rb") as raw, refusing(path), gzip.GzipFile(fileobj=raw) as file:
        header = np.frombuffer(file.read(4 * len(expected)), ">u4").tolist()
        if header != expected:
            raise ValueError(f"its IDX header is {header}, expected {expected}")
        data = file.read(size + 1)  # the extra byte takes gzip to the end, where it checks CRC
        if len(data) != size:
            found = len(data) if len(data) < size else "more"
            raise ValueError(f"expected {size} bytes after the header, found {found}")
        return check_labels(np.frombuffer(data, np.uint8).reshape(shape).copy(), classes)


def check_labels(y: np.ndarray, classes: int) -> np.ndarray:
    """`y`, if every value is in [0, classes)."""
    if y.min() < 0 or y.max() >= classes:
        raise ValueError(f"its labels go from {y.min()} to {y.max()}, expected 0 to {classes - 1}")
    return y
