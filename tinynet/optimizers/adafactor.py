"""Adafactor: second moments from the means of their rows and columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_number
from .base import Optimizer, register
from .variables import Part, label, part

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..configs.types import Array, LearningRate


@register()
class Adafactor(Optimizer):
    """Shazeer and Stern 2018, for t = 1, 2, ... and each parameter w (..., R, C) by itself:

        rho = min(lr, 1 / sqrt(t)),   b = 1 - t^beta_2_decay
        r = b r + (1 - b) row means of (g^2 + epsilon_1)            (..., R)
        c = b c + (1 - b) column means of the same                  (..., C)
        v = r c^T / mean of r                                       (..., R, C)
        u = g / sqrt(v)
        w -= rho max(epsilon_2, rms w) u / max(1, rms u / clip_threshold)

    A vector has v = b v + (1 - b) (g^2 + epsilon_1). As in Keras the product v is kept too.

    Args:
        learning_rate: lr.
        beta_2_decay: < 0.
        epsilon_1, epsilon_2: keep v, and the size of w, away from zero.
        clip_threshold: > 0.
        relative_step: accepted as in Keras, where it changes nothing either: rho is the smaller of
            the two in any case.
        **options: see Optimizer.
    """

    def __init__(self, learning_rate: LearningRate = 0.001, beta_2_decay: float = -0.8,
                 epsilon_1: float = 1e-30, epsilon_2: float = 1e-3, clip_threshold: float = 1.0,
                 relative_step: bool = True, **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, **options)
        self.beta_2_decay: float = check_number(
            "Adafactor: beta_2_decay", beta_2_decay, below=0, kind=""
        )
        self.clip_threshold: float = check_number(
            "Adafactor: clip_threshold", clip_threshold, above=0, kind=""
        )
        self.set_checked(epsilon_1=epsilon_1, epsilon_2=epsilon_2)
        self.relative_step: bool = bool(relative_step)

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        rows = sum(math.prod(p.shape[:-1]) for p in self.parameters if p.ndim > 1)
        columns = sum(p.size // p.shape[-2] for p in self.parameters if p.ndim > 1)
        v = zeros()
        return {"r": self.ops.zeros(rows, v.dtype), "c": self.ops.zeros(columns, v.dtype), "v": v}

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        return {"rho": min(lr, 1 / math.sqrt(t)), "beta_2": 1 - t**self.beta_2_decay}

    def update(self, w: Array, g: Array, rho: float, beta_2: float, r: Array | None,
               c: Array | None, v: Array) -> None:  # fmt: skip
        for p, at, r_at, c_at in self._places():
            self.ops.adafactor(
                g[at].reshape(p.shape), rho, beta_2, self.epsilon_1, self.epsilon_2,
                self.clip_threshold, w=w[at].reshape(p.shape),
                r=None if r_at is None else r[r_at].reshape(p.shape[:-1]),
                c=None if c_at is None else c[c_at].reshape(*p.shape[:-2], p.shape[-1]),
                v=v[at].reshape(p.shape),
            )  # fmt: skip

    def _places(self):
        """(parameter, its place in w, in r, in c); None for vectors, which have no r and c."""
        rows = columns = 0
        for p, at in zip(self.parameters, self.slices, strict=True):
            if p.ndim < 2:
                yield p, at, None, None
                continue
            r_end, c_end = rows + math.prod(p.shape[:-1]), columns + p.size // p.shape[-2]
            yield p, at, slice(rows, r_end), slice(columns, c_end)
            rows, columns = r_end, c_end

    def moments(self) -> Any:
        """r, c and v of each parameter; where Keras keeps a place for no r and c, zeros."""
        found = []
        for p, at, r_at, c_at in self._places():
            if r_at is None:
                found += [
                    Part(self, p.name, lambda: np.zeros(()), lambda value: None, kind="nothing")
                ] * 2
            else:
                shapes = (p.shape[:-1], (*p.shape[:-2], p.shape[-1]))
                for key, place, shape in zip("rc", (r_at, c_at), shapes, strict=True):
                    kind = f"{key}/{p.path}"
                    found.append(part(self, self.state[key], place, p.name, shape, kind=kind))
            found.append(part(self, self.state["v"], at, f"{label(p)}_velocity", p.shape,
                              kind=f"v/{p.path}"))  # fmt: skip
            for variable in found[-3:]:
                variable.belongs_to = p
        return found
