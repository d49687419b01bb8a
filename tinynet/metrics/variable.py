"""A metric's state: an array with a name, which works in NumPy expressions as the array would."""

import numpy as np

from ..core.copying import own
from ..core.parameters import fitting


class Variable(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that keeps its shape and dtype; `assign`, `assign_add` and `assign_sub` change it.

    `value` is the live array. Arithmetic with it, and NumPy's functions of it, give plain arrays.

    Args:
        value: the initial array.
        name: shown in messages.
    """

    trainable = False

    def __init__(self, value, name="variable"):
        self.value, self.name = np.array(value), name

    def __setstate__(self, state):
        vars(self).update(state)
        self.value = own(self.value)

    @property
    def shape(self):
        return self.value.shape

    @property
    def dtype(self):
        return self.value.dtype

    @property
    def ndim(self):
        return self.value.ndim

    def numpy(self):
        """Return a copy of the array."""
        return self.value.copy()

    def assign(self, value):
        """Overwrite the array.

        Raises:
            ValueError: another shape; nothing was changed.
        """
        self.value[...] = fitting(self.name, value, self.shape)
        return self

    def assign_add(self, value):
        """Add an array, or a number."""
        return self.assign(self.value + np.asarray(value))

    def assign_sub(self, value):
        """Subtract an array, or a number."""
        return self.assign(self.value - np.asarray(value))

    def __array__(self, dtype=None, copy=None):
        return np.array(self.value, dtype=dtype)  # a copy: only `assign` changes the state

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        inputs = [x.value if isinstance(x, Variable) else x for x in inputs]
        if "out" not in options:
            return getattr(ufunc, method)(*inputs, **options)
        out = options.pop("out")[0]  # self.total += x
        result = getattr(ufunc, method)(*inputs, **options)
        if isinstance(out, Variable):
            return out.assign(result)
        out[...] = result
        return out

    def __getitem__(self, key):
        return self.value[key]

    def __len__(self):
        return len(self.value)

    def __float__(self):
        return float(self.value)

    def __int__(self):
        return int(self.value)

    def __bool__(self):
        return bool(self.value)

    def __repr__(self):
        return f"<Variable {self.name} shape={self.shape} dtype={self.dtype} value={self.value}>"
