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

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = (1 << 64) - 1
MOST_PASSES = 30  # how often the whole file may be read, all in all
MOST_TEXT = 64 << 20  # bytes of strings in one attribute
REFUSED = {0x0002: "links of the newer kind", 0x0006: "soft or external links",
           0x0007: "external data", 0x0015: "densely stored attributes"}  # fmt: skip


class Reader:
    """The root group of an open binary file.

    Args:
        file: a seekable binary file.

    Raises:
        ValueError: it is no HDF5 file, or a part that was looked at is damaged or of another kind.
    """

    def __init__(self, file):
        self.file, self.size = file, file.seek(0, 2)
        self.left = MOST_PASSES * self.size + (1 << 20)
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
        """`length` bytes from `address`; counted, and never beyond the end."""
        self.left -= length + 16
        if self.left < 0:
            raise ValueError("its tables point to the same bytes again and again")
        if address + length > self.size:
            raise ValueError(f"{length} bytes at {address} reach beyond the end at {self.size}")
        self.file.seek(address)
        data = self.file.read(length)
        if len(data) != length:
            raise ValueError(f"the file ends within the {length} bytes at {address}")
        return data

    def messages(self, address):
        """(type, data) of each message of the object header at `address`."""
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
                    blocks.append(struct.unpack_from("<QQ", _full(data, 16)))
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
        self.reader, self.path = reader, path
        self.header = reader.messages(address)

    def one(self, kind):
        """The data of the only message of a kind, or None."""
        found = [data for k, data in self.header if k == kind]
        if len(found) > 1:
            raise ValueError(f"{self.path}: {len(found)} messages of type {kind}, expected one")
        return found[0] if found else None

    def attribute(self, name, default=None):
        """A number, a string, or an array of either."""
        for kind, data in self.header:
            if kind == 0x000C:
                found, parse = _attribute(self.reader, data)
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
            tree, heap = struct.unpack_from("<QQ", _full(self.one(0x0011), 16))
            names = _local_heap(self.reader, heap)
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
            name = _text(names[place:].split(b"\0", 1)[0] if place < len(names) else b"")
            if not name or name in self.links or "/" in name or name in (".", ".."):
                raise ValueError(f"{self.path}: {name!r} is no name of a link, or there twice")
            self.links[name] = None if kind == 2 else header

    def names(self):
        return list(self._links())

    def __contains__(self, name):
        return name in self._links()

    def get(self, path, kind=None):
        """The group (or, with kind=Data, the data set) at a path below this group.

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
            self.shape, _ = _dataspace(space)
            self.dtype, _ = _datatype(kind)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if not isinstance(self.dtype, np.dtype) or self.dtype.kind not in "fiu":
            raise ValueError(f"{path}: expected numbers, found {self.dtype}")

    def read(self):
        """The array, in the machine's byte order."""
        layout, size = self.one(0x0008), math.prod(self.shape) * self.dtype.itemsize
        if layout is None or layout[:1] != b"\3":
            raise ValueError(f"{self.path}: data layouts other than version 3 are not read")
        if layout[1] == 0:
            (length,) = struct.unpack_from("<H", _full(layout, 4), 2)
            data = layout[4 : 4 + length]
        elif layout[1] == 1:
            address, length = struct.unpack_from("<QQ", _full(layout, 18), 2)
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


# --------------------------------------------------------------------------------- the messages


def _full(data, length):
    if len(data) < length:
        raise ValueError(f"a header message has {len(data)} bytes, expected {length} or more")
    return data


def _text(data):
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{data[:40]!r} is no UTF-8 text") from error


def _local_heap(reader, address):
    head = reader.bytes(address, 32)
    if head[:4] != b"HEAP" or head[4] != 0:
        raise ValueError(f"no heap of names at {address}")
    size, _, data = struct.unpack_from("<QQQ", head, 8)
    return reader.bytes(data, size)


def _dataspace(data):
    """(shape, whether it is one value) of a dataspace message."""
    version, rank, _, kind = _full(data, 4)[:4]
    start = {1: 8, 2: 4}.get(version)
    if start is None or rank > 32:
        raise ValueError(f"no dataspace: version {version}, rank {rank}")
    if version == 2 and kind == 2:
        return (0,), False
    shape = struct.unpack_from(f"<{rank}Q", _full(data, start + 8 * rank), start)
    if math.prod(shape) >= 1 << 60:
        raise ValueError(f"a shape of {shape}")
    return shape, rank == 0


IEEE = {2: (15, 10, 5, 0, 10, 15), 4: (31, 23, 8, 0, 23, 127), 8: (63, 52, 11, 0, 52, 1023)}


def _datatype(data):
    """(a NumPy dtype or "vlen", bytes per element) of a datatype message."""
    head, low, _, _, size = struct.unpack_from("<BBBBI", _full(data, 8))
    kind, order = head & 15, ">" if low & 1 else "<"
    if kind == 0 and size in (1, 2, 4, 8):
        offset, precision = struct.unpack_from("<HH", _full(data, 12), 8)
        if (offset, precision) == (0, 8 * size):
            return np.dtype(f"{order}{'i' if low & 8 else 'u'}{size}"), size
    if kind == 1 and size in IEEE:
        offset, precision, *fields = struct.unpack_from("<HHBBBBI", _full(data, 20), 8)
        sign = data[2]
        exponent_at, exponent, mantissa_at, mantissa, bias = fields
        found = (sign, exponent_at, exponent, mantissa_at, mantissa, bias)
        normal = low & 0x70 == 0x20 and not low & 0x0E
        if (offset, precision) == (0, 8 * size) and found == IEEE[size] and normal:
            return np.dtype(f"{order}f{size}"), size
    if kind == 3 and 0 < size < 1 << 20:
        return np.dtype(f"S{size}"), size
    if kind == 9 and low & 15 == 1 and size == 16:
        return "vlen", 16
    names = {5: "opaque bytes", 6: "a compound", 7: "references", 8: "an enumeration"}
    raise ValueError(f"a data type that is not read: {names.get(kind, f'class {kind}, {size}')}")


def _attribute(reader, data):
    """(name, function that parses the value) of an attribute message."""
    version, flags, *sizes = struct.unpack_from("<BBHHH", _full(data, 8))
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise ValueError(f"an attribute of version {version} and flags {flags}")
    at, parts = 9 if version == 3 else 8, []
    for size in sizes:
        parts.append(data[at : at + size])
        at += size if version > 1 else -(-size // 8) * 8
    name = _text(parts[0].split(b"\0", 1)[0])
    return name, lambda: _value(reader, parts[1], parts[2], data[at:])


def _value(reader, kind, space, data):
    shape, single = _dataspace(space)
    dtype, size = _datatype(kind)
    count = math.prod(shape)
    if count * size > len(data):
        raise ValueError(f"{count} values of {size} bytes in {len(data)} bytes")
    if dtype == "vlen":
        values = _strings(reader, data, count)
        return values[0] if single else values
    array = np.frombuffer(data[: count * size], dtype)
    if dtype.kind == "S":
        values = [_text(v) for v in array.tolist()]
        return values[0] if single else values
    return array[0].item() if single else array.reshape(shape).astype(dtype.newbyteorder("="))


def _strings(reader, data, count):
    """Strings of any length, from the file's global heaps."""
    heaps, values, total = {}, [], 0
    for i in range(count):
        length, address, index = struct.unpack_from("<IQI", data, 16 * i)
        if length == 0:
            values.append("")
            continue
        if address not in heaps:
            heaps[address] = _global_heap(reader, address)
        text = heaps[address].get(index)
        total += length
        if text is None or len(text) < length or total > MOST_TEXT:
            raise ValueError(f"string {i} of {length} bytes is not in the file")
        values.append(_text(text[:length].rstrip(b"\0")))
    return values


def _global_heap(reader, address):
    """index -> bytes of the heap at `address`."""
    head = reader.bytes(address, 16)
    (size,) = struct.unpack_from("<Q", head, 8)
    if head[:5] != b"GCOL\1" or size < 16:
        raise ValueError(f"no heap of strings at {address}")
    data, at, objects = memoryview(reader.bytes(address, size)), 16, {}
    while at + 16 <= size:
        index, _, _, length = struct.unpack_from("<HHIQ", data, at)
        if index == 0:
            break
        if at + 16 + length > size or index in objects:
            raise ValueError(f"the heap of strings at {address} is damaged")
        objects[index] = bytes(data[at + 16 : at + 16 + length])
        at += 16 + -(-length // 8) * 8
    return objects
