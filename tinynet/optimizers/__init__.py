"""Optimizers: one update rule for the flat vector of all weights."""

from ..configs.arguments import absent as _absent
from ..configs.naming import public_names as _public_names
from . import schedules
from .adafactor import Adafactor
from .adagrad import Adadelta, Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .base import Optimizer, deserialize, get, serialize
from .ftrl import Ftrl
from .lamb import Lamb
from .lion import Lion
from .muon import Muon
from .nadam import Nadam
from .rmsprop import RMSprop
from .schedule_free import ScheduleFreeAdamW
from .sgd import SGD

__all__ = ["schedules", *_public_names(globals())]
__getattr__ = _absent(__name__)
