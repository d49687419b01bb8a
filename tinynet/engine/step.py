"""One step of gradient descent: forward, loss, backward, update.

`fit` (in `fit.py`) repeats it. On the reference device, and wherever a step runs eagerly, these
lines are executed as they stand; for `cpu` and `gpu`, `record.py` runs the same lines once with a
`Recorder` in place of the kernels and replays what they called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.graph import each, flat

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Array, ArrayLike


class Step:
    """What a model does with one batch.

    A batch is x (N, ...), or a list for several inputs; the targets y, class ids (R,) or (R, C);
    and w (R,), each row's share of the loss (1 / N, times the sample's weight). The outputs
    (N, ..., C) have R rows of C entries. P is the number of trainable weights. For several outputs
    y, w, the outputs and their gradients are lists.
    """

    def train_step(self, x: ArrayLike, y: ArrayLike, w: Array) -> None:
        """Take one step of gradient descent: compute the gradients, then update the weights."""
        self.compute_gradients(x, y, w)  # flat.grads (P,)
        self.update()  # flat.trainable (P,)

    def compute_gradients(self, x: ArrayLike, y: ArrayLike, w: Array,
                          training: bool = True) -> None:  # fmt: skip
        """Forward, loss, backward: write the gradient of the loss by each trainable weight."""
        outputs = self.forward(x, training=training, logits=self.fused)  # (N, ..., C)
        self.measure(y, outputs, w)
        dy = each(self._output_gradient, self.loss.backward(), outputs)  # (N, ..., C)
        self.backward(dy, logits=self.fused)  # flat.grads (P,)
        self.optimizer.unscale(self.flat.grads)  # (P,)
        self.add_penalties(with_gradient=True)
        self.context.sum_over_ranks(self.flat.grads)  # (P,)

    def update(self) -> None:
        """Change the trainable weights by what the optimizer makes of their gradients."""
        self.optimizer.step(self.flat.trainable, self.flat.grads, self.context)

    def test_step(self, x: ArrayLike, y: ArrayLike, w: Array) -> None:
        """Compute the loss and the outputs of a batch; nothing is trained."""
        outputs = self.forward(x, training=False, logits=self.fused)  # (N, ..., C)
        self.measure(y, outputs, w)
        self.add_penalties(with_gradient=False)

    def predict_step(self, x: ArrayLike) -> Any:
        """Return the outputs for a batch."""
        return self.forward(x, training=False)  # (N, ..., C)

    def begin_step(self) -> None:
        """Start a training step: its arrays are this model's, also where layers are shared."""
        self.ensure_flat()
        self.context.begin(self.steps_taken)

    def begin_call(self) -> None:
        """Start to compute a batch without training; what is drawn for it is drawn only once."""
        self.ensure_flat()
        self.context.begin(self.context.next_call())

    def measure(self, y: ArrayLike, outputs: Any, w: Array) -> None:
        """Compute the loss of a batch; the context keeps it and the outputs."""
        self._check_unmasked(outputs)
        self.context.outputs = outputs
        for layer in self.layout.penalized:
            self.context.add_loss(layer.activity_losses)  # (N,)
        for values in flat(self.loss.forward(y, each(_rows, outputs), w, logits=self.fused)):
            self.context.add_loss(values)  # (R,)

    def _output_gradient(self, dy, outputs):
        """Return dL/dy (R, C) in the shape of the outputs; None without a loss."""
        if dy is None:
            return None
        return self.optimizer.scaled(dy, self.context).reshape(outputs.shape)  # (N, ..., C)

    def add_penalties(self, with_gradient: Any) -> None:
        """Add the regularizers' penalties to the loss, and their gradients to the gradient.

        They are terms of the loss like a row's: one rank has them, the first.
        """
        ops = self.context.ops
        if self.context.part.ranks.rank > 0:
            return
        for p in self.layout.regularized:
            r, dw = p.regularizer, p.grad if with_gradient else None
            self.context.add_penalty(r, p)
            if hasattr(r, "l1"):
                ops.penalty_grad(p.value, r.l1, r.l2, dw=dw)
            elif with_gradient:
                dw += ops.from_host(r.gradient(p.numpy()))

    def predictions(self) -> Any:
        """Return the outputs of the step, the last activation included (R, C): metrics use them."""
        outputs = self.context.outputs
        if isinstance(outputs, list):
            each_one = zip(self.loss.losses, self.fused, outputs, strict=True)
            return [_rows(loss.probabilities if fused else p) for loss, fused, p in each_one]
        return _rows(self.loss.probabilities if self.fused else outputs)

    def _check_unmasked(self, outputs):
        """Raise ValueError if some of the outputs are padding."""
        if any(self.context.masks.of(output) is not None for output in flat(outputs)):
            raise ValueError(f"{self.name}: the padding that Embedding(mask_zero=True) marks "
                             "reaches the loss, which can't leave places out: pool over the "
                             "steps, or weigh them by sample_weight")  # fmt: skip


def _rows(outputs):
    return outputs.reshape(-1, outputs.shape[-1])  # (R, C)
