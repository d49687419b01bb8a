"""Callbacks for `fit`, `evaluate` and `predict`."""

from ..configs.arguments import absent as _absent
from ..configs.naming import public_names as _public_names
from .averaging import SwapEMAWeights
from .backup import BackupAndRestore
from .base import Callback, CallbackList
from .checkpoint import ModelCheckpoint
from .gradients import GradientMonitor
from .history import History
from .logging import CSVLogger, LambdaCallback, LearningRateScheduler, ProgbarLogger
from .monitor import EarlyStopping, ReduceLROnPlateau
from .nan import TerminateOnNaN
from .snapshot import Snapshot
from .tensorboard import TensorBoard

__all__ = _public_names(globals())
__getattr__ = _absent(__name__)
