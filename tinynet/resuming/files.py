"""Snapshot files: two, of which the older one is replaced, so that one is always whole."""

import contextlib
import pathlib

from ..saving.state_files import read, write

NAMES = ("snapshot-a.npz", "snapshot-b.npz")

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
            raise RuntimeError(f"{self.path}: another process is writing to it; two runs can't "
                               "share a folder") from None  # fmt: skip
        _taken.add(key)
        self.key = key
        for name in NAMES:
            for left in self.path.glob(f".{name}.*"):
                left.unlink(missing_ok=True)

    def close(self):
        """Give the lock back."""
        if self.key is not None:
            _taken.discard(self.key)
            self.key = None
            self.lock.close()

    def write(self, header, arrays):
        """Write a snapshot over the older one."""
        self.path.mkdir(parents=True, exist_ok=True)  # it may have been removed
        older = next(name for name in NAMES if name != self.newest)
        write(self.path / older, {**header, "number": self.number + 1}, arrays)
        self.number, self.newest = self.number + 1, older

    def read(self):
        """Return (header, arrays, path, what is wrong with the other file or None) of the newest.

        It returns None if there is no snapshot.

        Raises:
            ValueError: there are files, and none can be read; names the reasons.
        """
        found, wrong = [], []
        for name in NAMES:
            path = self.path / name
            if not path.exists():
                continue
            try:
                header, arrays = read(path)
                if not isinstance(header.get("number"), int):
                    raise ValueError(f"{path}: it has no number")
                found.append((header, arrays, path))
            except (ValueError, OSError) as error:
                wrong.append(str(error))
        if not found and wrong:
            raise ValueError(f"{'; '.join(wrong)}. To begin anew, remove the files in {self.path}")
        if not found:
            return None
        header, arrays, path = max(found, key=lambda one: one[0]["number"])
        self.number, self.newest = header["number"], path.name
        return header, arrays, path, "; ".join(wrong) or None


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
