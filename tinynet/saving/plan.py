"""The `Plan` of what a file will change, checked before the first parameter is written."""

import functools
import warnings
import zlib

import numpy as np

from ..configs.naming import snake_case
from ..core.held import attributes, entries, is_container, is_layer, owned

CHECKSUM = "tinynet_crc32"


class Plan:
    """Arrays for parameters; `apply` writes all of them, after everything was found in order.

    Args:
        skip_mismatch: leave out, with a warning, what does not fit, instead of refusing the file.
    """

    def __init__(self, skip_mismatch=False):
        self.skip_mismatch, self.reads, self.pairs = skip_mismatch, [], []
        self.skipped, self.after = [], []  # lines of the warning; what else `apply` does

    def add(self, parameter, where, shape, read):
        """Have what `read()` returns written to a parameter, if the shape is the parameter's.

        Args:
            where: what to call the array in messages.
            shape: the array's, known before it is read.
        """
        if tuple(shape) == parameter.shape:
            self.reads.append((parameter, where, read))
            return
        self.mismatch(
            f"it holds {where} of shape {tuple(shape)} where the model has {parameter.path} of "
            f"shape {parameter.shape}"
        )

    def add_layer(self, layer, weights, entries, where):
        """Add all weights of a layer, if there are as many entries (where, shape, read)."""
        if len(entries) != len(weights):
            self.mismatch(
                f"it holds {len(entries)} arrays {where}, layer {layer.name!r} has {len(weights)}"
            )
            return
        for p, entry in zip(weights, entries, strict=True):
            self.add(p, *entry)

    def load(self):
        """Read all arrays, now that their shapes are known to fit."""
        for parameter, where, read in self.reads:
            array = read()
            if array.dtype.kind not in "fiu":
                raise ValueError(f"{where}: expected numbers, found {array.dtype}")
            self.pairs.append((parameter, array))
        self.reads = []
        return self

    def mismatch(self, message):
        """Raise a ValueError, or with `skip_mismatch` add a line to the warning."""
        if not self.skip_mismatch:
            raise ValueError(message)
        self.skipped.append(message)

    def apply(self, path):
        for parameter, array in self.pairs:
            parameter.assign(array)
        for action in self.after:
            action()
        if self.skipped:
            warnings.warn(f"{path}: left out: {'; '.join(self.skipped)}", stacklevel=4)


def walk(layer, prefix="", seen=None):
    """Yield (path, layer) of each layer inside a model or layer once, under the paths of Keras.

    "layers/dense", "layers/dense_1", for a layer of a model within the model
    "layers/sequential/layers/dense", and for one in a list that is an attribute of a layer of the
    user's own "layers/block/hidden/dense".
    """
    seen = {layer} if seen is None else seen
    inside = attributes(layer) if layer.may_hold else []
    inside += [("layers", layer.layers)] if hasattr(layer, "layers") else []
    for name, value in sorted(inside, key=lambda pair: pair[0].replace("_", "~_", 1)
                              if pair[0].startswith("_") else pair[0]):  # fmt: skip
        yield from _walk_value(value, prefix + name, seen)


def _walk_value(value, path, seen, within=()):
    if is_container(value):
        if any(value is outer for outer in within):  # it holds itself
            return
        counts = {}
        for one in entries(value):
            if is_container(one) or is_layer(one):
                name = "container" if is_container(one) else snake_case(type(one).__name__)
                count = counts[name] = counts.get(name, -1) + 1
                number = f"_{count}" if count else ""
                yield from _walk_value(one, f"{path}/{name}{number}", seen, (*within, value))
    elif is_layer(value) and value not in seen:
        seen.add(value)
        yield path, value
        yield from walk(value, path + "/", seen)


def own_weights(layer):
    """Return a layer's variables in the order of Keras's `vars/0`, `vars/1`; none of a model."""
    return [] if hasattr(layer, "layers") else owned(layer)


def checksum(path, array) -> int:
    """Return the CRC-32 of an array, its shape and its path in the file."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    head = f"{path} {array.dtype.str} {array.shape}".encode()
    return zlib.crc32(array.tobytes(), zlib.crc32(head))


def checked(group, data):
    """Return (where, shape, read) of each data set of an HDF5 group; `read` compares its checksum.

    Args:
        group: has the checksums as an attribute, if the file's root says that there are any.
        data: the data sets, in the order of the checksums.
    """
    sums = group.attribute(CHECKSUM)
    if (sums is None) != (group.reader.root.attribute(CHECKSUM) is None):
        raise ValueError(f"{group.path}: its checksums are missing, or were not declared")
    if sums is not None and np.size(sums) != len(data):
        raise ValueError(f"{group.path}: {len(data)} arrays and {np.size(sums)} checksums")
    expected = [None] * len(data) if sums is None else np.atleast_1d(sums).tolist()

    def read(d, total):
        array = d.read()
        if total is not None and total != checksum(d.path.strip("/"), array):
            raise ValueError(f"{d.path} is not what was written there: its checksum differs (if "
                             "the file was "
                             f"edited on purpose, delete the attributes {CHECKSUM})")  # fmt: skip
        return array

    return [(d.path, d.shape, functools.partial(read, d, total))
            for d, total in zip(data, expected, strict=True)]  # fmt: skip
