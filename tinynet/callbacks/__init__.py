"""Callbacks for `fit`, `evaluate` and `predict`."""

from ..configs.arguments import absent as _absent
from ..configs.naming import public_names as _public_names
from .averaging import SwapEMAWeights as SwapEMAWeights
from .backup import BackupAndRestore as BackupAndRestore
from .base import Callback as Callback, CallbackList as CallbackList
from .checkpoint import ModelCheckpoint as ModelCheckpoint
from .film import Film as Film
from .gradients import GradientMonitor as GradientMonitor
from .history import History as History
from .logging import (
    CSVLogger as CSVLogger,
    LambdaCallback as LambdaCallback,
    LearningRateScheduler as LearningRateScheduler,
    ProgbarLogger as ProgbarLogger,
)
from .monitor import EarlyStopping as EarlyStopping, ReduceLROnPlateau as ReduceLROnPlateau
from .nan import TerminateOnNaN as TerminateOnNaN
from .snapshot import Snapshot as Snapshot
from .tensorboard import TensorBoard as TensorBoard

__all__ = _public_names(globals())
__getattr__ = _absent(__name__)
