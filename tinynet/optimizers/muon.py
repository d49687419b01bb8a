"""Muon: the step of a matrix is made orthogonal; the other parameters follow Adam."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_integer, check_number
from .base import Optimizer, register
from .variables import label, part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..configs.types import Array, LearningRate


@register()
class Muon(Optimizer):
    """Jordan 2024, for each matrix w (R, C), with the gradient g:

        m = momentum m + g
        u = g + momentum m          (m without nesterov)
        w -= lr rms_rate sqrt(max(R, C)) orthogonal(u)

    orthogonal(u) is near U V^T of u = U S V^T: from x = u / |u|, ns_steps times
    x = a x + (b x x^T + c x x^T x x^T) x. Vectors, embeddings and `exclude_layers` follow Adam,
    with the rate lr adam_lr_ratio. It computes with NumPy on every device.

    Args:
        learning_rate: lr.
        adam_beta_1, adam_beta_2, epsilon: Adam's.
        adam_weight_decay: that of the parameters that follow Adam; `weight_decay` is the matrices'.
        exclude_layers: regular expressions; parameters whose path has one follow Adam.
        exclude_embeddings: whether those with "embedding" in their path do.
        muon_a, muon_b, muon_c: a, b, c.
        adam_lr_ratio, momentum, nesterov: see above.
        ns_steps: how many steps towards the orthogonal matrix.
        rms_rate: None: lr orthogonal(u) alone (Liu et al. 2025).
        **options: see Optimizer.
    """

    exclude_layers: list[str]
    nesterov: bool

    on_host = True

    def __init__(self, learning_rate: LearningRate = 0.001, adam_beta_1: float = 0.9,
                 adam_beta_2: float = 0.999, adam_weight_decay: float = 0.004,
                 epsilon: float = 1e-7, weight_decay: float = 0.004,
                 exclude_layers: Sequence[str] | None = None, exclude_embeddings: bool = True,
                 muon_a: float = 3.4445, muon_b: float = -4.7750, muon_c: float = 2.0315,
                 adam_lr_ratio: float = 1, momentum: float = 0.95, ns_steps: int = 5,
                 nesterov: bool = True, rms_rate: float = 0.2, **options: Any) -> None:  # fmt: skip
        super().__init__(learning_rate, weight_decay=weight_decay, **options)
        self.set_checked(below=1, adam_beta_1=adam_beta_1, adam_beta_2=adam_beta_2)
        self.set_checked(epsilon=epsilon, adam_lr_ratio=adam_lr_ratio, momentum=momentum)
        for name, value in (("adam_weight_decay", adam_weight_decay), ("rms_rate", rms_rate)):
            setattr(self, name, None if value is None else check_number(f"Muon: {name}", value, 0))
        for name, value in (("muon_a", muon_a), ("muon_b", muon_b), ("muon_c", muon_c)):
            setattr(self, name, check_number(f"Muon: {name}", value))
        self.ns_steps: int = check_integer("Muon: ns_steps", ns_steps, 0)
        self.exclude_layers, self.nesterov = list(exclude_layers or ()), bool(nesterov)
        self.exclude_embeddings: bool = bool(exclude_embeddings)

    def follows_adam(self, p: Array) -> bool:
        """Return whether a Parameter is none of the matrices that Muon is for."""
        embedding = self.exclude_embeddings and "embedding" in p.path.lower()
        excluded = any(re.search(pattern, p.path) for pattern in self.exclude_layers)
        return p.ndim != 2 or embedding or excluded

    def make_state(self, zeros: Callable[[], Array]) -> dict[str, Array | None]:
        return {"m": zeros(), "v": zeros()}

    def scalars(self, t: int, lr: float) -> dict[str, float]:
        beta_1, beta_2 = self.adam_beta_1, self.adam_beta_2
        alpha = lr * self.adam_lr_ratio * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        return {"lr": lr, "alpha": alpha}

    def update(self, w: Array, g: Array, lr: float, alpha: float, m: Array, v: Array) -> None:
        for p, at in zip(self.parameters, self.slices, strict=True):
            if not self.follows_adam(p):
                self._update_matrix(w, g, lr, m, at, p.shape)
                continue
            if self.adam_weight_decay and self.decays(p):
                self.ops.scale_(1 - self.adam_weight_decay * lr, x=w[at])
            self.ops.adam(g[at], alpha, self.adam_beta_1, self.adam_beta_2, self.epsilon,
                          w=w[at], m=m[at], v=v[at], v_max=None)  # fmt: skip

    def _update_matrix(self, w, g, lr, m, at, shape):
        ops = self.ops
        old_w, g, old_m = (ops.to_host(a[at]).reshape(shape) for a in (w, g, m))
        new_m = self.momentum * old_m + g  # (R, C)
        u = self._orthogonal(g + self.momentum * new_m if self.nesterov else new_m)
        length = 1 if self.rms_rate is None else self.rms_rate * math.sqrt(max(shape))
        m[at] = ops.from_host(new_m.ravel().astype(g.dtype))
        w[at] = ops.from_host((old_w - lr * length * u).ravel().astype(g.dtype))

    def _orthogonal(self, u):
        x = u.T if u.shape[0] > u.shape[1] else u
        x = x / (np.linalg.norm(x) + 1e-7)
        for _ in range(self.ns_steps):
            s = x @ x.T
            x = self.muon_a * x + (self.muon_b * s + self.muon_c * s @ s) @ x
        return x.T if u.shape[0] > u.shape[1] else x

    def _decayed(self):
        pairs = zip(self.parameters, self.slices, strict=True)
        return [at for p, at in pairs if not self.follows_adam(p) and self.decays(p)]

    def moments(self) -> Any:
        """m of each parameter, and v of those that follow Adam, as Keras keeps them."""
        found = []
        for p, at in zip(self.parameters, self.slices, strict=True):
            for key, name in (("m", "momentum"), ("v", "velocity"))[: 1 + self.follows_adam(p)]:
                found.append(
                    part(self, self.state[key], at, f"{label(p)}_{name}", p.shape, p, name)
                )
        return found
