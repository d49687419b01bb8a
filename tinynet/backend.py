"""Keras's names for settings, and for reading and assigning a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .config import backend, clear_session, epsilon, floatx, image_data_format, set_floatx

if TYPE_CHECKING:
    from typing import Any

    from .configs.types import ArrayLike
    from .core.parameters import Parameter

__all__ = ["backend", "clear_session", "epsilon", "floatx", "get_value", "image_data_format",
           "set_floatx", "set_value"]  # fmt: skip


def get_value(x: ArrayLike) -> Any:
    """Return a variable's value (or a number's) as an array."""
    return np.array(x)


def set_value(variable: Parameter, value: Any) -> None:
    """Assign to a variable, such as `optimizer.learning_rate`."""
    variable.assign(value)
