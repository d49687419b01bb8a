"""Activations as layers: Activation, ReLU, LeakyReLU, ELU, Softmax, and PReLU with its slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import activations
from ..configs.attributes import Follows
from ..configs.checks import check_number
from .axes import axes_of, from_rows, to_rows
from .base import Layer, register

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike, Named, Shape
    from ..core.parameters import Parameter


@register()
class Activation(Layer):
    """y = f(x), entry by entry or row by row.

    Args:
        activation: f: a name or an Activation. In subclasses it follows from other options.
    """

    activation: Any
    saved: Any

    supports_masking = True
    stands_for_activation: Any = True  # in Dense(10, activation=LeakyReLU(0.1))

    def __init__(self, activation: Named, **options: Any) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.activation.output_shape(tuple(input_shape))

    def forward(self, x: Any, training: bool = False) -> Any:
        y = self.empty(self.activation.output_shape(x.shape))
        self.activation.forward(self.ops, x, y=y)
        self.saved = (x, y)
        return y

    def backward(self, dy: Array) -> Any:
        x, y = self.recall()
        if not self.needs_dx:
            return None
        dx = self.empty(x.shape)
        self.activation.backward(self.ops, x, y, dy, dx=dx)  # reverses y = f(x)
        return dx

    def logits(self, x: ArrayLike) -> Any:
        """Return x, to which the activation is applied."""
        return x

    def backward_from_logits(self, dx: Array) -> Any:
        return dx


@register()
class ReLU(Activation):
    """y = max(x, 0); below `threshold` negative_slope (x - threshold), never above `max_value`."""

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0,
                 threshold: float = 0.0, **options: Any) -> None:  # fmt: skip
        given = {"max_value": max_value, "negative_slope": negative_slope, "threshold": threshold}
        for label, value in given.items():
            if value is not None or label != "max_value":
                check_number(f"ReLU: {label}", value, 0, kind="")
        Layer.__init__(self, **options)
        self.store(given)

    @Follows("max_value", "negative_slope", "threshold")
    def activation(self) -> Any:
        return activations.relu.with_options(
            **{key: getattr(self, key) for key in self.config_keys}
        )


@register()
class LeakyReLU(Activation):
    """y = x where x > 0, else negative_slope x (Maas et al. 2013); `alpha` is the older name."""

    config_keys: tuple[str, ...] = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, alpha: float | None = None,
                 **options: Any) -> None:  # fmt: skip
        Layer.__init__(self, **options)
        slope = negative_slope if alpha is None else alpha
        self.negative_slope: float = check_number("LeakyReLU: negative_slope", slope, 0, kind="")

    @Follows("negative_slope")
    def activation(self) -> Any:
        return activations.leaky_relu.with_options(negative_slope=self.negative_slope)


@register()
class ELU(Activation):
    """y = x where x > 0, else alpha (e^x - 1) (Clevert et al. 2016)."""

    def __init__(self, alpha: float = 1.0, **options: Any) -> None:
        Layer.__init__(self, **options)
        self.alpha = alpha

    @Follows("alpha")
    def activation(self) -> Any:
        return activations.elu.with_options(alpha=float(self.alpha))


@register()
class Softmax(Activation):
    """y = e^x / sum e^x along `axis`, an int, or a list of ints: over all these axes together."""

    saved: Any

    def __init__(self, axis: int | Sequence[int] = -1, **options: Any) -> None:
        Layer.__init__(self, **options)
        self.axis: Any = list(axis) if isinstance(axis, (list, tuple)) else axis

    @Follows("axis")
    def activation(self) -> Any:
        one = isinstance(self.axis, list) and not self.several
        return activations.softmax.with_options(axis=self.axis[0] if one else self.axis)

    @property
    def several(self) -> bool:
        """Whether the softmax goes over more than one axis."""
        return isinstance(self.axis, list) and len(self.axis) > 1

    @property
    def stands_for_activation(self) -> bool:
        return not self.several

    def forward(self, x: Any, training: bool = False) -> Any:
        if self.context.masks.of(x) is not None:
            raise self.invalid(
                "a softmax that leaves out padding (mask_zero=True) is not "
                'supported; Activation("softmax") goes over all entries'
            )
        if not self.several:
            return super().forward(x, training)
        axes = axes_of(self, self.axis, x.shape)
        rows = to_rows(self, x, axes)  # (R, D)
        y = self.result_of(self.ops.softmax, rows)
        self.saved = (axes, y)
        return from_rows(self, y, axes, x.shape)

    def backward(self, dy: Array) -> Any:
        if not self.several:
            return super().backward(dy)
        axes, y = self.recall()
        dx = self.empty(y.shape)
        self.ops.softmax_grad(y, to_rows(self, dy, axes), dx=dx)
        return from_rows(self, dx, axes, dy.shape)


@register()
class PReLU(Layer):
    """y = max(x, 0) + a min(x, 0) with a learned slope a per feature (He et al. 2015).

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: as for Dense's kernel.
        shared_axes: axes (counted from 1) along which one slope is shared.
    """

    saved: Any

    alpha: Parameter
    shared_axes: list[int]

    supports_masking = True

    def __init__(self, alpha_initializer: Named = "zeros", alpha_regularizer: Named = None,
                 alpha_constraint: Named = None, shared_axes: int | Sequence[int] | None = None,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        self.store(locals())
        if shared_axes is not None:
            self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else list(shared_axes)

    def build(self, input_shape: Any) -> None:
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            shape[axis - 1] = 1
        self.alpha = self.named_weight("alpha", shape)

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved = (x,)
        return self.result_of(self.ops.prelu, x, self.alpha.value)

    def backward(self, dy: Array) -> Any:
        (x,) = self.recall()
        dx = self.empty(x.shape) if self.needs_dx else None
        self.ops.prelu_grad(x, self.alpha.value, dy, dx=dx, da=self.alpha.grad)
        return dx
