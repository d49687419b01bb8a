"""How this process was started, and MPI, if it is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

# what launchers tell a process about how many there are
SIZES = {
    "PMI_SIZE": "MPICH, Intel MPI or Slurm",
    "OMPI_COMM_WORLD_SIZE": "Open MPI",
    "MV2_COMM_WORLD_SIZE": "MVAPICH",
}


def found_launcher() -> str | None:
    """Return the launcher that started this process with others, or None."""
    for name, launcher in SIZES.items():
        if os.environ.get(name, "1") not in ("", "0", "1"):
            return f"{launcher}, {os.environ[name]} processes"
    return None


def import_mpi() -> Any:
    """Return mpi4py's MPI; None where it is missing and nothing has started several processes.

    Raises:
        ImportError: a launcher did start several.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py found no MPI library
        launcher = found_launcher()
        if launcher is None and isinstance(error, ImportError):
            return None
        started = f"a launcher has started this process ({launcher}), but " if launcher else ""
        raise ImportError(f"{started}mpi4py can't be used: {error}; "
                          'pip install "tinynet[mpi]"') from error  # fmt: skip
    return MPI
