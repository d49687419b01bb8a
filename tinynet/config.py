"""Settings, as in Keras: the default dtype, float32 unless told otherwise; progress lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .configs.naming import reset_names

if TYPE_CHECKING:
    from .configs.types import DType

_floatx, _interactive = "float32", True


def floatx() -> str:
    """The dtype of new layers: "float32" or "float64"."""
    return _floatx


def set_floatx(dtype: DType) -> None:
    """Set the dtype of layers that are made after this call."""
    global _floatx
    _floatx = float_dtype(dtype)


def float_dtype(dtype: DType | None = None) -> str:
    """`dtype` (None: the default) as "float32" or "float64", or an error."""
    if dtype is None:
        return _floatx
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = None
    if name not in ("float32", "float64"):
        raise ValueError(f'dtype must be "float32" or "float64", received {dtype!r}')
    return name


def epsilon() -> float:
    """Where probabilities are clipped."""
    return 1e-7


def backend() -> str:
    """What arrays are: NumPy's."""
    return "numpy"


def image_data_format() -> str:
    """Where an image's channels stand: on the last axis."""
    return "channels_last"


def clear_session(free_memory: bool = True) -> None:
    """Let automatic names count from the beginning again."""
    reset_names()


def disable_interactive_logging() -> None:
    """From here on `verbose="auto"` prints one line per epoch, no live one."""
    global _interactive
    _interactive = False


def enable_interactive_logging() -> None:
    """From here on `verbose="auto"` shows a live line, as it does at first."""
    global _interactive
    _interactive = True


def is_interactive_logging_enabled() -> bool:
    """Whether `verbose="auto"` shows a live line."""
    return _interactive


def version() -> str:
    """The version of tinynet."""
    from . import __version__

    return __version__
