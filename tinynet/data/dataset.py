"""A user's x, y and weights: checked once, before the first step, then read row by row."""

import math

import numpy as np

from .arrays import MappedRows, as_array, check_finite, is_mapped, row_number
from .several import SeveralRows, as_inputs, as_targets, as_weights, in_order


def unpack(data, where):
    """Return (x, y) or (x, y, sample_weight) as three."""
    if isinstance(data, dict):
        entries = ", ".join(f"d[{name!r}]" for name in [*data, "x", "y"][:2])
        raise TypeError(f"{where}: expected (x, y) or (x, y, sample_weight), received a dict of "
                        f"{list(data)}; make a pair of its entries, ({entries})")  # fmt: skip
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        kind = type(data).__name__ + (f" of {len(data)}" if hasattr(data, "__len__") else "")
        raise ValueError(f"{where}: expected (x, y) or (x, y, sample_weight), received {kind}")
    if data[0] is None or data[1] is None:
        raise ValueError(f"{where}: needs x and y, received None")
    return (*data, None) if len(data) == 2 else tuple(data)


def class_weights(y, weights, classes, shares):
    """Return one weight per row from {class: weight}; a class that is not named weighs 1.

    Args:
        y: class ids (N,) or (N, 1), or rows (N, C) of which the largest entry is the class.
        weights: dict from class id to weight.
        classes: how many outputs the model has.
        shares: whether y may hold shares of classes, in [0, 1]; else it must say one class.
    """
    if not isinstance(weights, dict):
        raise TypeError(f"class_weight: expected a dict of class -> weight, received {weights!r}")
    several = y.ndim > 1 and y.shape[-1] > 1
    ids = y.argmax(axis=-1) if several else y.reshape(len(y), -1)
    if ids.size != len(y):
        raise ValueError(f"class_weight: expected one class per row, received y of {y.shape}")
    known, fits = range(classes), np.ones(len(y), bool)
    if several:
        hot, rest = y == 1, y == y.min(axis=-1, keepdims=True)  # 0, or -1
        fits = (hot.sum(axis=-1) == 1) & (hot | rest).all(axis=-1)
        if shares:
            fits |= (y >= 0).all(axis=-1) & (abs(y.sum(axis=-1) - 1) < 1e-3)
    elif classes == 1:  # 0 and 1, or -1 and 1; what lies between them is rounded, as in Keras
        ids = np.round(ids) if shares else ids
        known = (0, 1) if (ids == 0).any() else (-1, 0, 1)
        fits = np.isin(ids, known).ravel()
    if not fits.all():
        row = int(np.argmin(fits))
        expected = "one class" if several else "0 or 1"
        raise ValueError("class_weight: "
                         f"y of row {row}, {y[row]}, is no class: expected {expected}; for targets "
                         "of another kind give each row its sample_weight")  # fmt: skip
    result = np.ones(len(y), np.float32)
    for label, weight in weights.items():
        if not isinstance(weight, (int, float, np.number)):
            raise TypeError(f"class_weight: expected a number for {label!r}, received {weight!r}")
        if label not in known:
            raise ValueError(f"class_weight: there is no class {label!r} among {max(classes, 2)} "
                             "classes")  # fmt: skip
        if not abs(weight) <= np.finfo(np.float32).max:
            raise ValueError(f"class_weight: {weight!r} of class {label!r} is beyond float32")
        result[ids.ravel() == label] = weight
    return result


def split_point(rows, validation_split):
    """Return how many rows are left for training: floor(n (1 - split)), as in Keras.

    Raises:
        ValueError: nothing would be left on one side.
    """
    if isinstance(validation_split, str) or not 0 < validation_split < 1:
        raise ValueError(f"validation_split must be in (0, 1), received {validation_split!r}")
    cut = math.floor(rows * (1.0 - validation_split))
    if cut in (0, rows):
        raise ValueError(f"validation_split={validation_split} of {rows} rows leaves {cut} for "
                         "training "
                         f"and {rows - cut} for validation; both need at least one")  # fmt: skip
    return cut


def rows_of(names, outputs, x, y, sample_weight):
    """Return x, y and weights as rows; see `Dataset` for the arguments."""
    x = as_inputs(names, x, "x")
    y = as_targets(outputs, y, len(x), "y")
    weight = as_weights(outputs, sample_weight, "sample_weight")
    if weight is not None and not isinstance(weight, SeveralRows):
        weight = as_array(weight, "sample_weight")
    return x, y, weight


class Dataset:
    """Rows of equal number: x, y (or None), sample_weight (or None).

    Each is an ndarray, `SparseRows` (x), `SeveralRows` (of several inputs or outputs), or
    `MappedRows` (a large file: checked as it is read). All have `shape`, `dtype`, `len()`, and give
    some of their rows by `[slice or index array]`. The rows are checked among themselves; `fit_to`
    checks them for a model.

    Args:
        x, y, sample_weight: what the user gave.
        class_weight: dict of class id -> weight, instead of sample_weight.
        names: of the model's inputs; None where x is one array.
        dtype: that of the model, in which all numbers must be finite; None: in their own.
        where: how to call x in messages: "x", "validation x".
        outputs: (name, whether it has a loss) of each of the model's outputs.

    Attributes:
        shared: whether every rank of a distributed training has all of these rows.
        row_shape: of a row of x, for several inputs a tuple of them.
        output_shape: of the model for these rows, with None for N; a list for several outputs.
    """

    shared = True

    def __init__(self, x, y=None, sample_weight=None, class_weight=None, names=None, where="",
                 dtype=None, outputs=None):  # fmt: skip
        if class_weight is not None and sample_weight is not None:
            raise ValueError(f"{where}give class_weight or sample_weight, not both")
        self.where, self.class_weight, self.model_dtype = where, class_weight, dtype
        self.x = _finite(as_inputs(names, x, f"{where}x"), f"{where}x", dtype)
        self.y, self.outputs, self.sample_weight = y, outputs, None
        if sample_weight is not None:
            self.sample_weight = as_weights(outputs, sample_weight, f"{where}sample_weight")
        if y is not None:
            self.y = as_targets(outputs, y, len(self.x), f"{where}y")
            same_length(self.x, self.y, f"{where}x", f"{where}y")

    @property
    def target_shape(self):
        """The shape of y; for several outputs a list, None where there are no targets."""
        if isinstance(self.y, SeveralRows):
            return [None if part is None else part.shape for part in self.y.parts]
        return self.y.shape

    def fit_to(self, x, output_shape, loss):
        """Have the rows as a model takes them.

        Args:
            x: the inputs in the model's shape.
            output_shape: of the model for these rows, with None for N.
            loss: the model's, which checks targets; None without targets.

        Returns:
            The Dataset itself.

        Raises:
            ValueError: targets or weights that don't fit; names the row and what was expected.
        """
        self.x, self.output_shape = x, output_shape
        several = isinstance(x, SeveralRows)
        self.row_shape = tuple(p.shape[1:] for p in x.parts) if several else x.shape[1:]
        if self.y is None:
            return self
        if not isinstance(self.y, SeveralRows):
            self.y, self.sample_weight = self._fitted(
                self.y, self.sample_weight, self.class_weight, output_shape, loss
            )
            return self
        names = [name for name, _ in self.outputs]
        if self.class_weight is not None and not set(self.class_weight) <= set(names):
            raise ValueError(f"{self.where}class_weight: expected {{output: {{class: weight}}}} "
                             f"for some of the outputs {names}, received "
                             f"{self.class_weight!r}")  # fmt: skip
        classes = in_order(names, self.class_weight or {}, "class_weight")
        weights = self.sample_weight or SeveralRows([None] * len(names))
        each = zip(self.y.parts, weights.parts, classes, output_shape, loss.losses,
                   [f"[{name!r}]" for name in names], strict=True)  # fmt: skip
        parts, weights = zip(*(self._fitted(*one) for one in each), strict=True)
        self.y = SeveralRows(list(parts))
        if any(weight is not None for weight in weights):
            self.sample_weight = SeveralRows(list(weights))
        return self

    def _fitted(self, y, weight, classes, output_shape, loss, label=""):
        """Return (targets, weights) of one output, checked; see `fit_to`."""

        def fit(rows, name):
            if loss is not None:
                rows = loss.check_targets(rows, output_shape, name)
            check_finite(rows, name, dtype=self.model_dtype)
            return rows

        fitting = None if y is None else _fitting(y, fit, f"{self.where}y{label}")
        if classes is not None:
            shares = loss is not None and loss.of_probabilities
            weight = class_weights(y, classes, output_shape[-1], shares)
        if weight is not None:
            name = f"{self.where}sample_weight{label}"
            weight = self._fitting_weight(weight, output_shape[1:-1], name)
        return fitting, weight

    def _fitting_weight(self, weight, positions, name):
        """Return weights (N,), or (N, ...) for the positions of outputs (N, ..., C)."""
        weight = as_array(weight, name)
        same_length(self.x, weight, f"{self.where}x", name)
        check_finite(weight, name, dtype=self.model_dtype)
        if weight.ndim == 2 and weight.shape[1] == 1:
            weight = weight[:, 0]
        if weight.shape[1:] != positions[: weight.ndim - 1]:
            raise ValueError(f"{name}: expected shape {('N', *positions)} or (N,), received "
                             f"{weight.shape}")  # fmt: skip
        return weight

    def __len__(self):
        return len(self.x)


def _finite(x, where, dtype):
    """Return x, checked now or when it is read."""
    if isinstance(x, SeveralRows):
        return SeveralRows(
            [_finite(part, f"{where}[{i}]", dtype) for i, part in enumerate(x.parts)], x.names
        )
    if not is_mapped(x) or x.dtype.kind != "f":
        check_finite(x, where, dtype=dtype)
        return x

    def check(part, rows):
        check_finite(part, where, rows, dtype)
        return part

    return MappedRows(x, check, x.shape[1:])


def _fitting(y, fit, where):
    """Return what `fit(y, where)` makes of the targets, now or when they are read."""
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
