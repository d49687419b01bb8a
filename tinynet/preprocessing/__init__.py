"""Keras's older names for the preparation of data."""

from . import sequence

__all__ = ["sequence"]
