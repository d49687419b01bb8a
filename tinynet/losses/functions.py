"""The losses as functions: `mean_squared_error(y_true, y_pred)` gives each row's value.

As in Keras. They are the classes with reduction "none"; `compile` takes them for the classes.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import numpy as np

from ..configs.checks import check_axes
from ..configs.naming import snake_case
from .circle import Circle
from .crossentropy import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from .focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from .hinges import CategoricalHinge, Hinge, SquaredHinge
from .overlap import Dice, Tversky
from .probabilistic import KLDivergence, Poisson
from .regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)
from .robust import CategoricalGeneralizedCrossEntropy

if TYPE_CHECKING:
    from ..configs.types import Function


def _function(cls) -> Function:
    """Return (y_true, y_pred, the class's own options) -> values of the rows."""
    arrays = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD)
              for n in ("y_true", "y_pred")]  # fmt: skip
    own = [p for p in inspect.signature(cls).parameters.values()
           if p.name not in ("reduction", "name", "dtype")]  # fmt: skip
    signature = inspect.Signature([*arrays, *own])

    def values(*args, **options):
        given = signature.bind(*args, **options).arguments
        y, p = np.asarray(given.pop("y_true")), np.asarray(given.pop("y_pred"))
        own = cls in (Dice, Tversky)  # the others want it last
        axis = -1 if own else given.pop("axis", -1)
        loss = cls(**given, reduction="none")
        if isinstance(axis, bool) or axis != -1:
            check_axes(values.__name__, axis, p.shape, several=False)
            p = np.moveaxis(p, axis, -1)
            y = y if loss.integer_targets else np.moveaxis(y, axis, -1)
        if p.ndim == 1 and y.ndim < 2 and not own:
            return loss(y[None], p[None])[0]  # two vectors are one row
        return loss(y, p)

    values.__name__ = values.__qualname__ = snake_case(cls.__name__)
    text = inspect.getdoc(cls)
    values.__doc__ = f"The value of each row (N, ...), as {cls.__name__} has it.\n\n{text}"
    values.__signature__ = signature
    values.loss_class = cls
    return values


binary_crossentropy: Function = _function(BinaryCrossentropy)
binary_focal_crossentropy: Function = _function(BinaryFocalCrossentropy)
categorical_crossentropy: Function = _function(CategoricalCrossentropy)
categorical_focal_crossentropy: Function = _function(CategoricalFocalCrossentropy)
categorical_generalized_cross_entropy: Function = _function(CategoricalGeneralizedCrossEntropy)
categorical_hinge: Function = _function(CategoricalHinge)
circle: Function = _function(Circle)
cosine_similarity: Function = _function(CosineSimilarity)
dice: Function = _function(Dice)
hinge: Function = _function(Hinge)
huber: Function = _function(Huber)
kl_divergence: Function = _function(KLDivergence)
log_cosh: Function = _function(LogCosh)
mean_absolute_error: Function = _function(MeanAbsoluteError)
mean_absolute_percentage_error: Function = _function(MeanAbsolutePercentageError)
mean_squared_error: Function = _function(MeanSquaredError)
mean_squared_logarithmic_error: Function = _function(MeanSquaredLogarithmicError)
poisson: Function = _function(Poisson)
sparse_categorical_crossentropy: Function = _function(SparseCategoricalCrossentropy)
squared_hinge: Function = _function(SquaredHinge)
tversky: Function = _function(Tversky)

# Keras's short names
bce = BCE = binary_crossentropy
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
mse = MSE = mean_squared_error
msle = MSLE = mean_squared_logarithmic_error

__all__ = [name for name, value in globals().items() if hasattr(value, "loss_class")]
