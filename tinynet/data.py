"""From a user's x and y to batches: checks once, before the first step, then rows by number.

Arrays stay as they are (a uint8 image stays uint8); rows are cast batch by batch.
"""

import math
import warnings

import numpy as np

from .losses import check_finite
from .random import generator


def as_array(data, where):
    """`data` as an array with rows, or an error that says what is wrong with it."""
    try:
        array = np.asarray(data)
    except ValueError as error:  # ragged
        raise ValueError(
            f"{where}: expected rows of the same length, received {type(data).__name__}: {error}"
        ) from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{where}: expected numbers, received {type(data).__name__} of dtype {array.dtype}"
            + ("; do all rows have the same length?" if array.dtype == object else "")
        )
    if array.ndim == 0:
        raise ValueError(f"{where}: expected an array with rows, received a single number")
    if len(array) == 0:
        raise ValueError(f"{where}: expected at least one row, received shape {array.shape}")
    return array


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
    """Checked arrays of equal length: x, y (or None), sample_weight (or None).

    Args:
        model: says which shapes fit; its loss checks the targets.
        x, y, sample_weight: what the user gave.
        where: how to call x in messages: "x", "validation x".
    """

    def __init__(self, model, x, y=None, sample_weight=None, class_weight=None, where=""):
        x_name, y_name = f"{where}x", f"{where}y"
        if class_weight is not None and sample_weight is not None:
            raise ValueError("give class_weight or sample_weight, not both")
        self.x = as_array(x, x_name)
        check_finite(self.x, x_name)
        self.y = self.sample_weight = None
        if y is not None:
            y = as_array(y, y_name)
            _same_length(self.x, y, x_name, y_name)
        model.build_for(self.x, x_name)
        if y is not None:
            self.y = model.loss.check_targets(y, model.output_shape, y_name)
        if class_weight is not None:
            sample_weight = class_weights(y, class_weight, model.output_shape[-1])
        if sample_weight is not None:
            name = f"{where}sample_weight"
            weight = as_array(sample_weight, name)
            _same_length(self.x, weight, x_name, name)
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

    @staticmethod
    def check_lengths(x, **others):
        """Raise unless all arrays that are given have as many rows as x."""
        for name, other in others.items():
            if other is not None:
                _same_length(x, as_array(other, name), "x", name)


def _same_length(x, other, x_name, other_name):
    if len(x) != len(other):
        raise ValueError(f"{x_name} has {len(x)} rows, {other_name} has {len(other)}")


class Batches:
    """Which rows each step sees, epoch after epoch.

    With `steps_per_epoch` an epoch goes on where the last one stopped; the epoch that reaches the
    end of the data ends there, with a warning, and the next one starts anew, as in Keras.

    Args:
        rows: N.
        batch_size: None means 32, or what `steps_per_epoch` leads to.
        shuffle: True: a new permutation of all rows per pass; "batch": only within each batch;
            False: in order.
        seed: of the permutations; pass number p uses the stream (seed, p).
        first_pass: number of passes made before.
    """

    def __init__(self, rows, batch_size=None, steps_per_epoch=None, shuffle=False, seed=0,
                 first_pass=0):  # fmt: skip
        for name, value in (("batch_size", batch_size), ("steps", steps_per_epoch)):
            if value is not None:
                check_count(name, value)
        if shuffle not in (True, False, "batch"):
            raise ValueError(f'shuffle must be True, False or "batch", received {shuffle!r}')
        if batch_size is None:
            batch_size = math.ceil(rows / steps_per_epoch) if steps_per_epoch else 32
        self.rows, self.batch_size, self.shuffle = rows, int(batch_size), shuffle
        self.batches_per_pass = math.ceil(rows / batch_size)
        self.steps_per_epoch, self.seed, self.passes = steps_per_epoch, seed, first_pass
        self.current = None  # iterator of the pass under way
        self.seen = 0  # batches taken from it

    @property
    def steps(self):
        """Steps of an epoch."""
        return self.steps_per_epoch or self.batches_per_pass

    def epoch(self):
        """Rows of each step of the next epoch: a slice or an array of row numbers."""
        if self.current is None or self.steps_per_epoch is None:
            self._start_pass()
        for _ in range(self.steps):
            if self.seen == self.batches_per_pass:
                warnings.warn(
                    f"the data ended after {self.batches_per_pass} batches; this epoch is shorter "
                    f"than steps_per_epoch={self.steps_per_epoch}",
                    stacklevel=4,
                )
                break
            self.seen += 1
            yield next(self.current)
        if self.seen == self.batches_per_pass:
            self._start_pass()

    def restart(self):
        """Let the next epoch begin with the first batch, wherever the last one stopped."""
        self.current = None

    def _start_pass(self):
        self.current, self.seen = self._one_pass(), 0

    def _one_pass(self):
        order = None
        if self.shuffle:
            random = generator(self.seed, self.passes)
            self.passes += 1
            order = None if self.shuffle == "batch" else random.permutation(self.rows)
        for start in range(0, self.rows, self.batch_size):
            stop = min(start + self.batch_size, self.rows)
            if self.shuffle == "batch":
                yield start + random.permutation(stop - start)
            else:
                yield slice(start, stop) if order is None else order[start:stop]


def check_count(name, value, least=1):
    """Raise unless `value` is an integer >= least."""
    ok = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least
    if not ok:
        raise ValueError(f"{name} must be an integer >= {least}, received {value!r}")
