"""A loss made of a plain function, with its derivative beside it or by differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..configs.custom_objects import function_config
from .base import Loss, register

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Array, Config, DType


@register()
class LossFunctionWrapper(Loss):
    """The loss of a function fn(y, p) that returns a value for each row, as Keras takes them.

        def quartic(y, p):
            return ((p - y) ** 4).mean(axis=-1)

        def d_quartic(y, p):
            return 4 * (p - y) ** 3 / p.shape[-1]

        model.compile("adam", keras.losses.LossFunctionWrapper(quartic, derivative=d_quartic))

    Args:
        fn: y and p (N, C) -> values, see `Loss.call`.
        derivative: y and p -> the derivative of each row's value by that row of p (N, C).
        numeric: True: without a derivative, central differences stand for it, 2 C calls of fn in
            float64 a step: slow, and exact to about nine digits. `explain_execution()` says so.
        reduction, name, dtype: see Loss.
        **options: handed to fn and derivative.

    Raises:
        TypeError: fn or derivative is no function.
        ValueError: (when training begins) neither a derivative nor numeric=True.
    """

    numeric: bool
    options: dict[str, Any]

    on_host = any_keywords = True
    config_keys: tuple[str, ...] = ("name", "reduction")

    def __init__(self, fn: Callable[..., Any], reduction: str = "sum_over_batch_size",
                 name: str | None = None, dtype: DType | None = None,
                 derivative: Callable[..., Any] | None = None, numeric: bool = False,
                 **options: Any) -> None:  # fmt: skip
        for label, function in (("fn", fn), ("derivative", derivative)):
            if not callable(function) and not (label == "derivative" and function is None):
                raise TypeError(f"LossFunctionWrapper: {label} must be a function, received "
                                f"{function!r}")  # fmt: skip
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn, self.given, self.numeric, self.options = fn, derivative, bool(numeric), options

    @property
    def note(self) -> Any:
        """What `explain_execution` says of it, or None."""
        by_differences = self.given is None and self.numeric
        return f"{self.name} is differentiated by central differences" if by_differences else None

    def call(self, y: Array, p: Array) -> Array:
        return self.fn(y, p, **self.options)

    def derivative(self, y: Array, p: Array) -> Array:
        if self.given is not None:
            return self.given(y, p, **self.options)
        y, p, h, dp = y.astype(np.float64), p.astype(np.float64), 1e-5, np.empty(p.shape)
        for c in range(p.shape[1]):
            ends = []
            for sign in (1, -1):
                moved = p.copy()
                moved[:, c] += sign * h
                values = np.asarray(self.call(y, moved), np.float64)
                if values.ndim == 0:
                    raise ValueError(f"{self.name}: numeric=True needs a value for each row, and "
                                     "the function returned one for the batch; write its "
                                     "derivative")  # fmt: skip
                ends.append(self._row_values(values, len(p)))
            dp[:, c] = (ends[0] - ends[1]) / (2 * h)
        return dp

    def _has_derivative(self):
        return self.given is not None or self.numeric

    def get_config(self) -> Config:
        named = {key: None if f is None else function_config(f)
                 for key, f in (("fn", self.fn), ("derivative", self.given))}  # fmt: skip
        return {**super().get_config(), **named, "numeric": self.numeric, **self.options}
