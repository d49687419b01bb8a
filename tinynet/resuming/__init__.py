"""Exact resume: a run that was killed goes on to the very bits it would have ended with.

A snapshot is one file: weights, what the optimizer keeps, all random streams, the place in the
data, callbacks, metric sums, History, and a fingerprint of everything the result depends on. `Run`
is what `fit` sees of it; `callbacks.Snapshot` says where and how often.
"""

from .interrupts import Interrupts
from .run import Run

__all__ = ["Interrupts", "Run"]
