"""Files of states: a .npz archive, not compressed, of an array "header" with JSON, and of numbers.

Snapshots and backups are such files. They are read with bounds, and nothing in them is unpickled.
"""

import json
import math
import os
import zipfile

import numpy as np

from ..core.state import NUMBERS, unpack
from .atomic import atomic_write, refusing
from .npz import check_seal, save_sealed

FORMAT = 2


def write(path, header, arrays):
    """Write a file, whole or not at all.

    Args:
        header: what goes as JSON; under "state" what `core.state.pack` returned.
        arrays: the list that `pack` has filled.
    """
    text = json.dumps({**header, "format": FORMAT}).encode()
    named = {str(i): array for i, array in enumerate(arrays)}
    with atomic_write(path) as file:
        save_sealed(file, {"header": np.frombuffer(text, np.uint8), **named})


def read(path, refusal="this is no snapshot that can be read"):
    """Return (header, arrays by name) of a file.

    Args:
        refusal: how the reason of an error begins.

    Raises:
        ValueError: it is damaged, or something else; names it and the reason.
    """
    with open(path, "rb") as file, refusing(path, refusal):
        size = os.fstat(file.fileno()).st_size
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len({one.filename for one in entries}) != len(entries):
                raise ValueError("it holds two arrays of one name")
            if any(one.compress_type != zipfile.ZIP_STORED for one in entries):
                raise ValueError("it is compressed")
            if sum(one.file_size for one in entries) > size:  # then it is not in this file
                raise ValueError("it declares more bytes than it has")
            check_seal(archive)
            arrays = {one.filename.removesuffix(".npy"): _array(archive, one) for one in entries}
        header = json.loads(arrays.pop("header").tobytes()) if "header" in arrays else None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ValueError("it was written by another version of tinynet")
        return header, arrays


def state_in(header, arrays):
    """Return the state in a file that was read."""
    return unpack(header["state"], [arrays[str(i)] for i in range(len(arrays))])


def _array(archive, entry):
    with archive.open(entry) as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{entry.filename}: unknown version")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        if dtype.kind not in NUMBERS:
            raise ValueError(f"{entry.filename}: expected numbers, found {dtype}")
        data = member.read()  # to the end, where the checksum is compared
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{entry.filename}: {len(data)} bytes for {shape} of {dtype}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C").copy()
