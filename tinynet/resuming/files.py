"""Snapshot files: two, of which the older one is replaced, so that one is always whole.

A file is a .npz archive, not compressed: an array "header" with JSON, and arrays of numbers. It is
read with bounds, and nothing in it is unpickled.
"""

import contextlib
import json
import math
import os
import pathlib
import zipfile

import numpy as np

from ..saving.atomic import atomic_write, refusing
from ..saving.npz import check_seal, save_sealed

NAMES = ("snapshot-a.npz", "snapshot-b.npz")
FORMAT = 1


_taken = set()  # folders that this process writes to


class Folder:
    """The files of one run, and the lock that keeps other processes away.

    Args:
        path: of the folder; made if need be.

    Raises:
        OSError: it can't be made, or not be written to.
        RuntimeError: another `fit` is writing to it.
    """

    def __init__(self, path):
        self.path, self.key, self.lock = pathlib.Path(path), None, None
        self.number, self.newest = 0, None  # of the snapshots so far, and the last one's file

    def open(self):
        """Take the lock, and clear away what a killed process left half written."""
        self.path.mkdir(parents=True, exist_ok=True)
        key = self.path.resolve()
        if key in _taken:
            raise RuntimeError(f"{self.path}: another fit of this process is writing to it")
        self.lock = open(self.path / "lock", "a+")  # noqa: SIM115  closed in `close`
        try:
            _lock(self.lock)
        except OSError:
            self.lock.close()
            raise RuntimeError(
                f"{self.path}: another process is writing to it; two runs can't share a folder"
            ) from None
        _taken.add(key)
        self.key = key
        for name in NAMES:
            for left in self.path.glob(f".{name}.*"):
                left.unlink(missing_ok=True)

    def close(self):
        """Let others in."""
        if self.key is not None:
            _taken.discard(self.key)
            self.key = None
            self.lock.close()

    def write(self, header, arrays):
        """Write a snapshot in the place of the older one."""
        self.path.mkdir(parents=True, exist_ok=True)  # somebody may have removed it
        older = next(name for name in NAMES if name != self.newest)
        text = json.dumps({**header, "format": FORMAT, "number": self.number + 1})
        with atomic_write(self.path / older) as file:
            save_sealed(file, {"header": np.frombuffer(text.encode(), np.uint8), **arrays})
        self.number, self.newest = self.number + 1, older

    def read(self):
        """(header, arrays, file's path, what is wrong with the other one or None) of the newest.

        None if there is no snapshot.

        Raises:
            ValueError: there are files, and none can be read; names the reasons.
        """
        found, wrong = [], []
        for name in NAMES:
            path = self.path / name
            if not path.exists():
                continue
            try:
                found.append((*read(path), path))
            except (ValueError, OSError) as error:
                wrong.append(str(error))
        if not found and wrong:
            raise ValueError(f"{'; '.join(wrong)}. To begin anew, remove the files in {self.path}")
        if not found:
            return None
        header, arrays, path = max(found, key=lambda one: one[0]["number"])
        self.number, self.newest = header["number"], path.name
        return header, arrays, path, "; ".join(wrong) or None


def read(path):
    """(header, arrays) of one file.

    Raises:
        ValueError: it is damaged, or something else; names it and the reason.
    """
    with open(path, "rb") as file, refusing(path, "this is no snapshot that can be read"):
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
        header = json.loads(arrays.pop("header").tobytes())
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ValueError("it was written by another version of tinynet")
        if not isinstance(header.get("number"), int):
            raise ValueError("it has no number")
        return header, arrays


def _array(archive, entry):
    with archive.open(entry) as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{entry.filename}: unknown version")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        if dtype.kind not in "fiub":
            raise ValueError(f"{entry.filename}: expected numbers, found {dtype}")
        data = member.read()  # to the end, where the checksum is compared
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{entry.filename}: {len(data)} bytes for {shape} of {dtype}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C").copy()


def _lock(file):
    """Take a lock that ends with this process, however it ends.

    Raises:
        OSError: another process has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        with contextlib.suppress(ImportError):
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        return
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise
    except OSError:
        pass  # a file system without locks
