"""Parameters: one flat vector of weights, one of gradients, and named views into both.

A `Parameter` made by a layer owns its array. A model moves the parameters of all its layers into
one `FlatParameters`, so that an optimizer updates the whole network with one pass over one vector.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import math
import operator
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_flag
from .copying import own
from .variable import Variable, fitting
from .versions import Versioned, new_version

if TYPE_CHECKING:
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, Named, Path, State

_allowance = contextvars.ContextVar("allowance", default=None)


@contextlib.contextmanager
def allow(size, reason):
    """Limit the bytes that layers and metrics may take within the block, for configs from files.

    Random initial values are not drawn: those of the file take their place.
    """
    token = _allowance.set([size, reason])
    try:
        yield
    finally:
        _allowance.reset(token)


def claim(path, shape, itemsize=8) -> bool:
    """Count an array of this shape, before it is made; return whether `allow` is in force.

    Raises:
        ValueError: the array exceeds its limit.
    """
    left = _allowance.get()
    if left is None:
        return False
    left[0] -= math.prod(shape) * itemsize
    if left[0] < 0:
        raise ValueError(f"{path} of shape {tuple(shape)}: {left[1]}")
    return True


def check_range(name, value, dtype):
    """Raise a ValueError for a finite entry that `dtype` can't hold."""
    if value.dtype.kind != "f" or value.itemsize <= np.dtype(dtype).itemsize:
        return
    with np.errstate(over="ignore"):
        lost = np.isfinite(value) & ~np.isfinite(value.astype(dtype))
    if lost.any():
        index = tuple(map(int, np.argwhere(lost)[0]))
        raise ValueError(f"{name}: {value[index]} at index {index} is beyond {dtype}")


class Parameter(Variable, Versioned):
    """One array of numbers that a layer owns, and its gradient.

    It works as an array does: `x @ p + 1`, `p[0]`, `np.sum(p)`, `p > 0`. `p.value` and `p.grad` are
    live views (into the model's flat vectors, once a model holds the layer): write to them with
    `p.value[...] = x`, or with checks with `p.assign(x)`.

    Args:
        value: the initial array.
        name: e.g. "kernel".
        trainable: whether an optimizer updates it; without that it has no gradient.
        regularizer: adds its penalty to the loss; None for none.
        constraint: applied to the value after each update; None for none.
    """

    constraint: Named
    path: str
    regularizer: Named
    value: Array

    grad: Any
    name: str

    unversioned: frozenset[str] = frozenset({"value", "grad", "home"})

    def __init__(self, value: Array, name: str = "parameter", trainable: bool = True,
                 regularizer: Named = None, path: Path | None = None,
                 constraint: Named = None) -> None:  # fmt: skip
        self.name, self.path = name, path or name
        self.regularizer, self.constraint = regularizer, constraint
        self.value, self.grad = value, None
        self.home: Any = None  # the FlatParameters whose vectors we are views of
        self.learnable = True
        self.trainable = trainable

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_flag("trainable", value)
        if self.home is None:  # else the model gives and takes it, when it lays out its vectors
            if not self._trainable:
                self.grad = None
            elif self.grad is None:
                self.grad = np.zeros(self.value.shape, self.value.dtype)  # takes no memory yet

    shape: Any = property(operator.attrgetter("value.shape"))
    dtype: Any = property(operator.attrgetter("value.dtype"))
    size: Any = property(operator.attrgetter("value.size"))

    def assign(self, value: ArrayLike) -> Self:
        """Overwrite the value in place.

        Raises:
            ValueError: another shape; nothing was changed.
        """
        value = fitting(self.path, value, self.shape)
        check_range(self.path, value, self.dtype)
        self.value[...] = value if self.home is None else self.home.ops.from_host(value)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"value": self.numpy(), "grad": None, "home": None}

    def __setstate__(self, state: State) -> None:
        vars(self).update(state)
        self.value = own(self.value)
        self.trainable = self.trainable  # makes the gradient

    def array(self) -> Array:
        return self.value if self.home is None else self.home.ops.to_host(self.value)

    def __repr__(self) -> str:
        return (
            f"<Parameter {self.path} shape={self.shape} dtype={self.dtype} "
            f"trainable={self.trainable}>"
        )


def slices_of(parameters):
    """The slice of each parameter in a flat vector of all of them end to end."""
    ends = itertools.accumulate(p.size for p in parameters)
    return [slice(end - p.size, end) for p, end in zip(parameters, ends, strict=True)]


def assign_all(parameters, arrays, owner):
    """Assign arrays to parameters, all or none.

    Raises:
        ValueError: another number of arrays, or a shape that differs; names the parameter.
    """
    arrays = [np.asarray(a) for a in arrays]
    if len(arrays) != len(parameters):
        raise ValueError(f"{owner}: expected {len(parameters)} arrays "
                         f"({', '.join(p.path for p in parameters)}), "
                         f"received {len(arrays)}")  # fmt: skip
    for p, a in zip(parameters, arrays, strict=True):
        if a.shape != p.shape:
            raise ValueError(f"{p.path}: expected shape {p.shape}, received {a.shape}")
        if a.dtype.kind not in "fiub":
            raise ValueError(f"{p.path}: expected numbers, received dtype {a.dtype}")
        check_range(p.path, a, p.dtype)
    for p, a in zip(parameters, arrays, strict=True):
        p.assign(a)


class FlatParameters:
    """Parameters laid end to end: the trainable ones first, then the rest.

    `values` holds all of them, `trainable` the first `grads.size` entries of it; `grads` are the
    gradients of the trainable ones. `slices` gives each trainable parameter's part, `checked` the
    version at which the model last found everything as it was laid out.
    """

    def __init__(self, parameters, ops):
        self.ops = ops
        self.trained = [p for p in parameters if p.trainable]
        self.frozen = [p for p in parameters if not p.trainable]
        dtypes = {np.dtype(p.dtype).name for p in parameters} or {"float32"}
        if len(dtypes) > 1:
            raise ValueError(
                "the layers of a model must share one dtype, received "
                + ", ".join(f"{p.path}: {p.dtype}" for p in parameters)
            )
        dtype = dtypes.pop()
        count = sum(p.size for p in self.trained)
        self.values = ops.zeros(count + sum(p.size for p in self.frozen), dtype)
        self.trainable = self.values[:count]
        self.grads = ops.zeros(count, dtype)
        laid_out = self.trained + self.frozen
        slices = slices_of(laid_out)
        self.slices = slices[: len(self.trained)]
        for p, part in zip(laid_out, slices, strict=True):
            view = self.values[part].reshape(p.shape)
            view[...] = ops.from_host(np.asarray(p))
            p.value, p.home = view, self
            p.grad = self.grads[part].reshape(p.shape) if p.trainable else None
        self.checked = new_version()  # other models that hold these parameters look again

    def holds(self, parameters) -> bool:
        """Whether these vectors hold exactly these parameters, each as trainable as when laid out.

        False after a layer was frozen, or was moved to another model.
        """
        return all(
            p.home is self and p.trainable == (p.grad is not None) for p in parameters
        ) and len(parameters) == len(self.trained) + len(self.frozen)
