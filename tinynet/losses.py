"""Losses: one number for a batch, and the gradient by the model's output.

    L = sum_i w_i l(y_i, p_i),      w_i = sample_weight_i / N

`row_weights` makes w; that is the one place in the whole engine where 1/N enters. A kernel computes
the values and the gradient of all rows at once: `forward` returns L's terms, `backward` the
gradient.

Softmax or sigmoid directly before a cross-entropy is fused with it: the loss then takes the logits
z, and dz = w (p - y) stays exact where p saturates. Anywhere else probabilities are clipped to
[1e-7, 1 - 1e-7], as in Keras.
"""

import numpy as np

from .context import StepContext
from .data import check_finite
from .devices import load_ops
from .registry import Configurable, Registry, Revised

EPSILON = 1e-7  # where probabilities are clipped
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)

_registry = Registry("loss", "losses")
register = _registry.register


class Loss(Configurable, Revised):
    """Base of all losses.

    A loss of your own defines `forward(y, p, w, logits=False)`, which keeps the gradient in
    `self.dp` and returns the weighted values (N,), and is used like any other.

    Args:
        reduction: "sum_over_batch_size" (the mean), "sum", "mean_with_sample_weight" or "none".
        name: shown in messages.
    """

    config_keys = ("name", "reduction")
    volatile = frozenset({"dp", "probabilities", "context"})
    logits_of = None  # name of the activation that can be fused into this loss
    from_logits = False
    integer_targets = False

    def __init__(self, reduction="sum_over_batch_size", name=None):
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction must be one of {REDUCTIONS}, received {reduction!r}")
        self.reduction, self.name = reduction, name
        self.context = StepContext(load_ops("reference"))
        self.dp = None
        self.probabilities = None  # of the last batch, where the loss was fused

    # ------------------------------------------------------------------------ the engine's side

    def forward(self, y, p, w, logits=False):
        """Weighted values w_i l(y_i, p_i) (N,), and the gradient by p for `backward`.

        Args:
            y: targets (N,) of class ids or (N, C).
            p: the model's output (N, C), or its logits.
            w: each row's weight (N,), see `row_weights`.
            logits: whether p are the logits of `logits_of`.
        """
        raise NotImplementedError(f"{type(self).__name__} needs forward(y, p, w, logits)")

    def backward(self):
        """dL/dp (N, C), where the backward pass starts."""
        if self.dp is None:
            raise RuntimeError(f"{type(self).__name__}: backward() was called before forward()")
        return self.dp

    def row_weights(self, sample_weight, rows, dtype):
        """w (N,): each row's share of the loss. Here, once, the sum becomes a mean."""
        w = np.ones(rows, dtype) if sample_weight is None else sample_weight.astype(dtype)
        if self.reduction in ("sum_over_batch_size", "mean"):
            w /= rows
        elif self.reduction == "mean_with_sample_weight":
            w /= w.sum() or 1
        return w

    def check_targets(self, y, output_shape, where="y"):
        """`y` in the shape that `forward` wants, checked once for the whole data set.

        Args:
            y: array of targets.
            output_shape: (None, ..., C), the model's.
            where: what to call y in messages.

        Raises:
            ValueError: a shape that does not fit the output, or a value that is not finite.
        """
        shape = tuple(output_shape[1:])
        if y.dtype.kind not in "fiub":
            raise TypeError(f"{where}: expected numbers, received dtype {y.dtype}")
        if y.shape[1:] == shape:
            fitted = y
        elif shape[-1:] == (1,) and y.shape[1:] == shape[:-1]:
            fitted = y[..., None]  # (N,) for an output of (N, 1)
        elif y.shape[1:] == (*shape, 1):
            fitted = y[..., 0]
        else:
            raise ValueError(
                f"{where}: {self._label()} expects targets of shape {('N', *shape)}, "
                f"received {('N', *y.shape[1:])}{self._shape_hint(y, shape)}"
            )
        check_finite(fitted, where)
        return fitted

    def _shape_hint(self, y, shape):
        return ""

    def _label(self):
        return type(self).__name__

    def _arrays(self, p):
        """Arrays for the values (N,) and the gradient (N, C)."""
        empty = self.context.empty
        return empty(p.shape[:1], p.dtype), empty(p.shape, p.dtype)

    # ------------------------------------------------------------------------ for one's own loop

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss as a number (an array of values with reduction "none")."""
        values, _ = self._run(y_true, y_pred, sample_weight)
        return values if self.reduction in ("none", None) else values.sum(dtype=np.float64).item()

    def gradient(self, y_true, y_pred, sample_weight=None):
        """dL/dy_pred, an array like y_pred."""
        return self._run(y_true, y_pred, sample_weight)[1]

    def _run(self, y_true, y_pred, sample_weight):
        p = np.asarray(y_pred)
        p = p.astype(p.dtype if p.dtype in (np.float32, np.float64) else "float32", copy=False)
        if p.ndim == 0 or len(p) == 0:
            raise ValueError(f"y_pred: expected (N, ...) with N >= 1, received shape {p.shape}")
        column = p.ndim == 1  # Keras takes (N,) as N values
        rows = p[:, None] if column else p
        y = np.asarray(y_true)
        if y.ndim == 0:
            raise ValueError(f"y_true: expected {len(rows)} rows, received a single number")
        if len(y) != len(rows):
            raise ValueError(f"y_true has {len(y)} rows, y_pred {len(rows)}")
        y = self.check_targets(y, (None, *rows.shape[1:]), "y_true")
        y, rows, w = self.as_rows(y, rows, sample_weight)
        values = self.forward(y, rows, w)
        lead = p.shape[:1] if column else p.shape[:-1]
        return values.reshape(lead), self.dp.reshape(p.shape)

    def as_rows(self, y, p, sample_weight):
        """(N, ..., C) as rows (R, C), targets and weights to match."""
        R, C = p.size // p.shape[-1], p.shape[-1]
        if sample_weight is not None:
            lead = p.shape[:-1]
            weight = np.asarray(sample_weight)
            if weight.ndim > 1 and weight.shape[-1] == 1:
                weight = weight[..., 0]
            if weight.ndim == 0 or weight.shape != lead[: weight.ndim]:
                raise ValueError(
                    f"sample_weight: expected shape {lead[:1]}, received {weight.shape}"
                )
            weight = weight.reshape(*weight.shape, *(1,) * (len(lead) - weight.ndim))
            sample_weight = np.broadcast_to(weight, lead).reshape(R)
        w = self.row_weights(sample_weight, R, p.dtype)
        y = y.reshape(R) if self.integer_targets else y.reshape(R, C).astype(p.dtype, copy=False)
        return y, p.reshape(R, C), w


# ------------------------------------------------------------------------------ cross-entropy


class _CrossEntropy(Loss):
    """What the cross-entropies share: logits or probabilities, and label smoothing."""

    config_keys = ("name", "reduction", "from_logits", "label_smoothing")

    def __init__(
        self, from_logits=False, label_smoothing=0.0, reduction="sum_over_batch_size", name=None
    ):
        super().__init__(reduction, name)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be in [0, 1], received {label_smoothing!r}")
        self.from_logits, self.label_smoothing = bool(from_logits), float(label_smoothing)

    def forward(self, y, p, w, logits=False):
        values, self.dp = self._arrays(p)
        y = self._smoothed(y, p)
        if logits or self.from_logits:
            self.probabilities = self.context.empty(p.shape, p.dtype)  # (N, C)
            self._from_logits(y, p, w, values)
        else:
            self._from_probabilities(y, p, w, values)
        return values

    def _smoothed(self, y, p):
        """y (1 - s) + s / K: a share s of the target is spread over the K classes."""
        if not self.label_smoothing:
            return y
        s, smooth = self.label_smoothing, self.context.empty(p.shape, p.dtype)
        self.context.ops.affine(y, 1 - s, s / self._classes(p), y=smooth)  # (N, C)
        return smooth

    def _classes(self, p):
        return p.shape[-1]


@register("sparse_categorical_crossentropy")
class SparseCategoricalCrossentropy(_CrossEntropy):
    """Cross-entropy against integer class ids.

        l_i = -log p[i, y_i];      from logits: dz = w (p - onehot(y))      (N, C)

    Args:
        from_logits: whether the output is z, before the softmax.
    """

    config_keys = ("name", "reduction", "from_logits")
    logits_of = "softmax"
    integer_targets = True

    def __init__(self, from_logits=False, reduction="sum_over_batch_size", name=None):
        super().__init__(from_logits, 0.0, reduction, name)

    def _from_logits(self, y, z, w, values):
        self.context.ops.sparse_softmax_crossentropy(
            z, y, w, p=self.probabilities, losses=values, dz=self.dp
        )

    def _from_probabilities(self, y, p, w, values):
        self.context.ops.sparse_crossentropy(p, y, w, EPSILON, losses=values, dp=self.dp)

    def check_targets(self, y, output_shape, where="y"):
        lead, C = output_shape[1:-1], output_shape[-1]
        y = y[..., 0] if y.ndim == len(lead) + 2 and y.shape[-1] == 1 else y
        if y.shape[1:] != lead:
            one_hot = y.shape[1:] == (*lead, C)
            raise ValueError(
                f"{where}: {self._label()} expects integer class ids of shape {('N', *lead)}, "
                f"received {('N', *y.shape[1:])}"
                + ("; for one-hot rows use categorical_crossentropy" if one_hot else "")
            )
        return check_class_ids(y, C, where)


def check_class_ids(y, classes, where):
    """`y` as integers in [0, classes), or an error that names the first bad row."""
    if y.dtype.kind not in "fiub":
        raise TypeError(f"{where}: expected integer class ids, received dtype {y.dtype}")
    check_finite(y, where)
    flat = y.reshape(len(y), -1)
    wrong = (flat < 0) | (flat >= classes)
    if y.dtype.kind == "f":
        wrong |= flat != np.floor(flat)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{where}: row {row} has class id {flat[row, column]}, expected an integer in "
            f"[0, {classes}) for a model with {classes} outputs"
        )
    return y if y.dtype.kind in "iu" else y.astype(np.int64)


@register("categorical_crossentropy")
class CategoricalCrossentropy(_CrossEntropy):
    """Cross-entropy against one-hot rows or distributions.

        l_i = -sum_c y_ic log p_ic;      from logits: dz = w (p - y)      (N, C)

    Args:
        from_logits: whether the output is z, before the softmax.
        label_smoothing: s in y (1 - s) + s / C.
    """

    logits_of = "softmax"

    def _from_logits(self, y, z, w, values):
        self.context.ops.softmax_crossentropy(
            z, y, w, p=self.probabilities, losses=values, dz=self.dp
        )

    def _from_probabilities(self, y, p, w, values):
        self.context.ops.crossentropy(p, y, w, EPSILON, losses=values, dp=self.dp)

    def _shape_hint(self, y, shape):
        ids = y.shape[1:] in (shape[:-1], (*shape[:-1], 1))
        return (
            "; for integer class ids use sparse_categorical_crossentropy or "
            f"utils.to_categorical(y, {shape[-1]})"
            if ids and shape
            else ""
        )


@register("binary_crossentropy", "bce")
class BinaryCrossentropy(_CrossEntropy):
    """Cross-entropy of independent yes/no outputs.

        l_i = mean_c -(y log p + (1 - y) log(1 - p));      from logits: dz = w/C (p - y)

    Args:
        from_logits: whether the output is z, before the sigmoid.
        label_smoothing: s in y (1 - s) + s / 2.
    """

    logits_of = "sigmoid"

    def _classes(self, p):
        return 2

    def _from_logits(self, y, z, w, values):
        self.context.ops.sigmoid_crossentropy(
            z, y, w, p=self.probabilities, losses=values, dz=self.dp
        )

    def _from_probabilities(self, y, p, w, values):
        self.context.ops.binary_crossentropy(p, y, w, EPSILON, losses=values, dp=self.dp)

    def check_targets(self, y, output_shape, where="y"):
        y = super().check_targets(y, output_shape, where)
        wrong = (y < 0) | (y > 1)
        if wrong.any():
            at = tuple(map(int, np.argwhere(wrong)[0]))
            raise ValueError(
                f"{where}: row {at[0]} holds {y[at]}, binary_crossentropy expects targets in [0, 1]"
            )
        return y


# --------------------------------------------------------------------------------- regression


class _Regression(Loss):
    kind, param = None, 0.0

    def forward(self, y, p, w, logits=False):
        values, self.dp = self._arrays(p)
        self.context.ops.regression_loss(self.kind, p, y, self.param, w, losses=values, dy=self.dp)
        return values


@register("mean_squared_error", "mse")
class MeanSquaredError(_Regression):
    """l_i = mean_c (p - y)^2;      dp = w/C 2 (p - y)."""

    kind = "squared"


@register("mean_absolute_error", "mae")
class MeanAbsoluteError(_Regression):
    """l_i = mean_c |p - y|;      dp = w/C sign(p - y)."""

    kind = "absolute"


@register("huber", "huber_loss")
class Huber(_Regression):
    """Squared near zero, absolute far away (Huber 1964): e^2/2 where |e| <= delta, else
    delta |e| - delta^2/2;      dp = w/C clip(p - y, -delta, delta).
    """

    config_keys = ("name", "reduction", "delta")
    kind = "huber"

    def __init__(self, delta=1.0, reduction="sum_over_batch_size", name=None):
        super().__init__(reduction, name)
        if not delta > 0:
            raise ValueError(f"delta must be > 0, received {delta!r}")
        self.delta = self.param = float(delta)


get, serialize, deserialize = _registry.get, _registry.serialize, _registry.deserialize
