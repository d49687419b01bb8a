"""Files that are there whole or not at all, and errors that name the file."""

import contextlib
import os
import pathlib
import tempfile
import time

WINDOWS = os.name == "nt"
MOST_REASON = 2000  # characters of an error's reason


@contextlib.contextmanager
def atomic_path(path):
    """The name of an empty file that takes the place of `path` when the block ends without error.

    It lies beside `path`; it is flushed to disk, then renamed, then the folder is flushed. Whatever
    happens before the rename, a file of that name stays as it was.
    """
    path = pathlib.Path(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
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
