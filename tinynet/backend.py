"""Keras's names for settings: floatx, set_floatx, epsilon, clear_session."""

from .config import floatx, set_floatx
from .configs.naming import reset_names as clear_session
from .losses import EPSILON

__all__ = ["clear_session", "epsilon", "floatx", "set_floatx"]


def epsilon() -> float:
    """Where probabilities are clipped."""
    return EPSILON
