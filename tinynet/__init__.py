"""tinynet: a neural network engine written by hand, with Keras's names.

import tinynet as keras
"""

from . import activations, backend, callbacks, config, constraints, datasets  # isort: skip
from . import initializers, layers, losses, metrics, models, optimizers, probes  # isort: skip
from . import ops, preprocessing, random, regularizers, saving, utils  # isort: skip
from .core.graph import KerasTensor
from .core.parameters import Parameter
from .core.variable import Variable
from .initializers import Initializer
from .inspecting.gradient_check import gradcheck
from .layers import Input, InputSpec, Layer
from .losses import Loss
from .metrics import Metric
from .microscope import microscope
from .models import Functional, Model, Sequential
from .optimizers import Optimizer
from .regularizers import Regularizer

__version__ = "0.1.0"

__all__ = [
    "Functional", "Initializer", "Input", "InputSpec", "KerasTensor", "Layer", "Loss", "Metric",
    "Model", "Optimizer", "Parameter", "Regularizer", "Sequential", "Variable", "activations",
    "backend", "callbacks", "config", "constraints", "datasets", "gradcheck", "initializers",
    "layers", "losses", "metrics", "microscope", "models", "ops", "optimizers", "preprocessing",
    "probes", "random", "regularizers", "saving", "utils", "version",
]  # fmt: skip


def version() -> str:
    """The version of tinynet."""
    return __version__


def __getattr__(name):
    # imported when it is first used
    if name == "plotting":
        import importlib

        return importlib.import_module(".plotting", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
