"""Penalties on weights, added to the loss: `regularizer(w)` and its derivative `.gradient(w)`.

There is no factor 1/2: L2 with factor l2 shrinks a weight by 2 l2 w. Names are Keras's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .configs.checks import check_number
from .configs.registry import Configurable, Registry
from .core.versions import Versioned

if TYPE_CHECKING:
    from typing import Any

    from .configs.types import Array, Named

registry = Registry("regularizer", "regularizers", "config_keys")


class Regularizer(Configurable, Versioned):
    """Base class: a subclass defines `__call__(w)`, a number, and `gradient(w)`, shaped as w."""

    on_host = False  # whether it computes with NumPy alone, on every device

    def __call__(self, w: Array) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(w)")

    def gradient(self, w: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} must define gradient(w)")


@registry.register("l1_l2")
class L1L2(Regularizer):
    """Both penalties together (the elastic net).

        R(w) = l1 Σ|w| + l2 Σw²        dR/dw = l1 sign(w) + 2 l2 w,   sign(0) = 0

    Args:
        l1, l2: factors >= 0.

    Raises:
        ValueError: a factor that is negative, NaN, infinite or no number.

    Source: Zou & Hastie 2005, "Regularization and variable selection via the elastic net".
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1: float = check_number("l1", l1, low=0)
        self.l2: float = check_number("l2", l2, low=0)

    def __call__(self, w: Array) -> float:
        """The penalty, summed in float64 over a weight of any shape."""
        w = np.asarray(w)
        return float(
            self.l1 * np.abs(w).sum(dtype=np.float64)
            + self.l2 * np.square(w, dtype=np.float64).sum()
        )

    def gradient(self, w: Array) -> Array:
        """d penalty / dw, with the shape and dtype of w."""
        w = np.asarray(w)
        return self.l1 * np.sign(w) + 2.0 * self.l2 * w


@registry.register("l1")
class L1(L1L2):
    """l1 Σ|w|, l1 >= 0: pushes weights towards exactly zero. Source: Tibshirani 1996 (lasso)."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


@registry.register("l2")
class L2(L1L2):
    """l2 Σw², l2 >= 0: shrinks large weights most. Source: Hoerl & Kennard 1970 (ridge)."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


@registry.register()
class OrthogonalRegularizer(Regularizer):
    """Keeps the rows (or columns) of a matrix orthogonal to each other.

        R(w) = factor / (n (n - 1)) sum over i != j of |u_i . u_j|,      u_i = w_i / |w_i|
        dR/dw_i = (v_i - (v_i . u_i) u_i) / |w_i|,
            v_i = 2 factor / (n (n - 1)) sum over j != i of sign(u_i . u_j) u_j

    Args:
        factor: >= 0.
        mode: "rows" or "columns".

    Raises:
        ValueError: another factor or mode; a weight that is no matrix.
    """

    factor: float

    on_host = True

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(f'mode must be "rows" or "columns", received {mode!r}')
        self.factor, self.mode = check_number("factor", factor, low=0), mode

    def __call__(self, w: Array) -> float:
        _, _, products, share = self._products(w)
        return float(share * np.abs(products).sum())

    def gradient(self, w: Array) -> Array:
        u, lengths, products, share = self._products(w)
        v = 2 * share * np.sign(products) @ u
        dw = (v - (v * u).sum(axis=1, keepdims=True) * u) / lengths
        return (dw if self.mode == "rows" else dw.T).astype(np.asarray(w).dtype)

    def _products(self, w):
        """Return u (n, D), the lengths (n, 1), u u^T (n, n) with 0 on its diagonal, the factor."""
        w = np.asarray(w, np.float64)
        if w.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer: expected a matrix, received shape {w.shape}")
        w = w if self.mode == "rows" else w.T
        lengths = np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-12)
        u, n = w / lengths, len(w)
        products = (u @ u.T) * (1 - np.eye(n))
        return u, lengths, products, self.factor / max(n * (n - 1), 1)


# Keras's lower-case spellings of the classes.
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


def get(identifier: Named) -> Any:
    """A regularizer from a name, config dict, class or object; None stays None.

    Raises:
        ValueError: an object without `gradient(w)`, which is not derived automatically.
    """
    regularizer = registry.get(identifier)
    if regularizer is not None and not callable(getattr(regularizer, "gradient", None)):
        raise ValueError("a regularizer needs __call__(w) and gradient(w) (subclass "
                         f"tinynet.regularizers.Regularizer), received {identifier!r}")  # fmt: skip
    return regularizer


serialize, deserialize = registry.serialize, registry.deserialize
