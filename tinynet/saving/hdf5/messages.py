"""The parts of an HDF5 file's headers: shapes, number types, attributes, heaps of strings.

Sections III.D, III.E and IV.A of the HDF5 File Format Specification 2.0 (The HDF Group).
"""

import math
import struct

import numpy as np

MOST_TEXT = 64 << 20  # bytes of strings in one attribute


def full(data, length):
    if len(data) < length:
        raise ValueError(f"a header message has {len(data)} bytes, expected {length} or more")
    return data


def text(data):
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{data[:40]!r} is no UTF-8 text") from error


def local_heap(reader, address):
    head = reader.bytes(address, 32)
    if head[:4] != b"HEAP" or head[4] != 0:
        raise ValueError(f"no heap of names at {address}")
    size, _, data = struct.unpack_from("<QQQ", head, 8)
    return reader.bytes(data, size)


def dataspace(data):
    """Return (shape, whether it is one value) of a dataspace message."""
    version, rank, _, kind = full(data, 4)[:4]
    start = {1: 8, 2: 4}.get(version)
    if start is None or rank > 32:
        raise ValueError(f"no dataspace: version {version}, rank {rank}")
    if version == 2 and kind == 2:
        return (0,), False
    shape = struct.unpack_from(f"<{rank}Q", full(data, start + 8 * rank), start)
    if math.prod(shape) >= 1 << 60:
        raise ValueError(f"a shape of {shape}")
    return shape, rank == 0


IEEE = {2: (15, 10, 5, 0, 10, 15), 4: (31, 23, 8, 0, 23, 127), 8: (63, 52, 11, 0, 52, 1023)}


def datatype(data):
    """Return (a NumPy dtype or "vlen", bytes per element) of a datatype message."""
    head, low, _, _, size = struct.unpack_from("<BBBBI", full(data, 8))
    kind, order = head & 15, ">" if low & 1 else "<"
    if kind == 0 and size in (1, 2, 4, 8):
        offset, precision = struct.unpack_from("<HH", full(data, 12), 8)
        if (offset, precision) == (0, 8 * size):
            return np.dtype(f"{order}{'i' if low & 8 else 'u'}{size}"), size
    if kind == 1 and size in IEEE:
        offset, precision, *fields = struct.unpack_from("<HHBBBBI", full(data, 20), 8)
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


def attribute(reader, data):
    """Return (name, function that parses the value) of an attribute message."""
    version, flags, *sizes = struct.unpack_from("<BBHHH", full(data, 8))
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise ValueError(f"an attribute of version {version} and flags {flags}")
    at, parts = 9 if version == 3 else 8, []
    for size in sizes:
        parts.append(data[at : at + size])
        at += size if version > 1 else -(-size // 8) * 8
    name = text(parts[0].split(b"\0", 1)[0])
    return name, lambda: value(reader, parts[1], parts[2], data[at:])


def value(reader, kind, space, data):
    shape, single = dataspace(space)
    dtype, size = datatype(kind)
    count = math.prod(shape)
    if count * size > len(data):
        raise ValueError(f"{count} values of {size} bytes in {len(data)} bytes")
    if dtype == "vlen":
        values = strings(reader, data, count)
        return values[0] if single else values
    array = np.frombuffer(data[: count * size], dtype)
    if dtype.kind == "S":
        values = [text(v) for v in array.tolist()]
        return values[0] if single else values
    return array[0].item() if single else array.reshape(shape).astype(dtype.newbyteorder("="))


def strings(reader, data, count):
    """Return strings of any length, from the file's global heaps."""
    heaps, values, total = {}, [], 0
    for i in range(count):
        length, address, index = struct.unpack_from("<IQI", data, 16 * i)
        if length == 0:
            values.append("")
            continue
        if address not in heaps:
            heaps[address] = global_heap(reader, address)
        found = heaps[address].get(index)
        total += length
        if found is None or len(found) < length or total > MOST_TEXT:
            raise ValueError(f"string {i} of {length} bytes is not in the file")
        values.append(text(found[:length].rstrip(b"\0")))
    return values


def global_heap(reader, address):
    """Return index -> bytes of the heap at `address`."""
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
