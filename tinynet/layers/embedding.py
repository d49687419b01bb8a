"""Embedding: a learned vector for each id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_integer
from .activity import Penalized
from .base import register

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..configs.types import Array, ArrayLike, Named, Shape
    from ..core.parameters import Parameter

EXACT = {"float32": 2**24, "float64": 2**53}  # integers up to here survive the cast to the dtype


@register()
class Embedding(Penalized):
    """Looks up a learned row for each id.

        y[n, t] = E[x[n, t]]          (N, T) ids, E (V, D) -> (N, T, D)

    The gradient of a row of E is the sum over its occurrences: dE[v] = sum of dy where x = v.
    Inputs of a model are floats; ids stay exact in them up to 2**24 (float32).

    Args:
        input_dim: V, how many ids there are: 0, ..., V - 1.
        output_dim: D.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint,
        activity_regularizer: as for Dense.
        mask_zero: id 0 is padding: GlobalAveragePooling1D leaves these steps out.
        weights: E to start with, (V, D), or a list of it.

    Raises:
        ValueError: an id that is no integer or not in [0, V): names row and id, before the first
            step; a V that the dtype can't count to.
    """

    saved: Any

    embeddings: Parameter

    config_keys: tuple[str, ...] = (
        "input_dim",
        "output_dim",
        "embeddings_initializer",
        "embeddings_regularizer",
        "embeddings_constraint",
        "mask_zero",
    )

    # input_length: the older Keras's, which then knew T
    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: Named = "uniform",
                 embeddings_regularizer: Named = None, embeddings_constraint: Named = None,
                 mask_zero: bool = False, weights: Sequence[ArrayLike] | None = None,
                 input_length: int | None = None, **options: Any) -> None:  # fmt: skip
        if input_length is not None and "input_shape" not in options:
            options["input_shape"] = (input_length,)
        super().__init__(**options)
        self.store(locals())
        label, kind = f"layer {self.name!r}", "an int"
        self.input_dim: int = check_integer(f"{label}: input_dim", input_dim, kind=kind)
        self.output_dim: int = check_integer(f"{label}: output_dim", output_dim, kind=kind)
        if self.input_dim > EXACT[self.dtype]:
            raise self.invalid(
                f"input_dim={input_dim}, but {self.dtype} holds integers "
                f'exactly only up to {EXACT[self.dtype]}; use dtype="float64"'
            )
        self.start: Any = None
        if weights is not None:
            weights = weights[0] if isinstance(weights, list) and len(weights) == 1 else weights
            self.start = np.array(weights, self.dtype)
            if self.start.shape != (self.input_dim, self.output_dim):
                raise self.invalid(
                    f"weights: expected shape "
                    f"{(self.input_dim, self.output_dim)}, received {self.start.shape}"
                )

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer if self.start is None else self.start,
            name="embeddings",
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def accepts(self, shape: Shape) -> bool:
        return True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def check_values(self, x: ArrayLike, where: str) -> None:
        """Raise unless all entries of x, data as the user gave it, are ids that this layer has."""
        for first in range(0, len(x), 1 << 16):
            part = x[first : first + (1 << 16)]
            part = part.dense(self.dtype) if hasattr(part, "dense") else part
            wrong = (part < 0) | (part >= self.input_dim)
            if part.dtype.kind == "f":
                wrong |= part != np.floor(part)
            if wrong.any():
                index = np.unravel_index(wrong.argmax(), part.shape)
                position = f", position {', '.join(map(str, index[1:]))}" if index[1:] else ""
                raise ValueError(f"{where}: layer {self.name!r} expects ids in [0, "
                                 f"{self.input_dim}), received {part[index]} in row "
                                 f"{first + index[0]}{position}")  # fmt: skip

    def compute_mask(self, inputs: Any, previous_mask: ArrayLike = None) -> Any:
        return inputs if self.mask_zero else None

    def forward(self, x: Any, training: bool = False) -> Any:
        self.saved, shape = (x,), (*x.shape, self.output_dim)  # (N, T, D)
        return self.result_of(self.ops.embedding, x, self.embeddings.value, shape=shape)

    def backward(self, dy: Array) -> Any:
        (x,) = self.recall()
        if self.embeddings.grad is not None:
            self.ops.embedding_grad(x, dy, dW=self.embeddings.grad)  # (V, D)
        if not self.needs_dx:
            return None
        return self.result_of(self.ops.affine, x, 0.0, 0.0)  # an id has no slope
