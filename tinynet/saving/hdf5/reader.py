"""A reader for the HDF5 files that Keras writes, with a bound on everything.

The HDF5 library trusts what it reads: a file with one bit turned over can keep it busy for ever.
Here every address is checked against the file's size, every table is counted, nothing follows a
link out of the group, and no code but this looks at the bytes.

Read are superblocks 0 and 1, version-1 object headers, symbol-table groups, contiguous and compact
data sets of numbers, and attributes of numbers or strings: what h5py writes unless it is told
otherwise. The rest is refused by name. After the HDF5 File Format Specification 2.0 (The HDF
Group), sections II to IV; the letters are those of its tables.
"""

import math
import struct

import numpy as np

from .messages import attribute as parse_attribute
from .messages import dataspace, datatype, full, local_heap, text

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = (1 << 64) - 1
MOST_PASSES = 30  # how often the whole file may be read, all in all
MOST_READS = 150_000  # in how many pieces; a model of 1000 layers takes some 50,000
REFUSED = {0x0002: "links of the newer kind", 0x0006: "soft or external links",
           0x0007: "external data", 0x0015: "densely stored attributes"}  # fmt: skip


class Reader:
    """An open binary file; raises a ValueError for what is damaged or of another kind."""

    def __init__(self, file):
        self.file, self.size = file, file.seek(0, 2)
        self.left, self.reads = MOST_PASSES * self.size + (1 << 20), 0
        head = self.bytes(0, 96) if self.size >= 96 else b""
        if head[:8] != SIGNATURE:
            raise ValueError("this is no HDF5 file, or not all of it")
        if head[8] not in (0, 1):
            raise ValueError(f"HDF5 superblock version {head[8]} is not read; expected 0 or 1")
        if head[13] != 8 or head[14] != 8:
            raise ValueError(f"expected addresses of 8 bytes, found {head[13]} and {head[14]}")
        at = 24 if head[8] == 0 else 28
        base, _, end, _ = struct.unpack_from("<4Q", head, at)
        if base != 0 or end > self.size:
            raise ValueError(f"the file should have {end} bytes, it has {self.size}")
        self.root = Group(self, struct.unpack("<Q", self.bytes(at + 40, 8))[0], "/")

    def bytes(self, address, length):
        """Return `length` bytes from `address`; counted, and never beyond the end."""
        self.left -= length + 16
        self.reads += 1
        if self.left < 0 or self.reads > MOST_READS:
            raise ValueError("its tables point to the same bytes again and again")
        if address + length > self.size:
            raise ValueError(f"{length} bytes at {address} reach beyond the end at {self.size}")
        self.file.seek(address)
        data = self.file.read(length)
        if len(data) != length:
            raise ValueError(f"the file ends within the {length} bytes at {address}")
        return data

    def messages(self, address):
        """Return (type, data) of each message of the object header at `address`."""
        version, _, count, _, size = struct.unpack("<BBHII", self.bytes(address, 12))
        if version != 1:
            raise ValueError(f"no object header of version 1 at {address}")
        blocks, found = [(address + 16, size)], []
        for start, length in blocks:
            block, at = self.bytes(start, length), 0
            while at + 8 <= length and len(found) < count:
                kind, size, flags = struct.unpack_from("<HHB", block, at)
                data = block[at + 8 : at + 8 + size]
                if len(data) != size:
                    raise ValueError(f"a header message of {size} bytes does not fit at {start}")
                at += 8 + size
                if kind == 0x0010:
                    blocks.append(struct.unpack_from("<QQ", full(data, 16)))
                    if len(blocks) > 1000:
                        raise ValueError(f"the object header at {address} never ends")
                if kind in REFUSED:
                    raise ValueError(f"{REFUSED[kind]} are not read")
                if flags & 2 and kind:
                    raise ValueError("shared header messages are not read")
                found.append((kind, data))
        if len(found) != count:
            raise ValueError(f"the object header at {address} should have {count} messages")
        return found


class Node:
    """A group or a data set: its attributes."""

    def __init__(self, reader, address, path):
        self.reader, self.address, self.path = reader, address, path
        self.header = reader.messages(address)

    def one(self, kind):
        """Return the data of the only message of a kind, or None."""
        found = [data for k, data in self.header if k == kind]
        if len(found) > 1:
            raise ValueError(f"{self.path}: {len(found)} messages of type {kind}, expected one")
        return found[0] if found else None

    def attribute(self, name, default=None):
        """Return a number, a string, or an array of either."""
        for kind, data in self.header:
            if kind == 0x000C:
                found, parse = parse_attribute(self.reader, data)
                if found == name:
                    try:
                        return parse()
                    except ValueError as error:
                        raise ValueError(f"{self.path}: attribute {name}: {error}") from error
        return default


class Group(Node):
    """A group: `name in group`, `group.names()`, `group.get("layers/dense")`."""

    def __init__(self, reader, address, path):
        super().__init__(reader, address, path)
        table = self.one(0x0011)
        if table is None:
            raise ValueError(f"{path} is not a group")
        self.links, self.groups = None, {}

    def _links(self):
        if self.links is None:
            tree, heap = struct.unpack_from("<QQ", full(self.one(0x0011), 16))
            names = local_heap(self.reader, heap)
            self.links = {}
            self._walk(tree, names, None)
        return self.links

    def _walk(self, address, names, level):
        head = self.reader.bytes(address, 24)
        if head[:4] != b"TREE" or head[4] != 0 or (level is not None and head[5] != level):
            raise ValueError(f"{self.path}: no table of links at {address}")
        level, count = head[5], struct.unpack_from("<H", head, 6)[0]
        body = self.reader.bytes(address + 24, 16 * count + 8)
        if level > 20:
            raise ValueError(f"{self.path}: the table of links is {level} levels deep")
        for i in range(count):
            (child,) = struct.unpack_from("<Q", body, 16 * i + 8)
            if level:
                self._walk(child, names, level - 1)
            else:
                self._entries(child, names)

    def _entries(self, address, names):
        head = self.reader.bytes(address, 8)
        if head[:4] != b"SNOD" or head[4] != 1:
            raise ValueError(f"{self.path}: no list of links at {address}")
        (count,) = struct.unpack_from("<H", head, 6)
        body = self.reader.bytes(address + 8, 40 * count)
        for i in range(count):
            place, header, kind = struct.unpack_from("<QQI", body, 40 * i)
            name = text(names[place : names.find(b"\0", place)])
            if not name or name in self.links or "/" in name or name in (".", ".."):
                raise ValueError(f"{self.path}: {name!r} is no name of a link, or there twice")
            self.links[name] = None if kind == 2 else header

    def names(self):
        return list(self._links())

    def __contains__(self, name):
        return name in self._links()

    def get(self, path, kind=None):
        """Return the group (or, with kind=Data, the data set) at a path below this group.

        Raises:
            ValueError: there is none, or it is a soft link, or of the other kind.
        """
        node, parts = self, path.split("/")
        for i, part in enumerate(parts):
            links = node._links()
            if part not in links:
                raise ValueError(f"{node.path}: there is no {part!r}")
            where = f"{node.path.rstrip('/')}/{part}"
            if links[part] is None:
                raise ValueError(f"{where} is a soft link; links are not followed")
            if i == len(parts) - 1 and kind is not None:
                return kind(self.reader, links[part], where)
            if part not in node.groups:
                node.groups[part] = Group(self.reader, links[part], where)
            node = node.groups[part]
        return node


class Data(Node):
    """A data set: `shape`, `dtype`, and `read()`, which is worth a call once the shape fits."""

    def __init__(self, reader, address, path):
        super().__init__(reader, address, path)
        space, kind = self.one(0x0001), self.one(0x0003)
        if space is None or kind is None:
            raise ValueError(f"{path} is not a data set")
        if self.one(0x000B) is not None:
            raise ValueError(f"{path}: compressed data sets are not read; Keras writes none")
        try:
            self.shape, _ = dataspace(space)
            self.dtype, _ = datatype(kind)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if not isinstance(self.dtype, np.dtype) or self.dtype.kind not in "fiu":
            raise ValueError(f"{path}: expected numbers, found {self.dtype}")

    def read(self):
        """Return the array, in the machine's byte order."""
        layout, size = self.one(0x0008), math.prod(self.shape) * self.dtype.itemsize
        if layout is None or layout[:1] != b"\3":
            raise ValueError(f"{self.path}: data layouts other than version 3 are not read")
        if layout[1] == 0:
            (length,) = struct.unpack_from("<H", full(layout, 4), 2)
            data = layout[4 : 4 + length]
        elif layout[1] == 1:
            address, length = struct.unpack_from("<QQ", full(layout, 18), 2)
            data = b"" if size == 0 else None
            if data is None and (address == UNDEFINED or length < size):
                raise ValueError(f"{self.path}: its {size} bytes are not in the file")
            data = self.reader.bytes(address, size) if data is None else data
        else:
            raise ValueError(f"{self.path}: chunked data sets are not read; Keras writes none")
        if len(data) < size:
            raise ValueError(f"{self.path}: {len(data)} bytes, expected {size}")
        array = np.frombuffer(data[:size], self.dtype).reshape(self.shape)
        return array.astype(self.dtype.newbyteorder("="))
