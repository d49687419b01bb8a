"""`.safetensors`: weights only, as the safetensors library reads and writes them.

Eight bytes with the length of a JSON header, the header {name: {dtype, shape, data_offsets}}, then
the arrays, little-endian. `__metadata__` holds strings: ours are the order of the parameters and a
checksum. Format: huggingface.co/docs/safetensors.
"""

import json
import math
import reprlib
import zlib

import numpy as np

from .npz import pair
from .plan import Plan

DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
MOST_HEADER = 8 << 20  # bytes; parsed, they can take thirty times as much memory


def write(parameters, file):
    """Write all parameters to an open binary file."""
    header, blocks, start = {}, [], 0
    for p in parameters:
        array = np.asarray(p.numpy())
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if p.path in header:
            raise ValueError(f"two parameters share a path: {[p.path for p in parameters]}")
        header[p.path] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [start, start + array.nbytes],
        }
        blocks.append(array.tobytes())
        start += array.nbytes
    metadata = {"format": "tinynet", "order": json.dumps([p.path for p in parameters])}
    metadata["crc32"] = str(_checksum(header, blocks))
    text = json.dumps({"__metadata__": metadata, **header}).encode()
    text += b" " * (-len(text) % 8)  # arrays start at a multiple of eight
    file.write(len(text).to_bytes(8, "little") + text)
    for block in blocks:
        file.write(block)


def read(parameters, file, skip_mismatch=False, by_name=False) -> Plan:
    """The Plan of an open file for these parameters; see `npz.read`."""
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, MOST_HEADER):  # the library's own limit is 100 MB
        raise ValueError(f"this is no .safetensors file: a header of {length} bytes in {size}")
    try:
        header = json.loads(file.read(length))
    except RecursionError:
        raise ValueError("a header nested too deeply") from None
    if not isinstance(header, dict):
        raise ValueError("the header is no dict")
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict):
        raise ValueError("its metadata are no dict")
    places = {name: _place(name, entry) for name, entry in header.items()}
    _check_cover(places, size - 8 - length)
    if "crc32" in metadata:
        file.seek(8 + length)
        if str(_checksum(header, [file.read(size)])) != metadata["crc32"]:
            raise ValueError("its numbers are not what was written: the checksum differs")
    plan = Plan(skip_mismatch)

    def add(p, name):
        dtype, shape, start, end = places[name]

        def get():
            file.seek(8 + length + start)
            data = file.read(end - start)
            return np.frombuffer(data, dtype).reshape(shape)

        plan.add(p, name, shape, get)

    names, by_path = _ordered(places, metadata), {p.path for p in parameters}
    pair(plan, parameters, names, by_name or set(names) == by_path, add)
    return plan.load()


def _ordered(places, metadata):
    """The names in the order of the parameters, where the file says it."""
    order = json.loads(metadata["order"]) if "order" in metadata else None
    if (
        isinstance(order, list)
        and all(isinstance(n, str) for n in order)
        and sorted(order) == (sorted(places))
    ):
        return order
    return list(places)


def _place(name, entry):
    """(dtype, shape, start, end) of an entry of the header."""
    try:
        dtype, shape = entry["dtype"], entry["shape"]
        start, end = entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise ValueError(
            f"{name}: expected dtype, shape and data_offsets, found {reprlib.repr(entry)}"
        ) from None
    numbers = [start, end, *(shape if isinstance(shape, list) else [None])]
    if not all(type(n) is int and 0 <= n < 1 << 60 for n in numbers) or len(shape) > 32:
        raise ValueError(f"{name}: shape {shape!r} at {start!r} to {end!r}")
    if dtype not in DTYPES:
        raise ValueError(f"{name}: expected one of {', '.join(DTYPES)}, found {dtype!r}")
    if end - start != math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        raise ValueError(f"{name}: shape {shape} does not take {end - start} bytes")
    return DTYPES[dtype], tuple(shape), start, end


def _check_cover(places, size):
    """The arrays must fill the rest of the file, without holes or overlaps."""
    at = 0
    for _, _, start, end in sorted(places.values(), key=lambda place: place[2:]):
        if start != at:
            raise ValueError(f"the arrays leave a hole or overlap at byte {start}")
        at = end
    if at != size:
        raise ValueError(f"the arrays take {at} bytes, there are {size}")


def _checksum(header, blocks):
    total = zlib.crc32(json.dumps(sorted(header.items())).encode())
    for block in blocks:
        total = zlib.crc32(block, total)
    return total
