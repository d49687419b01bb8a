"""SwapEMAWeights: measure with the averaged weights, train with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Callback, attributes

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Logs


class SwapEMAWeights(Callback):
    """Puts the weights' moving average in their place while the model is measured.

    The optimizer must keep one: `Adam(use_ema=True)`. `evaluate`, the validation in `fit`, and
    `predict` then see the average; afterwards the weights are back.

    Args:
        swap_on_epoch: also from the end of an epoch to the beginning of the next, so that callbacks
            further down the list, like ModelCheckpoint, see the average.

    Raises:
        ValueError: the optimizer keeps no average.
    """

    get_state: Any
    set_state: Any
    get_state, set_state = attributes("measuring")

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self.measuring: bool = False  # whether the average is in place for a measurement

    def _put(self, average):
        """Put the average (or the weights) in the model; return whether they were exchanged."""
        optimizer = self.model.optimizer
        if optimizer is None or not optimizer.use_ema:
            raise ValueError(
                "SwapEMAWeights needs an optimizer with use_ema=True, "
                f"received {'no compiled model' if optimizer is None else type(optimizer).__name__}"
            )
        if optimizer.average is None or optimizer.average_in_weights == average:
            return False
        optimizer.swap_average()
        return optimizer.average_in_weights == average

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._put(average=False)  # an interrupted measurement may have left it

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._put(average=False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._put(average=True)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self.measuring = self._put(average=True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if self.measuring:
            self._put(average=False)

    on_predict_begin, on_predict_end = on_test_begin, on_test_end
