"""tinynet: a neural network engine written by hand, with Keras's names.

import tinynet as keras
"""

from . import activations, backend, callbacks, config, constraints, datasets  # isort: skip
from . import initializers, layers, losses, metrics, models, optimizers, probes  # isort: skip
from . import ops, random, regularizers, saving, utils  # isort: skip
from .core.parameters import Parameter
from .core.variable import Variable
from .inspecting.gradient_check import gradcheck
from .layers import Input
from .microscope import microscope
from .models import Functional, Model, Sequential

__version__ = "0.1.0"

__all__ = [
    "Functional", "Input", "Model", "Parameter", "Sequential", "Variable", "activations", "backend",
    "callbacks", "config", "constraints", "datasets", "gradcheck", "initializers", "layers",
    "losses", "metrics", "microscope", "models", "ops", "optimizers", "probes", "random",
    "regularizers", "saving", "utils",
]  # fmt: skip


def __getattr__(name):
    # imported when it is first used
    if name == "plotting":
        import importlib

        return importlib.import_module(".plotting", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
