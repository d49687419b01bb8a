"""An optimizer whose model trains other parameters than before: layers were frozen or thawed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Ops
    from ..core.parameters import Parameter


class Changing:
    """Base of Optimizer: it goes on with other parameters of the same model."""

    resting: dict[Any, Any]

    def change_to(self, parameters: Sequence[Parameter], owner: Any, ops: Ops | None = None) -> Any:
        """Go on with these parameters of a model: layers were frozen, thawed, or exchanged.

        Those it had before keep their moments, also while they are frozen; those of new ones are
        zero. The count of steps, and with it the schedule, goes on.

        Raises:
            ValueError: all that it has learned is about parameters that `owner` does not have.
        """
        if self.parameters is None:
            return self.build(parameters, ops)
        known = [*self.parameters, *(p for p, *_ in self.resting if p is not None)]
        theirs = set(owner.parameters)
        if self.step_number and known and not any(p in theirs for p in known):
            raise ValueError(f"{self.name}: it has taken {self.step_number} steps with the weights "
                             f"of another model ({known[0].path}, ...), and its moments fit those; "
                             f"compile {owner.name!r} with an optimizer of its own")  # fmt: skip
        kept = self.resting | {_key(v): v.numpy() for v in self.variables}
        self.build(parameters, ops)
        for v in self.variables:
            value = kept.pop(_key(v), None)
            if value is not None and value.shape == v.shape:
                v.assign(value)
            elif v.kind == "average" and self.step_number:
                v.assign(v.parameter.numpy())  # an average begins with the weights themselves
        self.resting = kept
        return self


def _key(variable):
    """What a variable is of, whichever vector it lies in."""
    return variable.parameter, variable.kind, variable.name
