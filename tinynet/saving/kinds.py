"""The kinds of objects that configs stand for."""

from .. import (
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from ..optimizers import schedules

# each kind's class, and the module that makes configs of its objects, and objects of configs
KINDS = (
    (layers.Layer, layers), (losses.Loss, losses), (metrics.Metric, metrics),
    (schedules.LearningRateSchedule, schedules), (optimizers.Optimizer, optimizers),
    (initializers.Initializer, initializers), (regularizers.Regularizer, regularizers),
    (constraints.Constraint, constraints), (activations.Activation, activations),
)  # fmt: skip
# by the names that configs have for these modules
OWN = {f"keras.{module.__name__.partition('.')[2]}": module for _, module in KINDS}
