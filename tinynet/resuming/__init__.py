"""Exact resume: a run that was killed goes on to the very bits it would have ended with.

A snapshot is one file: the state of a training (model, data, callbacks, random streams) and a
fingerprint of everything the result depends on. `callbacks.Snapshot` says where and how often.
"""

from .interrupts import Interrupts
from .snapshots import Snapshots

__all__ = ["Interrupts", "Snapshots"]
