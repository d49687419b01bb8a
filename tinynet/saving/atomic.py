"""Files that are there whole or not at all, and errors that name the file."""

import contextlib
import os
import pathlib
import tempfile
import time

WINDOWS = os.name == "nt"
MOST_REASON = 2000  # characters of an error's reason
SUFFIX = ".tinynet-part"  # of files that are being written

_cleared = set()  # folders where this process has looked for what killed ones left


@contextlib.contextmanager
def atomic_path(path):
    """The name of an empty file that takes the place of `path` when the block ends without error.

    It lies beside `path`; it is flushed to disk, then renamed, then the folder is flushed. Whatever
    happens before the rename, a file of that name stays as it was. What killed processes have left
    half written in the folder is cleared away.
    """
    path = pathlib.Path(path)
    _clear(path.parent)
    descriptor, temporary = _begin(path)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's files are private, a user's are not
        replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _begin(path):
    """Make an empty file beside `path`; return what `_hold` does, and its name."""
    while True:
        descriptor, temporary = tempfile.mkstemp(SUFFIX, f".{path.name}.", path.parent)
        try:
            descriptor = _hold(descriptor)
            if descriptor is None or os.fstat(descriptor).st_nlink:
                return descriptor, temporary
            os.close(descriptor)  # another process has cleared it away before it was locked
        except BlockingIOError:
            pass  # another process is about to


def _hold(descriptor):
    """Lock a file until it is closed or this process ends; return the descriptor.

    Where there are no locks it is closed, and None is returned; a BlockingIOError, and it is
    closed, where another process has the lock.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except (ImportError, OSError):  # Windows; a file system without locks
        os.close(descriptor)
        return None
    return descriptor


def _clear(folder):
    """Remove what processes that are gone were writing to a folder; once in a process."""
    key = os.path.realpath(folder)
    if key in _cleared:
        return
    _cleared.add(key)
    found = []
    with contextlib.suppress(OSError):
        found = [one.path for one in os.scandir(folder) if one.name.endswith(SUFFIX)]
    for left in found:
        with contextlib.suppress(OSError):
            descriptor = _hold(os.open(left, os.O_RDWR))
            if descriptor is not None:
                os.unlink(left)
                os.close(descriptor)


def replace(source, target):
    """Rename a file onto another one; wait a little if that one is open, which Windows minds.

    Raises:
        PermissionError: it is still open after a second, or may not be replaced.
    """
    for wait in (0.01, 0.05, 0.2, 0.7, None):
        try:
            return os.replace(source, target)
        except PermissionError:
            if wait is None or not WINDOWS:
                raise
            time.sleep(wait)


@contextlib.contextmanager
def atomic_write(path):
    """The same as an open binary file."""
    with atomic_path(path) as temporary, open(temporary, "wb+") as file:
        yield file


def sync_folder(folder):
    """Have renames and removals in a folder reach the disk."""
    if hasattr(os, "O_DIRECTORY"):  # Windows can't
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_overwrite(path, overwrite):
    """Raise if the file is there and must stay."""
    if not overwrite and pathlib.Path(path).exists():
        raise FileExistsError(f"{path} exists; overwrite=True replaces it")


@contextlib.contextmanager
def refusing(path, what, after_path=": "):
    """Turn whatever a damaged or foreign file makes its parsers raise into a ValueError.

    The parsers are zipfile, gzip, zlib, pickle, json and others, which have a dozen ways to say so.
    """
    try:
        yield
    except ImportError:  # not the file's fault
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        if len(reason) > MOST_REASON:  # it may quote the file
            reason = f"{reason[:MOST_REASON]} ..."
        raise ValueError(f"{path}{after_path}{what}: {reason}") from error
