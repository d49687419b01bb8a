"""A user's x, y and weights: checked once, before the first step, then read row by row."""

import math

import numpy as np

from .arrays import MappedRows, as_array, check_finite, is_mapped, row_number
from .several import SeveralRows, as_inputs


def unpack(data, where):
    """(x, y) or (x, y, sample_weight) as three."""
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        kind = type(data).__name__ + (f" of {len(data)}" if hasattr(data, "__len__") else "")
        raise ValueError(f"{where}: expected (x, y) or (x, y, sample_weight), received {kind}")
    if data[0] is None or data[1] is None:
        raise ValueError(f"{where}: needs x and y, received None")
    return (*data, None) if len(data) == 2 else tuple(data)


def class_weights(y, weights, classes):
    """One weight per row from {class: weight}; a class that is not named weighs 1.

    Args:
        y: class ids (N,) or (N, 1), or one-hot rows (N, C).
        weights: dict from class id to weight.
        classes: how many outputs the model has.
    """
    if not isinstance(weights, dict):
        raise TypeError(f"class_weight: expected a dict of class -> weight, received {weights!r}")
    ids = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y), -1)
    if ids.size != len(y):
        raise ValueError(f"class_weight: expected one class per row, received y of {y.shape}")
    result = np.ones(len(y), np.float32)
    for label, weight in weights.items():
        if not isinstance(weight, (int, float, np.number)):
            raise TypeError(f"class_weight: expected a number for {label!r}, received {weight!r}")
        if classes > 1 and label not in range(classes):
            raise ValueError(f"class_weight: there is no class {label!r} among {classes} classes")
        result[ids.ravel() == label] = weight
    return result


def split_point(rows, validation_split):
    """How many rows are left for training: floor(n (1 - split)), as in Keras.

    Raises:
        ValueError: nothing would be left on one side.
    """
    if isinstance(validation_split, str) or not 0 < validation_split < 1:
        raise ValueError(f"validation_split must be in (0, 1), received {validation_split!r}")
    cut = math.floor(rows * (1.0 - validation_split))
    if cut in (0, rows):
        raise ValueError(
            f"validation_split={validation_split} of {rows} rows leaves {cut} for training and "
            f"{rows - cut} for validation; both need at least one"
        )
    return cut


class Dataset:
    """Checked rows of equal number: x, y (or None), sample_weight (or None).

    Each is an ndarray, `SparseRows` or `SeveralRows` (x), or `MappedRows` (a large file: checked as
    it is read). All have `shape`, `dtype`, `len()`, and give some of their rows by
    `[slice or index array]`.

    Args:
        model: says which shapes fit; its loss checks the targets.
        x, y, sample_weight: what the user gave.
        class_weight: dict of class id -> weight, instead of sample_weight.
        where: how to call x in messages: "x", "validation x".
    """

    def __init__(self, model, x, y=None, sample_weight=None, class_weight=None, where=""):
        x_name, y_name = f"{where}x", f"{where}y"
        if class_weight is not None and sample_weight is not None:
            raise ValueError(f"{where}give class_weight or sample_weight, not both")
        self.x = _finite(as_inputs(model.names_of_inputs, x, x_name), x_name)
        self.y = self.sample_weight = None
        if y is not None:
            y = as_array(y, y_name)
            same_length(self.x, y, x_name, y_name)
        self.x = model.build_for(self.x, x_name)
        if y is not None:
            loss = model.loss.for_shapes(y.shape, model.output_shape)
            self.y = _fitting(y, lambda rows, name: loss.check_targets(
                rows, model.output_shape, name), y_name)  # fmt: skip
            model.loss = loss
        if class_weight is not None:
            sample_weight = class_weights(y, class_weight, model.output_shape[-1])
        if sample_weight is not None:
            name = f"{where}sample_weight"
            weight = as_array(sample_weight, name)
            same_length(self.x, weight, x_name, name)
            check_finite(weight, name)
            if weight.ndim == 2 and weight.shape[1] == 1:
                weight = weight[:, 0]
            positions = model.output_shape[1:-1]  # of outputs (N, ..., C)
            if weight.shape[1:] != positions[: weight.ndim - 1]:
                raise ValueError(
                    f"{name}: expected shape {('N', *positions)} or (N,), received {weight.shape}"
                )
            self.sample_weight = weight

    def __len__(self):
        return len(self.x)


def _finite(x, where):
    """x, checked now or when it is read."""
    if isinstance(x, SeveralRows):
        return SeveralRows([_finite(part, f"{where}[{i}]") for i, part in enumerate(x.parts)])
    if not is_mapped(x) or x.dtype.kind != "f":
        check_finite(x, where)
        return x

    def check(part, rows):
        check_finite(part, where, rows)
        return part

    return MappedRows(x, check, x.shape[1:])


def _fitting(y, fit, where):
    """What `fit(y, where)` makes of the targets, now or when they are read."""
    if not is_mapped(y):
        return fit(y, where)

    def check(part, rows):
        try:
            return fit(part, where)
        except ValueError:
            for k in range(len(part)):  # the same error, for a row that can be found in the file
                row = row_number(rows, k)
                fit(part[k : k + 1], f"{where}[{row}:{row + 1}]")
            raise

    return MappedRows(y, check, fit(y[:1], where).shape[1:])


def same_length(x, other, x_name, other_name):
    """Raise unless both have as many rows."""
    if len(x) != len(other):
        raise ValueError(f"{x_name} has {len(x)} rows, {other_name} has {len(other)}")
