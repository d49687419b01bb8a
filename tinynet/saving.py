"""Weights on disk: `.npz`, written whole or not at all, read without unpickling.

An archive holds one array per Parameter under its path, "dense/kernel". A file that is damaged or
comes from another architecture is refused with its name and the reason, and the model stays as it
was.
"""

import contextlib
import os
import pathlib
import tempfile
import zipfile

import numpy as np


@contextlib.contextmanager
def atomic_write(path):
    """A binary file that takes the place of `path` when the block ends, and leaves it be if not.

    It is written beside `path`, flushed to disk, then renamed.
    """
    path = pathlib.Path(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's files are private, a user's are not
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _sync_folder(folder):
    if hasattr(os, "O_DIRECTORY"):  # the rename must reach the disk too; Windows can't
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_weights_path(path):
    """`path` as a Path, or an error unless it ends in .npz."""
    path = pathlib.Path(path)
    if path.suffix != ".npz":
        raise ValueError(
            f"{path}: weights are stored as .npz in this version, received the suffix "
            f"{path.suffix or '(none)'!r}"
        )
    return path


def save_weights(parameters, path, overwrite=True):
    """Write all parameters to a .npz file.

    Raises:
        ValueError: another suffix, or two parameters of one path.
        FileExistsError: the file is there and `overwrite` is False.
        OSError: the folder is missing or can't be written; a file of that name stays as it was.
    """
    path = check_weights_path(path)
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists; overwrite=True replaces it")
    arrays = {p.path: p.numpy() for p in parameters}
    if len(arrays) != len(parameters):
        raise ValueError(f"{path}: two parameters share a path: {[p.path for p in parameters]}")
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def load_weights(parameters, path):
    """Read what `save_weights` wrote into these parameters; all or none of them change.

    Arrays belong to parameters by their order, so that a second model of the same architecture,
    whose automatic names went on counting, can read the file of the first.

    Raises:
        ValueError: not such a file, damaged, or from another architecture; names what differs.
        OSError: it can't be read.
    """
    path = check_weights_path(path)
    with open(path, "rb") as file:
        try:
            arrays = _read_arrays(parameters, file)
        except Exception as error:  # damage makes zipfile raise almost anything
            raise ValueError(f"{path}: these weights can't be loaded: {error}") from error
    for p, array in zip(parameters, arrays, strict=True):
        p.assign(array)


def _read_arrays(parameters, file):
    if not zipfile.is_zipfile(file):
        raise ValueError("this is no .npz archive, or not all of it")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        names = list(archive.files)
        if len(names) != len(parameters):
            raise ValueError(
                f"it holds {len(names)} arrays ({', '.join(names[:6])}, ...), the model has "
                f"{len(parameters)}"
            )
        for p, name in zip(parameters, names, strict=True):
            shape = _declared_shape(archive, name)
            if shape != p.shape or name.rsplit("/")[-1] != p.path.rsplit("/")[-1]:
                raise ValueError(
                    f"it holds {name} of shape {shape} where the model has {p.path} of shape "
                    f"{p.shape}"
                )
        return [archive[name] for name in names]


def save_arrays(path, arrays):
    """Write a dict of arrays of numbers to a .npz file, whole or not at all."""
    with atomic_write(check_weights_path(path)) as file:
        np.savez(file, **arrays)


def load_arrays(path, expected):
    """Read what `save_arrays` wrote, if it holds arrays named and shaped as those of `expected`.

    Raises:
        ValueError: not such a file, damaged, or other arrays; names what differs.
        OSError: it can't be read.
    """
    with open(check_weights_path(path), "rb") as file:
        try:
            if not zipfile.is_zipfile(file):
                raise ValueError("this is no .npz archive, or not all of it")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                names, wanted = list(archive.files), list(expected)
                if names != wanted:
                    differ = next((a for a in wanted if a not in names), None)
                    raise ValueError(
                        f"it holds {len(names)} arrays, expected {len(wanted)}"
                        + (f"; {differ} is missing" if differ else "")
                    )
                for name in wanted:
                    shape = _declared_shape(archive, name, "fi")
                    if shape != np.shape(expected[name]):
                        raise ValueError(
                            f"{name} has shape {shape}, expected {np.shape(expected[name])}"
                        )
                return {name: archive[name] for name in wanted}
        except Exception as error:  # damage makes zipfile raise almost anything
            raise ValueError(f"{path}: this can't be loaded: {error}") from error


def _declared_shape(archive, name, kinds="f"):
    """The shape in an array's header, read before its data, so that nothing huge is allocated."""
    with archive.zip.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        reader = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        if version[0] not in reader:
            raise ValueError(f"{name}: unknown .npy version {version}")
        shape, _, dtype = reader[version[0]](member)
        if dtype.kind not in kinds:
            expected = "floating-point numbers" if kinds == "f" else "numbers"
            raise ValueError(f"{name}: expected {expected}, found {dtype}")
        return shape
