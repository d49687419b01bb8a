"""`.npz`: one array per Parameter under its path, "dense/kernel"; NumPy reads it.

Weights only. Arrays belong to parameters by their order, so that a second model of the same
architecture, whose automatic names went on counting, can read the file of the first. The archive's
checksums are of each array by itself; its comment has one of which array is which.
"""

import zipfile
import zlib

import numpy as np

from .atomic import atomic_write, refusing
from .plan import Plan

HEADER = 1 << 16  # bytes that the header of an array may have
SEAL = b"tinynet crc32 "  # begins the archive's comment
RECORD = 22  # bytes at the end of a zip archive, before its comment, whose length is the last two


def write(parameters, file):
    """Write all parameters to an open binary file.

    Raises:
        ValueError: two parameters of one path.
    """
    arrays = {p.path: p.numpy() for p in parameters}
    if len(arrays) != len(parameters):
        raise ValueError(f"two parameters share a path: {[p.path for p in parameters]}")
    save_sealed(file, arrays)


def save_sealed(file, arrays):
    """np.savez to an open binary file, with a comment that tells which array is which."""
    np.savez(file, **arrays)
    with zipfile.ZipFile(file) as archive:
        comment = SEAL + str(_seal(archive)).encode()
    file.seek(-2, 2)  # the last two bytes are the length of a comment that is not there yet
    file.write(len(comment).to_bytes(2, "little") + comment)


def check_seal(archive):
    """Raise if an open zip archive has lost its end, or its members' names were given to others.

    An archive of another program, or one that was packed again, has no seal and is believed.
    zipfile takes what is left of a comment for the whole of it, so its length is checked, too.
    """
    archive.fp.seek(-RECORD - len(archive.comment), 2)
    record = archive.fp.read(RECORD)
    if record[:4] != b"PK\5\6" or int.from_bytes(record[-2:], "little") != len(archive.comment):
        raise ValueError("it does not end where it should: this is not all of it, or too much")
    if archive.comment.startswith(SEAL) and archive.comment[len(SEAL) :] != b"%d" % _seal(archive):
        raise ValueError("its arrays have changed places or names since they were written")


def _seal(archive):
    """CRC-32 of the names and checksums of all members, in their order."""
    return zlib.crc32(repr([(one.filename, one.CRC) for one in archive.infolist()]).encode())


def read(parameters, file, skip_mismatch=False, by_name=False) -> Plan:
    """The Plan of an open archive for these parameters.

    Args:
        by_name: match arrays by their names instead of their order.
    """
    plan = Plan(skip_mismatch)
    with _opened(file) as archive:
        names = list(archive.files)
        if len(set(names)) != len(names):
            raise ValueError("it holds two arrays of one name")
        check_seal(archive.zip)

        def add(p, name):
            plan.add(p, name, _declared_shape(archive, name), lambda: _read(archive, name))

        pair(plan, parameters, names, by_name, add)
        return plan.load()


def _opened(file):
    """The archive in an open file."""
    if not zipfile.is_zipfile(file):
        raise ValueError("this is no .npz archive, or not all of it")
    file.seek(0)
    return np.load(file, allow_pickle=False)


def pair(plan, parameters, names, by_name, add):
    """Call add(parameter, name) for those that belong together: by order, or by name."""
    if by_name:
        for p in parameters:
            if p.path in names:
                add(p, p.path)
        return
    if len(names) != len(parameters):
        plan.mismatch(
            f"it holds {len(names)} arrays ({', '.join(names[:6])}, ...), the model has "
            f"{len(parameters)}"
        )
        return
    for p, name in zip(parameters, names, strict=True):
        if name.rsplit("/")[-1] != p.path.rsplit("/")[-1]:
            plan.mismatch(f"it holds {name} where the model has {p.path} of shape {p.shape}")
        else:
            add(p, name)


def save_arrays(path, arrays):
    """Write a dict of arrays of numbers to a .npz file, whole or not at all."""
    with atomic_write(path) as file:
        save_sealed(file, arrays)


def load_arrays(path, expected):
    """Read what `save_arrays` wrote, if it holds arrays named and shaped as those of `expected`.

    Raises:
        ValueError: not such a file, damaged, or other arrays; names what differs.
        OSError: it can't be read.
    """
    with (
        open(path, "rb") as file,
        refusing(path, "this can't be loaded"),
        _opened(file) as archive,
    ):
        check_seal(archive.zip)
        names, wanted = list(archive.files), list(expected)
        if names != wanted:
            missing = next((a for a in wanted if a not in names), None)
            raise ValueError(
                f"it holds {len(names)} arrays, expected {len(wanted)}"
                + (f"; {missing} is missing" if missing else "")
            )
        for name in wanted:
            shape = _declared_shape(archive, name, "fiu")
            if shape != np.shape(expected[name]):
                raise ValueError(f"{name} has shape {shape}, expected {np.shape(expected[name])}")
        return {name: _read(archive, name) for name in wanted}


def _declared_shape(archive, name, kinds="f"):
    """The shape in an array's header, read before its data, so that nothing huge is allocated."""
    with archive.zip.open(f"{name}.npy") as member:
        return _header(member, name, kinds)


def _read(archive, name):
    array = archive[name]
    rest = archive.zip.getinfo(f"{name}.npy").file_size - array.nbytes
    if rest > HEADER:
        raise ValueError(f"{name} is followed by {rest} bytes")
    return array


def _header(member, name, kinds):
    version = np.lib.format.read_magic(member)
    reader = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    if version[0] not in reader:
        raise ValueError(f"{name}: unknown .npy version {version}")
    if version[0] == 2:  # its length has four bytes: believe 16 bits of it
        length = int.from_bytes(member.peek(4)[:4], "little")
        if length > HEADER:
            raise ValueError(f"{name}: a header of {length} bytes")
    shape, _, dtype = reader[version[0]](member)
    if dtype.kind not in kinds:
        expected = "floating-point numbers" if kinds == "f" else "numbers"
        raise ValueError(f"{name}: expected {expected}, found {dtype}")
    return shape
