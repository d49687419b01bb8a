"""The types that signatures name, for readers and type checkers; a run never imports them."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..optimizers.schedules import LearningRateSchedule

Array: TypeAlias = NDArray[Any]
ArrayLike: TypeAlias = Any  # what NumPy makes an array of: lists, tables, tensors; sparse matrices
Shape: TypeAlias = Sequence[int | None]  # None: of any size
DType: TypeAlias = str | type | np.dtype[Any]
Path: TypeAlias = str | os.PathLike[str]
Config: TypeAlias = dict[str, Any]  # plain values, from which an equal object can be made
State: TypeAlias = Mapping[str, Any]  # what training changes
Logs: TypeAlias = dict[str, float]  # loss and metrics by name
Named: TypeAlias = str | Callable[..., Any] | Config | None  # an object, or its name or config
Ops: TypeAlias = Any  # the module with the kernels of a device
LearningRate: TypeAlias = "float | LearningRateSchedule | Callable[[], float]"
Function: TypeAlias = Callable[..., Any]  # of arrays, and of options by name
T = TypeVar("T")
