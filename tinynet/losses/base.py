"""Losses: one number for a batch, and the gradient by the model's output.

    L = sum_i w_i l(y_i, p_i),      w_i = sample_weight_i / N

`row_weights` makes w; that is the one place in the whole engine where 1/N enters. A kernel computes
the values and the gradient of all rows at once: `forward` returns L's terms, `backward` the
gradient.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..config import float_dtype
from ..configs.naming import snake_case
from ..configs.registry import Configurable, Registry
from ..core.context import StepContext
from ..core.copying import Copied
from ..core.devices import load_ops
from ..core.locks import exclusive
from ..core.versions import Versioned
from .checks import check_finite, flatten_missing, same_rank

if TYPE_CHECKING:
    from typing import Any, Self

    from ..configs.types import Array, ArrayLike, Config, DType, Shape

EPSILON = 1e-7  # where probabilities are clipped
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)

_registry = Registry("loss", "losses")
register = _registry.register


class Loss(Configurable, Copied, Versioned):
    """Base of all losses.

    A loss of your own says what each row's value is, and its derivative, written by hand:

        class Quartic(keras.losses.Loss):
            def call(self, y, p):  # (N, C) twice -> (N,)
                return ((p - y) ** 4).mean(axis=-1)

            def derivative(self, y, p):  # (N, C): of each row's value, by that row of p
                return 4 * (p - y) ** 3 / p.shape[-1]

    is used like any other, and `keras.gradcheck(Quartic(), y, p)` tells whether the two fit. Where
    `call` returns more than one value a row, the row's value is their mean; where it returns a
    single number, that is the value of the batch, and `derivative` is that number's by p.
    Weights, reduction and 1/N are the engine's business. Instead of the two it may define
    `forward`, which keeps the weighted gradient in `self.dp` and returns the weighted values.

    Args:
        name: shown in messages; None: the class's name in snake_case.
        reduction: "sum_over_batch_size" (the mean), "sum", "mean_with_sample_weight" or "none".
        dtype: what a direct call computes in, "float32" or "float64" (also as a policy's config);
            None: as the predictions. In a model it must be the model's.
    """

    dtype: str | None

    config_keys: tuple[str, ...] = ("name", "reduction")
    unversioned: frozenset[str] = frozenset({"dp", "probabilities", "context"})
    derived: dict[str, Any] = {"dp": None, "probabilities": None}  # noqa: RUF012
    default_name = None
    logits_of = None  # name of the activation that can be fused into this loss
    from_logits = False
    own_checks: frozenset[str] = frozenset({"axis"})
    of_probabilities = False  # whether outputs are probabilities, and targets shares, of classes
    integer_targets = False
    on_host = False  # whether it computes with NumPy alone, on every device
    weight: float = 1.0  # the factor that `compile(loss_weights=)` gave the loss of the only output
    wants_gradient = True  # False where only the values are used, as in a metric
    for_class_ids = None  # what to use where class ids came for one-hot rows, for a message
    whole_rows = False  # whether a vector of predictions is one row, not N rows of one output

    def __init__(self, name: str | None = None, reduction: str = "sum_over_batch_size",
                 dtype: DType | None = None) -> None:  # fmt: skip
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction must be one of {REDUCTIONS}, received {reduction!r}")
        self.name: str = name or self.default_name or snake_case(type(self).__name__)
        self.reduction, self.dtype = reduction, _dtype(dtype)
        self.context: Any = StepContext(load_ops("reference"))
        self.dp: Any = None
        self.probabilities: Any = None  # of the last batch, where the loss was fused

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        given = {"call", "derivative"} & set(vars(cls))
        if given and cls.forward is not Loss.forward and "forward" not in vars(cls):
            raise TypeError(f"{cls.__name__} defines {' and '.join(sorted(given))}, which the "
                            "forward that it inherits does not use: subclass losses.Loss itself, "
                            "or define forward")  # fmt: skip

    def get_config(self) -> Config:
        """Return the constructor's arguments as plain values; dtype only where it was given."""
        return super().get_config() | ({"dtype": self.dtype} if self.dtype else {})

    # ------------------------------------------------------------------------ the engine's side

    @property
    def parts(self) -> list[Any]:
        """[the loss itself]; see `several.SeveralLosses`."""
        return [self]

    def release(self) -> None:
        """Keep nothing of the last batch."""
        self.dp = self.probabilities = None

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        """Return weighted values w_i l(y_i, p_i) (N,), and keep the gradient by p for `backward`.

        Args:
            y: targets (N,) of class ids or (N, C).
            p: the model's output (N, C), or its logits.
            w: each row's weight (N,), see `row_weights`.
            logits: whether p are the logits of `logits_of`.
        """
        ops = self.context.ops
        y, p, w = map(ops.to_host, (y, p, w))  # what a user writes is NumPy, on every device
        values, self.dp = np.asarray(self.call(y, p), p.dtype), None
        shares = w[:, None] if values.ndim else w.sum()  # of the rows, or of the batch
        values = self._row_values(values, len(p))  # (N,)
        if self._has_derivative():
            slopes = np.asarray(self.derivative(y, p), p.dtype)
            if slopes.shape != p.shape:
                raise ValueError(f"{self._label()}.derivative(y, p): expected an array of shape "
                                 f"{p.shape}, received {slopes.shape}")  # fmt: skip
            self.dp = ops.from_host(shares * slopes)  # (N, C)
        return ops.from_host(w * values)

    def backward(self) -> Any:
        """Return dL/dp (N, C), where the backward pass starts."""
        if self.dp is None:
            if type(self).forward is Loss.forward and not self._has_derivative():
                Loss.derivative(self, None, None)  # says what is missing
            raise RuntimeError(f"{type(self).__name__}: backward() was called before forward()")
        return self.dp

    def call(self, y: Array, p: Array) -> Any:
        """Return the values of the rows, (N,) or (N, ...), for targets and predictions (N, C)."""
        raise NotImplementedError(f"{type(self).__name__} needs forward(y, p, w, logits), or "
                                  "call(y, "
                                  "p) and derivative(y, p); losses.Loss shows how")  # fmt: skip

    def derivative(self, y: Array, p: Array) -> Any:
        """Return the derivative of each row's value by that row of p (N, C)."""
        raise NotImplementedError(f"{type(self).__name__} can measure, but not train: it needs "
                                  "derivative(y, p), the derivative of call(y, p) by p written by "
                                  "hand; losses.Loss shows how")  # fmt: skip

    def _has_derivative(self):
        return type(self).derivative is not Loss.derivative

    def _row_values(self, values, rows):
        """Return one value a row (N,) of what `call` returned."""
        if values.ndim and len(values) != rows:
            raise ValueError(f"{self._label()}.call(y, p): expected a number, or an array of "
                             f"{rows} rows, received shape {values.shape}")  # fmt: skip
        return np.broadcast_to(values.mean(axis=tuple(range(1, values.ndim))), (rows,))

    def row_weights(self, sample_weight: ArrayLike, rows: Any, dtype: DType,
                    valid: Any = None) -> Any:  # fmt: skip
        """Return w (N,): each row's share of the loss. Here, once, the sum becomes a mean.

        Rows that are not `valid` (N,) have no share, and are not counted.
        """
        w = np.ones(rows, dtype) if sample_weight is None else sample_weight.astype(dtype)
        if valid is not None:
            w *= valid
            rows = np.count_nonzero(valid)
        if self.reduction in ("sum_over_batch_size", "mean"):
            w /= self.context.total(rows) or 1
        elif self.reduction == "mean_with_sample_weight":
            w /= self.context.total(w.sum()) or 1
        elif self.context.part.copies > 1:
            w /= self.context.part.copies
        if self.weight != 1:
            w *= self.weight
        return w

    def valid(self, y: Array) -> Array | None:
        """Return which targets count, like y; None: all."""
        return None

    def for_shapes(self, target_shape: Shape, output_shape: Shape) -> Self:
        """Return the loss for targets and outputs of these shapes: itself."""
        return self

    def check_dtype(self, dtype: DType) -> None:
        """Raise unless the loss can compute in a model of this dtype."""
        if self.dtype not in (None, dtype):
            raise ValueError(f"{self._label()}: dtype={self.dtype!r} in a model that computes in "
                             f"{dtype}; "
                             "leave it out, or give the model's layers the same")  # fmt: skip

    def check_targets(self, y: Array, output_shape: Shape, where: str = "y") -> Array:
        """Return `y` in the shape that `forward` wants, checked once for the whole data set.

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
            ids = self.for_class_ids and y.shape[1:] in (shape[:-1], (*shape[:-1], 1))
            hint = (
                f"; for integer class ids use {self.for_class_ids}(y, {shape[-1]})" if ids else ""
            )
            hint = hint or flatten_missing(y, output_shape)
            raise ValueError(f"{where}: {self._label()} expects targets of shape {('N', *shape)}, "
                             f"received {('N', *y.shape[1:])}{hint}")  # fmt: skip
        check_finite(fitted, where)
        return fitted

    def _label(self):
        return type(self).__name__

    def _arrays(self, p):
        """Return arrays for values (N,) and gradient (N, C), None where no gradient is wanted."""
        empty = self.context.empty
        return empty(p.shape[:1], p.dtype), empty(p.shape, p.dtype) if self.wants_gradient else None

    # ------------------------------------------------------------------------ for one's own loop

    @exclusive
    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike,
                 sample_weight: ArrayLike = None) -> Any:  # fmt: skip
        """Return the loss as a number (an array of values with reduction "none")."""
        if type(self).forward is Loss.forward:
            values = self._own_values(y_true, y_pred, sample_weight)
        else:
            values, _ = self._run(y_true, y_pred, sample_weight)
        return values if self.reduction in ("none", None) else values.sum(dtype=np.float64).item()

    @exclusive
    def gradient(self, y_true: ArrayLike, y_pred: ArrayLike,
                 sample_weight: ArrayLike = None) -> Array:  # fmt: skip
        """Return dL/dy_pred, an array like y_pred."""
        _, shape = self._run(y_true, y_pred, sample_weight)
        return self.backward().reshape(shape)

    def _own_values(self, y_true, y_pred, sample_weight):
        """Return what `call` returns for arrays of any shape, times the shares of the weights."""
        y, p = same_rank(np.asarray(y_true), self._predictions(y_pred))
        y = y.astype(p.dtype, copy=False)
        values = np.asarray(self.call(y, p), p.dtype)
        if sample_weight is None:
            return values * self.row_weights(None, values.size, p.dtype).reshape(values.shape)
        values, weight = same_rank(values, np.asarray(sample_weight, p.dtype))
        weight = np.broadcast_to(weight, np.broadcast_shapes(values.shape, weight.shape))
        shares = self.row_weights(weight.ravel(), weight.size, p.dtype)
        return values * shares.reshape(weight.shape)

    def _predictions(self, y_pred):
        """Return predictions as an array of the dtype that the loss computes in."""
        p = np.asarray(y_pred)
        given = p.dtype if p.dtype in (np.float32, np.float64) else "float32"
        return p.astype(self.dtype or given, copy=False)

    def _run(self, y_true, y_pred, sample_weight):
        """Return `forward` on arrays of any fitting shape: the values, and the shape of y_pred."""
        p = self._predictions(y_pred)
        if p.ndim == 0 or len(p) == 0:
            raise ValueError(f"y_pred: expected (N, ...) with N >= 1, received shape {p.shape}")
        y, rows, lead = np.asarray(y_true), p, p.shape[:-1]
        if p.ndim == 1 and self.whole_rows:
            y, rows = y[None], p[None]
        elif p.ndim == 1:
            rows, lead = p[:, None], p.shape
        if y.ndim == 0:
            raise ValueError(f"y_true: expected {len(rows)} rows, received a single number")
        if len(y) != len(rows):
            raise ValueError(f"y_true has {len(y)} rows, y_pred {len(rows)}")
        y = self.check_targets(y, (None, *rows.shape[1:]), "y_true")
        if sample_weight is not None and np.size(sample_weight) == 1:  # one for all rows
            sample_weight = np.full(rows.shape[:-1], np.asarray(sample_weight).reshape(()))
        y, w = self.as_rows(y, rows.shape, rows.dtype, sample_weight)
        return self.forward(y, rows.reshape(len(w), -1), w).reshape(lead), p.shape

    def as_rows(self, y: Array, shape: Shape, dtype: DType,
                sample_weight: ArrayLike) -> tuple[Any, Any]:  # fmt: skip
        """Return targets (R,) or (R, C) and weights (R,) for outputs (N, ..., C) as R rows."""
        lead, C = shape[:-1], shape[-1]
        R = math.prod(lead)
        if sample_weight is not None:
            weight = np.asarray(sample_weight)
            if weight.ndim > 1 and weight.shape[-1] == 1:
                weight = weight[..., 0]
            if weight.ndim == 0 or weight.shape != lead[: weight.ndim]:
                raise ValueError(f"sample_weight: expected shape {lead[:1]}, received "
                                 f"{weight.shape}")  # fmt: skip
            weight = weight.reshape(*weight.shape, *(1,) * (len(lead) - weight.ndim))
            sample_weight = np.broadcast_to(weight, lead).reshape(R)
        valid = self.valid(y)
        if valid is not None:
            y, valid = np.where(valid, y, 0), valid.reshape(R)  # 0 for a kernel's sake: w is 0
        w = self.row_weights(sample_weight, R, dtype, valid)
        y = y.reshape(R) if self.integer_targets else y.reshape(R, C).astype(dtype, copy=False)
        return y, w


class PlainLoss(Loss):
    """A loss without options of its own; here Keras has the reduction first."""

    def __init__(self, reduction: str = "sum_over_batch_size", name: str | None = None,
                 dtype: DType | None = None) -> None:  # fmt: skip
        super().__init__(name, reduction, dtype)


class ElementwiseLoss(PlainLoss):
    """l_i = mean_c f(p_ic, y_ic), from a formula of one prediction p and its target y.

    One of your own is a class with the formula and its derivative by p, written by hand:

        class Quartic(keras.losses.ElementwiseLoss):
            @staticmethod
            def f(p, y):
                return (p - y) ** 4

            @staticmethod
            def df(p, y):
                return 4 * (p - y) ** 3

    The devices compile it from its source text; `kernels/translate` has what it may use. One with
    anything else runs by NumPy, with the same numbers. `options` are numbers that both receive
    behind p and y.
    """

    dp: Any

    kind = None  # the name of a formula of the reference
    f = df = None
    options: dict[str, Any] = ()
    # what a class of the user's may bring along and still be recorded
    formula_names: frozenset[str] = frozenset(
        {"f", "df", "kind", "options", "default_name", "config_keys", "get_config"}
    )

    def forward(self, y: Array, p: Array, w: Array, logits: bool = False) -> Any:
        kind = self.kind or (self.f, self.df)
        if kind == (None, None):
            raise NotImplementedError(f"{type(self).__name__} needs f(p, y) and df(p, y)")
        values, self.dp = self._arrays(p)
        self.context.ops.elementwise_loss(kind, p, y, self.options, w, losses=values, dy=self.dp)
        return values


def check_axis(axis):
    """Raise unless it is the last one."""
    if isinstance(axis, bool) or axis != -1:
        raise ValueError(f"axis must be -1 (classes stand on the last axis), received {axis!r}")
    return -1


def _dtype(dtype):
    """Return None, "float32" or "float64", from a name, dtype, policy or a policy's config."""
    if dtype is None:
        return None
    if isinstance(dtype, dict):
        config = dtype.get("config")
        named = isinstance(config, dict) and "name" in config
        dtype = config["name"] if named else str(dtype)
    return float_dtype(getattr(dtype, "compute_dtype", dtype))
