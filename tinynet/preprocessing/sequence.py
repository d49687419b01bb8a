"""Sequences of unequal length as one array."""

from ..utils import pad_sequences

__all__ = ["pad_sequences"]
