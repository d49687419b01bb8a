"""`.safetensors`: weights only, read and written by the safetensors package.

`__metadata__`, which holds strings, has the order of the parameters and a checksum of each.
Format: huggingface.co/docs/safetensors.
"""

import json

from ..configs.extras import needs
from .npz import by_path, pair
from .plan import CHECKSUM, Plan, checksum

DTYPES = ("F16", "F32", "F64")
MOST_HEADER = 8 << 20  # bytes; parsed, they can take thirty times as much memory
FORMAT = "tinynet"
OLDER = "crc32"  # of the whole file, as tinynet wrote it itself; no longer compared


def write(parameters, file):
    """Write all parameters to an open binary file."""
    with needs("safetensors", ".safetensors files are written by the safetensors package"):
        from safetensors.numpy import save
    arrays = by_path(parameters)
    sums = [checksum(path, array) for path, array in arrays.items()]
    metadata = {"format": FORMAT, "order": json.dumps(list(arrays)), CHECKSUM: json.dumps(sums)}
    file.write(save(arrays, metadata))


def read(parameters, file, skip_mismatch=False, by_name=False) -> Plan:
    """Return the Plan of an open file for these parameters; see `npz.read`."""
    with needs("safetensors", ".safetensors files are read by the safetensors package"):
        from safetensors import safe_open
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, MOST_HEADER):  # the package would parse 100 MB
        raise ValueError(f"this is no .safetensors file: a header of {length} bytes in {size}")
    plan = Plan(skip_mismatch)
    with safe_open(file.name, framework="numpy") as found:
        sums = _checksums(found.keys(), found.metadata() or {})

        def add(p, name):
            part = found.get_slice(name)
            if part.get_dtype() not in DTYPES:
                raise ValueError(
                    f"{name}: expected one of {', '.join(DTYPES)}, found {part.get_dtype()!r}"
                )
            plan.add(p, name, part.get_shape(), lambda: _array(found, name, sums[name]))

        same_names = set(sums) == {p.path for p in parameters}
        pair(plan, parameters, list(sums), by_name or same_names, add)
        return plan.load()


def _checksums(names, metadata):
    """Return name -> checksum (or None) of each array, in the order of the parameters."""
    known = metadata.keys() & {"order", CHECKSUM, OLDER}
    if not known and metadata.get("format") != FORMAT:  # of another program
        return dict.fromkeys(names)
    if "order" not in known or len(known) < 2:
        raise ValueError("its metadata lack the order of the arrays, or their checksums")
    order = json.loads(metadata["order"])
    sums = json.loads(metadata[CHECKSUM]) if CHECKSUM in known else [None] * len(order)
    if sorted(order) != sorted(names) or len(sums) != len(order):
        raise ValueError("its metadata name other arrays than it holds")
    return dict(zip(order, sums, strict=True))


def _array(found, name, total):
    array = found.get_tensor(name)
    if total is not None and total != checksum(name, array):
        raise ValueError(f"{name}: its numbers are not what was written: the checksum differs")
    return array
