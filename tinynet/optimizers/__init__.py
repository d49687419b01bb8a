"""Optimizers: one update rule for the flat vector of all weights."""

from . import schedules
from .adam import Adam, AdamW
from .base import Optimizer, deserialize, get, serialize
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
