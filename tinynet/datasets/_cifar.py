"""What CIFAR-10 and CIFAR-100 have in common: 32x32 colour images in a .tar.gz of pickles."""

import numpy as np

from . import _arrays, _files, _pickles
from ._archives import Gzip, tar_files

MOST = 256 << 20  # bytes of the unpacked archive; the published ones have some 186 million
ROW = (3, 32, 32)  # an image as it is stored: channels first
SERVER = "https://www.cs.toronto.edu/~kriz/"


def published(name: str, sha256: str, keras_name: str) -> _files.DataFile:
    """Return an archive of Krizhevsky's server."""
    return _files.DataFile(name, f"sha256:{sha256}", (SERVER + name,), keras_name=keras_name)


def load(file, train: dict, test: dict, label: str, classes: int):
    """Return ((x_train, y_train), (x_test, y_test)).

    Args:
        file: the DataFile.
        train, test: name of a file in the archive -> how many images it holds, in the order wanted.
        label: under which key it has the labels.
        classes: how many there are.

    Returns:
        x uint8 (N, 32, 32, 3), y int64 (N, 1).

    Raises:
        OSError: the archive is nowhere and no mirror can be reached.
        ValueError: it is not what it should be; names it and the reason.
    """
    path, counts, found = _files.find(file), train | test, {}
    trusted = _files.matches(path, file.hash)  # the scan of pickles doubles the memory
    with open(path, "rb") as packed, _arrays.refusing(path):
        stream = Gzip(packed, MOST)
        for name, data in tar_files(stream, counts):
            found[name] = _batch(data, name, counts[name], label, classes, trusted)
        stream.drain()
    return tuple(
        tuple(np.concatenate(arrays) for arrays in zip(*map(found.pop, part), strict=True))
        for part in (train, test)
    )


def _batch(data, name, count, label, classes, trusted):
    """Return (x, y) of a pickled dict with the bytes of the images and a list of labels."""
    what = "dicts of texts, integers and arrays of bytes"
    most = 6 * count + 1000  # opcodes: two for the name of an image, one or two for its labels
    found = _pickles.load(data, what, _pickles.DICTS_OF_ARRAYS, most, 100, trusted)
    if not isinstance(found, dict):
        raise ValueError(f"{name}: expected a dict, received {type(found).__name__}")
    found = {k.decode() if isinstance(k, bytes) else k: v for k, v in found.items()}
    x, y = _bytes(found.get("data"), name, count), found.get(label)
    if not isinstance(y, list) or len(y) != count or not set(map(type, y)) <= {int}:
        raise ValueError(f"{name}: expected a list of {count} integers under {label!r}")
    y = _arrays.check_labels(np.array(y, np.int64), classes)
    x = x.reshape(count, *ROW).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(x), y[:, None]


def _bytes(array, name, count):
    """Return the array (count, 3072) of bytes out of the state of an unpickled one."""
    shape = (count, int(np.prod(ROW)))
    state = array.state if isinstance(array, _pickles.Inert) else None
    if not isinstance(state, tuple) or len(state) != 5 or state[1] != shape:
        raise ValueError(f'{name}: expected an array {shape} under "data"')
    _, _, dtype, fortran_order, content = state
    kind = dtype.arguments[:1] if isinstance(dtype, _pickles.Inert) else ()
    if kind not in ((b"u1",), ("u1",)) or not isinstance(content, bytes):
        raise ValueError(f'{name}: expected bytes in the array "data", its dtype is {kind}')
    if len(content) != shape[0] * shape[1]:
        raise ValueError(f'{name}: "data" has {len(content)} bytes, expected {shape}')
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran_order else "C")
