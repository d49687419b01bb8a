"""Data-parallel training: the same script on several processes, each with a part of every batch.

model.compile(..., distribute=keras.distribution.DataParallel())

mpiexec -n 4 python train.py
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from ..core.ranks import ALONE
from .launch import found_launcher, import_mpi

if TYPE_CHECKING:
    from typing import Any

OUTPUTS = ("first", "all")


class DataParallel:
    """Every rank has the whole model, and takes its part of the rows of every batch.

        g = sum over ranks of (sum over the rank's rows of w_i dl_i)

    with w_i = sample_weight_i / N and N the rows of all ranks: the gradient of one process, to
    rounding. `batch_size` is that of all ranks together. Started without mpiexec, it is one rank.

    Args:
        synchronize: have BatchNormalization take mean and variance over the rows of all ranks, as
            one process does; False: each rank over its own, and moving ones are averaged after
            every epoch.
        output: "first": only the first rank prints, what others print from `compile` on is
            dropped; "all".
    """

    synchronize: bool

    def __init__(self, synchronize: bool = True, output: str = "first") -> None:
        if not isinstance(synchronize, bool):
            raise TypeError(f"DataParallel: synchronize must be a bool, received {synchronize!r}")
        if output not in OUTPUTS:
            raise ValueError(f'DataParallel: output must be "first" or "all", received {output!r}')
        self.synchronize, self.output = synchronize, output

    def ranks(self) -> Any:
        """Return the ranks of this run, see `core.ranks`.

        Raises:
            ImportError: mpiexec has started this process, and there is no mpi4py; says what to
                type.
        """
        return _ranks(self.synchronize, self.output)


@functools.cache
def _ranks(*options):
    mpi = import_mpi()
    if mpi is None or mpi.COMM_WORLD.size == 1:
        return ALONE
    from .mpi import MpiRanks

    return MpiRanks(mpi, *options)


def ranks_for(distribute: Any) -> Any:
    """Return the ranks that compile(distribute=...) names; None: as TINYNET_DISTRIBUTE says.

    Raises:
        TypeError, ValueError: it is none of these.
    """
    if distribute is None:
        chosen = os.environ.get("TINYNET_DISTRIBUTE", "")
        if chosen not in ("", "mpi"):
            raise ValueError(f'TINYNET_DISTRIBUTE must be "mpi" or not set, received {chosen!r}')
        return DataParallel().ranks() if chosen else ALONE
    if not isinstance(distribute, DataParallel):
        raise TypeError("distribute: expected distribution.DataParallel() or None, received "
                        f"{distribute!r}")  # fmt: skip
    return distribute.ranks()


def survey() -> dict[str, Any]:
    """Describe what there is for several processes: name -> text."""
    try:
        mpi = import_mpi()
    except ImportError as error:
        return {"mpi4py": str(error)}
    if mpi is None:
        return {"mpi4py": 'not installed; pip install "tinynet[mpi]"'}
    import mpi4py

    return {
        "mpi4py": mpi4py.__version__,
        "library": mpi.Get_library_version().strip("\0").splitlines()[0],
        "ranks": f"{mpi.COMM_WORLD.size} (mpiexec -n 4 python train.py starts 4)",
        "launcher": found_launcher() or "none: one process",
    }
