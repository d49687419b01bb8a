"""Snapshot: where, and how often, a run is written down so that it can go on after a crash."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from ..configs.checks import check_integer, check_number
from .base import Callback

if TYPE_CHECKING:
    from ..configs.types import Path


class Snapshot(Callback):
    """Has `fit` write down everything it needs to go on; `fit(..., resume=folder)` uses one.

    The same command, started again, goes on from the newest snapshot to the same bits that the
    run would have ended with. One is also written when training begins, after its last epoch, and
    on Ctrl-C and SIGTERM. The one before the last is kept.

    A run is known by a checksum of its arrays; a mapped file by some rows, its size and its time.
    Batches that come from outside are not compared, and have to be the same again: a PyDataset may
    have `get_state` and `set_state`; a generator is read from its beginning up to where it was;
    what a DataLoader draws from a library of its own is its own affair. A batch whose making was
    interrupted is made again, with the random numbers that it would have had.

    Args:
        folder: for the files; made if need be. One run has it for itself.
        seconds: between two snapshots, about; 0: whenever control comes back to Python, which on
            the cpu is after some steps. None: only by `batches`.
        batches: a number of batches between two; None: only by `seconds`.

    Raises:
        ValueError: an argument is none of these.
    """

    batches: int | None
    folder: pathlib.Path
    seconds: float

    def __init__(self, folder: Path, seconds: float = 30, batches: int | None = None) -> None:
        super().__init__()
        if not isinstance(folder, (str, pathlib.PurePath)) or not str(folder):
            raise ValueError(f"Snapshot: folder must be a path, received {folder!r}")
        if seconds is not None:
            check_number("Snapshot: seconds", seconds, 0, kind="a number")
        if batches is not None:
            check_integer("Snapshot: batches", batches)
        self.folder, self.seconds, self.batches = pathlib.Path(folder), seconds, batches
