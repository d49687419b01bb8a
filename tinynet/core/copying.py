"""Copies: what `pickle`, `copy.deepcopy`, joblib and multiprocessing take of a part of a model.

A copy has the attributes of the original, with arrays of its own. What was made from them, or
belongs to a step (flat vectors, recorded steps, what `forward` saved), is left out: the copy makes
it anew. Kernels go by the name of their device.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any, Self


class Copied:
    """Base of what can be copied.

    Attributes:
        derived: attribute -> what a copy has in its place.
    """

    derived: dict[str, Any] = {}  # noqa: RUF012  replaced, never changed

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of a copy."""
        own = vars(self)
        return own | {name: value for name, value in self.derived.items() if name in own}


class CopiedWhole(Copied):
    """Base of what has parts: `copy.copy`, too, copies them."""

    def __copy__(self) -> Self:
        return copy.deepcopy(self)


def own(array):
    """Return an array, or a copy if it is read-only: joblib maps large ones from a file."""
    return array if array.flags.writeable else np.array(array)
