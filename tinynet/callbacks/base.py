"""Callbacks: hooks that `fit`, `evaluate` and `predict` call, and the list that calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.arguments import check_arguments
from ..core.state import check_like

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from ..configs.types import Logs, State
    from ..models import Model


class Callback:
    """Base of all callbacks: override the hooks you want.

    Attributes:
        model: the model, set before the first hook; `model.stop_training = True` ends `fit` after
            the current batch; `model.resumed` says whether `fit` goes on from a snapshot.
        params: {"verbose", "epochs", "steps"} of the running call.

    `logs` is a dict of the values so far; what a hook adds to it at the end of an epoch appears in
    History.
    """

    writes = False  # whether it does nothing but write: then only the first of several ranks has it

    def __new__(cls, *args: Any, **options: Any) -> Self:
        check_arguments(cls, args, options)
        return super().__new__(cls)

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        for name, value in vars(self).items():
            if getattr(value, "__self__", None) is self:  # a hook set on the object: the copy's own
                value = getattr(copied, value.__name__)
            setattr(copied, name, value)
        return copied

    def set_model(self, model: Model) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def get_state(self) -> State:
        """Return what a snapshot keeps: numbers, strings, arrays, lists, dicts of them.

        `set_state` gets it back in the process that goes on, after `on_train_begin` (and, within an
        epoch, after `on_epoch_begin`).
        """
        return None

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` returned."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called at on_train_batch_begin; its older name."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called at on_train_batch_end; its older name."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before training batch number `batch` of the epoch, from 0."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After it; logs: running loss and metrics of the epoch."""
        self.on_batch_end(batch, logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before epoch number `epoch`, from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After its validation; logs: loss, metrics, val_loss, val_metrics."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch; logs: those of the last epoch."""

    def on_train_exit(self) -> None:
        """When `fit` is left, also by an error or Ctrl-C, which know no on_train_end."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `evaluate` or of validation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After it; logs: running loss and metrics."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before the first batch of `evaluate` or of validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After the last one."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After it; logs: {"outputs": the batch's predictions}."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before the first batch of `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After the last one."""


def _overrides(callback, hook):
    """Return whether a callback does something at `hook` (the older names count for training)."""
    names = [hook] + ([hook.replace("train_", "")] if "train_batch" in hook else [])
    return any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name)
        for name in names
    )


def _nothing(*args):
    """Take the place of a hook."""


def attributes(*names):
    """Return `get_state` and `set_state` for a callback that remembers these attributes.

    `best` is a number, or None as long as there is none.
    """

    def get_state(self):
        return {name: getattr(self, name) for name in names}

    def set_state(self, state):
        if state.get("best") is not None:
            check_like(state["best"], 0.0, "the best value")
        for name in names:
            setattr(self, name, state[name])

    return get_state, set_state


class CallbackList:
    """Calls each hook on each callback that overrides it, in order.

    A batch hook that no callback overrides costs nothing: `wants("on_train_batch_end")` is False
    then, and the loop does not compute its logs.

    Args:
        callbacks: those of the user, and History.
        model: what they see as `self.model`.
        progress: the ProgbarLogger, or None; it is asked after every batch but looks at the logs
            only when it draws.
        writing: whether callbacks that write are called; all ranks ask them what they want.
        **params: what they see as `self.params`.
    """

    bar: bool | None
    callbacks: list[Callback]
    receivers: dict[Any, Any]

    def __init__(self, callbacks: Sequence[Callback], model: Model, progress: bool | None = None,
                 writing: bool = True, **params: Any) -> None:  # fmt: skip
        self.callbacks, self.bar, self.receivers = list(callbacks), progress, {}
        self.writing = writing
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                name = getattr(callback, "__name__", None)
                hint = (
                    f"; {name} is to be called: {name}(...)" if isinstance(callback, type) else ""
                )
                raise TypeError(f"callbacks: expected Callback objects, received {callback!r} of "
                                f"type {type(callback).__name__}{hint}")  # fmt: skip
        self.called: Any = self.callbacks if progress is None else [*self.callbacks, progress]
        for callback in self.called:
            callback.set_model(model)
            callback.set_params(params)

    def _receivers(self, hook):
        if hook not in self.receivers:
            self.receivers[hook] = [
                _nothing if self._silent(c) else getattr(c, hook)
                for c in self.called if _overrides(c, hook)
            ]  # fmt: skip
        return self.receivers[hook]

    def wants(self, hook: str) -> bool:
        """Return whether a callback does something at this hook."""
        return bool(self._receivers(hook))

    def call(self, hook: str, *args: Any) -> None:
        """Call a hook on all callbacks that do something at it."""
        for receiver in self._receivers(hook):
            receiver(*args)

    def _silent(self, callback):
        return callback.writes and not self.writing

    def progress(self, step: int, logs: Logs | None = None) -> None:
        """Show that a batch is done; `logs` is a function, called only if something is drawn."""
        if self.bar is not None:
            self.bar.batch_done(step, logs)

    def close(self) -> None:
        """End a progress line that an exception left open."""
        if self.bar is not None:
            self.bar.close()

    def all_ours(self) -> bool:
        """Return whether all callbacks are tinynet's: then all names of the logs are known."""
        return all(type(c).__module__.partition(".")[0] == "tinynet" for c in self.callbacks)
