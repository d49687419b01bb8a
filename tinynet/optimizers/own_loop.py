"""`apply`: an optimizer for a training loop of one's own."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..core.parameters import Parameter
from ..core.variable import Variable, same
from .checks import check_gradients

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..configs.types import Array


class OwnLoop:
    """Base of Optimizer: steps on lists of parameters, as Keras has them."""

    def apply(self, grads: Array, trainable_variables: Sequence[Parameter] | None = None) -> None:
        """One step on any list of Parameters, Variables or float arrays, with their gradients.

        Args:
            grads: list of arrays; left untouched. A parameter with None for its gradient stays as
                it is, its moments, too; there is a warning.
            trainable_variables: the first call fixes the list; None means the same ones again.

        Raises:
            ValueError, TypeError: lengths or shapes that differ, something else than numbers, no
                gradient at all, or other parameters than before; nothing was changed.
        """
        given = self.parameters if trainable_variables is None else list(trainable_variables)
        if not given:
            raise ValueError(f"{self.name}: there are no parameters to update")
        grads = [None if g is None else np.asarray(g) for g in grads]
        check_gradients(self.name, grads, given)
        arrays = [p.value if isinstance(p, Variable) else p for p in given]
        if self.parameters is None:
            self.build(given)
        elif not same(arrays, [p.value for p in self.parameters]):
            raise ValueError(f"{self.name} already updates other parameters; make a new optimizer "
                             "for these")  # fmt: skip
        left = [p for p, g in zip(self.parameters, grads, strict=True) if g is None]
        if left:
            warnings.warn(f"{self.name}: no gradient for {', '.join(p.path for p in left)}: "
                          "left as they are", stacklevel=2)  # fmt: skip
        kept = [(v, v.numpy()) for v in self.variables if any(v.belongs_to is p for p in left)]
        dtype = self.parameters[0].dtype
        w = np.concatenate([np.asarray(p).ravel() for p in self.parameters]).astype(dtype)
        g = np.concatenate([np.zeros(p.size) if g is None else g.ravel()
                            for p, g in zip(self.parameters, grads, strict=True)])  # fmt: skip
        g = g.astype(dtype)
        self.unscale(g)
        self.step(w, g)
        for p, place, grad in zip(self.parameters, self.slices, grads, strict=True):
            if grad is not None:
                p.assign(w[place].reshape(p.shape))
        for variable, value in kept:
            variable.assign(value)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Array, Parameter]]) -> None:
        """`apply` for pairs (gradient, Parameter), as in Keras."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [p for _, p in pairs])


def as_parameter(given, number):
    """A Parameter of a Variable's or an array's numbers, with the Variable's name and constraint.

    Args:
        number: of an array, for its name.
    """
    if isinstance(given, Parameter):
        return given
    if isinstance(given, Variable):
        return Parameter(given.value, given.path, constraint=given.constraint)
    return Parameter(given, f"array_{number}")
