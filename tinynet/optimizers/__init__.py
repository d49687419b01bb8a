"""Optimizers: one update rule for the flat vector of all weights."""

from ..configs.arguments import absent as _absent
from ..configs.naming import public_names as _public_names
from . import schedules
from .adafactor import Adafactor as Adafactor
from .adagrad import Adadelta as Adadelta, Adagrad as Adagrad
from .adam import Adam as Adam, AdamW as AdamW
from .adamax import Adamax as Adamax
from .base import (
    Optimizer as Optimizer,
    deserialize as deserialize,
    get as get,
    serialize as serialize,
)
from .ftrl import Ftrl as Ftrl
from .lamb import Lamb as Lamb
from .lion import Lion as Lion
from .muon import Muon as Muon
from .nadam import Nadam as Nadam
from .rmsprop import RMSprop as RMSprop
from .schedule_free import ScheduleFreeAdamW as ScheduleFreeAdamW
from .sgd import SGD as SGD

__all__ = ["schedules", *_public_names(globals())]
__getattr__ = _absent(__name__)
