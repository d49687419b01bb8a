"""What a file will change, gathered and checked before the first number is written."""

import warnings
import zlib

import numpy as np

from ..configs.naming import snake_case

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
        """`add` for all weights of a layer, if there are as many entries (where, shape, read)."""
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
        """Something that does not fit: an error, or a line of the warning."""
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


def walk(model, prefix=""):
    """(path, layer) of each layer, under the paths that Keras gives them.

    "layers/dense", "layers/dense_1", and for a layer of a model within the model
    "layers/sequential/layers/dense".
    """
    counts = {}
    for layer in model.layers:
        name = snake_case(type(layer).__name__)
        count = counts[name] = counts.get(name, -1) + 1
        path = f"{prefix}layers/{name}_{count}" if count else f"{prefix}layers/{name}"
        yield path, layer
        if hasattr(layer, "layers"):
            yield from walk(layer, path + "/")


def own_weights(layer):
    """A layer's variables in the order of Keras's `vars/0`, `vars/1`; a model has none itself."""
    return [] if hasattr(layer, "layers") else layer.weights


def checksum(path, array) -> int:
    """CRC-32 of an array, its shape and its path in the file."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    head = f"{path} {array.dtype.str} {array.shape}".encode()
    return zlib.crc32(array.tobytes(), zlib.crc32(head))


def checked(group, data):
    """(where, shape, read) of each data set of an HDF5 group; `read` compares its checksum.

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

    def reader(d, total):
        def read():
            array = d.read()
            if total is not None and total != checksum(d.path.strip("/"), array):
                raise ValueError(
                    f"{d.path} is not what was written there: its checksum differs (if the file "
                    f"was edited on purpose, delete the attributes {CHECKSUM})"
                )
            return array

        return read

    return [(d.path, d.shape, reader(d, total)) for d, total in zip(data, expected, strict=True)]
