"""What a model remembers: all that its next training step depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.locks import exclusive
from ..core.state import check_like, known_of

if TYPE_CHECKING:
    from ..configs.types import State


class Stateful:
    """`get_state` and `set_state` of a model: its layers, optimizer, metrics and counters."""

    # they key masks and permutations
    counters: tuple[str, ...] = ("steps_taken", "passes_taken", "shuffle_seed")

    @exclusive
    def get_state(self) -> State:
        """Return all that later steps depend on, as plain values; see `core.state`.

        An equal model that gets it by `set_state` goes on to the same bits.
        """
        optimizer, metrics = self.optimizer, self.compiled_metrics
        return {
            "layers": [layer.get_state() for layer in self.leaves()],
            "optimizer": None if optimizer is None else optimizer.get_state(),
            "loss": self.loss_tracker.get_state(),
            "metrics": None if metrics is None else metrics.get_state(),
            "calls": self.step_context.calls,
            **{name: getattr(self, name) for name in self.counters},
        }

    @exclusive
    def set_state(self, state: State) -> None:
        """Go on from what `get_state` returned, in this process or another.

        Raises:
            ValueError: it is the state of another model; nothing was changed.
        """
        before = None
        try:
            if self.compiled_metrics is None and state["metrics"] is not None:  # no step yet
                self._prepare(state["metrics"]["target_shape"])
            before = self.get_state()
            metrics = {"metrics": [known_of(metric) for _, metric, _ in self._items()]}
            own = {"layers": [known_of(layer) for layer in self.leaves()],
                   "optimizer": self.optimizer and known_of(self.optimizer),
                   "metrics": None if self.compiled_metrics is None else metrics}  # fmt: skip
            self._assign_state(state)
            check_like(state, before | own, self.name)
        except Exception as error:
            if before is not None:
                self._assign_state(before)
            if isinstance(error, ValueError):
                raise
            raise ValueError(f"no state of {self.name}: {error!r}") from error

    def _assign_state(self, state):
        layers = self.leaves()
        if len(state["layers"]) != len(layers):
            raise ValueError(f"{self.name} has {len(layers)} layers, the state is of "
                             f"{len(state['layers'])}")  # fmt: skip
        for name in self.counters:
            if not isinstance(state[name], (int, type(None))):
                raise ValueError(f"{name} is {state[name]!r}")
        for layer, kept in zip(layers, state["layers"], strict=True):
            layer.set_state(kept)
        parts = (self.optimizer, self.loss_tracker, self.compiled_metrics)
        for part, name in zip(parts, ("optimizer", "loss", "metrics"), strict=True):
            if part is not None:
                part.set_state(state[name])
        for name in self.counters:
            setattr(self, name, state[name])
        self.step_context.calls = state.get("calls", 0)
