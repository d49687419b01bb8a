"""History: what every epoch measured."""

from .base import Callback, attributes


class History(Callback):
    """`fit` returns it.

    Attributes:
        history: name -> list with one value per epoch; loss first, then the metrics in the order of
            `compile`, then the same with "val_".
        epoch: the numbers of these epochs, from 0.
        kept_epoch: the number of the epoch whose weights EarlyStopping brought back, or None.
    """

    get_state, set_state = attributes("history", "epoch")

    def __init__(self):
        super().__init__()
        self.history, self.epoch, self.kept_epoch = {}, [], None

    def on_train_begin(self, logs=None):
        self.history, self.epoch, self.kept_epoch = {}, [], None

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def _repr_html_(self):
        """Return what a notebook shows: the curves, and their first, best and last values."""
        from ..showing.notebook import history_html

        return history_html(self)
