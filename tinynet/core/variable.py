"""What Parameters, an optimizer's variables and a metric's have in common: they work as arrays.

Arithmetic, comparisons, indexing and NumPy's functions take a variable as they would take its
array, and give plain arrays. Only `assign` and its kin change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import initializers
from ..config import floatx
from .copying import own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, DType, Named, Shape, State


def fitting(name, value, shape):
    """`value` as an array, or a ValueError unless it has this shape."""
    value = np.asarray(value)
    if value.shape != shape:
        raise ValueError(f"{name}: expected an array of shape {shape}, received {value.shape}")
    return value


def same(ones, others):
    """Whether two lists hold the same objects; `==` would compare variables entry by entry."""
    return len(ones) == len(others) and all(a is b for a, b in zip(ones, others, strict=True))


class Variable(np.lib.mixins.NDArrayOperatorsMixin):
    """An array with a name, of a shape and a dtype that stay.

    `==` compares entry by entry, as it does for arrays; as a key of a dict a variable stands for
    itself.

    Args:
        initializer: the first value; or an initializer's name, or a function of shape and dtype.
        shape: for an initializer; None: a single number.
        dtype: None: that of the array for one of NumPy's, else `config.floatx()`.
        trainable: whether an optimizer may update it.
        autocast, aggregation, synchronization: accepted as in Keras; there is nothing to cast or
            to aggregate.
        name: shown in messages.

    Attributes:
        value: the live array.
        constraint: what an optimizer's `apply` brings the array back to after a step; None for
            nothing. It is looked at when the optimizer is built.
    """

    path: str
    constraint: Any = None

    __hash__ = object.__hash__
    trainable: bool = False

    def __init__(self, initializer: Named, shape: Shape | None = None, dtype: DType | None = None,
                 trainable: bool = True, autocast: bool = True, aggregation: str = "none",
                 synchronization: str = "auto", name: str = "variable") -> None:  # fmt: skip
        self.name = self.path = name
        self.trainable = bool(trainable)
        if isinstance(initializer, str):
            initializer = initializers.get(initializer)
        if callable(initializer) and not isinstance(initializer, Variable):
            initializer = initializer(() if shape is None else tuple(shape), dtype=dtype)
        elif dtype is None and not hasattr(initializer, "dtype"):
            dtype = floatx()
        value = np.array(initializer, dtype)
        self.value: Array = value if shape is None else fitting(name, value, tuple(shape))

    def __setstate__(self, state: State) -> None:
        vars(self).update(state)
        self.value = own(self.value)

    def array(self) -> Array:
        """Return the live array, or a copy of it, on the host."""
        return self.value

    def assign(self, value: ArrayLike) -> Self:
        """Overwrite the array and return the variable.

        Raises:
            ValueError: another shape; nothing was changed.
        """
        self.value[...] = fitting(self.path, value, self.shape)
        return self

    shape: Any = property(lambda self: self.array().shape)
    dtype: Any = property(lambda self: self.array().dtype)
    ndim: Any = property(lambda self: len(self.shape))
    size: Any = property(lambda self: self.array().size)
    T = property(lambda self: self.numpy().T, doc="A transposed copy.")

    def numpy(self) -> Array:
        """Return a copy of the array."""
        return np.array(self.array())

    def item(self, *index: Any) -> Any:
        """Return one entry, the only one without an index, as a Python number."""
        return self.array().item(*index)

    def assign_add(self, value: ArrayLike) -> Self:
        """Add an array, or a number."""
        return self.assign(self.array() + np.asarray(value))

    def assign_sub(self, value: ArrayLike) -> Self:
        """Subtract an array, or a number."""
        return self.assign(self.array() - np.asarray(value))

    def __array__(self, dtype: DType | None = None, copy: bool | None = None) -> Array:
        return np.array(self.array(), dtype=dtype)  # a copy: only `assign` changes the variable

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        inputs = [x.array() if isinstance(x, Variable) else x for x in inputs]
        if "out" not in options:
            return getattr(ufunc, method)(*inputs, **options)
        out = options.pop("out")[0]  # variable += x
        result = getattr(ufunc, method)(*inputs, **options)
        if isinstance(out, Variable):
            return out.assign(result)
        out[...] = result
        return out

    def __getitem__(self, key: Any) -> Any:
        return self.numpy()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.numpy())

    def __len__(self) -> int:
        return len(self.array())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self.numpy().__index__()

    def __bool__(self) -> bool:
        return bool(self.array())

    def __format__(self, spec: str) -> str:
        return format(self.numpy() if self.ndim else self.item(), spec) if spec else str(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} shape={self.shape} dtype={self.dtype}>"
