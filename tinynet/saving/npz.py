"""`.npz`: one array per Parameter under its path, "dense/kernel"; NumPy reads it.

Weights only. Arrays belong to parameters by their order, so that a second model of the same
architecture, whose automatic names went on counting, can read the file of the first. The archive's
checksums are of each array by itself; its comment has one of which array is which.
"""

import zipfile
import zlib

import numpy as np

from .plan import Plan

HEADER = 1 << 16  # bytes that the header of an array may have
SEAL = b"tinynet crc32 "  # begins the archive's comment
RECORD = 22  # bytes at the end of a zip archive, before its comment, whose length is the last two


def write(parameters, file):
    """Write all parameters to an open binary file."""
    save_sealed(file, by_path(parameters))


def by_path(parameters):
    """Return path -> array of parameters whose paths differ."""
    arrays = {p.path: p.numpy() for p in parameters}
    if len(arrays) != len(parameters):
        raise ValueError(f"two parameters share a path: {[p.path for p in parameters]}")
    return arrays


def save_sealed(file, arrays):
    """Write arrays to an open binary file as np.savez does, with a checksum of their order."""
    np.savez(file, **arrays)
    with zipfile.ZipFile(file) as archive:
        comment = SEAL + str(_seal(archive)).encode()
    file.seek(-2, 2)  # the last two bytes are the length of a comment that is not there yet
    file.write(len(comment).to_bytes(2, "little") + comment)


def check_seal(archive):
    """Raise if an open zip archive has lost its end, or its members' names were given to others.

    An archive of another program, or one that was packed again, has no seal to compare. zipfile
    takes what is left of a comment for the whole of it, so its length is checked, too.
    """
    archive.fp.seek(-RECORD - len(archive.comment), 2)
    record = archive.fp.read(RECORD)
    if record[:4] != b"PK\5\6" or int.from_bytes(record[-2:], "little") != len(archive.comment):
        raise ValueError("it does not end where it should: this is not all of it, or too much")
    if archive.comment.startswith(SEAL) and archive.comment[len(SEAL) :] != b"%d" % _seal(archive):
        raise ValueError("its arrays have changed places or names since they were written")


def _seal(archive):
    """Return the CRC-32 of the names and checksums of all members, in their order."""
    return zlib.crc32(repr([(one.filename, one.CRC) for one in archive.infolist()]).encode())


def read(parameters, file, skip_mismatch=False, by_name=False) -> Plan:
    """Return the Plan of an open archive for these parameters, matched by order or by name."""
    if not zipfile.is_zipfile(file):
        raise ValueError("this is no .npz archive, or not all of it")
    file.seek(0)
    plan = Plan(skip_mismatch)
    with np.load(file, allow_pickle=False) as archive:
        names = list(archive.files)
        if len(set(names)) != len(names):
            raise ValueError("it holds two arrays of one name")
        check_seal(archive.zip)

        def add(p, name):
            plan.add(p, name, _declared_shape(archive, name), lambda: _read(archive, name))

        pair(plan, parameters, names, by_name, add)
        return plan.load()


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


def _declared_shape(archive, name):
    """Return the shape in an array's header, read before its data: nothing huge is allocated."""
    with archive.zip.open(f"{name}.npy") as member:
        return _header(member, name)


def _read(archive, name):
    array = archive[name]
    rest = archive.zip.getinfo(f"{name}.npy").file_size - array.nbytes
    if rest > HEADER:
        raise ValueError(f"{name} is followed by {rest} bytes")
    return array


def _header(member, name):
    version = np.lib.format.read_magic(member)
    reader = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    if version[0] not in reader:
        raise ValueError(f"{name}: unknown .npy version {version}")
    if version[0] == 2:  # its length has four bytes: believe 16 bits of it
        length = int.from_bytes(member.peek(4)[:4], "little")
        if length > HEADER:
            raise ValueError(f"{name}: a header of {length} bytes")
    shape, _, dtype = reader[version[0]](member)
    if dtype.kind != "f":
        raise ValueError(f"{name}: expected floating-point numbers, found {dtype}")
    return shape
