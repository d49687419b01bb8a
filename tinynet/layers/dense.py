"""Dense: y = f(x W + b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import activations
from ..configs.checks import check_integer, is_number
from .activity import Penalized
from .base import register

if TYPE_CHECKING:
    from typing import Any

    from ..activations import Activation
    from ..configs.types import Array, ArrayLike, Named, Shape
    from ..core.parameters import Parameter


@register()
class Dense(Penalized):
    """Fully connected layer.

        z = x W + b         (N, D) (D, H) + (H,) -> (N, H)
        y = f(z)

    Inputs of higher rank are treated as rows of their last axis: (N, ..., D) -> (N, ..., H).

    Args:
        units: H.
        activation: f: a name, an Activation, or None for the identity.
        use_bias: whether there is a b.
        kernel_initializer, bias_initializer: first values of W and b.
        kernel_regularizer, bias_regularizer: penalties added to the loss.
        kernel_constraint, bias_constraint: applied after each update.
        activity_regularizer: penalty on y, divided by N.

    Raises:
        ValueError: units is not a positive integer, or the last axis differs from D.
    """

    supports_masking = True
    takes_sparse = True  # as the first layer: `ops.linear` and `ops.linear_dW` multiply sparse x
    kernel: Parameter
    bias: Any = None
    saved: Any

    def __init__(self, units: int, activation: Named = None, use_bias: bool = True,
                 kernel_initializer: Named = "glorot_uniform", bias_initializer: Named = "zeros",
                 kernel_regularizer: Named = None, bias_regularizer: Named = None,
                 kernel_constraint: Named = None, bias_constraint: Named = None,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(**options)
        if is_number(activation):
            raise TypeError(f"Dense({units!r}, {activation!r}): the second argument is the "
                            "activation; activation must be a name such as \"relu\", or None. Two "
                            f"layers are Dense({units!r}), Dense({activation!r})")  # fmt: skip
        self.store(locals())
        self.units: int = check_integer(f"layer {self.name!r}: units", units, kind="an int")

    @property
    def activation(self) -> Activation:
        """f, an Activation; a name or None that is assigned becomes one."""
        return self._activation

    @activation.setter
    def activation(self, value: Named) -> None:
        self._activation = activations.get(value)

    def build(self, input_shape: Any) -> None:
        D, H = input_shape[-1], self.units
        self.kernel = self.named_weight("kernel", (D, H))
        if self.use_bias:
            self.bias = self.named_weight("bias", (H,))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise self.invalid(
                f"expected input (N, ..., D) with a known D, received shape {tuple(input_shape)}"
            )
        return self.activation.output_shape((*input_shape[:-1], self.units))

    def accepts(self, shape: Shape) -> bool:
        return len(shape) > 1 and shape[-1] == self.kernel.shape[0]

    def forward(self, x: Any, training: bool = False) -> Any:
        z = self.logits(x)  # (N, H)
        if self.activation is activations.linear:
            return z
        y = self.empty(self.activation.output_shape(z.shape))  # (N, H); glu halves H
        self.activation.forward(self.ops, z, y=y)
        self.saved = (*self.saved, z, y)
        return y

    def backward(self, dy: Array) -> Any:
        if self.activation is activations.linear:
            return self.backward_from_logits(dy)
        _, z, y = self.recall()
        dz = self.empty(z.shape)  # (N, H)
        self.activation.backward(self.ops, z, y, dy, dx=dz)  # reverses y = f(z)
        return self.backward_from_logits(dz)

    def logits(self, x: ArrayLike) -> Array:
        """z = x W + b, the forward without the activation."""
        rows = x.reshape(-1, x.shape[-1])  # (N, D)
        z = self.empty((rows.shape[0], self.units))  # (N, H)
        b = None if self.bias is None else self.bias.value
        self.ops.linear(rows, self.kernel.value, b, y=z)
        self.saved = (rows,)
        return z.reshape(*x.shape[:-1], self.units)

    def backward_from_logits(self, dz: Array) -> Any:
        """Reverse z = x W + b:  dW = x^T dz,  db = sum of rows of dz,  dx = dz W^T."""
        x, W = self.recall()[0], self.kernel
        shape = (*dz.shape[:-1], x.shape[-1])
        dz = dz.reshape(-1, self.units)  # (N, H)
        if W.grad is not None:
            self.ops.linear_dW(x, dz, dW=W.grad)  # (D, H)
        if self.bias is not None and self.bias.grad is not None:
            self.ops.sum_rows(dz, out=self.bias.grad)  # (H,)
        if not self.needs_dx:
            return None
        dx = self.empty(x.shape)  # (N, D)
        self.ops.linear_dx(dz, W.value, dx=dx)
        return dx.reshape(shape)
