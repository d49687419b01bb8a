"""The flat vectors that an optimizer keeps: on which device, how large, and how they are copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.copying import own
from ..core.devices import load_ops, name_of

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Ops, State


class Vectors:
    """Base of Optimizer: its moments in `state`, `average` and `total`, arrays of `ops`."""

    average: Any
    state: Any
    total: Any

    def arrays(self) -> list[Any]:
        """All flat vectors of this optimizer: average, accumulated gradients, moments."""
        return [a for a in (self.average, self.total, *self.state.values()) if a is not None]

    def state_size(self) -> tuple[Any, Any]:
        """(entries, bytes) of these vectors."""
        return sum(a.size for a in self.arrays()), sum(a.nbytes for a in self.arrays())

    def move_to(self, ops: Ops) -> None:
        """Have moments, average and collected gradients on another device; nothing is lost."""
        if ops is self.ops:
            return

        moved = self._converted(lambda array: ops.from_host(self.ops.to_host(array)))
        self.state, self.average, self.total = moved.values()
        self.ops = ops

    def _converted(self, convert):
        """The flat vectors, each converted, under the names of their attributes."""

        def each(arrays):
            return {name: None if a is None else convert(a) for name, a in arrays.items()}

        shared = {"average": self.average, "total": self.total}
        return {"state": each(self.state), **each(shared)}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | self._converted(self.ops.to_host) | {"ops": name_of(self.ops)}

    def __setstate__(self, state: State) -> None:
        vars(self).update(state, ops=load_ops(state["ops"]))
        vars(self).update(self._converted(lambda array: self.ops.from_host(own(array))))
