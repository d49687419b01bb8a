"""The loss of a model with several outputs: the weighted sum of a loss per output.

L = sum_k weight_k L_k
"""

import copy
import math
import numbers

from ..data.several import in_order
from .base import Loss


class SeveralLosses:
    """What `Loss` is for one output, for several: arguments and results are lists, one per output.

    Args:
        losses: a Loss per output, None for an output that the loss does not depend on.
        weights: a number per output.
        names: of the outputs, for messages.

    Attributes:
        terms: of the last batch, the values of each output's rows (R,), without the weight; None
            for an output without a loss.
    """

    def __init__(self, losses, weights, names):
        self.losses, self.weights, self.names = losses, weights, names
        self.terms = [None] * len(losses)

    @property
    def parts(self):
        """The losses there are."""
        return [loss for loss in self.losses if loss is not None]

    @property
    def name(self):
        pairs = zip(self.names, self.losses, strict=True)
        return ", ".join(f"{name}: {loss.name}" for name, loss in pairs if loss is not None)

    @property
    def from_logits(self):
        """Of each output, whether it is logits for its loss."""
        return [loss is not None and loss.from_logits for loss in self.losses]

    @property
    def version(self):
        """Changes with each of the losses, see `core.versions`."""
        return [loss.version for loss in self.parts]

    @property
    def context(self):
        return self.parts[0].context

    @context.setter
    def context(self, context):
        for loss in self.parts:
            loss.context = context

    def get_config(self):
        return {"losses": self.losses, "weights": self.weights}

    def release(self):
        """Keep nothing of the last batch."""
        self.terms = [None] * len(self.losses)
        for loss in self.parts:
            loss.release()

    def check_dtype(self, dtype):
        for loss in self.parts:
            loss.check_dtype(dtype)

    def for_shapes(self, target_shape, output_shape):
        """Return the losses for targets and outputs of these shapes, two lists."""
        made = [
            None if loss is None else loss.for_shapes(*shapes)
            for loss, *shapes in zip(self.losses, target_shape, output_shape, strict=True)
        ]
        same = all(a is b for a, b in zip(made, self.losses, strict=True))
        return self if same else SeveralLosses(made, self.weights, self.names)

    def as_rows(self, y, shape, dtype, sample_weight):
        """Return a list of targets and a list of weights, as `Loss.as_rows` makes them."""
        weights = sample_weight or [None] * len(y)
        rows = [
            (None, None) if loss is None else loss.as_rows(*arrays[:2], dtype, arrays[2])
            for loss, *arrays in zip(self.losses, y, shape, weights, strict=True)
        ]
        return map(list, zip(*rows, strict=True))

    def forward(self, y, p, w, logits):
        """Return the weighted values of each output's rows, a list of (R,)."""
        values = []
        for k, loss in enumerate(self.losses):
            if loss is not None:
                self.terms[k] = loss.forward(y[k], p[k], w[k], logits=logits[k])
                values.append(self._weighted(self.terms[k], k))
        return values

    def backward(self):
        """Return dL/dp of each output, None where there is no loss."""
        return [
            None if loss is None else self._weighted(loss.backward(), k)
            for k, loss in enumerate(self.losses)
        ]

    def _weighted(self, array, k):
        if self.weights[k] == 1:
            return array
        result = self.context.empty(array.shape, array.dtype)
        self.context.ops.affine(array, self.weights[k], 0.0, y=result)
        return result


def as_outputs(loss):
    """Return the entries of what a user gave as the loss: of a list or dict, else of one."""
    if isinstance(loss, dict) and not _is_config(loss):
        return list(loss.values())
    return list(loss) if isinstance(loss, (list, tuple)) else [loss]


def of_outputs(loss, loss_weights, names, get):
    """Return the loss of a model, from what a user gave to `compile`.

    Args:
        loss: one for all outputs; or a list or dict by the outputs' names, None for an output
            without a loss.
        loss_weights: None: all 1; or numbers, as a list or a dict; for one output a number, too.
        names: of the outputs; None or one name where there is one output.
        get: function that makes a Loss of what stands for one.

    Returns:
        a Loss for one output, SeveralLosses for several, None where there is no loss at all.

    Raises:
        ValueError, TypeError: another number of losses or weights, a name that no output has, or
            what is no loss or number.
    """
    names = names or ["the output"]
    if isinstance(loss, dict) and not _is_config(loss) and len(names) == len(loss) == 1:
        loss = list(loss.values())  # whatever it is called, there is one output
    one_for_all = not isinstance(loss, (list, tuple, dict)) or _is_config(loss)
    found = [loss] * len(names) if one_for_all else in_order(names, loss, "loss")
    made, used = [], set()
    for entry in found:
        if isinstance(entry, (list, tuple)) and len(entry) == 1:  # as Keras takes it
            (entry,) = entry
        one = get(entry)
        if entry is not None and not isinstance(one, Loss):
            raise TypeError(f"loss: expected a name or a Loss, received {entry!r}; a function has "
                            "no derivative to train with: subclass losses.Loss with call(y, p) "
                            "and derivative(y, p), or give it its derivative, "
                            "losses.LossFunctionWrapper(fn, derivative=...), or central "
                            "differences, numeric=True")  # fmt: skip
        if one is not None and one.reduction in ("none", None):
            raise ValueError('a loss with reduction "none" gives no number to train on')
        made.append(copy.copy(one) if id(one) in used else one)
        if one is not None:
            used.add(id(one))
    weights = [1.0] * len(names)
    if loss_weights is not None:
        if len(names) == 1 and isinstance(loss_weights, numbers.Real):
            loss_weights = [loss_weights]
        if not isinstance(loss_weights, (list, tuple, dict)):
            raise TypeError(f"loss_weights: expected a list or dict of {len(names)} numbers, for "
                            f"the outputs {names}, received {loss_weights!r}")  # fmt: skip
        weights = in_order(names, loss_weights, "loss_weights")
    for k, (name, weight) in enumerate(zip(names, weights, strict=True)):
        if weight is None and made[k] is None:
            weights[k] = 1.0
        elif not isinstance(weight, numbers.Real) or not math.isfinite(weight):
            raise ValueError(f"loss_weights: expected a number for {name!r}, received {weight!r}")
    weights = [float(weight) for weight in weights]
    if len(names) == 1:
        if weights != [1.0] and made[0] is not None:
            made[0] = copy.copy(made[0])
            made[0].weight = weights[0]
        return made[0]
    return SeveralLosses(made, weights, list(names)) if any(made) else None


def _is_config(loss):
    return isinstance(loss, dict) and "class_name" in loss
