"""History: what every epoch measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.state import check_like
from .base import Callback, attributes

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Logs, State


class History(Callback):
    """`fit` returns it.

    Attributes:
        history: name -> list with one value per epoch; loss first, then the metrics in the order of
            `compile`, then the same with "val_".
        epoch: the numbers of these epochs, from 0.
        kept_epoch: the number of the epoch whose weights EarlyStopping brought back, or None.
    """

    epoch: list[Any]
    history: dict[str, list[Any]]
    kept_epoch: Any

    get_state: Any
    _set_state: Any
    get_state, _set_state = attributes("history", "epoch")

    def set_state(self, state: State) -> None:
        for name, values in state["history"].items():
            check_like(values, [], f"the history of {name}")
        self._set_state(state)

    def __init__(self) -> None:
        super().__init__()
        self.history, self.epoch, self.kept_epoch = {}, [], None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.history, self.epoch, self.kept_epoch = {}, [], None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def _repr_html_(self):
        """Return what a notebook shows: the curves, and their first, best and last values."""
        from ..showing.notebook import history_html

        return history_html(self)
