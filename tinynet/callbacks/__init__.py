"""Callbacks for `fit`, `evaluate` and `predict`."""

from .averaging import SwapEMAWeights
from .backup import BackupAndRestore
from .base import Callback, CallbackList
from .checkpoint import ModelCheckpoint
from .gradients import GradientMonitor
from .history import History
from .logging import (
    CSVLogger,
    LambdaCallback,
    LearningRateScheduler,
    ProgbarLogger,
)
from .monitor import EarlyStopping, ReduceLROnPlateau
from .nan import TerminateOnNaN
from .snapshot import Snapshot
from .tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "GradientMonitor",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "Snapshot",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
