"""Inspection of one step without an update: gradients, all intermediate values, the first NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.locks import exclusive

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import ArrayLike


class Gradients:
    """Base of Trainer: gradients and traces of a step that is not taken."""

    def gradients(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike = None,
                  training: bool = True) -> Any:  # fmt: skip
        """The gradient of the loss, penalties included: parameter's path -> array of its shape.

        Nothing is updated, and moving statistics stay as they were.
        """
        return self.loss_and_gradients(x, y, sample_weight, training)[1]

    @exclusive
    def loss_and_gradients(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike = None,
                           training: bool = True) -> tuple[Any, Any]:  # fmt: skip
        """Return the loss of a batch, and its gradients as in `gradients`."""
        self._require_compiled("gradients")
        with self.first_use():
            data = self.dataset(x, y, sample_weight)
            self._prepare(data.target_shape)
        frozen = [p.numpy() for p in self.non_trainable_weights]
        self.begin_step()
        self.compute_gradients(*self.batch(data, slice(None)), training=training)
        for p, value in zip(self.non_trainable_weights, frozen, strict=True):
            p.assign(value)
        to_host = self.context.ops.to_host
        grads = {p.path: np.array(to_host(p.grad)) for p in self.trainable_weights}
        return self.context.loss, grads

    def compute_loss(self, x: ArrayLike = None, y: ArrayLike = None, y_pred: ArrayLike = None,
                     sample_weight: ArrayLike = None, training: bool = True) -> float:  # fmt: skip
        """Return the loss of predictions that were made before, with the penalties in `losses`.

        Args:
            x, training: accepted as in Keras.
            y, y_pred, sample_weight: as for a loss.
        """
        self._require_compiled("compute_loss")
        if y is None or y_pred is None:
            raise ValueError("compute_loss needs y and y_pred")
        return self.loss(y, y_pred, sample_weight) + sum(self.losses)

    def trace(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike = None) -> Any:
        """Return all values of a training step on (x, y); the model stays as it is.

        The result is a `tinynet.microscope.trace.Trace`; print it for tables.
        """
        from ..microscope.trace import trace

        return trace(self, x, y, sample_weight)

    @exclusive
    def find_nan(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike = None) -> Any:
        """Where the training step that (x, y) would cause first has NaN or infinity.

        Returns:
            nan_search.NotFinite, which prints as a sentence, or None; the model stays as it is.
        """
        from ..inspecting.nan_search import find

        self._require_compiled("find_nan")
        with self.first_use():
            data = self.dataset(x, y, sample_weight)
            self._prepare(data.target_shape)
        return find(self, *self.batch(data, slice(None)))
