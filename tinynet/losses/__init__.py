"""Losses, under Keras's names: as classes, as functions, and by name.

`base` begins with how to write one of your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..configs.arguments import absent as _absent
from ..configs.custom_objects import find as _find, function_config as _function_config
from ..configs.naming import public_names as _public_names
from .base import (
    EPSILON as EPSILON,
    REDUCTIONS as REDUCTIONS,
    ElementwiseLoss as ElementwiseLoss,
    Loss as Loss,
    _registry as _registry,
    register as register,
)
from .checks import check_class_ids as check_class_ids, check_finite as check_finite
from .circle import Circle as Circle
from .crossentropy import (
    BinaryCrossentropy as BinaryCrossentropy,
    CategoricalCrossentropy as CategoricalCrossentropy,
    Crossentropy as Crossentropy,
    SparseCategoricalCrossentropy as SparseCategoricalCrossentropy,
)
from .focal import (
    BinaryFocalCrossentropy as BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy as CategoricalFocalCrossentropy,
)
from .functions import *  # noqa: F403  Keras's functions and their short names
from .hinges import (
    CategoricalHinge as CategoricalHinge,
    Hinge as Hinge,
    SquaredHinge as SquaredHinge,
)
from .overlap import Dice as Dice, Tversky as Tversky
from .probabilistic import KLDivergence as KLDivergence, Poisson as Poisson
from .regression import (
    CosineSimilarity as CosineSimilarity,
    Huber as Huber,
    LogCosh as LogCosh,
    MeanAbsoluteError as MeanAbsoluteError,
    MeanAbsolutePercentageError as MeanAbsolutePercentageError,
    MeanSquaredError as MeanSquaredError,
    MeanSquaredLogarithmicError as MeanSquaredLogarithmicError,
)
from .robust import CategoricalGeneralizedCrossEntropy as CategoricalGeneralizedCrossEntropy
from .wrapped import LossFunctionWrapper as LossFunctionWrapper

if TYPE_CHECKING:
    from typing import Any

    from ..configs.types import Config, Named


def get(identifier: Named, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the Loss that a name, config dict, class or function stands for; None for None."""
    if hasattr(identifier, "loss_class"):
        return identifier.loss_class()
    if isinstance(identifier, dict):
        return deserialize(identifier, custom_objects)
    return _registry.get(identifier, custom_objects)


def serialize(loss: Any) -> Any:
    """Return the config dict that `deserialize` turns back into an equal loss."""
    if hasattr(loss, "loss_class"):
        return _function_config(loss)
    return _registry.serialize(loss)


def deserialize(config: Config, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return a loss from what `serialize`, tinynet's or Keras's, returned (or from a name)."""
    kind = config.get("class_name") if isinstance(config, dict) else None
    if kind == "function":  # Keras's way to write mean_squared_error, a function
        return get(config["config"], custom_objects)
    if kind == "LossFunctionWrapper":  # and a function with options and a reduction
        options = dict(config["config"])
        function = options.pop("fn")
        name = function["config"] if isinstance(function, dict) else function
        found = _find((name,), custom_objects)
        if found is None:
            return _registry.lookup(name, custom_objects).from_config(options)
        derivative = options.pop("derivative", None)
        if derivative is not None:
            derivative = _find((derivative["config"],), custom_objects)
        return LossFunctionWrapper(found, derivative=derivative, **options)
    return _registry.deserialize(config, custom_objects)


__all__ = _public_names(globals())
__getattr__ = _absent(__name__)
